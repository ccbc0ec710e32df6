//! From a command line to a server that answers.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{self, Instant};

use super::admin::Admin;
use super::builder::Ports;
use super::installation::Installation;
use super::process::ServerProcess;
use super::{RedisServerBuilder, StartError};
use crate::runtime_thread::RuntimeThread;

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait between two attempts; nothing tells us when it listens.
const PAUSE: Duration = Duration::from_millis(5);
/// How many characters of output and log an error quotes, each.
const LAST_WORDS: usize = 2000;

/// Starts the process as a child of `thread` and waits until it answers.
/// Dropping the future leaves that work to `thread`, whose end kills it.
pub(super) async fn launch(
    thread: &RuntimeThread,
    installation: &Installation,
    settings: &RedisServerBuilder,
    ports: Ports,
    folder: &Path,
    admin: Arc<Admin>,
) -> Result<ServerProcess, StartError> {
    let program = installation.program.clone();
    let arguments = settings.command_line(ports, folder, installation);
    let folder = folder.to_owned();
    thread
        .run(async move {
            // What it says before it has opened its log, such as about a wrong setting.
            let output = File::create(folder.join("output"))?;
            let process = ServerProcess::spawn(&program, &arguments, output)
                .map_err(|source| StartError::Run { program, source })?;
            wait_until_ready(process, &folder, &admin).await
        })
        .await
}

async fn wait_until_ready(
    mut process: ServerProcess,
    folder: &Path,
    admin: &Admin,
) -> Result<ServerProcess, StartError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let source = match time::timeout_at(deadline, admin.greet()).await {
            Ok(Ok(process_id)) if process_id == process.id() => return Ok(process),
            Ok(Ok(stranger)) => io::Error::other(format!("process {stranger} answers instead")),
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        if let Some(status) = process.exit_status()? {
            return Err(StartError::Ended {
                status,
                last_words: last_words(folder),
            });
        }
        if Instant::now() >= deadline {
            return Err(StartError::NotReady {
                waited: PATIENCE,
                source,
                last_words: last_words(folder),
            });
        }
        time::sleep(PAUSE).await;
    }
}

fn last_words(folder: &Path) -> String {
    ["output", "log"]
        .map(|name| {
            let bytes = fs::read(folder.join(name)).unwrap_or_default();
            let tail = &bytes[bytes.len().saturating_sub(LAST_WORDS)..];
            String::from_utf8_lossy(tail).into_owned()
        })
        .concat()
}
