use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redis::{Arg, Cmd};

/// How many commands are remembered, by their hashes. Others take their places.
const PLACES: usize = 1024;

/// How much of a command tells it from others.
const ARGUMENTS: usize = 4;

/// Commands whose last reply was large, so that the next one goes where it holds up nobody.
///
/// Costs an atomic load as long as there was none.
pub(crate) struct Sizes {
    any: AtomicBool,
    places: Box<[AtomicU64]>,
}

impl Sizes {
    pub(crate) fn new() -> Self {
        Sizes {
            any: AtomicBool::new(false),
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Whether `command` had a large reply when it was last seen to.
    pub(crate) fn expects_large(&self, command: &Cmd) -> bool {
        if !self.any.load(Ordering::Relaxed) {
            return false;
        }
        let hash = hash(command);
        self.place(hash).load(Ordering::Relaxed) == hash
    }

    pub(crate) fn was_large(&self, command: &Cmd) {
        let hash = hash(command);
        self.place(hash).store(hash, Ordering::Relaxed);
        self.any.store(true, Ordering::Relaxed);
    }

    /// What was expected to be large was not.
    pub(crate) fn was_small(&self, command: &Cmd) {
        let hash = hash(command);
        let _ = self
            .place(hash)
            .compare_exchange(hash, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn place(&self, hash: u64) -> &AtomicU64 {
        &self.places[usize::try_from(hash % PLACES as u64).unwrap_or(0)]
    }
}

fn hash(command: &Cmd) -> u64 {
    let mut hasher = BuildHasherDefault::<DefaultHasher>::default().build_hasher();
    for argument in command.args_iter().take(ARGUMENTS) {
        match argument {
            Arg::Simple(bytes) => bytes.hash(&mut hasher),
            _ => 0_u8.hash(&mut hasher),
        }
    }
    // Zero is an empty place.
    std::hash::Hasher::finish(&hasher).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::cmd;

    #[test]
    fn a_command_is_as_large_as_its_last_reply() {
        let sizes = Sizes::new();
        let large = cmd("GET").arg("large").clone();
        assert!(!sizes.expects_large(&large));
        sizes.was_large(&large);
        assert!(sizes.expects_large(&large));
        assert!(!sizes.expects_large(cmd("GET").arg("small")));
        assert!(!sizes.expects_large(cmd("STRLEN").arg("large")));
        sizes.was_small(&large);
        assert!(!sizes.expects_large(&large));
    }
}
