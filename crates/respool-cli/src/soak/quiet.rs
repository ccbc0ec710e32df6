use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fastrand::Rng;
use respool::Status;
use respool_testserver::{FaultProxy, RedisServer};

use super::operations::echo;
use super::resources::{Growth, Sample};
use super::state::State;

/// How long the pool may take for what needs no time but the machine's.
const PATIENCE: Duration = Duration::from_secs(8);

/// For how long more connections may be counted than there are, where ends can't be seen at once:
/// the longest stall, and some more.
const EXCESS: Duration = Duration::from_millis(1500);

/// Whether the figures of one snapshot add up, and the network agrees. At any moment.
pub(super) async fn glance(state: &State, proxy: &FaultProxy) {
    let status = state.pool.status();
    if let Err(account) = adds_up(&status, state.ceiling.load(Ordering::SeqCst)) {
        state.breach(account);
    }
    // The end of a socket that its backend can't see may come when another is open already.
    let sees_ends = state.pool.capabilities().sees_closed_sockets;
    let began = Instant::now();
    while let Some(account) = too_many(state, proxy) {
        if sees_ends && !state.is_muffled() || began.elapsed() > EXCESS {
            return state.breach(account);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn too_many(state: &State, proxy: &FaultProxy) -> Option<String> {
    let (open, detached) = state.detached.most_during(|| proxy.open());
    let allowed = state.ceiling.load(Ordering::SeqCst) + detached;
    let account = || {
        let (status, weather) = (state.pool.status(), state.weather());
        format!("{open} connections are open where {allowed} may be, {weather}: {status}")
    };
    (open > allowed).then(account)
}

fn adds_up(status: &Status, ceiling: usize) -> Result<(), String> {
    let lent_or_idle = (status.idle + status.in_use) as u64;
    if status.size() > ceiling.max(status.max_size) {
        return Err(format!("the pool is larger than {ceiling}: {status}"));
    }
    if status.opened != status.closed.total() + lent_or_idle {
        let (opened, closed) = (status.opened, status.closed.total());
        return Err(format!(
            "opened {opened} is not closed {closed} and the rest: {status}"
        ));
    }
    Ok(())
}

/// Stops every task, and checks what must hold then.
pub(super) async fn moment(
    state: &State,
    server: &RedisServer,
    proxy: &FaultProxy,
    growth: &mut Growth,
    rng: &mut Rng,
) -> Result<(), String> {
    let paused = tokio::time::timeout(PATIENCE, state.quiet.write()).await;
    let _paused = paused.map_err(|_| {
        let status = state.pool.status();
        format!("operations did not end within {PATIENCE:?}: {status}")
    })?;
    let max_size = state.pool.config().max_size;
    state.ceiling.store(max_size, Ordering::SeqCst);

    until(|| state.pool.status().is_at_rest())
        .await
        .map_err(|()| format!("the pool does not come to rest: {}", state.pool.status()))?;
    until(|| state.pool.status().size() <= max_size)
        .await
        .map_err(|()| format!("the pool keeps a larger size: {}", state.pool.status()))?;

    let mut held = Vec::new();
    for number in 1..=max_size {
        let lost = |text: String| {
            let status = state.pool.status();
            format!("connection {number} of {max_size} at a quiet moment: {text}; {status}")
        };
        let limit = Some(PATIENCE);
        let got = state.pool.get_within(limit).await;
        let mut connection = got.map_err(|error| lost(error.to_string()))?;
        let answer = echo(state, &mut connection, rng).await;
        answer.map_err(|trouble| lost(trouble.text))?;
        held.push(connection);
    }
    if state.pool.try_get().is_some() {
        return Err(format!("one more than {max_size} connections could be had"));
    }
    at_most(server, max_size).await?;
    let sampled = Instant::now();
    while let Err(account) = growth.note(Sample::take()) {
        // The proxy closes its own ends a moment later.
        if sampled.elapsed() > PATIENCE {
            return Err(account);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(held);
    until(|| state.pool.status().is_at_rest())
        .await
        .map_err(|()| format!("connections came not back: {}", state.pool.status()))?;
    glance(state, proxy).await;
    Ok(())
}

/// The server learns a moment later who has left.
async fn at_most(server: &RedisServer, max_size: usize) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let clients = server.connected_clients().await;
        if clients <= max_size {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(format!(
                "the server sees {clients} clients of at most {max_size}"
            ));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until(holds: impl Fn() -> bool) -> Result<(), ()> {
    let began = Instant::now();
    while !holds() {
        if began.elapsed() > PATIENCE {
            return Err(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_that_does_not_add_up_is_found() {
        let mut status = Status::default();
        status.max_size = 2;
        assert!(adds_up(&status, 2).is_ok());
        status.idle = 3;
        status.opened = 3;
        assert!(adds_up(&status, 2).is_err());
        status.idle = 1;
        assert!(adds_up(&status, 2).is_err());
    }
}
