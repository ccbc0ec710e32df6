//! [`Session`]: what the server remembers about one connection.

use std::net::SocketAddr;

/// One connection's state, as commands change it.
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) address: SocketAddr,
    pub(super) name: Vec<u8>,
    pub(super) database: usize,
    /// The commands since MULTI.
    pub(super) queued: Option<Vec<Vec<Vec<u8>>>>,
}

impl Session {
    pub(super) fn new(id: u64, address: SocketAddr) -> Session {
        Session {
            id,
            address,
            name: Vec::new(),
            database: 0,
            queued: None,
        }
    }

    /// RESET: as if newly connected.
    pub(super) fn reset(&mut self) {
        *self = Session::new(self.id, self.address);
    }
}
