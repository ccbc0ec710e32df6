use std::process::ExitCode;

use respool::PoolError;
use respool_testserver::StartError;

use crate::interrupt::Signal;

/// Why the command could not do its work: one line for a person, with the remedy, and the exit
/// code. Whatever the cause said, no password is in it.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    exit_code: u8,
}

impl Failure {
    /// An argument or a setting is wrong: exit code 2.
    pub(crate) fn usage(message: impl AsRef<str>) -> Self {
        Failure {
            message: one_line(message.as_ref()),
            exit_code: 2,
        }
    }

    /// What was asked for could not be done: exit code 1.
    pub(crate) fn failed(message: impl AsRef<str>) -> Self {
        Failure {
            message: one_line(message.as_ref()),
            exit_code: 1,
        }
    }

    /// Somebody asked for the end before there was anything to report.
    pub(crate) fn interrupted(signal: Signal, message: impl AsRef<str>) -> Self {
        Failure {
            message: one_line(message.as_ref()),
            exit_code: signal.number(),
        }
    }

    /// The same, said after what was being done.
    pub(crate) fn within(self, what: &str) -> Self {
        Failure {
            message: one_line(&format!("{what}: {}", self.message)),
            ..self
        }
    }

    /// The same, with something that follows from it.
    pub(crate) fn and(self, what: &str) -> Self {
        Failure {
            message: one_line(&format!("{}; {what}", self.message)),
            ..self
        }
    }

    /// Says it on standard error.
    pub(crate) fn report(&self) -> ExitCode {
        anstream::eprintln!("respool: {}", self.message);
        ExitCode::from(self.exit_code)
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Config { .. } => Failure::usage(error.to_string()),
            _ => Failure::failed(error.to_string()),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Misnamed { .. } => Failure::usage(error.to_string()),
            StartError::Run { .. } if is_server_named() => {
                let failure = Failure::usage(error.to_string());
                failure.and("it is what REDIS_SERVER names; correct it or unset it")
            }
            _ => Failure::failed(error.to_string()),
        }
    }
}

fn is_server_named() -> bool {
    let name = std::env::var_os("REDIS_SERVER");
    name.is_some_and(|name| !name.is_empty())
}

/// The words of `text` on one line, without the passwords of URLs. A text that goes on and on is cut.
pub(crate) fn one_line(text: &str) -> String {
    const MOST: usize = 800;
    let words: Vec<_> = text.split_whitespace().map(without_password).collect();
    let line = words.join(" ");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// Hides what stands between `://` and the last `@` of a word, unless it is the form of a URL in an
/// explanation: `redis://[user:password@]host`.
fn without_password(word: &str) -> String {
    if let Some((before, rest)) = word.split_once("://")
        && let Some((_, after)) = rest.rsplit_once('@')
        && !after.starts_with(']')
    {
        return format!("{before}://***@{after}");
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_without_the_password_of_a_url() {
        assert_eq!(
            one_line("bad argument\n  'redis://me:p@ss://w@host:1/0'\nfound"),
            "bad argument 'redis://***@host:1/0' found"
        );
    }

    #[test]
    fn the_form_of_a_url_is_no_secret() {
        let form = "give redis://[user:password@]host[:port]";
        assert_eq!(one_line(form), form);
    }

    #[test]
    fn a_text_without_end_is_cut() {
        assert!(one_line(&"again ".repeat(10_000)).len() < 1_000);
    }

    #[test]
    fn a_wrong_setting_is_a_matter_of_usage() {
        assert_eq!(
            Failure::from(PoolError::config("url", "it is empty")).exit_code,
            2
        );
        assert_eq!(Failure::from(PoolError::Closed).exit_code, 1);
    }
}
