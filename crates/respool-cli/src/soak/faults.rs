use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use respool::PoolError;
use respool_testserver::{FaultProxy, RedisServer};

use super::operations::perform;
use super::state::State;
use crate::failure::Failure;

/// Does one harmful thing, and undoes it before returning.
pub(super) async fn strike(
    state: &Arc<State>,
    server: &mut RedisServer,
    proxy: &FaultProxy,
    rng: &mut Rng,
) -> Result<(), Failure> {
    let time = Duration::from_millis(rng.u64(20..600));
    match rng.u8(..8) {
        0 => {
            state.fault_begins("server killed");
            server.kill().await;
            tokio::time::sleep(time).await;
            server.restart().await.map_err(|error| {
                Failure::failed(format!("the server did not start again: {error}"))
            })?;
        }
        #[cfg(unix)]
        1 => {
            state.fault_begins("server stalled");
            state.muffle(time);
            server.pause();
            tokio::time::sleep(time).await;
            server.resume();
        }
        2 | 3 => {
            state.fault_begins("client killed");
            kill_a_client(server, rng).await;
        }
        4 => {
            state.fault_begins("connections cut");
            if rng.bool() {
                proxy.cut()
            } else {
                proxy.reset()
            }
        }
        5 => {
            state.fault_begins("connections black-holed");
            state.muffle(time);
            proxy.stall_open_connections();
            tokio::time::sleep(time).await;
            // What never answers again would be found out only much later, in a calm stretch.
            proxy.cut();
        }
        6 => {
            state.fault_begins("resize");
            resize(state, rng, time).await;
        }
        _ => {
            state.fault_begins("second runtime");
            visit(state, rng.fork(), time).await?;
        }
    }
    state.fault_ends();
    Ok(())
}

async fn kill_a_client(server: &RedisServer, rng: &mut Rng) {
    // A list that can't be had names nobody.
    let list = server.command(&["CLIENT", "LIST"]).await;
    let list = list.ok().and_then(|reply| reply.text()).unwrap_or_default();
    let ids: Vec<_> = list
        .lines()
        .filter_map(|line| line.strip_prefix("id=")?.split(' ').next())
        .collect();
    if let Some(id) = rng.choice(ids) {
        // It may have left meanwhile.
        let _ = server.command(&["CLIENT", "KILL", "ID", id]).await;
    }
}

/// Another size for a while. A backend that can't must say so, and that was the trial.
async fn resize(state: &State, rng: &mut Rng, time: Duration) {
    let usual = state.pool.config().max_size;
    let other = rng.usize(1..=usual * 2);
    state.ceiling.fetch_max(other, Ordering::SeqCst);
    let can = state.pool.capabilities().resizes;
    for size in [other, usual] {
        match state.pool.set_max_size(size) {
            Ok(()) if can => tokio::time::sleep(time).await,
            Err(PoolError::Unsupported { .. }) if !can => {}
            answer => state.breach(format!(
                "set_max_size({size}) gave {answer:?}, where capabilities().resizes is {can}"
            )),
        }
    }
}

/// A second runtime uses the pool, and ends while it does.
async fn visit(state: &Arc<State>, mut rng: Rng, time: Duration) -> Result<(), Failure> {
    let failed = |error| Failure::failed(format!("could not start a second runtime: {error}"));
    let builder = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    };
    let runtime = builder().map_err(failed)?;
    let shared = state.clone();
    let visit = std::thread::Builder::new().spawn(move || {
        for _ in 0..8 {
            let (state, mut rng) = (shared.clone(), rng.fork());
            runtime.spawn(async move {
                loop {
                    // What fails here, fails in a fault.
                    if let Err(trouble) = perform(&state, &mut rng).await
                        && !trouble.is_expected
                    {
                        let text = trouble.text;
                        state.breach(format!("an error of the wrong kind: {text}"));
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        runtime.block_on(async { tokio::time::sleep(time).await });
    });
    let visit = visit.map_err(failed)?;
    let ended = tokio::task::spawn_blocking(move || visit.join().is_ok()).await;
    if !matches!(ended, Ok(true)) {
        state.breach("the thread of a second runtime panicked");
    }
    Ok(())
}
