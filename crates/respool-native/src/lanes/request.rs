use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use redis::{Cmd, ErrorKind, RedisResult, Value};
use respool_core::{CloseReason, Whereabouts};

use super::Lanes;
use super::ask::{Question, Sent};
use super::asker::{self, Asker, Told};
use super::traffic::{Patience, Size};
use crate::backend::Native;
use crate::connection::is_empty;

/// A command on its way to its reply. Nothing is sent before it is polled.
///
/// What is rare is in a box of its own: this is allocated for each command.
pub(super) struct Request<'a> {
    native: &'a Native,
    command: &'a Cmd,
    here: &'a mut Whereabouts,
    is_expected_large: bool,
    stage: Stage<'a>,
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

enum Stage<'a> {
    New,
    Asked(Asked<'a>),
    /// No lane was ready for it, or the one that it was on ended.
    Slow(BoxFuture<'a, RedisResult<(Told, u64)>>),
}

impl<'a> Request<'a> {
    pub(super) fn new(native: &'a Native, command: &'a Cmd, here: &'a mut Whereabouts) -> Self {
        Request {
            native,
            command,
            here,
            is_expected_large: false,
            stage: Stage::New,
        }
    }

    /// The steady case: a lane is open, and takes it at once.
    #[inline]
    fn begin(&mut self, context: &Context<'_>) -> RedisResult<Stage<'a>> {
        if is_empty(self.command) {
            return Err((ErrorKind::Client, "empty command").into());
        }
        let here = self.here.runtime()?;
        let lanes = &self.native.lanes;
        self.is_expected_large = lanes.sizes.expects_large(self.command);
        let question = Question::Command(self.command);
        let mut packed = question.packed();
        if self.is_expected_large || packed.is_some() {
            return Ok(self.slowly());
        }
        let asker = asker::take(context.waker());
        let sent = lanes.send(
            question,
            &mut packed,
            &asker,
            here,
            Size::Small,
            Patience::Nothing,
        );
        Ok(match sent {
            Ok(Sent {
                number,
                is_foreign: false,
            }) => Stage::Asked(Asked::new(lanes, number, asker)),
            // Only one of this runtime is ready.
            Ok(sent) => {
                let native = self.native;
                Stage::Slow(Box::pin(async move {
                    match native.told(&asker, &sent).await {
                        Told::NotSent => native.ask(question, Size::Small).await,
                        told => Ok((told, sent.number)),
                    }
                }))
            }
            Err(_) => self.slowly(),
        })
    }

    #[cold]
    fn slowly(&self) -> Stage<'a> {
        let size = match self.is_expected_large {
            true => Size::Large,
            false => Size::Small,
        };
        let (native, question) = (self.native, Question::Command(self.command));
        Stage::Slow(Box::pin(native.ask(question, size)))
    }

    #[inline(always)]
    fn finish(&self, told: Told, number: u64) -> RedisResult<Value> {
        let lanes = &self.native.lanes;
        let reply = match told {
            Told::Reply(reply) => {
                if self.is_expected_large {
                    lanes.sizes.was_small(self.command);
                }
                reply
            }
            Told::LargeReply(reply) => {
                if !self.is_expected_large {
                    lanes.sizes.was_large(self.command);
                }
                reply
            }
            told => return Err(self.native.failure(Question::Command(self.command), told)),
        };
        if respool_core::reply_says_unfit(&reply) {
            lanes.leave(number, CloseReason::NodeUnfit);
        }
        match self.command.is_no_response() {
            true => Ok(Value::Nil),
            false => Ok(reply),
        }
    }
}

impl Future for Request<'_> {
    type Output = RedisResult<Value>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<RedisResult<Value>> {
        let this = &mut *self;
        loop {
            match &mut this.stage {
                Stage::New => {
                    this.stage = this.begin(context)?;
                    if let Stage::Asked(_) = this.stage {
                        // Its asker knows whom to wake.
                        return Poll::Pending;
                    }
                }
                Stage::Asked(asked) => match Pin::new(&mut *asked).poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Told::NotSent) => this.stage = this.slowly(),
                    Poll::Ready(told) => {
                        let number = asked.number;
                        return Poll::Ready(this.finish(told, number));
                    }
                },
                Stage::Slow(ask) => {
                    return match ask.as_mut().poll(context) {
                        Poll::Pending => Poll::Pending,
                        Poll::Ready(Ok((told, number))) => Poll::Ready(this.finish(told, number)),
                        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    };
                }
            }
        }
    }
}

/// A question on its way. Dropped, it is taken out of what waits to be sent, or its reply discarded.
pub(super) struct Asked<'a> {
    lanes: &'a Arc<Lanes>,
    number: u64,
    /// `None` once it was told.
    asker: Option<Arc<Asker>>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(lanes: &'a Arc<Lanes>, number: u64, asker: Arc<Asker>) -> Self {
        Asked {
            lanes,
            number,
            asker: Some(asker),
        }
    }
}

impl Future for Asked<'_> {
    type Output = Told;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Told> {
        let mut has_adopted = false;
        loop {
            let Some(asker) = &self.asker else {
                return Poll::Pending;
            };
            match asker.poll_told(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Told::Orphaned) if !has_adopted => {
                    has_adopted = true;
                    self.lanes.adopt(self.number);
                }
                // This runtime is ending, too.
                Poll::Ready(Told::Orphaned) => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(told) => {
                    if let Some(asker) = self.asker.take() {
                        asker::keep(asker);
                    }
                    return Poll::Ready(told);
                }
            }
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(asker) = self.asker.take() {
            drop(asker.give_up());
            self.lanes.given_up(self.number);
        }
    }
}
