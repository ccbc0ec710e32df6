//! Rounds in which every cell has its turn.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Figure, Measured, Metric, Problem, Sample, Subject};

/// How often every cell has its turn.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// Turns of each cell.
    pub count: u32,
    /// How long a cell works that goes by time.
    pub time: Duration,
    /// Whether they are too few and too short to be published.
    pub quick: bool,
}

/// What the rounds gave.
#[derive(Debug)]
pub(crate) struct Results<S> {
    /// By figure, case, subject and metric: one number a round.
    numbers: BTreeMap<(&'static str, String, S, &'static str), Vec<f64>>,
    problems: BTreeMap<(&'static str, String, S), Problem>,
}

/// Median and range of a cell's rounds.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Spread {
    /// The one in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

/// Runs every round, in which `measure` does each cell. Within one, each figure begins with another
/// subject than in the last.
pub(crate) fn rounds<M: Measured>(
    rounds: &Rounds,
    figures: &[Figure<M>],
    measure: impl Fn(&M) -> Result<Sample, Problem>,
) -> Results<M::Subject> {
    let mut results = Results {
        numbers: BTreeMap::new(),
        problems: BTreeMap::new(),
    };
    for round in 0..rounds.count {
        for figure in figures {
            eprintln!("round {} of {}: {}", round + 1, rounds.count, figure.name);
            let mut measurements: Vec<&M> = figure.measurements.iter().collect();
            measurements.rotate_left(round as usize % figure.measurements.len());
            for measurement in measurements {
                results.add(figure.name, measurement, measure(measurement));
            }
        }
    }
    results
}

impl<S: Subject> Results<S> {
    fn add<M: Measured<Subject = S>>(
        &mut self,
        figure: &'static str,
        measurement: &M,
        outcome: Result<Sample, Problem>,
    ) {
        let place = (figure, measurement.case().to_owned(), measurement.subject());
        let sample = match outcome {
            Ok(sample) => sample,
            Err(problem) => {
                eprintln!("{figure} {:?}: {problem}", measurement.subject());
                self.problems.insert(place, problem);
                return;
            }
        };
        for metric in measurement.shows() {
            match sample.get(metric.key) {
                Some(number) => self
                    .numbers
                    .entry((place.0, place.1.clone(), place.2, metric.key))
                    .or_default()
                    .push(*number),
                None => {
                    let missing = Problem::Failed(format!("no {} in its sample", metric.key));
                    self.problems.insert(place.clone(), missing);
                }
            }
        }
    }

    /// What `subject` did.
    ///
    /// # Errors
    ///
    /// Its problem, when a round of it had one; or that it isn't measured.
    pub(crate) fn of<M: Measured<Subject = S>>(
        &self,
        figure: &Figure<M>,
        case: &str,
        subject: S,
        metric: Metric,
    ) -> Result<Spread, Problem> {
        if let Some(problem) = self.problems.get(&(figure.name, case.to_owned(), subject)) {
            return Err(problem.clone());
        }
        self.numbers
            .get(&(figure.name, case.to_owned(), subject, metric.key))
            .map(|numbers| Spread::of(numbers))
            .ok_or_else(|| Problem::Failed("it is not measured".to_owned()))
    }

    /// Whether nothing failed. What was skipped for want of a tool has not.
    pub(crate) fn all_ran(&self) -> bool {
        !self
            .problems
            .values()
            .any(|problem| matches!(problem, Problem::Failed(_)))
    }
}

impl Spread {
    fn of(numbers: &[f64]) -> Spread {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        };
        Spread {
            median,
            min: sorted[0],
            max: sorted[sorted.len() - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = |median, min, max| Spread { median, min, max };
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), spread(2.0, 1.0, 3.0));
        assert_eq!(Spread::of(&[4.0, 1.0]), spread(2.5, 1.0, 4.0));
    }
}
