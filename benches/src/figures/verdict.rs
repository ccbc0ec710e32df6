//! Targets held against what was measured.

use crate::figure::{Bound, Figure, Good, Target};
use crate::run::{Results, Spread};
use crate::stage::Problem;
use crate::subjects::Subject;

/// A target with its figures.
#[derive(Debug)]
pub(crate) struct Judged<'f> {
    pub(crate) target: &'f Target,
    pub(crate) ours: Result<Spread, Problem>,
    /// Whom the target speaks of, or the best peer that was measured beside.
    pub(crate) peer: Option<(Subject, Spread)>,
    pub(crate) verdict: Verdict,
}

/// Whether the median reaches the target, as far as the table's digits tell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    Unknown(Problem),
}

impl Judged<'_> {
    /// Ours to the peer's.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let (ours, (_, peer)) = (self.ours.as_ref().ok()?, self.peer?);
        (peer.median != 0.0).then(|| ours.median / peer.median)
    }
}

/// Each target of `figure`, judged.
pub(crate) fn judge<'f>(figure: &'f Figure, results: &Results) -> Vec<Judged<'f>> {
    let judged = |target: &'f Target| {
        let ours = results.of(figure, &target.case, Subject::Ours, target.metric);
        let peer = match &target.bound {
            Bound::OfBest(_, of) => best(figure, target, results, of.subjects),
            Bound::Above(_, of) => best(figure, target, results, &[*of]),
            Bound::Fixed(_) => best(figure, target, results, &pools_beside(figure, target)),
        };
        let verdict = match (&ours, peer) {
            (Err(problem), _) => Verdict::Unknown(problem.clone()),
            (Ok(ours), peer) => reaches(target, ours.median, peer.map(|(_, peer)| peer.median)),
        };
        Judged {
            target,
            ours,
            peer,
            verdict,
        }
    };
    figure.targets.iter().map(judged).collect()
}

/// The pools that people could take instead; what is bare is none.
fn pools_beside(figure: &Figure, target: &Target) -> Vec<Subject> {
    let bare = [Subject::Ours, Subject::BareHandOff, Subject::BareSocket];
    figure
        .measurements
        .iter()
        .filter(|measurement| measurement.case == target.case)
        .map(|measurement| measurement.subject)
        .filter(|subject| !bare.contains(subject))
        .collect()
}

fn best(
    figure: &Figure,
    target: &Target,
    results: &Results,
    of: &[Subject],
) -> Option<(Subject, Spread)> {
    let measured = of.iter().filter_map(|&subject| {
        let spread = results.of(figure, &target.case, subject, target.metric);
        Some((subject, spread.ok()?))
    });
    let by_median =
        |a: &(Subject, Spread), b: &(Subject, Spread)| a.1.median.total_cmp(&b.1.median);
    match target.metric.good {
        Good::More => measured.max_by(by_median),
        Good::Less | Good::Exactly => measured.min_by(by_median),
    }
}

fn reaches(target: &Target, ours: f64, peer: Option<f64>) -> Verdict {
    let no_peer = || Verdict::Unknown(Problem::Failed("nobody to compare with".to_owned()));
    let (figure, bound) = match (&target.bound, peer) {
        (Bound::Fixed(bound), _) => (ours, *bound),
        (Bound::OfBest(factor, _), Some(peer)) => (ours / peer, *factor),
        (Bound::Above(more, _), Some(peer)) => (ours, peer + more),
        (Bound::OfBest(..) | Bound::Above(..), None) => return no_peer(),
    };
    let (figure, bound) = (as_printed(figure), as_printed(bound));
    let met = match target.metric.good {
        Good::Less => figure <= bound,
        Good::More => figure >= bound,
        Good::Exactly => figure == bound,
    };
    if met { Verdict::Met } else { Verdict::Missed }
}

fn as_printed(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{ALLOCATIONS, CONNECTIONS, Group, Metric, RATE};

    const NOBODY: Group = Group {
        name: "nobody",
        subjects: &[],
    };

    fn verdict(metric: Metric, bound: Bound, ours: f64, peer: Option<f64>) -> Verdict {
        let case = String::new();
        reaches(
            &Target {
                case,
                metric,
                bound,
            },
            ours,
            peer,
        )
    }

    #[test]
    fn a_target_of_less_is_missed_by_more() {
        let at = |ours| verdict(ALLOCATIONS, Bound::Fixed(1.0), ours, None);
        assert_eq!((at(1.0), at(1.01)), (Verdict::Met, Verdict::Missed));
    }

    #[test]
    fn a_target_of_the_best_is_a_part_of_it() {
        let at = |ours| verdict(RATE, Bound::OfBest(1.5, NOBODY), ours, Some(100.0));
        assert_eq!((at(150.0), at(149.0)), (Verdict::Met, Verdict::Missed));
    }

    #[test]
    fn an_exact_target_is_missed_on_either_side() {
        let at = |ours| verdict(CONNECTIONS, Bound::Fixed(10.0), ours, None);
        assert_eq!(at(10.0), Verdict::Met);
        assert_eq!((at(9.0), at(11.0)), (Verdict::Missed, Verdict::Missed));
    }

    #[test]
    fn without_a_peer_nothing_is_met() {
        let alone = verdict(RATE, Bound::OfBest(1.5, NOBODY), 150.0, None);
        assert!(matches!(alone, Verdict::Unknown(Problem::Failed(_))));
    }
}
