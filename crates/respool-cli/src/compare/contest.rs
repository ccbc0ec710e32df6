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
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) results: Vec<SubjectResult>,
    /// Rounds in which every subject had its turn.
    pub(crate) rounds: usize,
    pub(crate) interrupted: Option<Signal>,
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
        let filled = tokio::select! {
            filled = self.server.fill(&keyspace) => filled,
            () = self.interrupt.raised() => Ok(()),
        };
        let outcome = match filled {
            Ok(()) => self.run_rounds(&keyspace).await,
            Err(failure) => {
                // Some may have been written. Why the others were not is the news, and often also
                // why these can't be deleted.
                let _ = self.server.clean(&keyspace).await;
                return Err(failure);
            }
        };
        let left_behind = format!("the keys {}* could not be deleted", keyspace.prefix());
        match (outcome, self.server.clean(&keyspace).await) {
            (outcome, Ok(())) => outcome,
            (Err(failure), Err(_)) => Err(failure.and(&left_behind)),
            (Ok(outcome), Err(failure)) => {
                failure.within(&left_behind).report();
                Ok(outcome)
            }
        }
    }

    async fn run_rounds(&mut self, keyspace: &Arc<Keyspace>) -> Result<Outcome, Failure> {
        let Options { plan, subjects, .. } = self.options;
        let mut contenders = Vec::new();
        for subject in subjects {
            contenders.push(Contender::open(subject, self.server).await?);
        }
        let progress = Progress::start(plan.rounds * subjects.len());
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
            interrupted: self.interrupt.signal(),
        })
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
        let before = self.server.figures().await?;
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
