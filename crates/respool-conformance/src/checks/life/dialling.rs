use std::net::TcpStream;
use std::time::{Duration, Instant};

use respool_core::{CloseReason, Pool};
use respool_testserver::{FaultProxy, RedisServer};
use tokio::task::JoinSet;

use crate::check::ensure;
use crate::checks::way::{Way, echo_on};
use crate::trial::{eventually, within};
use crate::{Broken, Finding, Trial};

const POOLS: usize = 4;
const HOLDERS: usize = 50;
const ASKERS: usize = 20;
const OUTAGE: Duration = Duration::from_secs(3);
/// How long the other side takes to hang up: long enough for two attempts at once to be seen.
const HOLD: Duration = Duration::from_millis(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);
const MOST_AT_FIRST: u64 = 20;
const MOST_A_SECOND: u64 = 10;
const SECOND: Duration = Duration::from_secs(1);
/// What comes sooner than this after another belongs to the same attempt, not to a pause.
const SHORTEST_PAUSE: Duration = Duration::from_millis(80);
/// Half of the pauses differ from the middle one by more than this part of it.
const LEAST_SPREAD: f64 = 0.04;
/// The promise is one pause, of half a second. The rest is for machines with other things to do.
const SERVED_WITHIN: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(10);

/// LIFE-3: crowds at pools whose server hangs up, is full, or isn't there.
pub(crate) fn dialling_is_bounded(trial: &Trial) -> Finding {
    let case = |case| move |broken: Broken| broken.in_case(case);
    trial.block_on(async {
        // Pools of others are judged by how often they ask a server that has gone.
        if !trial.nature().speaks_the_contract {
            return hangs_up(trial).await;
        }
        let (evidence, (), (), ()) = tokio::try_join!(
            async {
                hangs_up(trial)
                    .await
                    .map_err(case("a server that hangs up"))
            },
            async { is_full(trial).await.map_err(case("a server that is full")) },
            async { refuses(trial).await.map_err(case("nobody listens")) },
            async {
                fails_holders(trial)
                    .await
                    .map_err(case("holders who have not used their connections"))
            },
        )?;
        Ok(evidence)
    })
}

/// Several pools that begin at the same time, each with a way to the server of its own.
async fn hangs_up(trial: &Trial) -> Finding {
    let mut gone = trial.server().await?;
    let mut fronts = Vec::new();
    for _ in 0..POOLS {
        let proxy = trial.proxy(&gone).await?;
        fronts.push(Front::new(trial, proxy).await?);
    }
    gone.kill().await;
    for front in &mut fronts {
        front.proxy.slow_accept(Some(HOLD));
        front.proxy.cut();
        front.begin();
    }
    let started = Instant::now();
    while started.elapsed() < OUTAGE {
        for front in &mut fronts {
            front.look(started.elapsed());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let mut pauses = Vec::new();
    for front in &fronts {
        front.expect_few()?;
        if !front.pool.is_bare() {
            ensure!(front.tried() > 0, expected: "attempts to connect", seen: "none");
            front.expect_one_at_a_time()?;
        }
        pauses.extend(front.later_pauses());
    }
    let spread = expect_chance(trial, &mut pauses)?;
    let tried: Vec<_> = fronts.iter().map(Front::tried).collect();

    let server = trial.server().await?;
    for front in fronts {
        front.proxy.slow_accept(None);
        front.proxy.lead_to(server.address());
        // The attempt that was under way in this moment comes on top.
        let before = front.proxy.accepted() + 1;
        front.expect_all_served_without_a_storm(before).await?;
    }
    Ok(format!(
        "{tried:?} attempts in {OUTAGE:?} for {ASKERS} callers each, pauses that spread by {:.0}%; \
         no storm at the return",
        spread * 100.0
    ))
}

async fn is_full(trial: &Trial) -> Result<(), Broken> {
    const PLACES: usize = 4;
    let server = RedisServer::builder().max_clients(PLACES).start().await?;
    let mut strangers = Vec::new();
    for _ in 0..PLACES {
        strangers.push(TcpStream::connect(server.address())?);
    }
    let what = "the server to be full";
    let full = async || server.connected_clients().await == PLACES;
    eventually(PATIENCE, what, full).await?;

    let front = front_in_an_outage(trial, trial.proxy(&server).await?).await?;
    front.expect_few()?;
    let before = front.proxy.accepted();
    drop(strangers);
    // The attempt that was under way in this moment comes on top.
    front.expect_all_served_without_a_storm(before + 1).await
}

/// What is refused can't be counted. The return can.
async fn refuses(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    proxy.refuse(true);
    let front = front_in_an_outage(trial, proxy).await?;
    front.proxy.refuse(false);
    front.expect_all_served_without_a_storm(0).await
}

/// An outage that is known before any of many holders sends his first command.
async fn fails_holders(trial: &Trial) -> Result<(), Broken> {
    let mut gone = trial.server().await?;
    let proxy = trial.proxy(&gone).await?;
    let mut config = trial.config(&proxy.url());
    config.max_size = HOLDERS + 1;
    config.get_timeout = Some(Duration::from_secs(20));
    let pool = trial.pool(config)?;
    let mut held = Vec::new();
    for _ in 0..HOLDERS {
        held.push(pool.get().await?);
    }
    gone.kill().await;
    proxy.cut();
    let waiter = pool.clone();
    let waiter = tokio::spawn(async move { waiter.get().await.map(drop) });
    tokio::time::sleep(2 * SECOND).await;

    let before = proxy.accepted();
    let started = Instant::now();
    let mut commands = JoinSet::new();
    for mut connection in held {
        commands.spawn(async move { echo_on(&mut connection, "word").await });
    }
    while let Some(outcome) = within(
        PATIENCE,
        "their first commands to fail",
        commands.join_next(),
    )
    .await?
    {
        let outcome = outcome?;
        ensure!(outcome.is_err(), expected: "a first command to fail", seen: "a reply");
    }
    tokio::time::sleep(SECOND.saturating_sub(started.elapsed())).await;
    let tried = proxy.accepted() - before;
    ensure!(
        tried <= MOST_A_SECOND,
        expected: "at most {MOST_A_SECOND} attempts while {HOLDERS} of them are told",
        seen: "{tried}"
    );
    let server = trial.server().await?;
    proxy.lead_to(server.address());
    let what = "whoever waited to be served soon after the server's return";
    within(SERVED_WITHIN, what, waiter).await???;
    Ok(())
}

async fn front_in_an_outage(trial: &Trial, proxy: FaultProxy) -> Result<Front, Broken> {
    let mut front = Front::new(trial, proxy).await?;
    front.begin();
    let started = Instant::now();
    while started.elapsed() < OUTAGE {
        front.look(started.elapsed());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(front)
}

/// A pool with a crowd of callers, and what is seen of its dialling from the other side.
struct Front {
    proxy: FaultProxy,
    /// Connections accepted before the outage.
    before: u64,
    pool: Pool,
    crowd: JoinSet<Result<(), Broken>>,
    /// When each attempt was first seen.
    attempts: Vec<Duration>,
    /// Whether an attempt has been seen to end: from then on the pool knows.
    knows: bool,
    looks: usize,
    /// Looks that found more than one attempt under way.
    crowded_looks: usize,
    most_at_once: usize,
}

impl Front {
    /// A pool that has not connected yet; those of others have, because how often to try at first is
    /// their maker's choice.
    async fn new(trial: &Trial, proxy: FaultProxy) -> Result<Self, Broken> {
        let mut config = trial.config(&proxy.url());
        config.get_timeout = Some(Duration::from_secs(20));
        let pool = trial.pool(config)?;
        if pool.is_bare() {
            Way::Shared.echo(&pool, "before").await?;
        }
        Ok(Front {
            before: proxy.accepted(),
            proxy,
            pool,
            crowd: JoinSet::new(),
            attempts: Vec::new(),
            knows: false,
            looks: 0,
            crowded_looks: 0,
            most_at_once: 0,
        })
    }

    /// Lets the crowd come.
    fn begin(&mut self) {
        for number in 0..ASKERS {
            let pool = self.pool.clone();
            self.crowd.spawn(async move {
                let word = format!("word {number}");
                let way = Way::BOTH[usize::from(number % 4 == 0)];
                loop {
                    match way.echo(&pool, &word).await {
                        // Where `get` doesn't wait for the server's return, its callers have to.
                        Err(_) if pool.is_bare() => tokio::time::sleep(HOLD).await,
                        outcome => return outcome,
                    }
                }
            });
        }
    }

    fn look(&mut self, now: Duration) {
        let tried = self.proxy.accepted() - self.before;
        let open = self.proxy.open();
        self.attempts.resize(tried as usize, now);
        if self.knows {
            self.looks += 1;
            self.crowded_looks += usize::from(open > 1);
            self.most_at_once = self.most_at_once.max(open);
        } else {
            self.knows = tried > 0 && open == 0;
        }
    }

    fn tried(&self) -> u64 {
        self.attempts.len() as u64
    }

    fn expect_one_at_a_time(&self) -> Result<(), Broken> {
        // One that was given up may still be on its way out at the other side, on a busy machine.
        ensure!(
            self.crowded_looks <= self.looks / 10,
            expected: "one attempt at a time after the first failed",
            seen: "more in {} looks of {}, up to {}", self.crowded_looks, self.looks, self.most_at_once
        );
        Ok(())
    }

    fn expect_few(&self) -> Result<(), Broken> {
        let Some(first) = self.attempts.first() else {
            return Ok(());
        };
        let later = first.saturating_add(SECOND);
        let at_first = self.attempts.iter().filter(|at| **at < later).count() as u64;
        ensure!(
            at_first <= MOST_AT_FIRST,
            expected: "at most {MOST_AT_FIRST} attempts in the first second",
            seen: "{at_first}"
        );
        for start in self.attempts.iter().filter(|at| **at >= later) {
            let second = *start..*start + SECOND;
            let count = self
                .attempts
                .iter()
                .filter(|at| second.contains(at))
                .count() as u64;
            ensure!(
                count <= MOST_A_SECOND,
                expected: "at most {MOST_A_SECOND} attempts in any later second",
                seen: "{count} from {start:?} on"
            );
        }
        Ok(())
    }

    fn later_pauses(&self) -> impl Iterator<Item = Duration> {
        self.attempts
            .windows(2)
            .filter(|pair| pair[0] >= SECOND)
            .map(|pair| pair[1] - pair[0])
            .filter(|pause| *pause >= SHORTEST_PAUSE)
    }

    /// `before` attempts had been made when the server came back.
    async fn expect_all_served_without_a_storm(mut self, before: u64) -> Result<(), Broken> {
        let what = format!("all {ASKERS} callers served soon after the server's return");
        let served = async {
            while let Some(outcome) = self.crowd.join_next().await {
                outcome??;
            }
            Ok::<_, Broken>(())
        };
        match within(SERVED_WITHIN, &what, served).await {
            Ok(served) => served?,
            // Whether it recovers at all is LIFE-2's to tell.
            Err(_) if self.pool.is_bare() => {}
            Err(broken) => return Err(broken),
        }
        let max_size = self.pool.config().max_size as u64;
        // A lane that has done its work gives its slot to whoever needs a connection of their own.
        let made_room = self.pool.status().closed.of(CloseReason::MadeRoom);
        let opened = self.proxy.accepted().saturating_sub(before + made_room);
        ensure!(
            opened <= max_size,
            expected: "at most {max_size} connections at the server's return",
            seen: "{opened}"
        );
        Ok(())
    }
}

/// How far pauses that nothing but chance could make different are apart.
fn expect_chance(trial: &Trial, pauses: &mut [Duration]) -> Result<f64, Broken> {
    let seen = pauses.len();
    if seen < 8 && !trial.nature().speaks_the_contract {
        // Too few to tell, which is no storm either.
        return Ok(0.0);
    }
    ensure!(seen >= 8, expected: "pauses between attempts", seen: "{seen}");
    pauses.sort_unstable();
    let middle = pauses[seen / 2];
    let mut distances: Vec<_> = pauses.iter().map(|pause| pause.abs_diff(middle)).collect();
    distances.sort_unstable();
    let spread = distances[seen / 2];
    ensure!(
        spread > middle.mul_f64(LEAST_SPREAD),
        expected: "pauses that chance makes different, so that pools don't march in step",
        seen: "half of them within {spread:?} of {middle:?}"
    );
    Ok(spread.as_secs_f64() / middle.as_secs_f64())
}
