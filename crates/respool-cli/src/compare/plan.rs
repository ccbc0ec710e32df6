use std::time::Duration;

/// Who runs when, and for how long. Rounds are interleaved: each subject has a turn in each, and
/// each round begins with another subject, so that neither a slow minute of the machine nor a place
/// in the line favours anybody.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// What a subject does before its turn is measured: connections open, caches fill.
    pub(crate) warm_up: Duration,
    /// How long a subject is measured in each round.
    pub(crate) duration: Duration,
}

/// Opening, counting at the server and letting the last operations end, for each turn.
const AROUND_A_TURN: Duration = Duration::from_millis(30);
const LONGEST_WARM_UP: Duration = Duration::from_millis(200);
const SHORTEST_TURN: Duration = Duration::from_millis(50);

impl Plan {
    /// The plan whose turns last for `duration`.
    pub(crate) fn of(rounds: usize, duration: Duration) -> Self {
        Plan {
            rounds,
            warm_up: (duration / 10).min(LONGEST_WARM_UP),
            duration,
        }
    }

    /// The plan that takes about `budget` in all.
    pub(crate) fn within(budget: Duration, rounds: usize, subjects: usize) -> Self {
        let turns = u32::try_from(rounds * subjects).unwrap_or(u32::MAX).max(1);
        let turn = (budget / turns)
            .saturating_sub(AROUND_A_TURN)
            .max(SHORTEST_TURN);
        let warm_up = (turn / 10).min(LONGEST_WARM_UP);
        // Whole tens of milliseconds, so that the command that repeats it is easy to read.
        let tens = (turn - warm_up).as_millis() / 10;
        Plan {
            rounds,
            warm_up,
            duration: Duration::from_millis(u64::try_from(tens * 10).unwrap_or(u64::MAX)),
        }
    }

    /// The order in which `subjects` have their turns in `round`, by index.
    pub(crate) fn order(round: usize, subjects: usize) -> impl Iterator<Item = usize> {
        (0..subjects).map(move |turn| (turn + round) % subjects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_fits_its_budget() {
        let budget = Duration::from_secs(16);
        let plan = Plan::within(budget, 3, 8);
        let whole = (plan.warm_up + plan.duration + AROUND_A_TURN) * 3 * 8;
        assert!(whole <= budget && whole > budget * 9 / 10, "{whole:?}");
    }

    #[test]
    fn each_subject_has_one_turn_a_round_and_each_round_begins_with_another() {
        let orders: Vec<Vec<usize>> = (0..3)
            .map(|round| Plan::order(round, 3).collect())
            .collect();
        assert_eq!(orders, [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
    }
}
