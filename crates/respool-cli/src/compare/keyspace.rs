use redis::RedisResult;
use redis::aio::MultiplexedConnection;

use crate::progress::Progress;

/// The keys of one comparison and the value that is written to them. Their prefix is random: the
/// server may be somebody's.
#[derive(Debug)]
pub(crate) struct Keyspace {
    prefix: String,
    pub(crate) keys: Vec<String>,
    pub(crate) value: Vec<u8>,
}

const KEYS_A_REQUEST: usize = 500;

impl Keyspace {
    pub(crate) fn new(keys: usize, value_size: usize) -> Self {
        let prefix = format!("respool:compare:{:016x}:", fastrand::u64(..));
        let value = std::iter::repeat_with(|| fastrand::u8(..)).take(value_size);
        Keyspace {
            keys: (0..keys)
                .map(|number| format!("{prefix}{number}"))
                .collect(),
            value: value.collect(),
            prefix,
        }
    }

    /// What every key begins with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Writes every key once, so that each GET finds its value: a step of `progress` for each
    /// [request](Keyspace::requests).
    ///
    /// The first goes alone: who may not write is told so once, not once for each key.
    pub(crate) async fn fill(
        &self,
        connection: &mut MultiplexedConnection,
        progress: &Progress,
    ) -> RedisResult<()> {
        let mut first = redis::cmd("SET");
        first.arg(&self.keys[0]).arg(&self.value);
        first.query_async::<()>(connection).await?;
        for keys in self.keys.chunks(self.keys_a_request()) {
            let mut pipeline = redis::pipe();
            for key in keys {
                pipeline.cmd("SET").arg(key).arg(&self.value).ignore();
            }
            pipeline.query_async::<()>(connection).await?;
            progress.advance();
        }
        Ok(())
    }

    /// How many requests it takes to write them.
    pub(crate) fn requests(&self) -> usize {
        self.keys.len().div_ceil(self.keys_a_request())
    }

    /// Deletes every key.
    pub(crate) async fn delete(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        for keys in self.keys.chunks(KEYS_A_REQUEST) {
            redis::cmd("DEL")
                .arg(keys)
                .query_async::<()>(connection)
                .await?;
        }
        Ok(())
    }

    /// Large values go in smaller requests: one of some megabytes at most.
    fn keys_a_request(&self) -> usize {
        const MOST_BYTES: usize = 4 << 20;
        (MOST_BYTES / self.value.len().max(1)).clamp(1, KEYS_A_REQUEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_says_whose_it_is_and_no_two_runs_share_one() {
        let (one, other) = (Keyspace::new(2, 3), Keyspace::new(2, 3));
        assert!(
            one.keys
                .iter()
                .all(|key| key.starts_with("respool:compare:"))
        );
        assert!(one.keys.iter().all(|key| !other.keys.contains(key)));
        assert_eq!(one.value.len(), 3);
    }
}
