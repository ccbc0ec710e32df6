use std::time::Duration;

use respool::{PoolConfig, PoolError};

use super::plan::Plan;
use super::server::{Origin, ServerChoice};
use super::subjects::{Subject, TCP_ALONE};
use super::workload::Workload;
use crate::arguments::{CompareArguments, ServerArgument};
use crate::failure::Failure;
use crate::runtime;

/// What `respool compare` was asked to do, checked once.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) server: ServerChoice,
    pub(crate) workload: Workload,
    pub(crate) plan: Plan,
    pub(crate) subjects: Vec<Subject>,
    /// Those who can't go to this server.
    pub(crate) left_out: Vec<Subject>,
    /// The names that were asked for; none means all.
    pub(crate) chosen: Vec<String>,
    pub(crate) workers: usize,
    pub(crate) json: bool,
}

const BUDGET: Duration = Duration::from_secs(90);
const QUICK_BUDGET: Duration = Duration::from_secs(16);
const MOST_DATA: usize = 1 << 30;

impl Options {
    pub(crate) fn validate(arguments: CompareArguments) -> Result<Self, Failure> {
        let server = choose_server(arguments.url, arguments.server, arguments.pool_size)?;
        let pool_size = match (arguments.pool_size, &server) {
            (Some(size), _) => size,
            (None, ServerChoice::At(config, _)) => config.max_size,
            (None, _) => PoolConfig::default().max_size,
        };
        let data = arguments.keys.saturating_mul(arguments.value_size);
        if data > MOST_DATA {
            return Err(Failure::usage(format!(
                "--keys {} of --value-size {} would put {} MiB on the server; lower one of them \
                 until it is at most {} MiB",
                arguments.keys,
                arguments.value_size,
                data >> 20,
                MOST_DATA >> 20,
            )));
        }
        let goes_there = |subject: &Subject| match &server {
            ServerChoice::At(config, _) => subject.goes_to(&config.endpoint),
            _ => true,
        };
        let chosen = choose_subjects(&arguments.subjects)?;
        let (subjects, left_out): (Vec<_>, Vec<_>) = chosen.into_iter().partition(goes_there);
        if subjects.is_empty() {
            let names = arguments.subjects.join(", ");
            return Err(Failure::usage(format!("--subject {names}: {TCP_ALONE}")));
        }
        let plan = match (arguments.duration, arguments.quick) {
            (Some(duration), quick) => {
                Plan::of(arguments.rounds.unwrap_or(default_rounds(quick)), duration)
            }
            (None, quick) => Plan::within(
                if quick { QUICK_BUDGET } else { BUDGET },
                arguments.rounds.unwrap_or(default_rounds(quick)),
                subjects.len(),
            ),
        };
        Ok(Options {
            server,
            workload: Workload {
                tasks: arguments.tasks,
                pool_size,
                value_size: arguments.value_size,
                read_share: arguments.read_share,
                keys: arguments.keys,
            },
            plan,
            subjects,
            left_out,
            chosen: arguments.subjects,
            workers: arguments.workers.unwrap_or_else(runtime::default_workers),
            json: arguments.json,
        })
    }
}

fn default_rounds(quick: bool) -> usize {
    if quick { 3 } else { 5 }
}

fn choose_server(
    url: Option<String>,
    server: ServerArgument,
    pool_size: Option<usize>,
) -> Result<ServerChoice, Failure> {
    let at = |url: &str, origin: Origin| match PoolConfig::from_url(&sized(url, pool_size)) {
        Ok(config) if config.endpoint.is_tls() => Err(Failure::usage(format!(
            "{origin}: compare can't use a rediss:// server, since the stock pools beside ours are \
             built without TLS; give a redis:// URL of the same server or of one like it, or \
             --server local instead, which starts one on this machine"
        ))),
        Ok(config) => Ok(ServerChoice::At(Box::new(config), origin)),
        Err(PoolError::Config { field, reason, .. }) if field == "url" => {
            Err(Failure::usage(format!("{origin}: {reason}")))
        }
        Err(error) => Err(Failure::usage(format!("{origin}: parameter {error}"))),
    };
    match (url, server) {
        (Some(url), _) => at(&url, Origin::Argument),
        (None, ServerArgument::Auto) => match std::env::var("REDIS_URL") {
            Ok(url) if !url.is_empty() => at(&url, Origin::Environment),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(Failure::usage("REDIS_URL is not valid UTF-8"))
            }
            _ => Ok(ServerChoice::LocalElseScripted),
        },
        (None, ServerArgument::Local) => Ok(ServerChoice::Local),
        (None, ServerArgument::Scripted) => Ok(ServerChoice::Scripted),
    }
}

/// `url` with `--pool-size` for its max_size: whether settings fit together is looked at as soon as
/// they are read.
fn sized(url: &str, pool_size: Option<usize>) -> String {
    let Some(size) = pool_size else {
        return url.to_owned();
    };
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{}{sign}max_size={size}", url.trim_end())
}

/// The subjects called by one of `names`, or all.
fn choose_subjects(names: &[String]) -> Result<Vec<Subject>, Failure> {
    let all = Subject::all()?;
    for name in names {
        if !all.iter().any(|subject| subject.name == name) {
            let mut known: Vec<_> = all.iter().map(|subject| subject.name).collect();
            known.sort_unstable();
            known.dedup();
            return Err(Failure::usage(format!(
                "--subject {name}: not known; there are {}",
                known.join(", ")
            )));
        }
    }
    Ok(all
        .into_iter()
        .filter(|subject| names.is_empty() || names.iter().any(|name| name == subject.name))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str, pool_size: Option<usize>) -> Result<ServerChoice, Failure> {
        choose_server(Some(url.to_owned()), ServerArgument::Auto, pool_size)
    }

    #[test]
    fn the_pool_size_counts_before_other_settings_are_compared_with_it() {
        for url in [
            "redis://h?min_idle=15&lanes=12",
            "redis://h/0?max_size=12&min_idle=2 ",
        ] {
            let Ok(ServerChoice::At(config, _)) = at(url, Some(20)) else {
                panic!("{url} is refused");
            };
            assert_eq!(config.max_size, 20, "{url}");
        }
        assert!(at("redis://h?min_idle=15", None).is_err());
        assert!(at("redis://h?max_size=20&min_idle=15", Some(2)).is_err());
    }

    #[test]
    fn a_url_that_asks_for_tls_is_refused_by_its_origin_with_a_way_out() {
        let refusal = format!("{:?}", at("rediss://me:hunter2@h", None).unwrap_err());
        assert!(refusal.contains("--url"), "{refusal}");
        assert!(refusal.contains("--server local"), "{refusal}");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
}
