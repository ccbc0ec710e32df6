use std::process::ExitCode;

use tokio::sync::watch;

/// Knows whether somebody asked the command to stop.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    signal: watch::Receiver<Option<Signal>>,
}

/// The ways to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM, as `timeout` and service managers send it.
    #[cfg_attr(not(unix), expect(dead_code, reason = "exists on Unix only"))]
    Terminate,
}

impl Interrupt {
    /// Listens from now on. A second signal ends the process at once, so that nobody is held up by
    /// an orderly end that doesn't come.
    pub(crate) fn listen() -> Self {
        let (sender, signal) = watch::channel(None);
        tokio::spawn(async move {
            let first = next_signal().await;
            sender.send_replace(Some(first));
            let second = next_signal().await;
            std::process::exit(second.number().into());
        });
        Interrupt { signal }
    }

    /// Waits for the first signal.
    pub(crate) async fn raised(&self) {
        let mut signal = self.signal.clone();
        // The sender lives for as long as the runtime: an error would mean that nobody can ask.
        if signal.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The signal, if there was one.
    pub(crate) fn signal(&self) -> Option<Signal> {
        *self.signal.borrow()
    }
}

impl Signal {
    /// 130 or 143, as shells have it.
    pub(crate) fn exit_code(self) -> ExitCode {
        ExitCode::from(self.number())
    }

    fn number(self) -> u8 {
        match self {
            Signal::Interrupt => 130,
            Signal::Terminate => 143,
        }
    }
}

#[cfg(unix)]
async fn next_signal() -> Signal {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
        },
        Err(_) => {
            // Ctrl-C keeps its meaning; without it the process ends as by default.
            let _ = tokio::signal::ctrl_c().await;
            Signal::Interrupt
        }
    }
}

#[cfg(not(unix))]
async fn next_signal() -> Signal {
    let _ = tokio::signal::ctrl_c().await;
    Signal::Interrupt
}
