use std::process::ExitCode;

#[cfg(unix)]
use tokio::signal::unix;
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
        let mut listener = Listener::new();
        tokio::spawn(async move {
            let first = listener.heard().await;
            sender.send_replace(Some(first));
            let second = listener.heard().await;
            std::process::exit(second.number().into());
        });
        Interrupt { signal }
    }

    /// Waits for the first signal.
    pub(crate) async fn raised(&self) -> Signal {
        let mut signal = self.signal.clone();
        let raised = signal.wait_for(Option::is_some).await.map(|seen| *seen);
        match raised {
            Ok(Some(signal)) => signal,
            // The sender lives for as long as the runtime: an error would mean that nobody can ask.
            _ => std::future::pending().await,
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

    pub(crate) fn number(self) -> u8 {
        match self {
            Signal::Interrupt => 130,
            Signal::Terminate => 143,
        }
    }
}

/// Listens for signals from its making on: one that comes before anybody waits for it is kept.
#[cfg(unix)]
struct Listener {
    interrupt: Option<unix::Signal>,
    terminate: Option<unix::Signal>,
}

#[cfg(unix)]
impl Listener {
    fn new() -> Self {
        // One that can't be listened for keeps its default: it ends the process.
        Listener {
            interrupt: unix::signal(unix::SignalKind::interrupt()).ok(),
            terminate: unix::signal(unix::SignalKind::terminate()).ok(),
        }
    }

    async fn heard(&mut self) -> Signal {
        tokio::select! {
            () = received(&mut self.interrupt) => Signal::Interrupt,
            () = received(&mut self.terminate) => Signal::Terminate,
        }
    }
}

#[cfg(unix)]
async fn received(signal: &mut Option<unix::Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(not(unix))]
struct Listener;

#[cfg(not(unix))]
impl Listener {
    fn new() -> Self {
        Listener
    }

    async fn heard(&mut self) -> Signal {
        let _ = tokio::signal::ctrl_c().await;
        Signal::Interrupt
    }
}
