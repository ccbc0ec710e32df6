use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use redis::{FromRedisValue, Value};
use respool_core::Pool;
use respool_testserver::{FaultProxy, RedisServer};
use tokio::task::JoinSet;

use super::small_commands::{Others, fill};
use crate::check::ensure;
use crate::checks::execute;
use crate::checks::full_use::lost_nothing;
use crate::checks::way::command;
use crate::trial::{eventually, within};
use crate::{Broken, Finding, Trial};

const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes in a large reply.
const SIZE: usize = 10_000_000;

/// Bytes of reply a second on each connection: a large reply takes more than a second.
const RATE: Option<NonZeroU64> = NonZeroU64::new(8_000_000);

/// Bytes after which a large reply has begun to arrive, beyond what buffers on the way may hold.
const BEGUN: u64 = 512 * 1024;

/// How many small commands of the others a large reply must leave time for. On a machine with
/// nothing else to do there are thousands.
const REPLIES: usize = 100;

/// No small command takes more than this part of the time of the large replies.
const PART: u32 = 3;

/// SHR-3: one large reply after the other with one connection to spare, and two at once.
pub(crate) fn large_reply_stops_nobody(trial: &Trial) -> Finding {
    trial.block_on(async {
        let server = trial.server().await?;
        for large in [Large::String, Large::List] {
            large.store(&server).await?;
        }
        let one_after_the_other: &[&[Large]] = &[&[Large::String], &[Large::List]];
        let at_once: &[&[Large]] = &[&[Large::String, Large::List]];
        // Where callers queue for a connection, and a pool of others is unfair to them, that is
        // GET-4's to tell: here each has one.
        let nature = trial.subject().nature();
        let room = match nature.lends && !nature.speaks_the_contract {
            true => Others::TASKS,
            false => 0,
        };
        let mut found = Vec::new();
        for (max_size, rounds) in [(2, one_after_the_other), (4, at_once)] {
            let proxy = trial.proxy(&server).await?;
            let mut config = trial.config(&proxy.url());
            let max_size = max_size + room;
            config.max_size = max_size;
            config.get_timeout = Some(PATIENCE);
            config.response_timeout = Some(PATIENCE);
            let pool = trial.pool(config)?;
            for round in rounds {
                let case = format!("max_size {max_size}, {round:?}");
                let finding = others_go_on(&server, &proxy, &pool, round).await;
                found.push(finding.map_err(|broken| broken.in_case(&case))?);
            }
            lost_nothing(&pool).await?;
            let most = proxy.most_open();
            ensure!(
                most <= max_size,
                expected: "at most {max_size} connections at the server",
                seen: "{most}"
            );
        }
        Ok(found.join(", "))
    })
}

/// Others send small commands once all of `round` has begun to arrive, and until it has.
async fn others_go_on(
    server: &RedisServer,
    proxy: &FaultProxy,
    pool: &Pool,
    round: &[Large],
) -> Finding {
    let client = pool.client();
    fill(&client).await?;

    proxy.limit_reply_rate(RATE);
    let started = Instant::now();
    let mut readers = JoinSet::new();
    for &large in round {
        let client = client.clone();
        let calls = server.command_calls(large.name()).await;
        readers.spawn(async move {
            let value: Value = large.command().query_async(&mut client.clone()).await?;
            Ok::<_, Broken>((large, value))
        });
        until_begun(server, proxy, large, calls).await?;
    }
    let others = Others::start(&client);
    let mut values = Vec::new();
    while let Some(read) = readers.join_next().await {
        values.push(read??);
    }
    let took = started.elapsed();
    let replies = others.replies();
    let slowest = within(PATIENCE, "small commands to end", others.stop())
        .await??
        .slowest;
    proxy.limit_reply_rate(None);

    for (large, value) in values {
        large.ensure_whole(value)?;
    }
    ensure!(
        replies >= REPLIES,
        expected: "at least {REPLIES} small commands to be answered meanwhile",
        seen: "{replies} in {took:?}"
    );
    ensure!(
        slowest <= took / PART,
        expected: "no small command to take 1/{PART} of the time of the large reply",
        seen: "{slowest:?} of {took:?}"
    );
    Ok(format!(
        "{replies} small replies in the {took:.1?} of a large one, the slowest in {slowest:.1?}"
    ))
}

async fn until_begun(
    server: &RedisServer,
    proxy: &FaultProxy,
    large: Large,
    calls_before: u64,
) -> Result<(), Broken> {
    let what = format!("{} to be executed", large.name());
    eventually(PATIENCE, &what, async || {
        server.command_calls(large.name()).await > calls_before
    })
    .await?;
    let passed = proxy.reply_bytes();
    eventually(PATIENCE, "the large reply to begin to arrive", async || {
        proxy.reply_bytes() >= passed + BEGUN
    })
    .await
}

/// What a large reply may look like.
#[derive(Clone, Copy, Debug)]
enum Large {
    /// One string.
    String,
    /// Many elements, none of which is large.
    List,
}

impl Large {
    const ELEMENTS: usize = 10_000;

    fn elements(self) -> Vec<String> {
        match self {
            Large::String => vec!["0123456789".repeat(SIZE / 10)],
            Large::List => (0..Self::ELEMENTS)
                .map(|number| format!("{number:0width$}", width = SIZE / Self::ELEMENTS))
                .collect(),
        }
    }

    async fn store(self, server: &RedisServer) -> Result<(), Broken> {
        let elements = self.elements();
        for some in elements.chunks(100) {
            let mut words = match self {
                Large::String => vec!["SET", "large:string"],
                Large::List => vec!["RPUSH", "large:list"],
            };
            words.extend(some.iter().map(String::as_str));
            execute(server, &words).await?;
        }
        Ok(())
    }

    /// The name of its command, which no small command has.
    fn name(self) -> &'static str {
        match self {
            Large::String => "getrange",
            Large::List => "lrange",
        }
    }

    fn command(self) -> redis::Cmd {
        match self {
            Large::String => command("GETRANGE large:string 0 -1", ""),
            Large::List => command("LRANGE large:list 0 -1", ""),
        }
    }

    fn ensure_whole(self, value: Value) -> Result<(), Broken> {
        let elements = match self {
            Large::String => {
                vec![String::from_redis_value(value).map_err(redis::RedisError::from)?]
            }
            Large::List => Vec::from_redis_value(value).map_err(redis::RedisError::from)?,
        };
        ensure!(
            elements == self.elements(),
            expected: "the large reply to arrive whole",
            seen: "{} elements, the first of {} bytes",
            elements.len(),
            elements.first().map_or(0, String::len)
        );
        Ok(())
    }
}
