//! What a task does that shares one client with others. It has a key of its own: what it reads there
//! must be what it wrote there last, not only a value of that key.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use respool::Client;
use respool::redis::{Pipeline, cmd, pipe};

use super::operations::{expect, expect_own};
use super::own_key::{Expected, OwnKey};
use super::state::State;
use super::trouble::Trouble;
use super::value::{excerpt, value_of};

/// With more writes in doubt another key is taken.
const MOST_DOUBTS: usize = 8;

/// One of those who share a client.
#[derive(Debug)]
pub(super) struct Sharer {
    client: Client,
    number: usize,
    own: Mutex<OwnKey>,
}

/// What the reply to one command of a pipeline must be.
enum Due {
    Own(Expected),
    Echo(Vec<u8>),
}

impl Sharer {
    pub(super) fn new(client: Client, number: usize) -> Self {
        Sharer {
            client,
            number,
            own: Mutex::new(OwnKey::new(format!("soak:own:{number}"))),
        }
    }

    /// Does one thing, decided by `rng`. A wrong reply is a breach at once, so that it counts even if
    /// the operation is cancelled after it.
    pub(super) async fn perform(&self, state: &State, rng: &mut Rng) -> Result<(), Trouble> {
        if self.own().doubts() > MOST_DOUBTS {
            return self.take_another_key(rng).await;
        }
        match rng.u8(..100) {
            0..30 => self.write(state, rng).await,
            30..55 => self.read(state).await,
            55..85 => self.pipeline(state, rng).await,
            85..95 => self.echo(state, rng).await,
            _ => self.read_what_is_huge(state).await,
        }
    }

    async fn take_another_key(&self, rng: &mut Rng) -> Result<(), Trouble> {
        let name = format!("soak:own:{}:{:x}", self.number, rng.u64(..));
        let left = std::mem::replace(&mut *self.own(), OwnKey::new(name));
        let mut delete = cmd("DEL");
        let delete = delete.arg(left.name);
        delete.exec_async(&mut self.client.clone()).await?;
        Ok(())
    }

    async fn write(&self, state: &State, rng: &mut Rng) -> Result<(), Trouble> {
        let forecast = state.forecast();
        let (key, version) = {
            let mut own = self.own();
            (own.name.clone(), own.next_version())
        };
        let mut set = cmd("SET");
        let set = set.arg(&key).arg(value_of(&key, version, size(rng)));
        let reply: String = set.query_async(&mut self.client.clone()).await?;
        let is_done = reply == "OK";
        expect(state, "a client's SET", is_done, "OK", reply.as_bytes());
        self.own().confirm(version, version, forecast);
        Ok(())
    }

    async fn read(&self, state: &State) -> Result<(), Trouble> {
        let (key, expected) = {
            let own = self.own();
            (own.name.clone(), own.expected())
        };
        let mut get = cmd("GET");
        let get = get.arg(&key);
        let reply: Option<Vec<u8>> = get.query_async(&mut self.client.clone()).await?;
        expected.check(state, "a client's GET", &key, reply.as_deref());
        Ok(())
    }

    /// A large reply, mostly, among the small ones of others.
    async fn read_what_is_huge(&self, state: &State) -> Result<(), Trouble> {
        let mut get = cmd("GET");
        let get = get.arg("soak:huge");
        let reply: Option<Vec<u8>> = get.query_async(&mut self.client.clone()).await?;
        expect_own(state, "a client's GET", "soak:huge", reply.as_deref());
        Ok(())
    }

    async fn echo(&self, state: &State, rng: &mut Rng) -> Result<(), Trouble> {
        let sent = value_of("echo", rng.u64(..), size(rng));
        let mut echo = cmd("ECHO");
        let echo = echo.arg(&sent);
        let reply: Vec<u8> = echo.query_async(&mut self.client.clone()).await?;
        let is_own = reply == sent;
        expect(state, "a client's ECHO", is_own, &excerpt(&sent), &reply);
        Ok(())
    }

    /// Writes, reads and echoes at once: each reply must come in its turn.
    async fn pipeline(&self, state: &State, rng: &mut Rng) -> Result<(), Trouble> {
        let forecast = state.forecast();
        let key = self.own().name.clone();
        let mut pipeline = pipe();
        let mut due = Vec::new();
        let mut written: Option<(u64, u64)> = None;
        for _ in 0..rng.usize(2..=12) {
            match rng.u8(..3) {
                0 => {
                    let version = self.own().next_version();
                    let value = value_of(&key, version, size(rng));
                    pipeline.cmd("SET").arg(&key).arg(value).ignore();
                    written = Some((written.map_or(version, |(first, _)| first), version));
                }
                1 => {
                    pipeline.cmd("GET").arg(&key);
                    let own = self.own();
                    due.push(Due::Own(match written {
                        Some((first, last)) => own.expected_after(first, last, forecast),
                        None => own.expected(),
                    }));
                }
                _ => {
                    let token = value_of("echo", rng.u64(..), size(rng));
                    pipeline.cmd("ECHO").arg(&token);
                    due.push(Due::Echo(token));
                }
            }
        }
        self.check_each(state, &key, &pipeline, &due).await?;
        if let Some((first, last)) = written {
            self.own().confirm(first, last, forecast);
        }
        Ok(())
    }

    async fn check_each(
        &self,
        state: &State,
        key: &str,
        pipeline: &Pipeline,
        due: &[Due],
    ) -> Result<(), Trouble> {
        let what = "a client's pipeline";
        let replies: Vec<Option<Vec<u8>>> = pipeline.query_async(&mut self.client.clone()).await?;
        let (wanted, count) = (due.len().to_string(), replies.len().to_string());
        expect(state, what, wanted == count, &wanted, count.as_bytes());
        for (due, reply) in due.iter().zip(&replies) {
            match due {
                Due::Own(expected) => expected.check(state, what, key, reply.as_deref()),
                Due::Echo(token) => {
                    let reply = reply.as_deref().unwrap_or_default();
                    expect(state, what, reply == token, &excerpt(token), reply);
                }
            }
        }
        Ok(())
    }

    fn own(&self) -> MutexGuard<'_, OwnKey> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Mostly small, and up to 1 MB: small replies then wait behind large ones, and cancels hit halves.
fn size(rng: &mut Rng) -> usize {
    match rng.u16(..1000) {
        0..3 => 1 << 20,
        3..30 => rng.usize(..256 << 10),
        30..150 => rng.usize(..16 << 10),
        _ => rng.usize(..200),
    }
}
