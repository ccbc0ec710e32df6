//! The contract of respool: what a Redis connection pool promises, whoever keeps it.
//!
//! - Users hold a [`Pool`], take a [`PooledConnection`] from it or share a [`Client`].
//! - Authors of backends implement [`Backend`] and [`Connection`], two small object-safe traits.
//! - What every backend needs alike lives here, once: the fast path of `get`, the guard on what
//!   was taken out, the table of what commands do to their session, the response time-out.
//!
//! The rules that a backend keeps are listed, with the check that enforces each, in
//! `docs/contract.md`. Services use the facade crate `respool` rather than this one.

mod backend;
mod client;
mod command_error;
mod config;
mod detached_connection;
mod error;
mod limit;
mod loan;
mod pool;
mod pooled_connection;
mod retry;
mod session;
mod status;
mod task_waker;
mod unfit;
mod whereabouts;

pub use backend::{
    Backend, BackendEntry, BackendInfo, Begun, Capabilities, Connection, Deadline, Detached,
    KnownFailure, Lane, Line, PlaceInLine, Taken,
};
pub use client::Client;
pub use command_error::{CommandError, command_name, pipeline_name};
pub use config::{Endpoint, PoolConfig, PushHandler};
pub use detached_connection::DetachedConnection;
pub use error::{ConnectError, ConnectErrorKind, PoolError, TimeoutKind};
pub use pool::{Get, Pool};
pub use pooled_connection::PooledConnection;
pub use redis;
pub use retry::{READ_ONLY, Retry, is_read_only};
pub use session::{Blocking, CommandEffect, Session, SessionEffect};
pub use status::{CloseReason, ClosedCounts, Status};
pub use task_waker::wakes_a_task;
pub use unfit::{error_says_unfit, replies_say_unfit, reply_says_unfit, telling_refusal};
pub use whereabouts::Whereabouts;
