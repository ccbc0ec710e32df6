use std::time::Duration;

use respool::BackendEntry;

use crate::arguments::SoakArguments;
use crate::failure::Failure;

/// What `respool soak` was asked to do, checked once.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) backend: BackendEntry,
    pub(crate) duration: Duration,
    pub(crate) seed: u64,
    pub(crate) tasks: usize,
    pub(crate) clients: usize,
    pub(crate) max_size: usize,
    pub(crate) json: bool,
}

const USUAL: Duration = Duration::from_secs(30 * 60);
const QUICK: Duration = Duration::from_secs(10);

impl Options {
    pub(crate) fn validate(arguments: SoakArguments) -> Result<Self, Failure> {
        let usual = if arguments.quick { QUICK } else { USUAL };
        Ok(Options {
            backend: choose_backend(arguments.backend.as_deref())?,
            duration: arguments.duration.unwrap_or(usual),
            seed: arguments.seed.unwrap_or_else(|| fastrand::u64(..)),
            tasks: arguments.tasks,
            clients: arguments.clients,
            max_size: arguments.max_size,
            json: arguments.json,
        })
    }

    /// The command that makes the same decisions again. When they fall is up to the machine.
    pub(super) fn repeat(&self) -> String {
        format!(
            "respool soak --backend {} --for {} --seed {} --tasks {} --clients {} --max-size {}",
            self.backend.info.name,
            humantime::format_duration(self.duration)
                .to_string()
                .replace(' ', ""),
            self.seed,
            self.tasks,
            self.clients,
            self.max_size,
        )
    }
}

fn choose_backend(name: Option<&str>) -> Result<BackendEntry, Failure> {
    let backends = respool::backends();
    let wanted = |entry: &&BackendEntry| name.is_none_or(|name| name == entry.info.name);
    backends.iter().find(wanted).copied().ok_or_else(|| {
        let known: Vec<_> = backends.iter().map(|entry| entry.info.name).collect();
        Failure::usage(format!(
            "--backend {}: not compiled in; there are {}",
            name.unwrap_or_default(),
            known.join(", ")
        ))
    })
}
