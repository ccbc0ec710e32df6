mod for_lanes;
mod large;
mod reading;

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Value};
use respool_connect::{Ended, Frames, Look, ReplyMode, Socket, Violation};
use respool_core::{PushHandler, wakes_a_task};
use tokio::runtime::Handle;
use tokio::task;

use crate::alarm::Alarm;
use crate::messages::Messages;
use large::Large;

/// What is read at once, and kept while the connection is idle.
const SMALL: usize = 4 * 1024;

/// A server that has just answered has said nothing else in so short a time, or it can't be told from
/// what comes while the next request is on its way. Decision 0008 says what longer ones cost.
const A_MOMENT: Duration = Duration::from_micros(5);

/// What a write buffer may keep while the connection is idle.
const SMALL_REQUEST: usize = 1024;

/// The bytes of a connection: what is to be written, what was read, and how many replies the server
/// owes. All of it lives here and none in a future, so that a request that is dropped half-way
/// leaves bytes to finish writing and replies to discard, and the next request does that first.
pub(crate) struct Wire {
    socket: Arc<Socket>,
    out: Vec<u8>,
    written: usize,
    /// Always initialised; `read` bytes of it came from the server.
    input: Vec<u8>,
    read: usize,
    /// Where the first reply that was not taken begins.
    taken: usize,
    /// How far replies were followed.
    followed: usize,
    /// Where the reply that is being followed begins.
    began: usize,
    frames: Frames,
    /// A reply that is read apart; then nothing else is read meanwhile.
    large: Option<Large>,
    /// Replies that have arrived whole and were not taken.
    whole: VecDeque<Whole>,
    /// Replies among `whole` that answer a request.
    answers: u64,
    /// Requests that were not answered yet.
    owed: u64,
    mode: ReplyMode,
    messages: Messages,
    /// When something was last heard from the server.
    heard: Instant,
    lost: Option<Lost>,
    discarded: u64,
    alarm: Alarm,
    /// Which task used it last, if its number tells that the socket and the alarm are where it is.
    task: Option<task::Id>,
}

/// A reply that has arrived whole.
enum Whole {
    /// The next one of what was read.
    Read(Ended),
    /// A string that was read apart.
    Apart(Vec<u8>),
}

/// Why nothing more comes from this connection.
enum Lost {
    Io(io::ErrorKind, String),
    Protocol(Violation),
}

/// How a request stands: what is due to it among the replies to come.
pub(crate) struct Due {
    /// Replies to others, which come first.
    pub(crate) before: u64,
}

/// The same of a pipeline.
pub(crate) struct DueToMany {
    pub(crate) due: Due,
    /// Which of its replies come, counted with those to MULTI and to what it queues.
    pub(crate) replies: Range<usize>,
    /// Whether each of its commands is answered.
    pub(crate) all_come: bool,
}

const BREAKS_OFF: (ErrorKind, &str) = (
    ErrorKind::Client,
    "not sent: CLIENT REPLY in a transaction would break off the reply to EXEC",
);

impl Wire {
    pub(crate) fn new(socket: Arc<Socket>, on_push: Option<PushHandler>) -> Self {
        Wire {
            socket,
            out: Vec::new(),
            written: 0,
            input: vec![0; SMALL],
            read: 0,
            taken: 0,
            followed: 0,
            began: 0,
            frames: Frames::new(),
            large: None,
            whole: VecDeque::new(),
            answers: 0,
            owed: 0,
            mode: ReplyMode::On,
            messages: Messages::new(on_push),
            heard: Instant::now(),
            lost: None,
            discarded: 0,
            alarm: Alarm::default(),
            task: None,
        }
    }

    pub(crate) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// Whether the server owes replies.
    pub(crate) fn is_owed(&self) -> bool {
        self.owed > 0
    }

    /// How many of them.
    pub(crate) fn owed(&self) -> u64 {
        self.owed
    }

    /// Whether it can be used no more, as far as anybody noticed. Asks nobody.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.is_some() || self.socket.has_ended()
    }

    /// How many bytes have come since it was last settled.
    pub(crate) fn burden(&self) -> u64 {
        let large = self.large.as_ref().map_or(0, Large::arrived);
        self.discarded + (self.read - self.taken + large) as u64
    }

    /// When something was last heard from the server.
    pub(crate) fn heard(&self) -> Instant {
        self.heard
    }

    /// Everything that was owed has come.
    pub(crate) fn settled(&mut self) {
        self.discarded = 0;
    }

    /// In which protocol the server speaks from now on.
    pub(crate) fn note_protocol(&mut self, is_resp3: bool) {
        self.messages.are_pushed = is_resp3;
    }

    /// What it may keep while it is idle.
    #[inline]
    pub(crate) fn rest(&mut self) {
        if self.input.len() > SMALL
            || self.out.capacity() > SMALL_REQUEST
            || !self.messages.is_empty()
        {
            self.shrink();
        }
    }

    #[cold]
    fn shrink(&mut self) {
        if self.large.is_none() {
            self.start_over();
        }
        if self.input.len() > SMALL && self.read <= SMALL {
            self.input.truncate(SMALL);
            self.input.shrink_to_fit();
        }
        if self.out.capacity() > SMALL_REQUEST && self.out.is_empty() {
            self.out = Vec::new();
        }
        self.messages.forget();
    }

    /// Before each request: the socket belongs to the runtime that asks, and what came without being
    /// asked for is no answer to it (CMD-6). Costs no system call where something was heard a moment
    /// ago and the runtime knows of nothing new.
    pub(crate) fn prepare(&mut self) -> RedisResult<()> {
        self.follow_task()?;
        self.look()
    }

    /// The socket and the alarm belong to the runtime of whoever calls.
    pub(crate) fn move_here(&mut self) -> io::Result<()> {
        self.task = None;
        if self.socket.move_to_this_runtime()? {
            self.alarm.forget();
        }
        Ok(())
    }

    /// The same as far as the number of the caller's task tells: a task stays where it is, and asking for
    /// its number costs next to nothing. What it blocks on has that number, too, and may be elsewhere: before
    /// anybody waits, [`follow_poller`](Self::follow_poller) sees to that.
    pub(crate) fn follow_task(&mut self) -> io::Result<()> {
        let task = task::try_id();
        if task.is_none() || task != self.task {
            self.move_here()?;
            self.task = task;
        }
        Ok(())
    }

    /// The same for whoever is polled with `context`. For a task itself it costs a comparison: its number
    /// told. Whoever else it is, the number of his task tells nothing from now on. Outside any runtime the
    /// socket stays where it is: that one may be driven by others.
    #[inline]
    pub(crate) fn follow_poller(&mut self, context: &Context<'_>) -> io::Result<()> {
        match self.task.is_some() && wakes_a_task(context.waker()) {
            true => Ok(()),
            false => self.follow_stranger(),
        }
    }

    #[cold]
    fn follow_stranger(&mut self) -> io::Result<()> {
        match Handle::try_current() {
            Ok(_) => self.move_here(),
            Err(_) => Ok(()),
        }
    }

    /// As [`prepare`](Self::prepare), for whoever leaves the socket to the runtime that it belongs to.
    pub(crate) fn look(&mut self) -> RedisResult<()> {
        if self.owed == 0
            && (self.heard.elapsed() >= A_MOMENT || self.socket.has_news())
            && self.socket.look() != Look::Quiet
        {
            self.read_what_is_there();
        }
        match &self.lost {
            Some(lost) => Err(lost.error()),
            None => Ok(()),
        }
    }

    /// Ready once `deadline` has passed.
    pub(crate) fn poll_past(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        self.alarm.poll_past(deadline, context)
    }

    /// Appends `command` to what is to be written. `None`: the server won't answer it.
    pub(crate) fn send(&mut self, command: &Cmd) -> Option<Due> {
        command.write_packed_command(&mut self.out);
        let answered = self.mode.answers(command);
        let due = Due { before: self.owed };
        let ahead = answered.then_some(due.before);
        self.note_command(command, ahead);
        self.owed += u64::from(answered);
        answered.then_some(due)
    }

    /// As [`Messages::note_command`]; what the server sends then must not be taken for malformed.
    fn note_command(&mut self, command: &Cmd, ahead: Option<u64>) {
        self.messages.note_command(command, ahead);
        if self.messages.lines_may_be_long {
            self.frames.allow_long_lines();
        }
    }

    /// Appends `pipeline` in one piece.
    pub(crate) fn send_pipeline(&mut self, pipeline: &Pipeline) -> RedisResult<DueToMany> {
        let due = Due { before: self.owed };
        let (replies, all_come) = if pipeline.is_transaction() {
            let unanswered = self.mode.unanswered_of(pipeline).ok_or(BREAKS_OFF)?;
            self.out.extend_from_slice(&pipeline.get_packed_pipeline());
            for command in pipeline.cmd_iter() {
                self.note_command(command, None);
            }
            (unanswered..pipeline.len() + 2, unanswered == 0)
        } else {
            let mut answered = 0;
            for command in pipeline.cmd_iter() {
                command.write_packed_command(&mut self.out);
                let is_answered = self.mode.answers(command);
                let ahead = is_answered.then_some(due.before + answered as u64);
                self.note_command(command, ahead);
                answered += usize::from(is_answered);
            }
            (0..answered, answered == pipeline.len())
        };
        self.owed += replies.len() as u64;
        Ok(DueToMany {
            due,
            replies,
            all_come,
        })
    }

    /// Appends bytes that ask for `replies` replies.
    pub(crate) fn send_packed(&mut self, bytes: &[u8], replies: u64) {
        self.out.extend_from_slice(bytes);
        self.owe(replies);
    }

    /// So many replies more will come.
    pub(crate) fn owe(&mut self, replies: u64) {
        self.owed += replies;
    }

    /// Writes what is to be written, and nothing else. Dropping whoever polls loses nothing.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<RedisResult<()>> {
        while self.written < self.out.len() {
            match ready!(self.socket.poll_write(context, &self.out[self.written..])) {
                Ok(0) => self.lose(&io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) => self.lose(&error),
            }
            if let Some(lost) = &self.lost {
                return Poll::Ready(Err(lost.error()));
            }
        }
        if let Err(error) = ready!(self.socket.poll_flush(context)) {
            self.lose(&error);
            return Poll::Ready(Err(error.into()));
        }
        self.out.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// The next reply that answers a request, in order. Writes what is still to be written
    /// meanwhile: a server may not read before it has written. Dropping whoever polls loses nothing.
    pub(crate) fn poll_reply(&mut self, context: &mut Context<'_>) -> Poll<RedisResult<Value>> {
        loop {
            if let Some(text) = self.take_text() {
                return Poll::Ready(Ok(Value::BulkString(text)));
            }
            while let Some((value, is_answer)) = self.take_whole()? {
                if is_answer {
                    self.owed = self.owed.saturating_sub(1);
                    return Poll::Ready(Ok(value));
                }
                if !self.messages.keep(value) {
                    self.violate(Violation::too_many_messages());
                }
            }
            self.poll_more(context)?;
            if self.whole.is_empty() && self.lost.is_none() {
                return Poll::Pending;
            }
        }
    }

    /// The reply that is `due` to whoever polls, wherever that is.
    #[inline]
    pub(crate) fn poll_due(
        &mut self,
        due: &mut Due,
        context: &mut Context<'_>,
    ) -> Poll<RedisResult<Value>> {
        self.follow_poller(context)?;
        ready!(self.poll_discard(due, context))?;
        self.poll_reply(context)
    }

    /// Discards replies that nobody waits for any more, up to `due`. Counts their bytes.
    fn poll_discard(&mut self, due: &mut Due, context: &mut Context<'_>) -> Poll<RedisResult<()>> {
        while due.before > 0 {
            ready!(self.poll_reply(context))?;
            due.before -= 1;
        }
        Poll::Ready(Ok(()))
    }

    /// The next message that the server pushed.
    pub(crate) fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<RedisResult<Value>> {
        loop {
            if let Some(message) = self.messages.next() {
                return Poll::Ready(Ok(message));
            }
            while let Some((value, is_answer)) = self.take_whole()? {
                // Its request was given up.
                if is_answer {
                    self.owed = self.owed.saturating_sub(1);
                } else if !self.messages.keep(value) {
                    self.violate(Violation::too_many_messages());
                }
            }
            if let Some(message) = self.messages.next() {
                return Poll::Ready(Ok(message));
            }
            self.poll_more(context)?;
            if self.whole.is_empty() && self.lost.is_none() {
                return Poll::Pending;
            }
        }
    }

    /// Writes and reads what goes at once. Errors are noted, and told once nothing good is left.
    fn poll_more(&mut self, context: &mut Context<'_>) -> RedisResult<()> {
        if let Some(lost) = &self.lost {
            return Err(lost.error());
        }
        if !self.out.is_empty()
            && let Poll::Ready(Err(_)) = self.poll_flush(context)
        {
            // What the server said before it closed the connection may tell why.
            self.lost = None;
            self.read_what_is_there();
            self.lost.get_or_insert(Lost::Io(
                io::ErrorKind::BrokenPipe,
                "the server closed the connection".to_owned(),
            ));
            return Ok(());
        }
        while self.whole.is_empty() && self.lost.is_none() && self.poll_read(context).is_ready() {}
        Ok(())
    }

    fn violate(&mut self, violation: Violation) {
        self.lost.get_or_insert(Lost::Protocol(violation));
        // A server that goes on sending would never hear a goodbye.
        self.socket.hang_up();
    }

    fn lose(&mut self, error: &io::Error) {
        self.lost
            .get_or_insert_with(|| Lost::Io(error.kind(), error.to_string()));
    }
}

impl Lost {
    fn error(&self) -> RedisError {
        match self {
            Lost::Io(kind, text) => io::Error::new(*kind, text.clone()).into(),
            Lost::Protocol(violation) => {
                (ErrorKind::Parse, "protocol error", violation.to_string()).into()
            }
        }
    }
}
