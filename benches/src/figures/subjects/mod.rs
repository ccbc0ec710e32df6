//! What is measured: one trait for every pool, so that each is called in the same way and none
//! through a pointer that the others don't need.

mod bare;
mod clients;
mod objects;
mod ours;

use serde::{Deserialize, Serialize};

pub(crate) use bare::{BareSocket, bare_objects};
pub(crate) use clients::{Bb8Client, DeadpoolClient, DeadpoolRedis, MobcClient, MobcRedis};
pub(crate) use objects::{Bb8Objects, DeadpoolObjects, MobcObjects};
pub(crate) use ours::Ours;

/// The key that every GET asks for.
pub(crate) const KEY: &str = "respool:figures";
/// The length of its value.
pub(crate) const VALUE: usize = 100;

/// A pool: `get`, and dropping what it lends gives it back.
pub(crate) trait Lends: Clone + Send + Sync + 'static {
    /// What is lent.
    type Held<'pool>: Send;

    /// Waits for one.
    fn get(&self) -> impl Future<Output = Self::Held<'_>> + Send;
}

/// A pool of connections to a server.
pub(crate) trait Asks: Lends {
    /// GETs [`KEY`].
    fn ask(held: &mut Self::Held<'_>) -> impl Future<Output = Vec<u8>> + Send;
}

/// The subjects by name. Without a network the peers lend numbers, and their managers do nothing;
/// with one, those without `-redis` in their name hold connections of the redis crate and send no
/// PING.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Subject {
    /// respool with the backend that was asked for.
    Ours,
    Bb8,
    Deadpool,
    /// With a limit on the wait, which arms a timer for each get.
    DeadpoolTimed,
    Mobc,
    /// A mutex over `{idle, waiters}`: what a pool can't do without.
    BareHandOff,
    /// A TCP stream in such a pool, and a GET written by hand.
    BareSocket,
    Bb8Redis,
    DeadpoolRedis,
    MobcRedis,
    /// The redis crate alone, no pool.
    RedisCrate,
}

impl respool_benches::table::Subject for Subject {
    const OURS: Subject = Subject::Ours;

    fn is_peer(self) -> bool {
        let bare = [Subject::Ours, Subject::BareHandOff, Subject::BareSocket];
        !bare.contains(&self)
    }
}

impl Subject {
    /// As it is called in the table.
    pub(crate) fn name(self, backend: &str, asks_a_server: bool) -> String {
        let peer = match self {
            Subject::Ours => return format!("respool {backend}"),
            Subject::Bb8 => "bb8",
            Subject::Deadpool => "deadpool",
            Subject::Mobc => "mobc",
            Subject::DeadpoolTimed => return "deadpool, wait timeout".into(),
            Subject::BareHandOff => return "bare hand-off".into(),
            Subject::BareSocket => return "bare socket".into(),
            Subject::Bb8Redis => return "bb8-redis".into(),
            Subject::DeadpoolRedis => return "deadpool-redis".into(),
            Subject::MobcRedis => return "mobc-redis".into(),
            Subject::RedisCrate => return "redis crate".into(),
        };
        if asks_a_server {
            format!("{peer}, no PING")
        } else {
            peer.to_owned()
        }
    }
}
