//! What a figure consists of: measurements, and targets that judge them.

use std::fmt::Debug;

use serde::Serialize;

/// Who is measured.
pub trait Subject: Copy + Ord + Debug + 'static {
    /// The backend of respool that the targets are for.
    const OURS: Self;

    /// Whether people could take it instead of ours; what is bare, or ours too, is none.
    fn is_peer(self) -> bool;
}

/// One cell, measured once a round.
pub trait Measured {
    /// The subjects of the table.
    type Subject: Subject;

    /// What tells it from the figure's other cells of this subject; may be empty.
    fn case(&self) -> &str;

    /// Who is measured in it.
    fn subject(&self) -> Self::Subject;

    /// What its subject is called in the table, where ours is over `backend`.
    fn name(&self, backend: &str) -> String;

    /// What of its sample is shown.
    fn shows(&self) -> &'static [Metric];
}

/// One line of what the backend is meant to reach.
#[derive(Debug)]
pub struct Figure<M: Measured> {
    /// For `--only`.
    pub name: &'static str,
    /// In the table.
    pub title: &'static str,
    /// Its cells.
    pub measurements: Vec<M>,
    /// What judges them.
    pub targets: Vec<Target<M::Subject>>,
}

/// One number of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Metric {
    /// In a sample.
    #[serde(rename = "metric")]
    pub key: &'static str,
    /// In the table.
    pub unit: &'static str,
    /// Which way is better.
    #[serde(skip)]
    pub good: Good,
}

impl Metric {
    /// One of which the least is the best.
    pub const fn less(key: &'static str, unit: &'static str) -> Metric {
        let good = Good::Less;
        Metric { key, unit, good }
    }

    /// One of which the most is the best.
    pub const fn more(key: &'static str, unit: &'static str) -> Metric {
        let good = Good::More;
        Metric { key, unit, good }
    }

    /// One that is right or wrong.
    pub const fn exactly(key: &'static str, unit: &'static str) -> Metric {
        let good = Good::Exactly;
        Metric { key, unit, good }
    }
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Good {
    /// The least is the best.
    Less,
    /// The most is the best.
    More,
    /// Neither: there is one right number.
    Exactly,
}

/// What the backend's median is held against.
#[derive(Clone, Debug)]
pub struct Target<S: 'static> {
    /// That of the cells it judges.
    pub case: String,
    /// The number that it judges.
    pub metric: Metric,
    /// What is enough.
    pub bound: Bound<S>,
}

impl<S> Target<S> {
    /// That `metric` is within `bound` in `case`.
    pub fn of(case: &str, metric: Metric, bound: Bound<S>) -> Target<S> {
        Target {
            case: case.to_owned(),
            metric,
            bound,
        }
    }
}

/// A bound, which the metric's [`Good`] gives its direction.
#[derive(Clone, Debug)]
pub enum Bound<S: 'static> {
    /// A figure of its own.
    Fixed(f64),
    /// This much of the best of a group.
    OfBest(f64, Group<S>),
    /// This many more than that of another.
    Above(f64, S),
}

/// Subjects that a target speaks of together.
#[derive(Clone, Copy, Debug)]
pub struct Group<S: 'static> {
    /// In the table.
    pub name: &'static str,
    /// Its members.
    pub subjects: &'static [S],
}

impl<M: Measured> Figure<M> {
    /// What `subject` is called in a case of this figure.
    pub fn name_of(&self, subject: M::Subject, case: &str, backend: &str) -> String {
        self.measurements
            .iter()
            .find(|cell| cell.subject() == subject && cell.case() == case)
            .map_or_else(|| format!("{subject:?}"), |cell| cell.name(backend))
    }

    /// What its targets speak of and no cell of it measures: nothing, if all is well.
    pub fn unmeasured(&self) -> Vec<String> {
        let mut unmeasured = Vec::new();
        for target in &self.targets {
            let mut subjects = vec![M::Subject::OURS];
            match &target.bound {
                Bound::Fixed(_) => {}
                Bound::OfBest(_, of) => subjects.extend(of.subjects),
                Bound::Above(_, of) => subjects.push(*of),
            }
            subjects.retain(|&subject| {
                !self.measurements.iter().any(|cell| {
                    cell.subject() == subject
                        && cell.case() == target.case
                        && cell.shows().contains(&target.metric)
                })
            });
            let name = |subject| format!("{}: {subject:?}, {target:?}", self.name);
            unmeasured.extend(subjects.into_iter().map(name));
        }
        unmeasured
    }
}
