//! Where the cells run: two servers, a process for each cell, and the tools that count for us.

mod tools;

use respool_benches::table::{Options, Problem, Process, Sample, last_core, pin};
use respool_testserver::RedisServer;
use tokio::runtime::Runtime;

use crate::cell::{Cell, Work};
use crate::crates;
use crate::figure::{How, Measurement};
use crate::subjects::{KEY, VALUE};

/// The servers, as long as this lives.
pub(crate) struct Stage {
    free: RedisServer,
    /// Its core, and the server that runs on no other.
    on_one_core: Result<(usize, RedisServer), Problem>,
    // After the servers: their ends need it no more, their starts did.
    _runtime: Runtime,
}

/// Iterations whose difference is counted: the start of the process falls out.
const FEW: u64 = 2_000;
const MANY: u64 = 12_000;
/// The same under strace, which makes each call slow.
const FEW_TRACED: u64 = 500;
const MANY_TRACED: u64 = 2_500;
/// Connections whose memory is compared.
const FEW_CONNECTIONS: usize = 10;
const MANY_CONNECTIONS: usize = 1_000;

impl Stage {
    pub(crate) fn set() -> Result<Stage, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let free = runtime.block_on(server())?;
        let on_one_core = match last_core() {
            Ok(core) => {
                let server = runtime.block_on(server())?;
                let id = server.process_id().expect("it has just been started");
                pin(id, core).map(|()| (core, server))
            }
            Err(problem) => Err(problem),
        };
        Ok(Stage {
            free,
            on_one_core,
            _runtime: runtime,
        })
    }

    pub(crate) fn server_version(&self) -> String {
        format!("{} {}", self.free.kind(), self.free.version())
    }

    /// Runs one cell.
    pub(crate) fn measure(
        &self,
        options: &Options,
        measurement: &Measurement,
    ) -> Result<Sample, Problem> {
        let cell = Cell {
            work: measurement.work,
            subject: measurement.subject,
            backend: options.backend.name.to_owned(),
            url: self.free.url(),
            connections: measurement.connections,
            tasks: measurement.tasks,
            workers: measurement.workers,
            time: match measurement.work {
                // Shares even out, and who starves must have time to.
                Work::Turns | Work::LongestWait => options.rounds.time * 2,
                _ => options.rounds.time,
            },
            count: 0,
        };
        match measurement.how {
            How::Free => Process::of(&cell).sample(),
            How::SameCore => {
                let (core, server) = self.on_one_core.as_ref().map_err(Problem::clone)?;
                let url = server.url();
                Process::of(&Cell { url, ..cell }).on_core(*core).sample()
            }
            How::Instructions => {
                let count = |count| {
                    tools::instructions(&Cell {
                        count,
                        ..cell.clone()
                    })
                };
                let each = (count(MANY)? - count(FEW)?) / (MANY - FEW) as f64;
                Ok(Sample::from([("instructions".to_owned(), each)]))
            }
            How::SystemCalls => {
                let count = |count| {
                    tools::system_calls(&Cell {
                        count,
                        ..cell.clone()
                    })
                };
                let (few, many) = (count(FEW_TRACED)?, count(MANY_TRACED)?);
                let each = |few, many| (many - few) / (MANY_TRACED - FEW_TRACED) as f64;
                Ok(Sample::from([
                    ("calls".to_owned(), each(few.others, many.others)),
                    ("waits".to_owned(), each(few.waits, many.waits)),
                ]))
            }
            How::PerConnection => {
                let resident = |connections| {
                    let cell = Cell {
                        connections,
                        ..cell.clone()
                    };
                    Process::of(&cell).sample().map(|sample| sample["bytes"])
                };
                let more = resident(MANY_CONNECTIONS)? - resident(FEW_CONNECTIONS)?;
                let each = more / 1024.0 / (MANY_CONNECTIONS - FEW_CONNECTIONS) as f64;
                Ok(Sample::from([("kib".to_owned(), each)]))
            }
            How::Crates => {
                let count = crates::count(measurement.subject, options.backend.name)?;
                Ok(Sample::from([("crates".to_owned(), count as f64)]))
            }
        }
    }
}

/// With the value that every GET asks for.
async fn server() -> Result<RedisServer, String> {
    let server = RedisServer::start()
        .await
        .map_err(|error| format!("a real Redis is needed: {error}"))?;
    let value = "x".repeat(VALUE);
    server
        .command(&["SET", KEY, &value])
        .await
        .map_err(|error| format!("SET: {error}"))?;
    Ok(server)
}
