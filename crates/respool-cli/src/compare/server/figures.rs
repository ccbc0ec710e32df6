use std::ops::{Add, Sub};

/// What a server counts since its start, or the difference of two such counts.
///
/// It counts what every client does: on a server that others use at the same time, theirs too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Commands executed, INFO left out: that is how we look.
    pub(crate) commands: u64,
    /// Connections accepted.
    pub(crate) connections: u64,
}

impl Figures {
    /// Reads the text of INFO; `None` where it lacks one of the two counts.
    pub(super) fn parse(info: &str) -> Option<Self> {
        let connections = info
            .lines()
            .find_map(|line| line.strip_prefix("total_connections_received:"))?;
        let calls: Vec<u64> = info.lines().filter_map(calls_of_others).collect();
        (!calls.is_empty()).then_some(Figures {
            commands: calls.iter().sum(),
            connections: connections.trim().parse().ok()?,
        })
    }
}

/// The calls in a line of commandstats, such as `cmdstat_get:calls=3,usec=5,...`.
fn calls_of_others(line: &str) -> Option<u64> {
    let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(':')?;
    if name == "info" {
        return Some(0);
    }
    let (calls, _) = figures.strip_prefix("calls=")?.split_once(',')?;
    calls.parse().ok()
}

/// What happened between two looks. A server that was restarted in between counts from zero again:
/// then there is nothing to tell.
impl Sub for Figures {
    type Output = Figures;

    fn sub(self, earlier: Figures) -> Figures {
        Figures {
            commands: self.commands.saturating_sub(earlier.commands),
            connections: self.connections.saturating_sub(earlier.connections),
        }
    }
}

impl Add for Figures {
    type Output = Figures;

    fn add(self, other: Figures) -> Figures {
        Figures {
            commands: self.commands + other.commands,
            connections: self.connections + other.connections,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_look_is_not_counted() {
        let info = "total_connections_received:7\r\ntotal_commands_processed:99\r\n\
                    cmdstat_get:calls=3,usec=5\r\ncmdstat_info:calls=50,usec=5\r\n\
                    cmdstat_client|setinfo:calls=2,usec=5\r\n";
        assert_eq!(
            Figures::parse(info),
            Some(Figures {
                commands: 5,
                connections: 7
            })
        );
    }

    #[test]
    fn a_server_without_counts_has_no_figures() {
        assert_eq!(Figures::parse("redis_version:7.0.15\r\n"), None);
        assert_eq!(Figures::parse("total_connections_received:7\r\n"), None);
    }
}
