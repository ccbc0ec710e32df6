use hdrhistogram::Histogram;

use super::contest::SubjectResult;
use super::measure::Measurement;
use super::subjects::Subject;

/// One subject's figures, ready to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub(crate) subject: Subject,
    /// Over the rounds.
    pub(crate) ops_per_s: Spread,
    /// Microseconds, over all rounds together.
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) p999_us: u64,
    /// `None` where the server doesn't tell.
    pub(crate) server_commands_per_op: Option<f64>,
    pub(crate) connections_opened: Option<u64>,
    /// The operations of the least served task, as a part of those of the most served one; the
    /// median over the rounds.
    pub(crate) least_to_most_served: f64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// Its median of operations a second, as a part of that of the best of its mode.
    pub(crate) ratio_to_best: f64,
}

/// The least, the middle and the most of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

/// The summaries of those who were measured, by mode, in each the best first.
pub(crate) fn summarize(results: &[SubjectResult]) -> Vec<Summary> {
    let mut summaries: Vec<Summary> = results.iter().filter_map(Summary::of).collect();
    summaries.sort_by(|one, other| {
        let modes = one.subject.mode.cmp(&other.subject.mode);
        modes.then_with(|| other.ops_per_s.median.total_cmp(&one.ops_per_s.median))
    });
    for of_a_mode in summaries.chunk_by_mut(|one, other| one.subject.mode == other.subject.mode) {
        let best = of_a_mode[0].ops_per_s.median;
        for summary in of_a_mode {
            summary.ratio_to_best = ratio(summary.ops_per_s.median, best);
        }
    }
    summaries
}

impl Summary {
    /// `None` where nothing was measured.
    fn of(result: &SubjectResult) -> Option<Self> {
        let measurements = &result.measurements;
        let ops_per_s = Spread::of(measurements.iter().map(|measurement| {
            ratio(
                measurement.operations() as f64,
                measurement.elapsed.as_secs_f64(),
            )
        }))?;
        let evenness = Spread::of(measurements.iter().map(least_to_most))?;
        let latencies = merged(measurements);
        let errors: u64 = measurements.iter().map(|measured| measured.errors).sum();
        let asked = latencies.len() + errors;
        Some(Summary {
            subject: result.subject.clone(),
            ops_per_s,
            p50_us: latencies.value_at_quantile(0.5),
            p99_us: latencies.value_at_quantile(0.99),
            p999_us: latencies.value_at_quantile(0.999),
            server_commands_per_op: result
                .measured_figures
                .map(|figures| ratio(figures.commands as f64, asked as f64)),
            connections_opened: result.figures.map(|figures| figures.connections),
            least_to_most_served: evenness.median,
            errors,
            first_error: measurements
                .iter()
                .find_map(|measurement| measurement.first_error.clone()),
            ratio_to_best: 0.0,
        })
    }
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = if figures.len() % 2 == 1 {
            figures[middle]
        } else {
            f64::midpoint(figures[middle - 1], figures[middle])
        };
        Some(Spread { min, median, max })
    }

    /// How far apart the figures are, as a part of the median.
    pub(crate) fn width(&self) -> f64 {
        ratio(self.max - self.min, self.median)
    }
}

fn merged(measurements: &[Measurement]) -> Histogram<u64> {
    let mut all = Histogram::new(2).expect("two digits are within what it can do");
    for measurement in measurements {
        all.add(&measurement.latencies)
            .expect("a histogram that resizes itself takes any other");
    }
    all
}

fn least_to_most(measurement: &Measurement) -> f64 {
    let least = measurement.served.iter().min().copied().unwrap_or(0);
    let most = measurement.served.iter().max().copied().unwrap_or(0);
    ratio(least as f64, most as f64)
}

/// Zero rather than not a number where there is nothing to divide by.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::compare::server::Figures;
    use crate::compare::subjects::Mode;

    /// A second in which the tasks were served so many times each.
    fn second(served: &[u64]) -> Measurement {
        let mut latencies = Histogram::new(2).unwrap();
        latencies.record_n(100, served.iter().sum()).unwrap();
        Measurement {
            elapsed: Duration::from_secs(1),
            latencies,
            served: served.to_vec(),
            errors: 0,
            first_error: None,
        }
    }

    fn result(measurements: Vec<Measurement>) -> SubjectResult {
        result_of(Mode::Checkout, measurements)
    }

    fn result_of(mode: Mode, measurements: Vec<Measurement>) -> SubjectResult {
        let mut subjects = Subject::all().unwrap().into_iter();
        SubjectResult {
            subject: subjects.find(|subject| subject.mode == mode).unwrap(),
            measurements,
            measured_figures: Some(Figures {
                commands: 120,
                connections: 0,
            }),
            figures: None,
        }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let spread = Spread::of([4.0, 1.0, 2.0, 100.0].into_iter()).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 3.0, 100.0));
        assert!(Spread::of(std::iter::empty()).is_none());
    }

    #[test]
    fn the_best_comes_first_and_the_others_are_a_part_of_it() {
        let results = [
            result(vec![second(&[5, 5]), second(&[15, 15])]),
            result(vec![second(&[40, 40])]),
            result(Vec::new()),
        ];
        let summaries = summarize(&results);
        let ratios: Vec<f64> = summaries
            .iter()
            .map(|summary| summary.ratio_to_best)
            .collect();
        assert_eq!(ratios, [1.0, 0.25], "who was not measured is left out");
        assert_eq!(summaries[1].ops_per_s.max, 30.0);
        assert_eq!(summaries[1].server_commands_per_op, Some(3.0));
        assert_eq!(summaries[1].connections_opened, None);
    }

    #[test]
    fn each_mode_has_a_best_of_its_own() {
        let results = [
            result_of(Mode::Shared, vec![second(&[100])]),
            result_of(Mode::Checkout, vec![second(&[10])]),
            result_of(Mode::Shared, vec![second(&[200])]),
        ];
        let of_best: Vec<(Mode, f64)> = summarize(&results)
            .iter()
            .map(|summary| (summary.subject.mode, summary.ratio_to_best))
            .collect();
        let shared = [(Mode::Shared, 1.0), (Mode::Shared, 0.5)];
        assert_eq!(of_best[..1], [(Mode::Checkout, 1.0)]);
        assert_eq!(of_best[1..], shared);
    }

    #[test]
    fn a_starved_task_shows_although_another_starves_in_the_next_round() {
        let result = result(vec![second(&[0, 50]), second(&[50, 0])]);
        let summary = Summary::of(&result).unwrap();
        assert_eq!(summary.least_to_most_served, 0.0);
    }

    #[test]
    fn an_operation_that_failed_is_no_operation_a_second() {
        let mut measured = second(&[30]);
        measured.errors = 30;
        let summary = Summary::of(&result(vec![measured])).unwrap();
        assert_eq!(summary.ops_per_s.median, 30.0);
        assert_eq!(summary.server_commands_per_op, Some(2.0));
        assert_eq!(summary.errors, 30);
    }
}
