//! What respool's wrapped backends share. Authors of backends read this; users never see it.
//!
//! A wrapped pool brings its queue and its store of idle connections. The rest, which none of them
//! keeps by itself, is here:
//!
//! - [`Socket`]: a socket that can be looked at without a round trip, closed from anywhere, and
//!   moved to another runtime.
//! - [`Route`]: how the server of a configuration is reached, plainly or by TLS.
//! - [`RedisLink`]: a connection of the redis crate on such a socket, driven by its holder's own
//!   task, so that it needs no task of its own and no particular runtime.
//! - [`Dialler`]: opens connections so that a caller who gives up throws none away, a crowd opens
//!   no more than it needs, and a server that is down is not stormed.
//! - [`Ledger`]: counts every connection from the first byte to the server's last, so that a
//!   snapshot adds up and the server never sees more than `max_size`.
//! - [`Frames`] and [`decode`]: where a reply ends and whether it is one, and then its value;
//!   [`ReplyMode`]: which commands have none.
//! - [`Wrapped`]: all of it together as a [`respool_core::Backend`], over anything that can
//!   [take and give back](Slots).

mod back_off;
mod bridge;
mod chance;
mod decode;
mod dialler;
mod farewell;
mod frames;
mod ledger;
mod lifetime;
mod link;
#[cfg(feature = "mobc")]
mod mobc_slots;
mod owed;
mod poll;
mod redis_dial;
mod redis_link;
mod reply_mode;
mod route;
mod runtime_watch;
mod socket;
#[cfg(feature = "tls")]
mod tls;
mod transaction;
mod upkeep;
mod wrapped;

pub use back_off::pause;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use decode::agreement::assert_agreement;
pub use decode::decode;
pub use dialler::{Dial, Dialler};
pub use farewell::Parting;
pub use frames::{Ended, Frames, Violation};
pub use ledger::{CloseNow, Ledger, Opening, Place};
pub use link::{Glance, Link};
#[cfg(feature = "mobc")]
pub use mobc_slots::MobcSlots;
pub use owed::Owed;
pub use poll::{at_once, run_to_end};
pub use redis_dial::RedisDial;
pub use redis_link::{RedisLink, SharedParts};
pub use reply_mode::ReplyMode;
pub use route::Route;
pub use runtime_watch::RuntimeWatch;
pub use socket::{Look, Socket, SocketStream, turns_away};
pub use transaction::{refused, send_pipeline};
pub use upkeep::{Kept, Upkeep};
pub use wrapped::{LaneOfPool, Slots, Wrapped};
