use std::pin::pin;
use std::sync::Arc;

use respool::PoolConfig;

use super::Options;
use super::keyspace::Keyspace;
use super::measure::{Driver, Measurement, measure};
use super::plan::Plan;
use super::server::{Figures, Server};
use super::subjects::Subject;
use crate::failure::Failure;
use crate::interrupt::{Interrupt, Signal};
use crate::progress::Progress;

/// Gives every subject its turn in every round.
pub(crate) struct Contest<'a> {
    options: &'a Options,
    server: &'a mut Server,
    interrupt: Interrupt,
}

/// What a contest found, however far it came.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) results: Vec<SubjectResult>,
    /// Rounds in which every subject had its turn.
    pub(crate) rounds: usize,
    pub(crate) interrupted: Option<Signal>,
    /// Why keys could not be deleted, if they are still there.
    pub(crate) left_behind: Option<Failure>,
}

/// What was measured of one subject.
#[derive(Debug)]
pub(crate) struct SubjectResult {
    pub(crate) subject: Subject,
    pub(crate) measurements: Vec<Measurement>,
    /// What the server counted while the measurements ran.
    pub(crate) measured_figures: Option<Figures>,
    /// What it counted from the building of the pool on, warm-ups included.
    pub(crate) figures: Option<Figures>,
}

impl<'a> Contest<'a> {
    pub(crate) fn new(options: &'a Options, server: &'a mut Server, interrupt: Interrupt) -> Self {
        Contest {
            options,
            server,
            interrupt,
        }
    }

    /// Holds it, and leaves no key behind.
    pub(crate) async fn hold(mut self) -> Result<Outcome, Failure> {
        let workload = &self.options.workload;
        let keyspace = Arc::new(Keyspace::new(workload.keys, workload.value_size));
        let progress = Progress::start(keyspace.requests());
        let interrupt = self.interrupt.clone();
        let keys_stay = self.server.outlives_us();
        let mut held = pin!(self.hold_with(&keyspace, &progress));
        tokio::select! {
            outcome = &mut held => return outcome,
            _ = interrupt.raised() => {}
        }
        if keys_stay {
            progress.remark(&format!(
                "deleting the keys {}*; a second Ctrl-C leaves them there",
                keyspace.prefix()
            ));
        }
        held.await
    }

    /// Writes the keys, measures, and deletes the keys again, however far it came.
    async fn hold_with(
        &mut self,
        keyspace: &Arc<Keyspace>,
        progress: &Progress,
    ) -> Result<Outcome, Failure> {
        progress.working_on(format!("writing {} keys", keyspace.keys.len()));
        let filled = tokio::select! {
            filled = self.server.fill(keyspace, progress) => filled,
            _ = self.interrupt.raised() => Ok(()),
        };
        let (outcome, which) = match filled {
            Ok(()) => (self.run_rounds(keyspace, progress).await, "the keys"),
            Err(failure) => (Err(failure), "what was written of the keys"),
        };
        progress.working_on("deleting the keys".to_owned());
        let cleaned = self.server.clean(keyspace).await;
        let prefix = keyspace.prefix();
        let left_behind = format!("{which} {prefix}* could not be deleted");
        match (outcome, cleaned) {
            (Ok(outcome), cleaned) => Ok(Outcome {
                interrupted: self.interrupt.signal(),
                left_behind: cleaned.err().map(|error| error.within(&left_behind)),
                ..outcome
            }),
            (Err(failure), Ok(())) => Err(failure),
            (Err(failure), Err(_)) => Err(failure.and(&left_behind)),
        }
    }

    async fn run_rounds(
        &mut self,
        keyspace: &Arc<Keyspace>,
        progress: &Progress,
    ) -> Result<Outcome, Failure> {
        let Options { plan, subjects, .. } = self.options;
        progress.start_over(plan.rounds * subjects.len());
        let interrupt = self.interrupt.clone();
        let opened = tokio::select! {
            // Who is asked to stop opens nothing.
            biased;
            _ = interrupt.raised() => return Ok(Outcome::default()),
            opened = self.open_all(progress) => opened,
        };
        let mut contenders = opened?;
        progress.milestone(&format!(
            "subjects: {}; rounds: {} of {:?} for each",
            subjects.len(),
            plan.rounds,
            plan.duration
        ));
        let mut rounds = 0;
        while rounds < plan.rounds && self.interrupt.signal().is_none() {
            for index in Plan::order(rounds, subjects.len()) {
                progress.working_on(format!(
                    "round {} of {}: {}",
                    rounds + 1,
                    plan.rounds,
                    subjects[index]
                ));
                self.take_turn(&mut contenders[index], keyspace, rounds)
                    .await?;
                progress.advance();
            }
            if self.interrupt.signal().is_none() {
                rounds += 1;
                progress.milestone(&format!("round {rounds} of {} done", plan.rounds));
            }
        }
        Ok(Outcome {
            results: contenders
                .into_iter()
                .map(|contender| contender.result)
                .collect(),
            rounds,
            ..Outcome::default()
        })
    }

    async fn open_all(&mut self, progress: &Progress) -> Result<Vec<Contender>, Failure> {
        let mut contenders = Vec::new();
        for subject in &self.options.subjects {
            progress.working_on(format!("opening {subject}"));
            contenders.push(Contender::open(subject, self.server).await?);
        }
        Ok(contenders)
    }

    /// Warms `contender` up and measures it. A turn that was cut short counts where there is
    /// nothing better.
    async fn take_turn(
        &mut self,
        contender: &mut Contender,
        keyspace: &Arc<Keyspace>,
        round: usize,
    ) -> Result<(), Failure> {
        let Options { plan, workload, .. } = self.options;
        let run = |duration, seed| {
            let driver = &*contender.driver;
            measure(driver, workload, keyspace, seed, duration, &self.interrupt)
        };
        if self.interrupt.signal().is_some() {
            return Ok(());
        }
        let before = figures_unless_interrupted(self.server, &self.interrupt).await?;
        run(plan.warm_up, u64::MAX / 2).await;
        let warm = figures_unless_interrupted(self.server, &self.interrupt).await?;
        if self.interrupt.signal().is_some() {
            return Ok(());
        }
        let seed = round as u64 * workload.tasks as u64;
        let measurement = run(plan.duration, seed).await;
        let after = figures_unless_interrupted(self.server, &self.interrupt).await?;

        let result = &mut contender.result;
        let was_cut_short = self.interrupt.signal().is_some();
        if was_cut_short && (!result.measurements.is_empty() || measurement.operations() == 0) {
            return Ok(());
        }
        result.measurements.push(measurement);
        result.measured_figures = sum(result.measured_figures, between(warm, after));
        result.figures = sum(result.figures, between(before, after));
        Ok(())
    }
}

impl Outcome {
    /// Those of whose operations none succeeded.
    pub(crate) fn fruitless(&self) -> impl Iterator<Item = &Subject> {
        let fruitless = self.results.iter().filter(|result| {
            let mut measurements = result.measurements.iter();
            measurements.all(|measurement| measurement.operations() == 0)
        });
        fruitless.map(|result| &result.subject)
    }
}

/// A subject whose pool is built.
struct Contender {
    driver: Box<dyn Driver>,
    result: SubjectResult,
}

impl Contender {
    async fn open(subject: &Subject, server: &mut Server) -> Result<Self, Failure> {
        let before = server.figures().await?;
        let config: &PoolConfig = server.config();
        let driver = subject.open(config).await?;
        let after = server.figures().await?;
        Ok(Contender {
            driver,
            result: SubjectResult {
                subject: subject.clone(),
                measurements: Vec::new(),
                measured_figures: Some(Figures::default()),
                figures: between(before, after),
            },
        })
    }
}

/// A Ctrl-C goes to every process of the terminal: to a server that was started for this run, too.
async fn figures_unless_interrupted(
    server: &mut Server,
    interrupt: &Interrupt,
) -> Result<Option<Figures>, Failure> {
    match server.figures().await {
        Err(_) if interrupt.signal().is_some() => Ok(None),
        figures => figures,
    }
}

fn between(earlier: Option<Figures>, later: Option<Figures>) -> Option<Figures> {
    Some(later? - earlier?)
}

fn sum(one: Option<Figures>, other: Option<Figures>) -> Option<Figures> {
    Some(one? + other?)
}
