//! Targets held against what was measured.

use super::{Bound, Figure, Good, Measured, Problem, Results, Spread, Subject, Target};

/// A target with its figures.
#[derive(Debug)]
pub(crate) struct Judged<'f, S: 'static> {
    /// What is judged.
    pub target: &'f Target<S>,
    /// What the backend did.
    pub ours: Result<Spread, Problem>,
    /// Whom the target speaks of, or the best peer that was measured beside.
    pub peer: Option<(S, Spread)>,
    /// Whether it is met.
    pub verdict: Verdict,
}

/// Whether the median reaches the target, as far as the table's digits tell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It reaches it.
    Met,
    /// It doesn't.
    Missed,
    /// There is nothing to tell it by.
    Unknown(Problem),
}

impl<S> Judged<'_, S> {
    /// Ours to the peer's.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let (ours, (_, peer)) = (self.ours.as_ref().ok()?, self.peer.as_ref()?);
        (peer.median != 0.0).then(|| ours.median / peer.median)
    }
}

/// Each target of `figure`, judged.
pub(crate) fn judge<'f, M: Measured>(
    figure: &'f Figure<M>,
    results: &Results<M::Subject>,
) -> Vec<Judged<'f, M::Subject>> {
    let judged = |target: &'f Target<M::Subject>| {
        let ours = results.of(figure, &target.case, M::Subject::OURS, target.metric);
        let peer = match &target.bound {
            Bound::OfBest(_, of) => best(figure, target, results, of.subjects),
            Bound::Above(_, of) => best(figure, target, results, &[*of]),
            Bound::Fixed(_) => best(figure, target, results, &peers_beside(figure, target)),
        };
        let verdict = match (&ours, left_out(figure, target, results)) {
            (Err(problem), _) => Verdict::Unknown(problem.clone()),
            (Ok(_), Some(problem)) => Verdict::Unknown(problem),
            (Ok(ours), None) => reaches(target, ours.median, peer.map(|(_, peer)| peer.median)),
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

/// What people could take instead.
fn peers_beside<M: Measured>(figure: &Figure<M>, target: &Target<M::Subject>) -> Vec<M::Subject> {
    figure
        .measurements
        .iter()
        .filter(|measurement| measurement.case() == target.case)
        .map(Measured::subject)
        .filter(|subject| subject.is_peer())
        .collect()
}

/// Why one was skipped whom the target speaks of: the best of the rest is not the best.
fn left_out<M: Measured>(
    figure: &Figure<M>,
    target: &Target<M::Subject>,
    results: &Results<M::Subject>,
) -> Option<Problem> {
    let of: &[M::Subject] = match &target.bound {
        Bound::OfBest(_, of) => of.subjects,
        Bound::Above(_, of) => std::slice::from_ref(of),
        Bound::Fixed(_) => &[],
    };
    of.iter().find_map(|&subject| {
        let problem = results.of(figure, &target.case, subject, target.metric);
        problem
            .err()
            .filter(|problem| matches!(problem, Problem::Skipped(_)))
    })
}

fn best<M: Measured>(
    figure: &Figure<M>,
    target: &Target<M::Subject>,
    results: &Results<M::Subject>,
    of: &[M::Subject],
) -> Option<(M::Subject, Spread)> {
    let measured = of.iter().filter_map(|&subject| {
        let spread = results.of(figure, &target.case, subject, target.metric);
        Some((subject, spread.ok()?))
    });
    let by_median =
        |a: &(M::Subject, Spread), b: &(M::Subject, Spread)| a.1.median.total_cmp(&b.1.median);
    match target.metric.good {
        Good::More => measured.max_by(by_median),
        Good::Less | Good::Exactly => measured.min_by(by_median),
    }
}

fn reaches<S>(target: &Target<S>, ours: f64, peer: Option<f64>) -> Verdict {
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
    use std::slice;
    use std::time::Duration;

    use super::*;
    use crate::table::{Group, Metric, Rounds, rounds, sample};

    const NOBODY: Group<()> = Group {
        name: "nobody",
        subjects: &[],
    };

    const fn metric(good: Good) -> Metric {
        Metric {
            key: "",
            unit: "",
            good,
        }
    }

    fn verdict(good: Good, bound: Bound<()>, ours: f64, peer: Option<f64>) -> Verdict {
        reaches(&Target::of("", metric(good), bound), ours, peer)
    }

    #[test]
    fn a_target_of_less_is_missed_by_more() {
        let at = |ours| verdict(Good::Less, Bound::Fixed(1.0), ours, None);
        assert_eq!((at(1.0), at(1.01)), (Verdict::Met, Verdict::Missed));
    }

    #[test]
    fn a_target_of_the_best_is_a_part_of_it() {
        let at = |ours| verdict(Good::More, Bound::OfBest(1.5, NOBODY), ours, Some(100.0));
        assert_eq!((at(150.0), at(149.0)), (Verdict::Met, Verdict::Missed));
    }

    #[test]
    fn an_exact_target_is_missed_on_either_side() {
        let at = |ours| verdict(Good::Exactly, Bound::Fixed(10.0), ours, None);
        assert_eq!(at(10.0), Verdict::Met);
        assert_eq!((at(9.0), at(11.0)), (Verdict::Missed, Verdict::Missed));
    }

    #[test]
    fn without_a_peer_nothing_is_met() {
        let alone = verdict(Good::More, Bound::OfBest(1.5, NOBODY), 150.0, None);
        assert!(matches!(alone, Verdict::Unknown(Problem::Failed(_))));
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum Who {
        Ours,
        There,
        Absent,
    }

    impl Subject for Who {
        const OURS: Who = Who::Ours;

        fn is_peer(self) -> bool {
            self != Who::Ours
        }
    }

    impl Measured for Who {
        type Subject = Who;

        fn case(&self) -> &str {
            ""
        }

        fn subject(&self) -> Who {
            *self
        }

        fn name(&self, _: &str) -> String {
            format!("{self:?}")
        }

        fn shows(&self) -> &'static [Metric] {
            const { &[metric(Good::More)] }
        }
    }

    #[test]
    fn a_target_that_speaks_of_nobody_measured_is_told() {
        let target = Target::of("", metric(Good::More), Bound::Above(1.0, Who::There));
        let figure = |measurements| Figure {
            name: "figure",
            title: "",
            measurements,
            targets: vec![target.clone()],
        };
        let all = figure(vec![Who::Ours, Who::There]);
        assert_eq!(all.unmeasured(), [""; 0]);
        let alone = figure(vec![Who::Ours]).unmeasured();
        assert!(alone.len() == 1 && alone[0].contains("There"), "{alone:?}");
    }

    #[test]
    fn the_best_of_those_who_were_not_skipped_is_not_the_best() {
        let target = |subjects| {
            let name = "peers";
            let bound = Bound::OfBest(1.5, Group { name, subjects });
            Target::of("", metric(Good::More), bound)
        };
        let figure = Figure {
            name: "figure",
            title: "",
            measurements: vec![Who::Ours, Who::There, Who::Absent],
            targets: vec![target(&[Who::There]), target(&[Who::There, Who::Absent])],
        };
        let once = Rounds {
            count: 1,
            time: Duration::ZERO,
            quick: true,
        };
        let skipped = || Problem::Skipped("it isn't there".to_owned());
        let results = rounds(&once, slice::from_ref(&figure), |who| match who {
            Who::Ours => Ok(sample([("", 3.0)])),
            Who::There => Ok(sample([("", 2.0)])),
            Who::Absent => Err(skipped()),
        });
        let judged = judge(&figure, &results);
        assert_eq!(judged[0].verdict, Verdict::Met);
        assert_eq!(judged[1].verdict, Verdict::Unknown(skipped()));
        assert_eq!(judged[1].ratio(), Some(1.5));
    }
}
