use redis::{Arg, Cmd, Pipeline, RedisFuture, Value};
use respool_core::{CloseReason, Connection};

use crate::mutants::forward::SpoilConnection;

/// Has no eye for what one command does to a session.
pub(super) struct KeepsSession {
    /// How that command begins.
    words: &'static [&'static str],
    overlooked: bool,
}

impl KeepsSession {
    pub(super) fn after(words: &'static [&'static str]) -> Self {
        KeepsSession {
            words,
            overlooked: false,
        }
    }
}

impl SpoilConnection for KeepsSession {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        self.overlooked |= begins_with(command, self.words);
        healthy.req_packed_command(command)
    }

    fn condemn(&mut self, healthy: &mut dyn Connection, reason: CloseReason) {
        if reason != CloseReason::SessionChanged || !self.overlooked {
            healthy.condemn(reason);
        }
    }
}

/// Has no eye for session commands that come in another way than one by one.
#[derive(Default)]
pub(super) struct Overlooks {
    pipelines: bool,
    cancelled: bool,
    overlooked: bool,
}

impl Overlooks {
    pub(super) fn pipelines() -> Self {
        Overlooks {
            pipelines: true,
            ..Self::default()
        }
    }

    pub(super) fn cancelled() -> Self {
        Overlooks {
            cancelled: true,
            ..Self::default()
        }
    }
}

impl SpoilConnection for Overlooks {
    fn request_pipeline<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.overlooked |= self.pipelines;
        healthy.req_packed_commands(pipeline, offset, count)
    }

    fn owe_reply(&mut self, healthy: &mut dyn Connection) {
        self.overlooked |= self.cancelled;
        healthy.owe_reply();
    }

    fn condemn(&mut self, healthy: &mut dyn Connection, reason: CloseReason) {
        if reason != CloseReason::SessionChanged || !self.overlooked {
            healthy.condemn(reason);
        }
    }
}

#[derive(Default)]
pub(super) struct ReplacesAfterTransactions {
    had_one: bool,
}

impl SpoilConnection for ReplacesAfterTransactions {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        self.had_one |= begins_with(command, &["EXEC"]);
        healthy.req_packed_command(command)
    }

    fn give_back(&mut self, mut healthy: Box<dyn Connection>) {
        if self.had_one {
            healthy.condemn(CloseReason::SessionChanged);
        }
    }
}

fn begins_with(command: &Cmd, words: &[&str]) -> bool {
    let mut arguments = command.args_iter();
    words.iter().all(|word| match arguments.next() {
        Some(Arg::Simple(argument)) => argument == word.as_bytes(),
        _ => false,
    })
}
