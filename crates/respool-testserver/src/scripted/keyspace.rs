//! [`Keyspace`]: the data, in memory.

use std::collections::{HashMap, VecDeque};

const DATABASES: usize = 16;

/// The numbered databases.
pub(super) struct Keyspace {
    databases: Vec<Database>,
}

pub(super) type Database = HashMap<Vec<u8>, Value>;

/// What a key may hold.
pub(super) enum Value {
    Text(Vec<u8>),
    List(VecDeque<Vec<u8>>),
}

impl Default for Keyspace {
    fn default() -> Keyspace {
        Keyspace {
            databases: (0..DATABASES).map(|_| Database::new()).collect(),
        }
    }
}

impl Keyspace {
    pub(super) fn has_database(&self, number: usize) -> bool {
        number < self.databases.len()
    }

    /// A database that SELECT has let through.
    pub(super) fn database(&mut self, number: usize) -> &mut Database {
        &mut self.databases[number]
    }

    pub(super) fn clear(&mut self) {
        *self = Keyspace::default();
    }
}
