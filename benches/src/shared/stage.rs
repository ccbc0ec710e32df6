//! Where the cells run: a process and a server for each, and redis-benchmark where it is asked for.

use std::process::Command;
use std::time::Duration;

use respool_benches::table::{Options, Problem, Process, Sample, finish, last_core, pin};
use respool_testserver::RedisServer;
use tokio::runtime::{Builder, Runtime};

use crate::cell::Cell;
use crate::figure::{Measurement, Place};
use crate::subjects::{KEY, LARGE_KEY, Subject, VALUE};
use crate::work::Work;

/// What every cell needs.
pub(crate) struct Stage {
    backend: &'static str,
    time: Duration,
    server_version: String,
    /// The core for client and server together.
    core: Result<usize, Problem>,
    runtime: Runtime,
}

impl Stage {
    pub(crate) fn set(options: &Options) -> Result<Stage, String> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let server = runtime
            .block_on(RedisServer::start())
            .map_err(|error| format!("a real Redis is needed: {error}"))?;
        Ok(Stage {
            backend: options.backend.name,
            time: options.rounds.time,
            server_version: format!("{} {}", server.kind(), server.version()),
            core: last_core(),
            runtime,
        })
    }

    pub(crate) fn server_version(&self) -> String {
        self.server_version.clone()
    }

    /// Runs one cell.
    pub(crate) fn measure(&self, measurement: &Measurement) -> Result<Sample, Problem> {
        if measurement.subject.needs_peers() && !cfg!(feature = "peers") {
            let why = "built without the feature peers";
            return Err(Problem::Skipped(why.to_owned()));
        }
        let server = self.server(measurement.work)?;
        if measurement.subject == Subject::RedisBenchmark {
            return redis_benchmark(&server, self.time);
        }
        let process = Process::of(&Cell {
            work: measurement.work,
            subject: measurement.subject,
            backend: self.backend.to_owned(),
            url: server.url(),
            tasks: measurement.tasks,
            workers: match measurement.place {
                Place::SameCore => None,
                Place::Free => Some(2),
            },
            time: self.time,
        });
        match measurement.place {
            Place::Free => process.sample(),
            Place::SameCore => {
                let core = self.core.clone()?;
                pin(server.process_id().expect("it has just been started"), core)?;
                process.on_core(core).sample()
            }
        }
    }

    /// A new one, with the values that `work` asks for.
    fn server(&self, work: Work) -> Result<RedisServer, Problem> {
        let failed = |error: String| Problem::Failed(format!("the server: {error}"));
        self.runtime.block_on(async {
            let server = RedisServer::start()
                .await
                .map_err(|error| failed(error.to_string()))?;
            let mut values = vec![(KEY, VALUE)];
            if let Work::LargeGet { large } | Work::Mixed { large } = work {
                values.push((LARGE_KEY, large));
            }
            for (key, length) in values {
                let set = server.command(&["SET", key, &"x".repeat(length)]).await;
                set.map_err(|error| failed(error.to_string()))?;
            }
            Ok(server)
        })
    }
}

/// As many GETs as take it that time or so: 50 connections with 64 on their way in each.
fn redis_benchmark(server: &RedisServer, time: Duration) -> Result<Sample, Problem> {
    const A_SECOND: f64 = 1e6;
    let requests = (time.as_secs_f64() * A_SECOND) as u64;
    let output = finish(
        Command::new("redis-benchmark")
            .args(["-h", "127.0.0.1", "-p", &server.port().to_string()])
            .args(["-c", "50", "-P", "64", "-n", &requests.to_string()])
            .args(["--csv", "GET", KEY]),
    )?;
    let said = String::from_utf8_lossy(&output.stdout);
    let rate = requests_per_second(&said)
        .ok_or_else(|| Problem::Failed(format!("redis-benchmark: {said:?}")))?;
    Ok(Sample::from([("kops".to_owned(), rate / 1e3)]))
}

/// From lines such as `"GET key","1285347.00","1.2",...`, the last of which counts.
fn requests_per_second(said: &str) -> Option<f64> {
    let fields = said.lines().last()?.split(',').nth(1)?;
    fields.trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_with_and_without_a_heading() {
        let line = "\"GET key\",\"1285347.00\",\"1.2\"\n";
        assert_eq!(requests_per_second(line), Some(1_285_347.0));
        let with_heading = format!("\"test\",\"rps\",\"avg_latency_ms\"\n{line}");
        assert_eq!(requests_per_second(&with_heading), Some(1_285_347.0));
        assert_eq!(requests_per_second("\"test\",\"rps\"\n"), None);
    }
}
