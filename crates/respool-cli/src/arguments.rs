use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::failure::Failure;

/// Compares Redis connection pools on a server, and checks what each backend promises.
#[derive(Debug, Parser)]
#[command(name = "respool", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the same workload on every backend and on stock pools, and print who does how well
    Compare(CompareArguments),
    /// Run the conformance kit: which promise of the contract does each backend keep?
    Check(CheckArguments),
    /// Use a pool at random, break its server and network at random, and check that everything holds
    Soak(SoakArguments),
    /// List the backends that are compiled in, with their versions and capabilities
    Backends,
}

#[derive(Debug, Args)]
#[command(after_help = COMPARE_EXAMPLES)]
pub(crate) struct CompareArguments {
    /// The server to run on: redis://[user:password@]host[:port][/database]. Default: the variable
    /// REDIS_URL; without it a redis-server or valkey-server found on this machine is started
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,

    /// Where the server comes from when there is no --url
    #[arg(long, value_enum, default_value_t = ServerArgument::Auto, conflicts_with = "url")]
    pub(crate) server: ServerArgument,

    /// Tasks that each send one operation after the other
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count(10_000), allow_negative_numbers = true)]
    pub(crate) tasks: usize,

    /// Connections of each pool. Every subject keeps its pool until the end: the server must take
    /// this many for each. Default: max_size of the URL, else 10
    #[arg(long, value_name = "N", value_parser = count(65_535), allow_negative_numbers = true)]
    pub(crate) pool_size: Option<usize>,

    /// Bytes of each value
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 100,
        value_parser = bytes,
        allow_negative_numbers = true
    )]
    pub(crate) value_size: usize,

    /// The part of the operations that are GET, from 0 to 1; the others are SET
    #[arg(long, value_name = "PART", default_value_t = 0.8, value_parser = fraction, allow_negative_numbers = true)]
    pub(crate) read_share: f64,

    /// How many keys the operations go to; they are deleted at the end
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = count(10_000_000), allow_negative_numbers = true)]
    pub(crate) keys: usize,

    /// How long each subject runs in each round, such as 500ms or 2s. Default: what makes the whole
    /// take about a minute and a half
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,

    /// Rounds: in each, every subject has its turn. Default 5, with --quick 3
    #[arg(long, value_name = "N", value_parser = count(1_000), allow_negative_numbers = true)]
    pub(crate) rounds: Option<usize>,

    /// Less than twenty seconds in all: for a first look, not for a decision
    #[arg(long)]
    pub(crate) quick: bool,

    /// Run only the subjects of this name; may be repeated
    #[arg(long = "subject", value_name = "NAME")]
    pub(crate) subjects: Vec<String>,

    /// Threads of the tokio runtime. Default: one a core
    #[arg(long, value_name = "N", value_parser = count(1_024), allow_negative_numbers = true)]
    pub(crate) workers: Option<usize>,

    /// Print one JSON document instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServerArgument {
    /// REDIS_URL, else one found on this machine, else the scripted one
    Auto,
    /// A redis-server or valkey-server found on this machine, started for this run
    Local,
    /// A small imitation inside this process: no measure of Redis
    Scripted,
}

#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(crate) struct CheckArguments {
    /// Check only this backend; may be repeated. Default: every one that is compiled in
    #[arg(long = "backend", value_name = "NAME")]
    pub(crate) backends: Vec<String>,

    /// Check only this rule, such as GET-1; may be repeated. Default: all
    #[arg(long = "rule", value_name = "RULE")]
    pub(crate) rules: Vec<String>,

    /// Check the stock pools and connections too, each as its own documentation shows it; with a
    /// NAME only that one (and the --backend ones). Needs a build with --features stock
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = EVERY_STOCK_POOL)]
    pub(crate) stock: Vec<String>,

    /// Checks that run at once. More are quicker, until they take the time from each other. Default:
    /// one a core
    #[arg(long, value_name = "N", value_parser = count(64), allow_negative_numbers = true)]
    pub(crate) jobs: Option<usize>,

    /// Print one JSON document instead of the matrix
    #[arg(long)]
    pub(crate) json: bool,

    /// Print the matrix as Markdown, as docs/backends.md has it
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
#[command(after_help = SOAK_EXAMPLES)]
pub(crate) struct SoakArguments {
    /// The backend to soak. Default: the first that is compiled in
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<String>,

    /// For how long, such as 10s, 30m or 8h. Default: 30m, with --quick 10s
    #[arg(long = "for", value_name = "TIME", value_parser = long_time, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,

    /// What decides what happens. Default: another one each time, which is printed
    #[arg(long, value_name = "N", value_parser = seed, allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,

    /// Tasks that use the pool at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count(10_000), allow_negative_numbers = true)]
    pub(crate) tasks: usize,

    /// Tasks beside these that share one client, with keys of their own and values of up to 1 MB
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = count(10_000), allow_negative_numbers = true)]
    pub(crate) clients: usize,

    /// Connections of the pool
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count(1_000), allow_negative_numbers = true)]
    pub(crate) max_size: usize,

    /// Ten seconds: for a first look, or for CI
    #[arg(long)]
    pub(crate) quick: bool,

    /// Print one JSON document instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `--stock` without a name means.
pub(crate) const EVERY_STOCK_POOL: &str = "all";

const EXAMPLES: &str = "\
Examples:
  respool compare --quick                       a first look, in twenty seconds
  respool compare --url redis://db.example:6379 on your own server
  respool check --backend mobc --rule GET-4     does mobc serve waiters in order?
  respool soak --quick                          does anything break in ten rough seconds?

Each command has a --help of its own, with more examples.";

const COMPARE_EXAMPLES: &str = "\
Examples:
  respool compare                               every subject, in less than two minutes
  respool compare --quick                       the same in less than twenty seconds
  respool compare --url redis://db.example:6379 --tasks 200 --pool-size 20
                                                your server, your numbers
  respool compare --subject multiplexed --subject deadpool-redis
                                                these two only
  respool compare --json > figures.json         for programs

A password is better given in REDIS_URL than in --url, where other users of the machine can see it.
REDIS_POOL_SIZE and the URL's backend= don't count here: --pool-size and --subject do.
The keys begin with respool:compare: and a random number; they are deleted at the end, also after
Ctrl-C, which prints what was measured so far. A second Ctrl-C ends at once and leaves them there.
Exit codes: 0 measured, 1 failed or could not start (also when keys were left, or no operation of a
subject succeeded), 2 wrong arguments, 130 interrupted, 143 terminated (SIGTERM).";

const CHECK_EXAMPLES: &str = "\
Examples:
  respool check                                 every backend, every rule
  respool check --backend mobc                  one backend
  respool check --rule GET-4 --rule RET-3       two rules
  respool check --stock                         the stock pools beside the backends
  respool check --stock bb8-redis --rule GET-4  one stock pool, one rule, with the evidence
  respool check --json > conformance.json       for programs

The checks start servers of their own: redis-server or valkey-server must be on the PATH, or named
by REDIS_SERVER.
Exit codes: 0 every promise is kept or a known failure, 1 one is broken by a backend of respool (what
a stock pool breaks is a finding, no failure) or the checks could not start, 2 wrong arguments, 130
interrupted.";

const SOAK_EXAMPLES: &str = "\
Examples:
  respool soak --backend mobc --for 8h          over night
  respool soak --quick                          ten seconds
  respool soak --backend mobc --seed 7          the decisions of an earlier run again
  respool soak --tasks 1 --clients 64           a shared client above all

It starts a server of its own: redis-server or valkey-server must be on the PATH, or named by
REDIS_SERVER. Tasks use the pool in every way; those of --clients share one client, and know which of
their values a reply must be. The same seed makes the same decisions; when they fall is up to the
machine. What broke is shown with what the server said of its clients just then.
Exit codes: 0 everything held, 1 something broke, with the command that repeats it, or it could not
start, 2 wrong arguments, 130 interrupted, 143 terminated (SIGTERM).";

impl Arguments {
    /// Reads the command line. Where it asks for help or the version, prints that and ends the
    /// process.
    pub(crate) fn read() -> Result<Self, Failure> {
        Arguments::try_parse().map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
            _ => Failure::usage(complaint(&error.render().to_string())),
        })
    }
}

/// What clap found wrong, without the usage below it.
fn complaint(rendered: &str) -> String {
    let lines = rendered
        .lines()
        .map(|line| line.trim().trim_start_matches("error: "))
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty());
    let mut complaint = lines.collect::<Vec<_>>().join(" ");
    complaint.push_str("; --help explains the options");
    complaint
}

fn count(most: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("give a whole number from 1 to {most}")),
    }
}

fn seed(text: &str) -> Result<u64, String> {
    let number = text.parse::<u64>();
    number.map_err(|_| format!("give a whole number from 0 to {}", u64::MAX))
}

fn bytes(text: &str) -> Result<usize, String> {
    const MOST: usize = 512 << 20; // of a Redis string
    match text.parse() {
        Ok(number) if number <= MOST => Ok(number),
        _ => Err(format!("give a whole number of bytes from 0 to {MOST}")),
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        _ => Err("give a number from 0 to 1, such as 0.8".to_owned()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(3600);
    match humantime::parse_duration(text) {
        Ok(time) if (Duration::from_millis(1)..=LONGEST).contains(&time) => Ok(time),
        _ => Err("give a time with its unit from 1ms to 1h, such as 500ms or 2s".to_owned()),
    }
}

fn long_time(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
    match humantime::parse_duration(text) {
        Ok(time) if (Duration::from_secs(1)..=LONGEST).contains(&time) => Ok(time),
        _ => Err("give a time with its unit from 1s to 30d, such as 30m or 8h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_defined() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_complaint_names_the_argument_and_what_would_be_right() {
        for wrong in ["0", "-1", "ten"] {
            let error = Arguments::try_parse_from(["respool", "compare", "--pool-size", wrong])
                .unwrap_err();
            let complaint = complaint(&error.render().to_string());
            assert!(
                complaint.contains("--pool-size") && complaint.contains("from 1 to"),
                "{complaint}"
            );
            assert!(!complaint.contains("Usage"), "{complaint}");
        }
    }

    #[test]
    fn what_is_negative_is_answered_with_what_would_be_right() {
        for (command, option, wrong, words) in [
            ("compare", "--duration", "-5s", "from 1ms to 1h"),
            ("soak", "--for", "-5s", "from 1s to 30d"),
            ("soak", "--seed", "-1", "a whole number from 0"),
            ("soak", "--seed", "seven", "a whole number from 0"),
        ] {
            let error = Arguments::try_parse_from(["respool", command, option, wrong]).unwrap_err();
            let complaint = complaint(&error.render().to_string());
            assert!(complaint.contains(option), "{complaint}");
            assert!(complaint.contains(words), "{complaint}");
        }
    }

    #[test]
    fn every_max_size_that_a_url_may_have_is_a_pool_size_too() {
        for (size, is_right) in [("65535", true), ("65536", false)] {
            let url = format!("redis://localhost?max_size={size}");
            assert_eq!(respool::PoolConfig::from_url(&url).is_ok(), is_right);
            let arguments = Arguments::try_parse_from(["respool", "compare", "--pool-size", size]);
            assert_eq!(arguments.is_ok(), is_right);
        }
    }
}
