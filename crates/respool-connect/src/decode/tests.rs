use std::cell::Cell;
use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use redis::VerbatimFormat;

use super::agreement::{assert_agreement, is_one_frame};
use super::*;

#[test]
fn each_type_becomes_the_value_that_the_redis_crate_makes_of_it() {
    let text = |text: &str| Value::BulkString(text.into());
    let simple = |text: &str| Value::SimpleString(text.to_owned());
    let push = |kind, data| Value::Push { kind, data };
    for (reply, value) in [
        ("+OK\r\n", Value::Okay),
        ("+\r\n", simple("")),
        ("+ok\r\n", simple("ok")),
        ("+a\rb\nc\r\r\n", simple("a\rb\nc\r")),
        (":12\r\n", Value::Int(12)),
        (":-12\r\n", Value::Int(-12)),
        (":+12\r\n", Value::Int(12)),
        (":9223372036854775807\r\n", Value::Int(i64::MAX)),
        (":-9223372036854775808\r\n", Value::Int(i64::MIN)),
        (":00000000000000000000001\r\n", Value::Int(1)),
        ("$-1\r\n", Value::Nil),
        ("$0\r\n\r\n", text("")),
        ("$4\r\n\r\n\r\n\r\n", text("\r\n\r\n")),
        ("*-1\r\n", Value::Nil),
        ("*0\r\n", Value::Array(vec![])),
        (
            "*3\r\n*1\r\n:1\r\n$1\r\na\r\n*-1\r\n",
            Value::Array(vec![
                Value::Array(vec![Value::Int(1)]),
                text("a"),
                Value::Nil,
            ]),
        ),
        ("~1\r\n:1\r\n", Value::Set(vec![Value::Int(1)])),
        ("%0\r\n", Value::Map(vec![])),
        (
            "%2\r\n+a\r\n:1\r\n+b\r\n_\r\n",
            Value::Map(vec![
                (simple("a"), Value::Int(1)),
                (simple("b"), Value::Nil),
            ]),
        ),
        ("_\r\n", Value::Nil),
        (",1.5e-3\r\n", Value::Double(0.0015)),
        (",-inf\r\n", Value::Double(f64::NEG_INFINITY)),
        ("#t\r\n", Value::Boolean(true)),
        ("#f\r\n", Value::Boolean(false)),
        ("(-12\r\n", Value::BigNumber(b"-12".to_vec())),
        (
            "=7\r\nmkd:a\r\n\r\n",
            Value::VerbatimString {
                format: VerbatimFormat::Markdown,
                text: "a\r\n".to_owned(),
            },
        ),
        (
            ">3\r\n$7\r\nmessage\r\n+c\r\n$1\r\nm\r\n",
            push(PushKind::Message, vec![simple("c"), text("m")]),
        ),
        (">1\r\n+pmessage\r\n", push(PushKind::PMessage, vec![])),
        (">1\r\n+smessage\r\n", push(PushKind::SMessage, vec![])),
        (">1\r\n+invalidate\r\n", push(PushKind::Invalidate, vec![])),
        (">1\r\n+subscribe\r\n", push(PushKind::Subscribe, vec![])),
        (
            ">1\r\n$3\r\n\r\nx\r\n",
            push(PushKind::Other("\r\nx".to_owned()), vec![]),
        ),
        (
            "*1\r\n|1\r\n+k\r\n+v\r\n:1\r\n",
            Value::Array(vec![Value::Attribute {
                data: Box::new(Value::Int(1)),
                attributes: vec![(simple("k"), simple("v"))],
            }]),
        ),
    ] {
        assert_eq!(decode(reply.as_bytes()), Ok(value), "{reply:?}");
        assert_agreement(reply.as_bytes());
    }
}

#[test]
fn an_error_of_the_server_is_the_redis_crates_own() {
    for reply in [
        "-ERR no\r\n",
        "-MOVED 1 host:6379\r\n",
        "-\r\n",
        "!8\r\nSYNTAX a\r\n",
        "*2\r\n-WRONGTYPE a key\r\n:1\r\n",
    ] {
        assert!(decode(reply.as_bytes()).is_ok(), "{reply:?}");
        assert_agreement(reply.as_bytes());
    }
    let Ok(Value::ServerError(error)) = decode(b"-LOADING a file\r\n") else {
        panic!("no error is made of an error");
    };
    assert_eq!((error.code(), error.details()), ("LOADING", Some("a file")));
}

#[test]
fn what_is_not_one_reply_is_refused() {
    for bytes in [
        "",
        "$",
        "x\r\n",
        "\r\n",
        "+OK",
        "+OK\r",
        "+OK\r\n:1\r\n",
        ":\r\n",
        ":1a\r\n",
        ":9223372036854775808\r\n",
        "$1\r\nab\r\n",
        "$3\r\nab\r\n",
        "$1\r\na\r",
        "*1\r\n",
        "*2\r\n:1\r\n",
        "%-1\r\n",
        "%1\r\n:1\r\n",
        "|1\r\n:1\r\n:1\r\n",
        "|0\r\n",
        "#x\r\n",
        ",x\r\n",
        "=-1\r\n",
        "=3\r\ntxt\r\n",
        "!-1\r\n",
        ">1\r\n:1\r\n",
        ">1\r\n+OK\r\n",
        ">1\r\n$1\r\n\u{fffd}\r\n",
    ] {
        let refused = decode(bytes.as_bytes());
        assert!(refused.is_err(), "{bytes:?} becomes {refused:?}");
        assert_agreement(bytes.as_bytes());
    }
}

#[test]
fn what_a_server_quotes_may_be_no_text() {
    let status = decode(b"+a\xff\r\n").unwrap();
    assert_eq!(status, Value::SimpleString("a\u{fffd}".to_owned()));
    let Ok(Value::Array(replies)) = decode(b"*2\r\n-ERR no '\xff'\r\n:1\r\n") else {
        panic!("no error is made of an error");
    };
    let Some(Value::ServerError(error)) = replies.first() else {
        panic!("{replies:?}");
    };
    assert_eq!(
        (error.code(), error.details()),
        ("ERR", Some("no '\u{fffd}'"))
    );
    for line in [&b"+\xff\r\n"[..], b"-ERR \xff\r\n"] {
        assert_agreement(line);
    }
    for number in [&b":\xff\r\n"[..], b",\xff\r\n", b"(\xff\r\n", b"_\xff\r\n"] {
        assert!(decode(number).is_err());
        assert_agreement(number);
    }
}

#[test]
fn depth_has_the_bound_that_the_redis_crate_has() {
    for opening in ["*1\r\n", "~1\r\n", "|0\r\n", "|1\r\n+k\r\n+v\r\n"] {
        for (depth, fits) in [(99, true), (100, false), (100_000, false)] {
            let reply = opening.repeat(depth) + ":1\r\n";
            let value = decode(reply.as_bytes());
            assert_eq!(value.is_ok(), fits, "{depth} of {opening:?}");
            if depth <= 100 {
                assert_agreement(reply.as_bytes());
            }
        }
    }
}

#[test]
fn memory_is_not_taken_for_what_is_only_announced() {
    for opening in ["*", "~", ">", "%", "|"] {
        for count in ["9223372036854775807", "4611686018427387904", "134217728"] {
            let reply = format!("{opening}{count}\r\n").repeat(90);
            assert!(decode(reply.as_bytes()).is_err(), "{opening}{count}");
        }
    }
    for kind in ["$", "=", "!"] {
        for length in ["9223372036854775807", "536870912"] {
            let reply = format!("{kind}{length}\r\n");
            assert!(decode(reply.as_bytes()).is_err(), "{reply:?}");
        }
    }
}

#[test]
fn seeds_of_the_fuzz_target_agree() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/decode");
    let mut frames = 0;
    for entry in fs::read_dir(&folder).expect("there are seeds") {
        let bytes = fs::read(entry.expect("one seed").path()).expect("it can be read");
        assert_agreement(&bytes);
        frames += usize::from(is_one_frame(&bytes));
    }
    assert!(frames >= 10, "only {frames} seeds are frames");
}

proptest! {
    #[test]
    fn whatever_a_server_may_reply_becomes_the_same_value(reply in replies()) {
        prop_assert!(is_one_frame(&reply), "{}", reply.escape_ascii());
        prop_assert!(decode(&reply).is_ok(), "{}", reply.escape_ascii());
        assert_agreement(&reply);
    }

    #[test]
    fn arbitrary_bytes_are_no_cause_to_disagree(
        bytes in vec(select(&b"+-:$*_#,(!=%~>|0123459tfOKe.\r\n\r\n\r\n"[..]), 0..40)
    ) {
        assert_agreement(&bytes);
    }
}

#[test]
fn replies_with_mistakes_are_no_cause_to_disagree() {
    let mut runner = TestRunner::new(Config::with_cases(2_000));
    let mistaken = (replies(), vec(mistakes(), 1..4)).prop_map(|(mut reply, mistakes)| {
        mistakes
            .into_iter()
            .for_each(|mistake| mistake.make(&mut reply));
        reply
    });
    let (frames, others) = (Cell::new(0), Cell::new(0));
    let outcome = runner.run(&mistaken, |bytes| {
        assert_agreement(&bytes);
        let count = if is_one_frame(&bytes) {
            &frames
        } else {
            &others
        };
        count.set(count.get() + 1);
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
    assert!(
        frames.get() > 100 && others.get() > 100,
        "{} mistakes left a frame, {} did not: one of them goes untested",
        frames.get(),
        others.get()
    );
}

/// Whole replies as a server of RESP2 or RESP3 may write them.
fn replies() -> impl Strategy<Value = Vec<u8>> {
    let words = select(&["message", "subscribe", "pmessage", "invalidate", "new"][..]);
    let pushed = (words, any::<bool>(), vec(elements(), 0..4)).prop_map(|(word, long, data)| {
        let word = match long {
            true => format!("${}\r\n{word}\r\n", word.len()),
            false => format!("+{word}\r\n"),
        };
        let head = format!(">{}\r\n{word}", data.len() + 1);
        [head.into_bytes(), data.concat()].concat()
    });
    prop_oneof![8 => elements(), 1 => pushed]
}

fn elements() -> impl Strategy<Value = Vec<u8>> {
    scalars().prop_recursive(4, 40, 6, |elements| {
        let list = (select(&b"*~"[..]), vec(elements.clone(), 0..6))
            .prop_map(|(kind, list)| collection(kind, list.len(), &list));
        let pair =
            (elements.clone(), elements.clone()).prop_map(|(key, value)| [key, value].concat());
        let map = vec(pair.clone(), 0..4).prop_map(|pairs| collection(b'%', pairs.len(), &pairs));
        let attribute = (vec(pair, 0..3), elements)
            .prop_map(|(pairs, data)| [collection(b'|', pairs.len(), &pairs), data].concat());
        prop_oneof![3 => list, 2 => map, 1 => attribute]
    })
}

fn scalars() -> impl Strategy<Value = Vec<u8>> {
    let line = |kind: &'static str, line: &'static str| {
        line.prop_map(move |line| format!("{kind}{line}\r\n").into_bytes())
    };
    let string = |kind: char, text: Vec<u8>| {
        let head = format!("{kind}{}\r\n", text.len());
        [head.as_bytes(), &text, b"\r\n"].concat()
    };
    let fixed = ["+OK\r\n", "_\r\n", "$-1\r\n", "*-1\r\n", "#t\r\n", "#f\r\n"];
    prop_oneof![
        select(fixed.map(|text| text.as_bytes().to_vec()).to_vec()),
        line("+", "[^\r\n]{0,20}"),
        line("-", "(ERR|MOVED|WRONGTYPE|[A-Z]{0,5})( [^\r\n]{0,10})?"),
        line(":", "[+-]?[0-9]{1,18}"),
        any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
        line("(", "[+-]?[0-9]{1,40}"),
        line(",", "[+-]?[0-9]{1,5}([.][0-9]{1,5})?(e[+-]?[0-9]{1,3})?"),
        line(",", "[+-]?(inf|nan)"),
        any::<f64>().prop_map(|number| format!(",{number}\r\n").into_bytes()),
        vec(any::<u8>(), 0..40).prop_map(move |text| string('$', text)),
        "ERR .{0,20}".prop_map(move |text| string('!', text.into_bytes())),
        "(txt|mkd|[a-z]{3}):.{0,20}".prop_map(move |text| string('=', text.into_bytes())),
    ]
}

fn collection(kind: u8, count: usize, elements: &[Vec<u8>]) -> Vec<u8> {
    let head = format!("{}{count}\r\n", char::from(kind));
    [head.into_bytes(), elements.concat()].concat()
}

/// Something to go wrong in a reply.
#[derive(Debug, Clone)]
enum Mistake {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    CutShort(Index),
    Repeat(Index, Index),
}

fn mistakes() -> impl Strategy<Value = Mistake> {
    let byte = || prop_oneof![any::<u8>(), select(&b"+-:$*_#,(!=%~>|019 \r\n"[..])];
    let place = any::<Index>;
    prop_oneof![
        4 => (place(), byte()).prop_map(|(place, byte)| Mistake::Replace(place, byte)),
        2 => (place(), byte()).prop_map(|(place, byte)| Mistake::Insert(place, byte)),
        2 => place().prop_map(Mistake::Remove),
        1 => place().prop_map(Mistake::CutShort),
        1 => (place(), place()).prop_map(|(one, other)| Mistake::Repeat(one, other)),
    ]
}

impl Mistake {
    fn make(self, reply: &mut Vec<u8>) {
        if reply.is_empty() {
            return;
        }
        let size = reply.len();
        match self {
            Mistake::Replace(place, byte) => reply[place.index(size)] = byte,
            Mistake::Insert(place, byte) => reply.insert(place.index(size), byte),
            Mistake::Remove(place) => drop(reply.remove(place.index(size))),
            Mistake::CutShort(place) => reply.truncate(place.index(size)),
            Mistake::Repeat(one, other) => {
                let (one, other) = (one.index(size), other.index(size));
                let repeated = reply[one.min(other)..one.max(other)].to_vec();
                reply.splice(one..one, repeated);
            }
        }
    }
}
