//! Rounds in which every cell has its turn.

use std::collections::BTreeMap;

use crate::arguments::Options;
use crate::figure::{Figure, Measurement, Metric};
use crate::stage::{Problem, Stage};
use crate::subjects::Subject;

/// What the rounds gave.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// By figure, case, subject and metric: one number a round.
    numbers: BTreeMap<(&'static str, String, Subject, &'static str), Vec<f64>>,
    problems: BTreeMap<(&'static str, String, Subject), Problem>,
}

/// Median and range of a cell's rounds.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// Runs every round. Within one, each figure begins with another subject than in the last.
pub(crate) fn rounds(options: &Options, figures: &[Figure], stage: &Stage) -> Results {
    let mut results = Results::default();
    for round in 0..options.rounds {
        for figure in figures {
            eprintln!("round {} of {}: {}", round + 1, options.rounds, figure.name);
            let mut measurements: Vec<&Measurement> = figure.measurements.iter().collect();
            measurements.rotate_left(round as usize % figure.measurements.len());
            for measurement in measurements {
                results.add(figure, measurement, stage.measure(options, measurement));
            }
        }
    }
    results
}

impl Results {
    fn add(
        &mut self,
        figure: &Figure,
        measurement: &Measurement,
        outcome: Result<crate::cell::Sample, Problem>,
    ) {
        let place = (figure.name, measurement.case.clone(), measurement.subject);
        let sample = match outcome {
            Ok(sample) => sample,
            Err(problem) => {
                eprintln!("{} {:?}: {problem}", figure.name, measurement.subject);
                self.problems.insert(place, problem);
                return;
            }
        };
        for metric in measurement.shows {
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

    /// What `subject` did; its problem, when a round of it had one.
    pub(crate) fn of(
        &self,
        figure: &Figure,
        case: &str,
        subject: Subject,
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
