//! Pools whose connections answer wrongly, late, or twice.

mod false_replies;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{Cmd, Pipeline, RedisFuture, Value};
use respool_core::{BackendInfo, CloseReason, Connection, Deadline, Pool};
use tokio::runtime::Handle;

use super::Mutant;
use super::forward::{
    ForwardConnection, Spoil, SpoilConnection, spoil, spoil_connections, spoil_pool,
};
use super::shared_connection::SharedConnection;
use crate::Subject;
use false_replies::{LosesCount, LostIsMalformed, MalformedIs, MalformedPipelineIs, ShiftsReplies};

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        rule: "CMD-1",
        name: "answers_the_request_before",
        defect: "a holder's next request gets the reply of the one that was given up",
        wrap: |healthy| spoil_connections(healthy, "answers the request before", OneLate::default),
    },
    Mutant {
        rule: "CMD-1",
        name: "answers_the_holder_before",
        defect: "the next holder gets the reply of a request that was given up",
        wrap: |healthy| {
            spoil(
                healthy,
                "answers the holder before",
                AnswersTheHolderBefore::default,
            )
        },
    },
    Mutant {
        rule: "CMD-1",
        name: "answers_the_pipeline_before",
        defect: "a pipeline gets the replies of one that was given up",
        wrap: |healthy| {
            spoil_connections(
                healthy,
                "answers the pipeline before",
                OnePipelineLate::default,
            )
        },
    },
    Mutant {
        rule: "CMD-1",
        name: "answers_in_place_of_the_unreadable",
        defect: "whoever asked for what can't be read gets a reply that was for another",
        wrap: |healthy| {
            spoil(
                healthy,
                "answers in place of the unreadable",
                InPlaceOfTheUnreadable::default,
            )
        },
    },
    Mutant {
        rule: "CMD-2",
        name: "keeps_cancelled_connections",
        defect: "condemn is ignored when a command was cancelled, so the server goes on waiting",
        wrap: |healthy| {
            spoil_connections(healthy, "keeps cancelled connections", || {
                IgnoresCondemn(CloseReason::Cancelled)
            })
        },
    },
    Mutant {
        rule: "CMD-2",
        name: "goes_on_without_its_caller",
        defect: "requests run in tasks that go on when their caller gives up",
        wrap: |healthy| spoil(healthy, "goes on without its caller", || GoesOnAlone),
    },
    Mutant {
        rule: "CMD-3",
        name: "limits_every_request",
        defect: "the backend limits all requests alike, blocking ones too",
        wrap: |healthy| spoil_connections(healthy, "limits every request", || LimitsEveryRequest),
    },
    Mutant {
        rule: "CMD-3",
        name: "one_request_at_a_time",
        defect: "while one request is under way all others of the pool wait",
        wrap: |healthy| spoil(healthy, "sends one request at a time", OneAtATime::default),
    },
    Mutant {
        rule: "CMD-4",
        name: "waits_for_replies_forever",
        defect: "response_timeout is taken out of the settings",
        wrap: waits_for_replies_forever,
    },
    Mutant {
        rule: "CMD-4",
        name: "keeps_silent_connections",
        defect: "condemn is ignored when a command has timed out",
        wrap: |healthy| {
            spoil_connections(healthy, "keeps silent connections", || {
                IgnoresCondemn(CloseReason::TimedOut)
            })
        },
    },
    Mutant {
        rule: "CMD-5",
        name: "takes_malformed_for_nothing",
        defect: "a malformed reply is taken for nil",
        wrap: |healthy| {
            spoil_connections(healthy, "takes malformed for nothing", || {
                MalformedIs(Some(Value::Nil))
            })
        },
    },
    Mutant {
        rule: "CMD-5",
        name: "takes_the_lost_for_malformed",
        defect: "a reply that was cut short is said to be malformed",
        wrap: |healthy| {
            spoil_connections(healthy, "takes the lost for malformed", || LostIsMalformed)
        },
    },
    Mutant {
        rule: "CMD-5",
        name: "waits_after_malformed",
        defect: "after malformed bytes it waits for more of them",
        wrap: |healthy| spoil_connections(healthy, "waits after malformed", || MalformedIs(None)),
    },
    Mutant {
        rule: "CMD-5",
        name: "takes_malformed_pipelines_for_nothing",
        defect: "a malformed reply in a pipeline makes all of its replies nil",
        wrap: |healthy| {
            spoil_connections(healthy, "takes malformed pipelines for nothing", || {
                MalformedPipelineIs(Value::Nil)
            })
        },
    },
    Mutant {
        rule: "CMD-6",
        name: "gives_out_the_unasked",
        defect: "a reply that nobody asked for is given to the next who asks",
        wrap: |healthy| {
            spoil_connections(healthy, "gives out the unasked", || {
                MalformedIs(Some(Value::BulkString(b"unasked".to_vec())))
            })
        },
    },
    Mutant {
        rule: "CMD-6",
        name: "gives_out_the_unasked_in_pipelines",
        defect: "a reply that nobody asked for is given to a pipeline",
        wrap: |healthy| {
            spoil_connections(healthy, "gives out the unasked in pipelines", || {
                MalformedPipelineIs(Value::BulkString(b"unasked".to_vec()))
            })
        },
    },
    Mutant {
        rule: "CMD-6",
        name: "loses_count_after_client_reply",
        defect: "a command after CLIENT REPLY gets a reply that nobody asked for",
        wrap: |healthy| spoil_connections(healthy, "loses count", LosesCount::default),
    },
    Mutant {
        rule: "CMD-6",
        name: "shifts_replies",
        defect: "each request but the first gets the reply to the one before",
        wrap: |healthy| spoil_connections(healthy, "shifts replies", || ShiftsReplies::since(b"")),
    },
    Mutant {
        rule: "CMD-6",
        name: "shifts_replies_of_subscribers",
        defect: "after SUBSCRIBE each request gets the reply to the one before",
        wrap: |healthy| {
            spoil_connections(healthy, "shifts replies of subscribers", || {
                ShiftsReplies::since(b"SUBSCRIBE")
            })
        },
    },
    Mutant {
        rule: "CMD-7",
        name: "sends_again",
        defect: "what failed is sent again on a fresh connection",
        wrap: |healthy| {
            spoil_pool(healthy, "sends again", |pool, _| SendsAgain {
                pool: pool.clone(),
            })
        },
    },
];

/// Replies come one request late from the first that was given up.
#[derive(Default)]
struct OneLate {
    given_up: Option<Cmd>,
}

impl SpoilConnection for OneLate {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let before = self.given_up.replace(command.clone());
            // Dropped here: its reply is for whoever comes next.
            let reply = healthy
                .req_packed_command(before.as_ref().unwrap_or(command))
                .await;
            if before.is_none() {
                self.given_up = None;
            }
            reply
        })
    }
}

#[derive(Clone, Default)]
struct InPlaceOfTheUnreadable {
    last: Arc<Mutex<Option<Value>>>,
}

impl Spoil for InPlaceOfTheUnreadable {
    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        ForwardConnection::boxed(healthy, self.clone())
    }
}

impl SpoilConnection for InPlaceOfTheUnreadable {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let reply = healthy.req_packed_command(command).await;
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            match reply {
                Err(error) if error.code().is_none() => last.clone().ok_or(error),
                Ok(reply) => Ok(last.insert(reply).clone()),
                refused => refused,
            }
        })
    }
}

#[derive(Default)]
struct AnswersTheHolderBefore {
    given_up: Arc<Mutex<Option<Cmd>>>,
}

impl Spoil for AnswersTheHolderBefore {
    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        let inherited = self
            .given_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let spoil = Heir {
            inherited,
            under_way: None,
            given_up: self.given_up.clone(),
        };
        ForwardConnection::boxed(healthy, spoil)
    }
}

struct Heir {
    inherited: Option<Cmd>,
    under_way: Option<Cmd>,
    given_up: Arc<Mutex<Option<Cmd>>>,
}

impl SpoilConnection for Heir {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            self.under_way = Some(command.clone());
            let inherited = self.inherited.take();
            // Dropped here: its reply is for the next holder.
            let reply = healthy
                .req_packed_command(inherited.as_ref().unwrap_or(command))
                .await;
            self.under_way = None;
            reply
        })
    }

    fn give_back(&mut self, healthy: Box<dyn Connection>) {
        if let Some(command) = self.under_way.take() {
            *self.given_up.lock().unwrap_or_else(PoisonError::into_inner) = Some(command);
        }
        drop(healthy);
    }
}

#[derive(Default)]
struct OnePipelineLate {
    given_up: Option<(Pipeline, usize, usize)>,
}

impl SpoilConnection for OnePipelineLate {
    fn request_pipeline<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let before = self.given_up.replace((pipeline.clone(), offset, count));
            let (pipeline, offset, count) = match &before {
                Some((pipeline, offset, count)) => (pipeline, *offset, *count),
                None => (pipeline, offset, count),
            };
            // Dropped here: its replies are for whoever comes next.
            let replies = healthy.req_packed_commands(pipeline, offset, count).await;
            if before.is_none() {
                self.given_up = None;
            }
            replies
        })
    }
}

/// Goes on with connections that were condemned for this reason.
pub(super) struct IgnoresCondemn(pub(super) CloseReason);

impl SpoilConnection for IgnoresCondemn {
    fn condemn(&mut self, healthy: &mut dyn Connection, reason: CloseReason) {
        if reason != self.0 {
            healthy.condemn(reason);
        }
    }
}

struct GoesOnAlone;

impl Spoil for GoesOnAlone {
    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        match Handle::try_current() {
            Ok(runtime) => Box::new(SharedConnection::with_tasks_on(healthy, runtime)),
            Err(_) => healthy,
        }
    }
}

struct LimitsEveryRequest;

impl SpoilConnection for LimitsEveryRequest {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let request = healthy.req_packed_command(command);
            match tokio::time::timeout(Duration::from_millis(500), request).await {
                Ok(reply) => reply,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}

#[derive(Clone, Default)]
struct OneAtATime {
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Spoil for OneAtATime {
    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        ForwardConnection::boxed(healthy, self.clone())
    }
}

impl SpoilConnection for OneAtATime {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let _turn = self.turn.lock().await;
            healthy.req_packed_command(command).await
        })
    }
}

/// What limits replies is not in the backend but above it: this mutant changes the settings.
fn waits_for_replies_forever(healthy: &Subject) -> Subject {
    let maker = healthy.clone();
    let info = BackendInfo {
        known_failures: &[],
        ..healthy.info
    };
    let name = format!("{} that waits for replies forever", healthy.name);
    Subject::new(name, info, move |mut config| {
        config.response_timeout = None;
        maker.pool(config)
    })
}

struct SendsAgain {
    pool: Pool,
}

impl Spoil for SendsAgain {
    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        let pool = self.pool.clone();
        ForwardConnection::boxed(healthy, SendsAgain { pool })
    }
}

impl SpoilConnection for SendsAgain {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            match healthy.req_packed_command(command).await {
                Err(error) if error.is_io_error() => {
                    let deadline = Deadline::after(Some(Duration::from_secs(5)));
                    let mut fresh = self.pool.backend().get(deadline).await?;
                    fresh.req_packed_command(command).await
                }
                reply => reply,
            }
        })
    }
}
