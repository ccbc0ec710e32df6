//! `cargo xtask`: what this workspace needs done beyond building, the same here and in CI.

mod ci;
mod install;
mod matrix;
mod redis;
mod step;
mod test;
mod workspace;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test [ARGUMENTS]   run every test against a real Redis, installing one if none is found;
                               ARGUMENTS go to `cargo test`, as in: test -p respool-mobc get_
cargo xtask ci [--after STEP]  do all that CI does, or what comes after STEP, and stop at the first
                               failure; the steps are STEPS
cargo xtask matrix             put every backend and every stock pool to the kit, and write the
                               matrix into docs/backends.md
cargo xtask redis              find or install a real Redis, and print where it is";

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let task = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();

    let outcome = match (task.to_str(), arguments.as_slice()) {
        (Some("test"), arguments) => test::run(arguments),
        (Some("ci"), []) => ci::run(),
        (Some("ci"), [after, step]) if after == "--after" => ci::run_after(step),
        (Some("matrix"), []) => matrix::write(),
        (Some("redis"), []) => redis::find_or_install().map(|path| println!("{}", path.display())),
        (Some("help" | "--help" | "-h"), _) => {
            println!("{}", usage());
            Ok(())
        }
        (Some(""), _) => Err(format!("which task?\n{}", usage())),
        _ => Err(format!(
            "{} is not understood here\n{}",
            env::args().skip(1).collect::<Vec<_>>().join(" "),
            usage()
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    USAGE.replace("STEPS", &ci::step_names())
}
