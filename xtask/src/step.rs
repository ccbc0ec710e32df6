use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs `command` under the name `name`, and says before it what runs and after it how long it took.
///
/// It gets no standard input, so that nothing can wait for an answer. What we say goes to standard
/// error: standard output is the command's alone.
pub(crate) fn run(name: &str, command: &mut Command) -> Result<(), String> {
    eprintln!("xtask: {name}: {}", line(command));
    let started = Instant::now();
    let status = command.stdin(Stdio::null()).status();
    let time = seconds(started.elapsed());
    match status {
        Ok(status) if status.success() => {
            eprintln!("xtask: {name}: done in {time}");
            Ok(())
        }
        Ok(status) => Err(format!("{name} failed after {time} ({status})")),
        Err(error) => Err(format!("{name}: {} did not start: {error}", line(command))),
    }
}

/// The command as one would type it: without the folder that its program is in.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
