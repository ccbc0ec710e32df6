//! Many callers at once, each in a task with a clone of the client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use respool_benches::table::{Sample, sample};
use respool_benches::{Crowd, crowd};
use tokio::sync::Barrier;

use crate::cell::Cell;
use crate::subjects::{KEY, LARGE_KEY, Shares, VALUE};

/// What a task has had.
#[derive(Default)]
struct Had {
    turns: u64,
    /// How long each took, where there is a clock.
    waits: Vec<Duration>,
}

/// Tasks that GET. `CLOCKED` looks at a clock around each, which is why it is not always done.
pub(crate) async fn gets<C: Shares, const CLOCKED: bool>(client: &C, cell: &Cell) -> Sample {
    connect(client).await;
    let crowd = crowd(cell.tasks, cell.time, |_, stop, gate| {
        get::<_, CLOCKED>(client.clone(), (KEY, VALUE), stop, gate)
    })
    .await;
    let mut sample = rates(&crowd);
    if CLOCKED {
        sample.insert("p99_us".to_owned(), p99(&crowd.had));
    }
    sample
}

/// Tasks that SET.
pub(crate) async fn sets<C: Shares>(client: &C, cell: &Cell) -> Sample {
    // Lives as long as the process, so that no client has to copy it before it is sent.
    let value: &'static str = "x".repeat(VALUE).leak();
    connect(client).await;
    let crowd = crowd(cell.tasks, cell.time, |_, stop, gate| {
        let mut client = client.clone();
        async move {
            let mut had = Had::default();
            gate.wait().await;
            loop {
                client.set(value).await;
                if stop.load(Ordering::Relaxed) {
                    return had;
                }
                had.turns += 1;
            }
        }
    })
    .await;
    rates(&crowd)
}

/// Tasks that GET the value of `large` bytes.
pub(crate) async fn large_gets<C: Shares>(client: &C, cell: &Cell, large: usize) -> Sample {
    connect(client).await;
    let crowd = crowd(cell.tasks, cell.time, |_, stop, gate| {
        get::<_, false>(client.clone(), (LARGE_KEY, large), stop, gate)
    })
    .await;
    rates(&crowd)
}

/// As many tasks again that GET the value of `large` bytes: what becomes of the others.
pub(crate) async fn mixed<C: Shares>(client: &C, cell: &Cell, large: usize) -> Sample {
    connect(client).await;
    let crowd = crowd(cell.tasks * 2, cell.time, |number, stop, gate| {
        let is_small = number < cell.tasks;
        let asked = match is_small {
            true => (KEY, VALUE),
            false => (LARGE_KEY, large),
        };
        let client = client.clone();
        async move { (is_small, get::<_, true>(client, asked, stop, gate).await) }
    })
    .await;
    let (mut small, mut of_large) = (Vec::new(), Vec::new());
    for (is_small, had) in crowd.had {
        match is_small {
            true => small.push(had),
            false => of_large.push(had),
        }
    }
    let kops = |had: &[Had]| thousands(had) / crowd.elapsed.as_secs_f64();
    sample([
        ("kops", kops(&small)),
        ("p99_us", p99(&small)),
        ("large_kops", kops(&of_large)),
    ])
}

/// A client may connect with its first command.
async fn connect<C: Shares>(client: &C) {
    assert_eq!(client.clone().get(KEY).await, VALUE);
}

async fn get<C: Shares, const CLOCKED: bool>(
    mut client: C,
    (key, length): (&'static str, usize),
    stop: Arc<AtomicBool>,
    gate: Arc<Barrier>,
) -> Had {
    let mut had = Had::default();
    gate.wait().await;
    loop {
        let asked = CLOCKED.then(Instant::now);
        assert_eq!(client.get(key).await, length);
        // Also of the one that the end has cut short: it may have waited longest.
        if let Some(asked) = asked {
            had.waits.push(asked.elapsed());
        }
        if stop.load(Ordering::Relaxed) {
            return had;
        }
        had.turns += 1;
    }
}

fn rates(crowd: &Crowd<Had>) -> Sample {
    let turns = crowd.had.iter().map(|had| had.turns);
    let all = turns.clone().sum::<u64>() as f64;
    let least = turns.clone().min().unwrap_or_default() as f64;
    let most = turns.max().unwrap_or_default().max(1) as f64;
    sample([
        ("kops", thousands(&crowd.had) / crowd.elapsed.as_secs_f64()),
        ("evenness", least / most),
        ("cpu_us", crowd.processor.as_secs_f64() * 1e6 / all.max(1.0)),
    ])
}

fn thousands(had: &[Had]) -> f64 {
    had.iter().map(|had| had.turns).sum::<u64>() as f64 / 1e3
}

/// In microseconds.
fn p99(had: &[Had]) -> f64 {
    let mut histogram = Histogram::<u64>::new(3).expect("three digits are allowed");
    for wait in had.iter().flat_map(|had| &had.waits) {
        let wait = u64::try_from(wait.as_nanos()).expect("less than centuries");
        histogram.record(wait).expect("it grows to what it is told");
    }
    histogram.value_at_quantile(0.99) as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_p99_is_among_the_slowest() {
        let waits = (1..=100).map(Duration::from_micros).collect();
        let p99 = p99(&[Had { turns: 100, waits }]);
        assert!((98.9..=99.2).contains(&p99), "{p99}");
    }
}
