//! Between the redis crate of the contract and another major of it, by packed arguments and
//! values: their shape is the same in every major from 0.28 on.

/// Writes a module `$name` that bridges the contract's redis crate to the one at `$other`.
///
/// ```text
/// respool_connect::bridge_redis! {
///     /// To redis 0.28.
///     mod redis_0_28 => mobc_redis::redis
/// }
/// ```
#[macro_export]
macro_rules! bridge_redis {
    ($(#[$attribute:meta])* mod $name:ident => $($other:ident)::+) => {
        $(#[$attribute])*
        pub(crate) mod $name {
            use $($other)::+ as other;

            /// The same command in the words of the other crate.
            pub(crate) fn command(command: &redis::Cmd) -> other::Cmd {
                let mut bridged = other::Cmd::new();
                for argument in command.args_iter() {
                    match argument {
                        redis::Arg::Simple(bytes) => bridged.arg(bytes),
                        // Set anew for each batch of a scan; a single command starts at zero.
                        _ => bridged.arg(0),
                    };
                }
                bridged
            }

            /// The same pipeline in the words of the other crate.
            pub(crate) fn pipeline(pipeline: &redis::Pipeline) -> other::Pipeline {
                let mut bridged = other::Pipeline::with_capacity(pipeline.len());
                if pipeline.is_transaction() {
                    bridged.atomic();
                }
                for part in pipeline.cmd_iter() {
                    bridged.add_command(command(part));
                }
                bridged
            }

            /// The same reply in the words of the contract's crate.
            pub(crate) fn value(value: other::Value) -> redis::Value {
                use other::Value as Theirs;
                use redis::Value as Ours;
                match value {
                    Theirs::Nil => Ours::Nil,
                    Theirs::Int(number) => Ours::Int(number),
                    Theirs::BulkString(bytes) => Ours::BulkString(bytes),
                    Theirs::Array(values) => Ours::Array(all(values)),
                    Theirs::SimpleString(text) => Ours::SimpleString(text),
                    Theirs::Okay => Ours::Okay,
                    Theirs::Map(pairs) => Ours::Map(both(pairs)),
                    Theirs::Attribute { data, attributes } => Ours::Attribute {
                        data: Box::new(self::value(*data)),
                        attributes: both(attributes),
                    },
                    Theirs::Set(values) => Ours::Set(all(values)),
                    Theirs::Double(number) => Ours::Double(number),
                    Theirs::Boolean(truth) => Ours::Boolean(truth),
                    Theirs::VerbatimString { format, text } => Ours::VerbatimString {
                        format: match format {
                            other::VerbatimFormat::Markdown => redis::VerbatimFormat::Markdown,
                            other::VerbatimFormat::Text => redis::VerbatimFormat::Text,
                            other::VerbatimFormat::Unknown(name) => {
                                redis::VerbatimFormat::Unknown(name)
                            }
                        },
                        text,
                    },
                    // The digits: whether either crate has big numbers is a feature of each.
                    Theirs::BigNumber(number) => {
                        Ours::BulkString(number.to_string().into_bytes())
                    }
                    Theirs::Push { kind, data } => Ours::Push {
                        kind: redis::PushKind::Other(kind.to_string()),
                        data: all(data),
                    },
                    Theirs::ServerError(error) => server_error(error.code(), error.details()),
                }
            }

            /// The same outcome: an error reply stays a reply, whichever way the other crate
            /// reports it.
            pub(crate) fn outcome<T, U>(
                outcome: other::RedisResult<T>,
                reply: impl FnOnce(T) -> U,
            ) -> redis::RedisResult<U> {
                match outcome {
                    Ok(value) => Ok(reply(value)),
                    Err(failure) => Err(error(failure)),
                }
            }

            /// The same failure in the words of the contract's crate.
            pub(crate) fn error(error: other::RedisError) -> redis::RedisError {
                use std::io::ErrorKind as Io;
                let text = error.to_string();
                if let Some(code) = error.code() {
                    return redis::make_extension_error(
                        code.to_owned(),
                        error.detail().map(str::to_owned),
                    );
                }
                let kind = if error.is_timeout() {
                    Io::TimedOut
                } else if error.is_connection_refusal() {
                    Io::ConnectionRefused
                } else if error.is_connection_dropped() {
                    Io::BrokenPipe
                } else {
                    match error.kind() {
                        other::ErrorKind::ParseError => {
                            return (redis::ErrorKind::Parse, "malformed reply", text).into();
                        }
                        other::ErrorKind::AuthenticationFailed => {
                            return (
                                redis::ErrorKind::AuthenticationFailed,
                                "the login failed",
                                text,
                            )
                                .into();
                        }
                        // Its words for a driver that has ended, which has no cause.
                        other::ErrorKind::IoError => Io::BrokenPipe,
                        _ => return (redis::ErrorKind::Client, "bridged", text).into(),
                    }
                };
                std::io::Error::new(kind, text).into()
            }

            fn all(values: Vec<other::Value>) -> Vec<redis::Value> {
                values.into_iter().map(value).collect()
            }

            fn both(pairs: Vec<(other::Value, other::Value)>) -> Vec<(redis::Value, redis::Value)> {
                pairs
                    .into_iter()
                    .map(|(key, part)| (value(key), value(part)))
                    .collect()
            }

            /// Only a parser can make an error reply, so one is parsed.
            fn server_error(code: &str, details: Option<&str>) -> redis::Value {
                let line = format!("-{code} {}\r\n", details.unwrap_or_default());
                redis::parse_redis_value(line.as_bytes()).unwrap_or(redis::Value::Nil)
            }
        }
    };
}
