use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use redis::{Cmd, ErrorKind, RedisResult, Value};
use respool_core::{CloseReason, Whereabouts};

use super::Lanes;
use super::ask::{Question, Sent};
use super::places::{Place, Told};
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
    fn begin(&mut self, context: &Context<'_>) -> RedisResult<()> {
        if is_empty(self.command) {
            return Err((ErrorKind::Client, "empty command").into());
        }
        let here = self.here.runtime(context.waker())?;
        let lanes = &self.native.lanes;
        self.is_expected_large = lanes.sizes.expects_large(self.command);
        let question = Question::Command(self.command);
        let mut packed = question.packed();
        if self.is_expected_large || packed.is_some() {
            self.stage = self.slowly();
            return Ok(());
        }
        let sent = lanes.send(
            question,
            &mut packed,
            Some(context.waker()),
            (here, self.here.share()),
            Size::Small,
            Patience::Nothing,
        );
        self.stage = match sent {
            Ok(Sent {
                number,
                place,
                is_foreign: false,
            }) => Stage::Asked(Asked::new(lanes, number, place)),
            // Only one of this runtime is ready.
            Ok(sent) => {
                let (native, here) = (self.native, *self.here);
                Stage::Slow(Box::pin(async move {
                    match native.told(&sent).await {
                        Told::NotSent => native.ask(question, Size::Small, here).await,
                        told => Ok((told, sent.number)),
                    }
                }))
            }
            Err(_) => self.slowly(),
        };
        Ok(())
    }

    /// Another runtime drives its lane from now on.
    #[cold]
    fn wait_abroad(&mut self) {
        let (native, question) = (self.native, Question::Command(self.command));
        let here = *self.here;
        if let Stage::Asked(asked) = std::mem::replace(&mut self.stage, Stage::New) {
            let number = asked.number();
            self.stage = Stage::Slow(Box::pin(async move {
                match native.told_abroad(asked).await {
                    Told::NotSent => native.ask(question, Size::Small, here).await,
                    told => Ok((told, number)),
                }
            }));
        }
    }

    #[cold]
    fn slowly(&self) -> Stage<'a> {
        let size = match self.is_expected_large {
            true => Size::Large,
            false => Size::Small,
        };
        let (native, question) = (self.native, Question::Command(self.command));
        Stage::Slow(Box::pin(native.ask(question, size, *self.here)))
    }

    fn finish(&self, told: Told, number: u64) -> RedisResult<Value> {
        let lanes = &self.native.lanes;
        let reply = match told {
            Told::Text(text) => return Ok(self.finish_text(text)),
            Told::Reply(reply) => {
                self.note_small();
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

    /// The same for a string that is not large, which is what most replies are.
    #[inline]
    fn finish_text(&self, text: Vec<u8>) -> Value {
        self.note_small();
        match self.command.is_no_response() {
            true => Value::Nil,
            false => Value::BulkString(text),
        }
    }

    #[inline]
    fn note_small(&self) {
        if self.is_expected_large {
            self.native.lanes.sizes.was_small(self.command);
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
                    this.begin(context)?;
                    if let Stage::Asked(_) = this.stage {
                        // Its place knows whom to wake.
                        return Poll::Pending;
                    }
                }
                Stage::Asked(asked) => {
                    if let Some(text) = asked.take_text() {
                        return Poll::Ready(Ok(this.finish_text(text)));
                    }
                    match Pin::new(&mut *asked).poll(context) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Told::NotSent) => this.stage = this.slowly(),
                        Poll::Ready(Told::Moved) => this.wait_abroad(),
                        Poll::Ready(told) => {
                            let number = asked.number();
                            return Poll::Ready(this.finish(told, number));
                        }
                    }
                }
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
    place: Option<Place>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(lanes: &'a Arc<Lanes>, number: u64, place: Place) -> Self {
        Asked {
            lanes,
            number,
            place: Some(place),
        }
    }

    /// Its lane's.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The reply, if it is there and a string.
    #[inline]
    fn take_text(&mut self) -> Option<Vec<u8>> {
        let text = self.lanes.traffic().places.take_text(self.place?)?;
        self.place = None;
        Some(text)
    }
}

impl Future for Asked<'_> {
    type Output = Told;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Told> {
        let mut has_adopted = false;
        loop {
            let Some(place) = self.place else {
                return Poll::Pending;
            };
            let mut before = None;
            let told = (self.lanes.traffic().places).poll_told(place, context, &mut before);
            match told {
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
                // Its place is still its own.
                Poll::Ready(Told::Moved) => return Poll::Ready(Told::Moved),
                Poll::Ready(told) => {
                    self.place = None;
                    return Poll::Ready(told);
                }
            }
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.lanes.given_up(self.number, place);
        }
    }
}
