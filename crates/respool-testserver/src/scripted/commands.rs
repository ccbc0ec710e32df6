//! What each command does when the script has no answer of its own.

use super::connection::Next;
use super::encode;
use super::keyspace::Value;
use super::request::Request;
use super::session::Session;
use super::state::State;

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
const SYNTAX: &str = "ERR syntax error";

/// Executes a command, or queues it after MULTI. `name` is
/// [`Request::name`](Request::name); there is at least one argument, the name.
pub(super) fn execute(
    state: &mut State,
    session: &mut Session,
    name: &str,
    arguments: &[&[u8]],
    output: &mut Vec<u8>,
) -> Next {
    let ends_queue = matches!(name, "exec" | "discard" | "multi" | "reset" | "quit");
    if let Some(queued) = &mut session.queued
        && !ends_queue
    {
        queued.push(arguments.iter().map(|argument| argument.to_vec()).collect());
        encode::status(output, "QUEUED");
        return Next::Answer;
    }
    if name == "exec" {
        return execute_queued(state, session, output);
    }
    if let Err(error) = run(state, session, name, arguments, output) {
        encode::error(output, &error);
    }
    if name == "quit" {
        Next::Close
    } else {
        Next::Answer
    }
}

fn execute_queued(state: &mut State, session: &mut Session, output: &mut Vec<u8>) -> Next {
    let Some(queued) = session.queued.take() else {
        encode::error(output, "ERR EXEC without MULTI");
        return Next::Answer;
    };
    encode::array(output, queued.len());
    for command in &queued {
        let arguments: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        let name = Request {
            arguments,
            length: 0,
        };
        execute(state, session, &name.name(), &name.arguments, output);
    }
    Next::Answer
}

/// The catalogue. Nothing is appended to `output` before an error.
fn run(
    state: &mut State,
    session: &mut Session,
    name: &str,
    arguments: &[&[u8]],
    output: &mut Vec<u8>,
) -> Result<(), String> {
    let database = state.keyspace.database(session.database);
    match (name, &arguments[1..]) {
        // The connection.
        ("ping", []) => encode::status(output, "PONG"),
        ("ping" | "echo", [message]) => encode::bytes(output, message),
        ("hello", options) => hello(state, session, options, output)?,
        ("auth", [_] | [_, _]) => encode::status(output, "OK"),
        ("select", [number]) => {
            let number = integer(number)?;
            session.database = usize::try_from(number)
                .ok()
                .filter(|&number| state.keyspace.has_database(number))
                .ok_or("ERR DB index is out of range")?;
            state.list(session);
            encode::status(output, "OK");
        }
        ("client|setname", [_, name]) => {
            session.name = name.to_vec();
            state.list(session);
            encode::status(output, "OK");
        }
        ("client|getname", [_]) if session.name.is_empty() => encode::nil(output),
        ("client|getname", [_]) => encode::bytes(output, &session.name),
        ("client|setinfo", [_, _, _]) => encode::status(output, "OK"),
        ("client|id", [_]) => encode::count(output, usize::try_from(session.id).unwrap_or(0)),
        ("client|list", _) => {
            let list: String = state
                .clients
                .values()
                .map(|line| format!("{line}\n"))
                .collect();
            encode::bytes(output, list.as_bytes());
        }
        ("reset", []) => {
            session.reset();
            state.list(session);
            encode::status(output, "RESET");
        }
        ("quit", _) => encode::status(output, "OK"),
        ("unwatch", []) => encode::status(output, "OK"),
        ("multi", []) if session.queued.is_some() => {
            return Err("ERR MULTI calls can not be nested".to_owned());
        }
        ("multi", []) => {
            session.queued = Some(Vec::new());
            encode::status(output, "OK");
        }
        ("discard", []) => match session.queued.take() {
            Some(_) => encode::status(output, "OK"),
            None => return Err("ERR DISCARD without MULTI".to_owned()),
        },

        // The server.
        ("info", _) => encode::bytes(output, state.info().as_bytes()),
        ("config|resetstat", [_]) => {
            state.reset_counts();
            encode::status(output, "OK");
        }
        ("command", _) => encode::array(output, 0),
        ("flushall", _) => {
            state.keyspace.clear();
            encode::status(output, "OK");
        }
        ("flushdb", _) => {
            database.clear();
            encode::status(output, "OK");
        }

        // Any key.
        ("del", keys @ [_, ..]) => {
            let removed = keys.iter().filter(|key| database.remove(**key).is_some());
            encode::count(output, removed.count());
        }
        ("exists", keys @ [_, ..]) => {
            let present = keys.iter().filter(|key| database.contains_key(**key));
            encode::count(output, present.count());
        }

        // Strings.
        ("get", [key]) => match database.get(*key) {
            Some(Value::Text(text)) => encode::bytes(output, text),
            Some(Value::List(_)) => return Err(WRONG_TYPE.to_owned()),
            None => encode::nil(output),
        },
        ("set", [key, text]) => {
            database.insert(key.to_vec(), Value::Text(text.to_vec()));
            encode::status(output, "OK");
        }
        ("set", [_, _, ..]) => return Err(SYNTAX.to_owned()),
        ("incr", [key]) => {
            let value = database
                .entry(key.to_vec())
                .or_insert_with(|| Value::Text(b"0".to_vec()));
            let Value::Text(text) = value else {
                return Err(WRONG_TYPE.to_owned());
            };
            let number = integer(text)?.checked_add(1).ok_or(NOT_AN_INTEGER)?;
            *text = number.to_string().into_bytes();
            encode::integer(output, number);
        }
        ("mget", keys @ [_, ..]) => {
            encode::array(output, keys.len());
            for key in keys {
                match database.get(*key) {
                    Some(Value::Text(text)) => encode::bytes(output, text),
                    _ => encode::nil(output),
                }
            }
        }
        ("mset", pairs @ [_, ..]) if pairs.len() % 2 == 0 => {
            for pair in pairs.chunks_exact(2) {
                database.insert(pair[0].to_vec(), Value::Text(pair[1].to_vec()));
            }
            encode::status(output, "OK");
        }

        // Lists.
        ("rpush" | "lpush", [key, elements @ ..]) if !elements.is_empty() => {
            let value = database
                .entry(key.to_vec())
                .or_insert_with(|| Value::List(Default::default()));
            let Value::List(list) = value else {
                return Err(WRONG_TYPE.to_owned());
            };
            for element in elements {
                match name {
                    "lpush" => list.push_front(element.to_vec()),
                    _ => list.push_back(element.to_vec()),
                }
            }
            encode::count(output, list.len());
        }
        ("rpop" | "lpop", [key]) => match database.get_mut(*key) {
            None => encode::nil(output),
            Some(Value::Text(_)) => return Err(WRONG_TYPE.to_owned()),
            Some(Value::List(list)) => {
                let element = match name {
                    "lpop" => list.pop_front(),
                    _ => list.pop_back(),
                };
                if list.is_empty() {
                    database.remove(*key);
                }
                match element {
                    Some(element) => encode::bytes(output, &element),
                    None => encode::nil(output),
                }
            }
        },

        (known, _) if KNOWN.contains(&known) => {
            return Err(format!(
                "ERR wrong number of arguments for '{known}' command"
            ));
        }
        _ => {
            let name = String::from_utf8_lossy(arguments[0]).replace(['\r', '\n'], " ");
            return Err(format!("ERR unknown command '{name}'"));
        }
    }
    Ok(())
}

/// The commands of the catalogue that can be sent with a wrong number of
/// arguments.
const KNOWN: &[&str] = &[
    "ping",
    "echo",
    "auth",
    "select",
    "client|setname",
    "client|getname",
    "client|setinfo",
    "client|id",
    "reset",
    "multi",
    "discard",
    "unwatch",
    "config|resetstat",
    "del",
    "exists",
    "get",
    "set",
    "incr",
    "mget",
    "mset",
    "rpush",
    "lpush",
    "rpop",
    "lpop",
];

/// HELLO [version [AUTH user password] [SETNAME name]].
///
/// In version 3 it answers with a map; all else keeps a form that both versions know.
fn hello(
    state: &mut State,
    session: &mut Session,
    options: &[&[u8]],
    output: &mut Vec<u8>,
) -> Result<(), String> {
    let version = match options.first() {
        None | Some(&b"2") => 2,
        Some(&b"3") => 3,
        Some(_) => return Err("NOPROTO unsupported protocol version".to_owned()),
    };
    let mut options = options.iter().skip(1);
    while let Some(option) = options.next() {
        match option.to_ascii_lowercase().as_slice() {
            b"auth" => {
                options.next().and(options.next()).ok_or(SYNTAX)?;
            }
            b"setname" => session.name = options.next().ok_or(SYNTAX)?.to_vec(),
            _ => return Err(SYNTAX.to_owned()),
        }
    }
    state.list(session);
    match version {
        3 => encode::map(output, 7),
        _ => encode::array(output, 14),
    }
    for (field, value) in [
        ("server", "respool-scripted"),
        ("version", "0.0.0-scripted"),
    ] {
        encode::bytes(output, field.as_bytes());
        encode::bytes(output, value.as_bytes());
    }
    encode::bytes(output, b"proto");
    encode::integer(output, version);
    encode::bytes(output, b"id");
    encode::count(output, usize::try_from(session.id).unwrap_or(0));
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        encode::bytes(output, field.as_bytes());
        encode::bytes(output, value.as_bytes());
    }
    encode::bytes(output, b"modules");
    encode::array(output, 0);
    Ok(())
}

fn integer(text: &[u8]) -> Result<i64, String> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| NOT_AN_INTEGER.to_owned())
}
