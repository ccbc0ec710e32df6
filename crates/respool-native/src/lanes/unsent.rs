use std::collections::VecDeque;

use redis::Value;

use super::places::{Place, Places};

/// Commands of more bytes travel in a buffer of their own: copying them is not for a lock.
pub(crate) const LARGE: usize = 16 * 1024;

/// What an empty buffer may keep between batches.
const KEPT: usize = 256 * 1024;

/// Commands that wait for the next write, in order, and who asked.
#[derive(Default)]
pub(crate) struct Unsent {
    small: Vec<u8>,
    /// Large commands, each with how many bytes of the small ones stand before it.
    large: Vec<(usize, Vec<u8>)>,
    pub(crate) entries: VecDeque<Entry>,
    /// Bytes of the large ones.
    large_bytes: usize,
    /// Replies that will come.
    replies: u64,
}

/// A command or pipeline that is to be answered.
pub(crate) struct Entry {
    pub(crate) place: Place,
    /// Its bytes.
    pub(crate) length: usize,
    /// Where it is a pipeline: its replies.
    pub(crate) replies: Option<Box<Replies>>,
}

/// The replies to a pipeline.
pub(crate) struct Replies {
    pub(crate) missing: usize,
    pub(crate) values: Vec<Value>,
}

/// A batch on its way: its bytes in order, piece by piece.
#[derive(Default)]
pub(crate) struct Outgoing {
    pieces: VecDeque<Piece>,
    /// How much of the first piece is written.
    written: usize,
    spare: Vec<u8>,
}

struct Piece {
    bytes: Vec<u8>,
    /// A command of its own.
    is_large: bool,
}

impl Unsent {
    pub(crate) fn bytes(&self) -> usize {
        self.small.len() + self.large_bytes
    }

    /// How many replies will come.
    pub(crate) fn replies(&self) -> u64 {
        self.replies
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Appends what `write` writes.
    pub(crate) fn append(
        &mut self,
        place: Place,
        missing: usize,
        is_pipeline: bool,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let before = self.small.len();
        write(&mut self.small);
        self.note(place, self.small.len() - before, missing, is_pipeline);
    }

    /// Appends a large one, which is packed already.
    pub(crate) fn append_large(
        &mut self,
        place: Place,
        missing: usize,
        is_pipeline: bool,
        bytes: Vec<u8>,
    ) {
        let length = bytes.len();
        self.large_bytes += length;
        self.large.push((self.small.len(), bytes));
        self.note(place, length, missing, is_pipeline);
    }

    fn note(&mut self, place: Place, length: usize, missing: usize, is_pipeline: bool) {
        self.replies += missing as u64;
        self.entries.push_back(Entry {
            place,
            length,
            replies: is_pipeline.then(|| {
                Box::new(Replies {
                    missing,
                    values: Vec::with_capacity(missing),
                })
            }),
        });
    }

    /// Takes out what nobody waits for any more.
    pub(crate) fn weed(&mut self, places: &mut Places) {
        let mut kept = Unsent::default();
        let mut large = std::mem::take(&mut self.large).into_iter().peekable();
        let mut at = 0;
        for entry in std::mem::take(&mut self.entries) {
            let is_wanted = !places.was_given_up(entry.place);
            match large.next_if(|(before, _)| *before == at && entry.length > LARGE) {
                Some((_, bytes)) if is_wanted => {
                    kept.large_bytes += bytes.len();
                    kept.large.push((kept.small.len(), bytes));
                }
                Some(_) => {}
                None => {
                    let end = at + entry.length;
                    if is_wanted {
                        kept.small.extend_from_slice(&self.small[at..end]);
                    }
                    at = end;
                }
            }
            if is_wanted {
                kept.replies += entry.replies.as_ref().map_or(1, |it| it.missing as u64);
                kept.entries.push_back(entry);
            } else {
                places.free(entry.place);
            }
        }
        *self = kept;
    }

    /// How many replies will come, which is to be asked once.
    pub(crate) fn take_count(&mut self) -> u64 {
        std::mem::take(&mut self.replies)
    }

    /// Moves all of it to what is on its way.
    pub(crate) fn move_to(&mut self, outgoing: &mut Outgoing, in_flight: &mut VecDeque<Entry>) {
        match in_flight.is_empty() {
            true => std::mem::swap(&mut self.entries, in_flight),
            false => in_flight.append(&mut self.entries),
        }
        let small = std::mem::replace(&mut self.small, std::mem::take(&mut outgoing.spare));
        self.large_bytes = 0;
        if self.large.is_empty() {
            outgoing.push(small, false);
            return;
        }
        let mut at = 0;
        for (before, bytes) in self.large.drain(..) {
            outgoing.push(small[at..before].to_vec(), false);
            at = before;
            outgoing.push(bytes, true);
        }
        outgoing.push(small[at..].to_vec(), false);
    }
}

impl Outgoing {
    fn push(&mut self, bytes: Vec<u8>, is_large: bool) {
        if !bytes.is_empty() {
            self.pieces.push_back(Piece { bytes, is_large });
        }
    }

    pub(crate) fn has_large(&self) -> bool {
        self.pieces.iter().any(|piece| piece.is_large)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// What is to be written next.
    pub(crate) fn rest(&self) -> Option<&[u8]> {
        let piece = self.pieces.front()?;
        Some(&piece.bytes[self.written..])
    }

    pub(crate) fn wrote(&mut self, count: usize) {
        self.written += count;
        if self
            .pieces
            .front()
            .is_some_and(|piece| piece.bytes.len() == self.written)
        {
            self.written = 0;
            if let Some(Piece { mut bytes, .. }) = self.pieces.pop_front()
                && bytes.capacity() <= KEPT
                && bytes.capacity() > self.spare.capacity()
            {
                bytes.clear();
                self.spare = bytes;
            }
        }
    }

    /// How many bytes are not written.
    pub(crate) fn unwritten(&self) -> usize {
        let whole: usize = self.pieces.iter().map(|piece| piece.bytes.len()).sum();
        whole - self.written
    }
}
