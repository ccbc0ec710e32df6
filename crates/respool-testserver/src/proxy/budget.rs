//! How many bytes a connection may still pass before it is cut.

/// A limit that counts anew for every connection each time it is set.
#[derive(Clone, Copy, Default)]
pub(super) struct ByteLimit {
    bytes: Option<u64>,
    times_set: u64,
}

impl ByteLimit {
    pub(super) fn set(&mut self, bytes: Option<u64>) {
        self.bytes = bytes;
        self.times_set += 1;
    }
}

/// What one direction of one connection has left of a [`ByteLimit`].
#[derive(Default)]
pub(super) struct Budget {
    limit: ByteLimit,
}

impl Budget {
    /// How many of `wanted` bytes may pass now.
    pub(super) fn allows(&mut self, wanted: usize, limit: ByteLimit) -> usize {
        if self.limit.times_set != limit.times_set {
            self.limit = limit;
        }
        match self.limit.bytes {
            Some(left) => usize::try_from(left).unwrap_or(usize::MAX).min(wanted),
            None => wanted,
        }
    }

    pub(super) fn spend(&mut self, bytes: usize) {
        if let Some(left) = &mut self.limit.bytes {
            *left -= bytes as u64;
        }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.limit.bytes == Some(0)
    }
}
