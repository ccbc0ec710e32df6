//! Questions whose answers can't be mistaken for each other.

use std::ops::Range;

use fastrand::Rng;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisResult, Value, cmd};

use crate::Broken;

/// How long the value of each key is.
const LENGTHS: [usize; 12] = [
    1, 1, 1, 1, 1, 100, 100, 1_000, 1_000, 20_000, 200_000, 1_000_000,
];

pub(super) fn keys() -> Range<usize> {
    0..LENGTHS.len()
}

/// What is asked, with the only answer that is right.
pub(super) enum Question {
    One(Cmd, Answer),
    Pipeline(Pipeline, Vec<Answer>),
}

pub(super) enum Answer {
    Bytes(Vec<u8>),
    Okay,
    WrongType,
}

impl Question {
    pub(super) fn draw(random: &mut Rng) -> Self {
        match random.u8(0..5) {
            4 => Self::pipeline(random),
            _ => {
                let (command, answer) = Self::draw_one(random);
                Question::One(command, answer)
            }
        }
    }

    fn draw_one(random: &mut Rng) -> (Cmd, Answer) {
        let key = random.usize(..LENGTHS.len());
        match random.u8(0..16) {
            0..7 => {
                let word = format!("{:x}", random.u128(..));
                (
                    cmd("ECHO").arg(&word).to_owned(),
                    Answer::Bytes(word.into()),
                )
            }
            7..12 => (
                cmd("GET").arg(name(key)).to_owned(),
                Answer::Bytes(value(key)),
            ),
            12..14 => (
                cmd("SET").arg(name(key)).arg(value(key)).to_owned(),
                Answer::Okay,
            ),
            _ => (cmd("LLEN").arg(name(key)).to_owned(), Answer::WrongType),
        }
    }

    fn pipeline(random: &mut Rng) -> Self {
        let mut pipeline = Pipeline::new();
        if random.bool() {
            pipeline.atomic();
        }
        let mut answers = Vec::new();
        while answers.len() < random.usize(2..6) {
            let (command, answer) = Self::draw_one(random);
            // An error would make one of all the answers.
            if !matches!(answer, Answer::WrongType) {
                pipeline.add_command(command);
                answers.push(answer);
            }
        }
        Question::Pipeline(pipeline, answers)
    }

    pub(super) fn get(key: usize) -> Self {
        Question::One(
            cmd("GET").arg(name(key)).to_owned(),
            Answer::Bytes(value(key)),
        )
    }

    /// Every SET writes what is there already: given up or not, it changes no answer.
    pub(super) fn set(key: usize) -> Self {
        Question::One(
            cmd("SET").arg(name(key)).arg(value(key)).to_owned(),
            Answer::Okay,
        )
    }

    pub(super) async fn ask(
        &self,
        connection: &mut impl ConnectionLike,
    ) -> RedisResult<Vec<Value>> {
        match self {
            Question::One(command, _) => Ok(vec![command.query_async(connection).await?]),
            Question::Pipeline(pipeline, _) => pipeline.query_async(connection).await,
        }
    }

    pub(super) fn verify(&self, reply: RedisResult<Vec<Value>>) -> Result<(), Broken> {
        let answers = match self {
            Question::One(_, answer) => std::slice::from_ref(answer),
            Question::Pipeline(_, answers) => answers,
        };
        let right = match (&reply, answers) {
            (Ok(values), _) => {
                values.len() == answers.len()
                    && values
                        .iter()
                        .zip(answers)
                        .all(|(value, answer)| answer.is(value))
            }
            (Err(error), [Answer::WrongType]) => error.code() == Some("WRONGTYPE"),
            (Err(_), _) => false,
        };
        if right {
            return Ok(());
        }
        let expected = list(answers.iter().map(Answer::describe));
        Err(Broken::new(
            format!("the reply {expected}"),
            match reply {
                Ok(values) => list(values.iter().map(describe)),
                Err(error) => error.to_string(),
            },
        ))
    }
}

impl Answer {
    fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Answer::Bytes(right), Value::BulkString(bytes)) => right == bytes,
            (Answer::Okay, Value::Okay) => true,
            _ => false,
        }
    }

    fn describe(&self) -> String {
        match self {
            Answer::Bytes(bytes) => describe_bytes(bytes),
            Answer::Okay => "OK".to_owned(),
            Answer::WrongType => "WRONGTYPE".to_owned(),
        }
    }
}

fn name(key: usize) -> String {
    format!("key:{key}")
}

/// Starts with what no other key's value starts with, in the first byte.
fn value(key: usize) -> Vec<u8> {
    let letter = b"abcdefghijkl"[key] as char;
    let text = format!("{letter}, the value of key {key}; ");
    text.bytes().cycle().take(LENGTHS[key]).collect()
}

fn describe(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => describe_bytes(bytes),
        other => format!("{other:?}"),
    }
}

fn describe_bytes(bytes: &[u8]) -> String {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
    format!("{start:?} ({} bytes)", bytes.len())
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}
