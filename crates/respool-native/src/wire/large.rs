/// What is set aside at once for a string whose length the server has only announced.
const STEP: usize = 1 << 20;

/// A string that is read straight into what it becomes, since the rest of it doesn't fit into the
/// connection's buffer: only what had come by then is copied, and the buffer stays small.
pub(super) struct Large {
    /// Always initialised; `arrived` bytes of it came from the server.
    bytes: Vec<u8>,
    arrived: usize,
    /// How many there will be, with the line end.
    total: usize,
}

impl Large {
    /// One that has `begun`, so many bytes before its end.
    pub(super) fn new(begun: &[u8], to_come: usize) -> Self {
        let total = begun.len() + to_come;
        let mut bytes = vec![0; total.min(STEP.max(begun.len()))];
        bytes[..begun.len()].copy_from_slice(begun);
        Large {
            bytes,
            arrived: begun.len(),
            total,
        }
    }

    pub(super) fn arrived(&self) -> usize {
        self.arrived
    }

    /// Where the next bytes go: at least one, and none that belong to others.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.arrived == self.bytes.len() {
            let more = (self.total - self.arrived).min(self.arrived.max(STEP));
            self.bytes.reserve_exact(more);
            self.bytes.resize(self.arrived + more, 0);
        }
        &mut self.bytes[self.arrived..]
    }

    /// Takes note of `count` bytes that were read into its room, and shows them.
    pub(super) fn add(&mut self, count: usize) -> &[u8] {
        let before = self.arrived;
        self.arrived += count;
        &self.bytes[before..self.arrived]
    }

    /// The string, which has arrived whole, without its line end.
    pub(super) fn into_text(mut self) -> Vec<u8> {
        self.bytes.truncate(self.total - 2);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_announced_is_set_aside_in_steps() {
        let total = 3 * STEP;
        let mut large = Large::new(b"begun", total - 5 + 2);
        let mut rooms = Vec::new();
        while large.arrived() < large.total {
            let room = large.room();
            room.fill(b'x');
            rooms.push(room.len());
            let count = room.len();
            assert_eq!(large.add(count).len(), count);
        }
        assert_eq!(rooms, [STEP - 5, STEP, STEP + 2]);
        let text = large.into_text();
        assert_eq!(text.len(), total);
        assert!(text.starts_with(b"begunxx") && text.ends_with(b"xx"));
    }
}
