//! `respool soak`: a pool under random use and random faults, for as long as one likes, and what
//! must hold all the while.

mod faults;
mod operations;
mod options;
mod own_key;
mod quiet;
mod report;
mod resources;
mod sharing;
mod state;
mod tasks;
mod trouble;
mod value;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fastrand::Rng;
use respool::{Endpoint, PoolConfig};
use respool_testserver::{FaultProxy, RedisServer};
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::interrupt::{Interrupt, Signal};
use crate::progress::Progress;
use crate::{output, runtime};
pub(crate) use options::Options;
use resources::Growth;
use sharing::Sharer;
use state::{AFTERMATH, State, Tallies};
use tasks::Work;

/// What happened, and whether everything held.
#[derive(Debug)]
pub(crate) struct Outcome {
    elapsed: Duration,
    operations: u64,
    cancelled: u64,
    quiet_moments: usize,
    tallies: Tallies,
    growth: Growth,
    closed: Vec<(&'static str, u64)>,
    breach: Option<String>,
    /// What the server said of its clients just after that.
    clients: Option<String>,
    interrupted: Option<Signal>,
}

/// Runs for the time that was asked for, or until the first invariant breaks.
pub(crate) fn run(options: &Options) -> Result<Outcome, Failure> {
    let runtime = runtime::with_workers(runtime::default_workers().max(2))?;
    runtime.block_on(soak(options))
}

/// Prints what happened. Exit code 1 when an invariant broke.
pub(crate) fn report(options: &Options, outcome: &Outcome) -> Result<ExitCode, Failure> {
    match options.json {
        true => output::print_json(&report::Document::new(options, outcome))?,
        false => output::print(&report::render(options, outcome))?,
    }
    Ok(match (&outcome.breach, outcome.interrupted) {
        (Some(_), _) => ExitCode::FAILURE,
        (None, Some(signal)) => signal.exit_code(),
        (None, None) => ExitCode::SUCCESS,
    })
}

async fn soak(options: &Options) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::listen();
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("soak: {error}"));
    let mut server = RedisServer::start()
        .await
        .map_err(|error| Failure::from(error).within("soak"))?;
    let proxy = FaultProxy::start(server.address()).await;
    let proxy = Arc::new(proxy.map_err(|error| failed(&error))?);
    let state = Arc::new(State::new((options.backend.build)(config(
        options, &proxy,
    )?)?));
    let progress = Progress::start(options.duration.as_secs() as usize);
    progress.remark(&format!(
        "seed {}; repeat: {}",
        options.seed,
        options.repeat()
    ));

    let mut rng = Rng::with_seed(options.seed);
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..options.tasks {
        tasks.spawn(tasks::run(Work::Mixed, state.clone(), rng.fork()));
    }
    let client = state.pool.client();
    for number in 0..options.clients {
        let work = Work::Shared(Arc::new(Sharer::new(client.clone(), number)));
        tasks.spawn(tasks::run(work, state.clone(), rng.fork()));
    }
    tasks.spawn(watch(state.clone(), proxy.clone()));
    let mut growth = Growth::default();
    let weather = async {
        while !state.is_stopped() && began.elapsed() < options.duration {
            let left = options.duration.saturating_sub(began.elapsed());
            storm(&state, &mut server, &proxy, &mut rng, left / 3).await?;
            state
                .sleep(AFTERMATH + Duration::from_millis(rng.u64(500..1500)))
                .await;
            if state.is_stopped() {
                break;
            }
            let quiet = quiet::moment(&state, &server, &proxy, &mut growth, &mut rng);
            if let Err(account) = quiet.await {
                state.breach(account);
            }
        }
        Ok::<(), Failure>(())
    };
    let told = tell(&state, &progress, began);
    let ended = tokio::select! {
        ended = weather => ended,
        () = told => Ok(()),
        _ = interrupt.raised() => Ok(()),
    };
    state.stop();
    ended?;
    let clients = match state.first_breach() {
        Some(_) => client_list(&server).await,
        None => None,
    };
    if interrupt.signal().is_none()
        && let Err(account) = growth.judge()
    {
        state.breach(account);
    }
    let closed = state.pool.status().closed;
    // Tasks that wait are told at once, and what they say then is no finding.
    tasks.shutdown().await;
    state.pool.close(Duration::ZERO).await;
    Ok(Outcome {
        elapsed: began.elapsed(),
        operations: state.operations.load(Ordering::Relaxed),
        cancelled: state.cancelled.load(Ordering::Relaxed),
        quiet_moments: growth.samples.len(),
        tallies: state.tallies(),
        growth,
        closed: closed
            .iter()
            .map(|(reason, count)| (reason.as_str(), count))
            .collect(),
        breach: state.first_breach(),
        clients,
        interrupted: interrupt.signal(),
    })
}

/// `None` from a server that a fault holds up.
async fn client_list(server: &RedisServer) -> Option<String> {
    let asked = server.command(&["CLIENT", "LIST"]);
    let list = tokio::time::timeout(Duration::from_secs(1), asked).await;
    list.ok()?.ok()?.text()
}

/// Short time-outs, so that what a fault did shows before it counts as calm again.
fn config(options: &Options, proxy: &FaultProxy) -> Result<PoolConfig, Failure> {
    let mut config = PoolConfig::new(Endpoint::new(proxy.url())?);
    config.max_size = options.max_size;
    config.get_timeout = Some(Duration::from_secs(4));
    config.connect_timeout = Some(Duration::from_secs(1));
    config.response_timeout = Some(Duration::from_secs(2));
    Ok(config)
}

/// Fault after fault, for some seconds or until `limit`.
async fn storm(
    state: &Arc<State>,
    server: &mut RedisServer,
    proxy: &FaultProxy,
    rng: &mut Rng,
    limit: Duration,
) -> Result<(), Failure> {
    let time = Duration::from_millis(rng.u64(500..5000)).min(limit);
    let began = Instant::now();
    while began.elapsed() < time && !state.is_stopped() {
        faults::strike(state, server, proxy, rng).await?;
        state.sleep(Duration::from_millis(rng.u64(..400))).await;
    }
    Ok(())
}

async fn watch(state: Arc<State>, proxy: Arc<FaultProxy>) {
    while !state.is_stopped() {
        quiet::glance(&state, &proxy).await;
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
}

/// Shows once a second how far it came, until the run is stopped.
async fn tell(state: &State, progress: &Progress, began: Instant) {
    let mut seconds = 0;
    while !state.is_stopped() {
        state.sleep(Duration::from_secs(1)).await;
        let tallies = state.tallies();
        let line = format!(
            "{} operations, {} errors, {} faults",
            state.operations.load(Ordering::Relaxed),
            tallies.errors.values().sum::<u64>(),
            tallies.faults.values().sum::<u64>(),
        );
        seconds += 1;
        if seconds % 10 == 0 {
            progress.milestone(&format!("{} s: {line}", began.elapsed().as_secs()));
        }
        progress.working_on(line);
        progress.advance();
    }
}
