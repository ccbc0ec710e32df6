use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What a person sees on standard error while the work goes on: a bar on a terminal, elsewhere one
/// plain line for each milestone.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
}

impl Progress {
    /// Begins work of so many `steps`.
    pub(crate) fn start(steps: usize) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let target = if is_terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(u64::try_from(steps).ok(), target).with_style(
            ProgressStyle::with_template("{bar:24} {percent:>3}%  {msg}  (about {eta} left)")
                .expect("the template is well-formed")
                .progress_chars("█▉▊▋▌▍▎▏ "),
        );
        if is_terminal {
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        Progress { bar, is_terminal }
    }

    /// Goes on with other work, of so many `steps`.
    pub(crate) fn start_over(&self, steps: usize) {
        self.bar.reset();
        self.bar
            .set_length(u64::try_from(steps).unwrap_or(u64::MAX));
    }

    /// What is being done now: shown beside the bar.
    pub(crate) fn working_on(&self, what: String) {
        self.bar.set_message(what);
    }

    /// One step is done.
    pub(crate) fn advance(&self) {
        self.bar.inc(1);
    }

    /// Something worth a line where there is no bar.
    pub(crate) fn milestone(&self, what: &str) {
        if !self.is_terminal {
            anstream::eprintln!("{what}");
        }
    }

    /// Something worth a line in any case.
    pub(crate) fn remark(&self, what: &str) {
        self.bar.suspend(|| anstream::eprintln!("{what}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
