use super::*;

/// What it says after each of `reads`: whether a large reply is arriving.
fn says_large(reads: &[&[u8]]) -> Vec<bool> {
    let mut replies = Frames::new();
    let mut said = Vec::new();
    for bytes in reads {
        replies.read(bytes, |_| Ok(())).unwrap();
        said.push(replies.is_large());
    }
    said
}

fn complaint(bytes: &[u8]) -> String {
    match Frames::new().read(bytes, |_| Ok(())) {
        Ok(()) => panic!("{:?} passes", String::from_utf8_lossy(bytes)),
        Err((violation, _)) => violation.to_string(),
    }
}

/// The types of the frames that end in `reads`.
fn kinds(frames: &mut Frames, reads: [&[u8]; 2]) -> String {
    let mut kinds = String::new();
    for bytes in reads {
        let read = frames.read(bytes, |frame| {
            kinds.push(char::from(frame.kind));
            Ok(())
        });
        assert_eq!(read, Ok(()), "{:?}", String::from_utf8_lossy(bytes));
    }
    kinds
}

#[test]
fn a_large_string_is_known_by_its_first_line_until_its_last_byte() {
    let text = vec![b'x'; 100_000];
    let reads: [&[u8]; 6] = [
        b"$1000",
        b"00\r\n",
        &text[..99_999],
        b"x",
        b"\r\n",
        b"+OK\r\n",
    ];
    assert_eq!(says_large(&reads), [false, true, true, true, false, false]);
}

#[test]
fn many_small_elements_are_known_once_they_have_come_to_much() {
    let element = [b"$1000\r\n", &*vec![b'x'; 1_000], b"\r\n"].concat();
    let half = element.repeat(60);
    let reads: [&[u8]; 5] = [b"*121\r\n", &half, &half, &element, b":1\r\n"];
    assert_eq!(says_large(&reads), [false, false, true, false, false]);
}

#[test]
fn a_large_reply_may_end_and_another_begin_in_one_read() {
    let whole = [b"$70000\r\n", &*vec![b'x'; 70_000], b"\r\n"].concat();
    let and_more = [&whole[..], b"$70000\r\nx"].concat();
    assert_eq!(says_large(&[&whole, &and_more]), [false, true]);
}

/// What is well formed, with the types of its frames.
const WELL_FORMED: &[(&str, &str)] = &[
    ("+OK\r\n", "+"),
    ("+\r\n", "+"),
    ("+a\rb\nc\r\r\n", "+"),
    ("-ERR no 12 such - thing\r\n", "-"),
    (":-12\r\n", ":"),
    (":+12\r\n", ":"),
    ("$-1\r\n", "$"),
    ("$0\r\n\r\n", "$"),
    ("$4\r\n\r\n\r\n\r\n", "$"),
    ("*-1\r\n", "*"),
    ("*0\r\n", "*"),
    ("*2\r\n*1\r\n:1\r\n$1\r\na\r\n", "*"),
    ("*2\r\n*0\r\n*-1\r\n", "*"),
    ("%1\r\n+key\r\n*2\r\n_\r\n#t\r\n", "%"),
    ("~1\r\n,1.5e-3\r\n", "~"),
    (",inf\r\n,-inf\r\n,nan\r\n", ",,,"),
    (">2\r\n+message\r\n(123\r\n", ">"),
    (">2\r\n+a\r\n*1\r\n:1\r\n+OK\r\n", ">+"),
    ("(-123456789012345678901234567890\r\n", "("),
    ("=7\r\ntxt:abc\r\n", "="),
    ("!5\r\nERR x\r\n", "!"),
    ("|1\r\n+key\r\n+value\r\n:1\r\n", ":"),
    ("*1\r\n|1\r\n+key\r\n+value\r\n:1\r\n", "*"),
    ("|0\r\n:1\r\n", ":"),
];

#[test]
fn frames_are_counted_wherever_a_read_ends() {
    for (text, expected) in WELL_FORMED {
        for split in 0..text.len() {
            let (start, end) = text.as_bytes().split_at(split);
            let mut frames = Frames::new();
            assert_eq!(
                kinds(&mut frames, [start, end]),
                *expected,
                "{text:?} at {split}"
            );
            assert!(!frames.is_within(), "{text:?} at {split}");
            assert_eq!(kinds(&mut frames, [b"$70000\r\n", b""]), "");
            assert!(frames.is_large(), "after {text:?}");
        }
    }
}

#[test]
fn what_is_malformed_is_refused_wherever_a_read_ends() {
    for (text, words) in [
        ("HTTP/1.1 400 Bad Request\r\n", "begins with 'H'"),
        ("\r\n", "no type"),
        ("$-5\r\n", "length of -5"),
        ("*-2\r\n", "elements of -2"),
        ("%-1\r\n", "pairs of -1"),
        ("=-1\r\n", "length of -1"),
        ("$9999999999\r\n", "more than 536870912"),
        ("$99999999999999999999\r\n", "length"),
        ("*9999999999\r\n", "more than 134217728"),
        ("%9999999999\r\n", "more than 67108864"),
        ("$\r\n", "without digits"),
        ("*\r\n", "without digits"),
        (":\r\n", "without digits"),
        (":9223372036854775808\r\n", "64 bits"),
        (":-9223372036854775809\r\n", "64 bits"),
        (":12a\r\n", "'a' after ':'"),
        (":--1\r\n", "'-' after ':'"),
        ("$1x\r\n", "'x' after '$'"),
        ("$+1\r\n", "'+' after '$'"),
        ("$?\r\n", "'?' after '$'"),
        ("$1\n", "'\\n' after '$'"),
        ("$1\r\rx", "does not end"),
        ("$1\r\nab\r\n", "without a line end"),
        ("$1\r\na\rb", "without a line end"),
        ("#x\r\n", "truth value"),
        ("_x\r\n", "line end"),
        (",1 2\r\n", "number"),
        (">0\r\n", "pushed"),
        ("%1\r\n+key\r\n>1\r\n+a\r\n", "pushed"),
        ("*1\r\n*1\r\n>1\r\n+a\r\n", "pushed"),
        ("*1\r\nx", "begins with 'x'"),
    ] {
        assert!(
            complaint(text.as_bytes()).contains(words),
            "{text:?}: {}",
            complaint(text.as_bytes())
        );
        for split in 1..text.len() {
            let (start, end) = text.as_bytes().split_at(split);
            let mut frames = Frames::new();
            let refused =
                frames.read(start, |_| Ok(())).is_err() || frames.read(end, |_| Ok(())).is_err();
            assert!(refused, "{text:?} passes, split at {split}");
        }
    }
}

#[test]
fn nesting_lines_and_replies_have_bounds() {
    assert!(complaint(&b"*1\r\n".repeat(100_000)).contains("in each other"));
    assert!(complaint(&b"|1\r\n".repeat(100_000)).contains("in each other"));
    let deep = [&b"*1\r\n".repeat(DEEPEST)[..], b":1\r\n"].concat();
    assert_eq!(kinds(&mut Frames::new(), [&deep, b""]), "*");
    let line = [b"+", &*vec![b'a'; 2 << 20]].concat();
    assert!(complaint(&line).contains("a line of more than"));
    let mut monitor = Frames::new();
    monitor.allow_long_lines();
    assert_eq!(monitor.read(&line, |_| Ok(())), Ok(()));

    let mut endless = Frames::new();
    endless.read(b"*134217728\r\n", |_| Ok(())).unwrap();
    let element = [b"$1048576\r\n", &*vec![b'x'; 1 << 20], b"\r\n"].concat();
    let taken = (0..10_000)
        .take_while(|_| endless.read(&element, |_| Ok(())).is_ok())
        .count();
    assert!((4_000..4_100).contains(&taken), "{taken} MiB");
}

#[test]
fn the_first_word_tells_what_a_frame_is_about() {
    for (text, subscribes, opens) in [
        ("*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n", true, true),
        ("*2\r\n$12\r\npunsubscribe\r\n$1\r\nc\r\n", true, true),
        (">3\r\n+subscribe\r\n+c\r\n:1\r\n", true, true),
        ("*1\r\n$7\r\nMONITOR\r\n", false, true),
        ("*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n", false, true),
        ("*2\r\n$3\r\nGET\r\n$9\r\nsubscribe\r\n", false, false),
        ("*2\r\n*1\r\n+a\r\n+subscribe\r\n", false, false),
        (">2\r\n+invalidate\r\n*1\r\n+subscribe\r\n", false, false),
        ("$9\r\nsubscribe\r\n", false, false),
        ("*0\r\n", false, false),
    ] {
        for split in 0..text.len() {
            let (start, end) = text.as_bytes().split_at(split);
            let mut frames = Frames::new();
            let mut said = None;
            for bytes in [start, end] {
                let read = frames.read(bytes, |frame| {
                    said = Some((frame.subscribes(), frame.opens_the_gates()));
                    Ok(())
                });
                assert_eq!(read, Ok(()));
            }
            assert_eq!(said, Some((subscribes, opens)), "{text:?} at {split}");
        }
    }
}

#[test]
fn what_was_good_before_a_violation_is_told() {
    let read = Frames::new().read(b"+OK\r\n:1\r\n$-5\r\n", |_| Ok(()));
    assert_eq!(read.unwrap_err().1, 9);
    let refused = Frames::new().read(b"+OK\r\n+OK\r\n", |_| Err(Violation::unasked()));
    assert_eq!(refused, Err((Violation::unasked(), 0)));
}

#[test]
fn one_frame_at_a_time_is_told_with_its_length_type_and_word() {
    let read = b"+OK\r\n>2\r\n+subscribe\r\n+c\r\n$3\r\nab";
    let mut frames = Frames::new();
    let ended = |used, kind, subscribes| {
        Ok(Some(Ended {
            used,
            kind,
            subscribes,
            text_at: None,
        }))
    };
    assert_eq!(frames.next(read), ended(5, b'+', false));
    assert_eq!(frames.next(&read[5..]), ended(20, b'>', true));
    assert_eq!(frames.next(&read[25..]), Ok(None));
    assert!(frames.is_within());
    assert_eq!(frames.next(b""), Ok(None));
    assert_eq!(frames.next(b"c\r\n:1"), ended(3, b'$', false));
    assert!(!frames.is_within());
    assert!(frames.next(b"HTTP").is_err());
}

#[test]
fn a_string_that_is_given_whole_is_told_with_its_text() {
    for (read, whole) in [
        (&b"$5\r\nhello\r\n$1"[..], Some(("hello", 11))),
        (b"$0\r\n\r\n", Some(("", 6))),
        (b"$5\r\nhello\r", None),
        (b"$5\r\nhell", None),
        (b"$5\r", None),
        (b"$", None),
    ] {
        let ended = Frames::new().next(read).unwrap();
        let text = ended.and_then(|ended| {
            let at = ended.text_at?.get();
            Some((
                str::from_utf8(&read[at..ended.used - 2]).unwrap(),
                ended.used,
            ))
        });
        assert_eq!(text, whole, "{read:?}");
    }
    for malformed in [
        &b"$5\r\nhello\r\r"[..],
        b"$x\r\n",
        b"$5x\r\nhello\r\n",
        b"$-2\r\n",
    ] {
        assert!(Frames::new().next(malformed).is_err(), "{malformed:?}");
    }
    let nothing = Frames::new().next(b"$-1\r\n").unwrap().unwrap();
    assert_eq!((nothing.used, nothing.text_at), (5, None));
}

#[test]
fn of_a_string_by_itself_it_is_known_how_much_is_to_come() {
    let begun: [&[u8]; 6] = [
        b"$10",
        b"$10\r\nhello",
        b"$10\r\nhelloworld\r",
        b"*1\r\n$10\r\nhello",
        b"=10\r\ntxt:hello",
        b"|1\r\n+key\r\n:1\r\n$10\r\nhello",
    ];
    let to_come = begun.map(|bytes| {
        let mut frames = Frames::new();
        frames.read(bytes, |_| Ok(())).unwrap();
        frames.text_to_come()
    });
    assert_eq!(to_come, [None, Some(7), None, None, None, Some(7)]);
}

#[test]
fn what_is_no_push_is_known_for_a_reply_by_its_first_byte() {
    let begun: [&[u8]; 5] = [b"", b"$", b"*2\r\n:1\r\n", b">", b"|1\r\n+key\r\n"];
    let is_reply = begun.map(|bytes| {
        let mut frames = Frames::new();
        frames.read(bytes, |_| Ok(())).unwrap();
        frames.is_within_reply()
    });
    assert_eq!(is_reply, [false, true, true, false, false]);
}
