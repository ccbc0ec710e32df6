//! [`ServerProcess`]: one child process that never outlives its owner.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

#[cfg(unix)]
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// A child process; dropping it kills it (SIGKILL) and reaps it.
///
/// Signals go to the process's number, which can't be anybody else's as long as
/// we haven't reaped it.
pub(super) struct ServerProcess {
    child: Child,
}

impl ServerProcess {
    /// Starts the program; both its outputs go to `output`. Must be called on a
    /// thread that lives as long as the process is wanted: to Linux, the parent
    /// whose death kills it is the thread.
    pub(super) fn spawn(
        program: &Path,
        arguments: &[OsString],
        output: File,
    ) -> io::Result<ServerProcess> {
        let child = command(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(ServerProcess { child })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `None` while it runs.
    pub(super) fn exit_status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Stops it and waits until it has stopped, or ended.
    #[cfg(unix)]
    pub(super) fn pause(&self) {
        let Some(process) = self.signal(Signal::STOP) else {
            return;
        };
        // NOWAIT leaves the state to be seen again: by a second pause, and by
        // the `wait` that reaps.
        let stopped_or_ended =
            WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = waitid(WaitId::Pid(process), stopped_or_ended);
    }

    #[cfg(unix)]
    pub(super) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    #[cfg(unix)]
    fn signal(&self, signal: Signal) -> Option<Pid> {
        let process = Pid::from_raw(i32::try_from(self.id()).ok()?)?;
        kill_process(process, signal).ok()?;
        Some(process)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Both fail only if it was reaped already, which is what we are after.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, told to die with its parent thread where that can be had
/// without `unsafe`: util-linux's setpriv asks the kernel and then becomes the
/// program, so the process number stays the child's.
#[cfg(target_os = "linux")]
fn command(program: &Path) -> Command {
    use std::sync::LazyLock;

    static SETPRIV_WORKS: LazyLock<bool> = LazyLock::new(|| {
        // BusyBox has a setpriv without this option.
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    });

    if *SETPRIV_WORKS {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

#[cfg(not(target_os = "linux"))]
fn command(program: &Path) -> Command {
    Command::new(program)
}
