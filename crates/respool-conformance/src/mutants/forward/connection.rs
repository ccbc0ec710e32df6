use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};
use respool_core::{CloseReason, Connection, Detached, PoolError};

/// What a mutant's connections do otherwise than healthy ones.
pub(in crate::mutants) trait SpoilConnection: Send + Sync + 'static {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        healthy.req_packed_command(command)
    }

    fn request_pipeline<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        healthy.req_packed_commands(pipeline, offset, count)
    }

    fn owe_reply(&mut self, healthy: &mut dyn Connection) {
        healthy.owe_reply();
    }

    fn condemn(&mut self, healthy: &mut dyn Connection, reason: CloseReason) {
        healthy.condemn(reason);
    }

    fn detach(&mut self, healthy: Box<dyn Connection>) -> Result<Box<dyn Detached>, PoolError> {
        healthy.detach()
    }

    /// The holder dropped it: by default, so does the mutant.
    fn give_back(&mut self, healthy: Box<dyn Connection>) {
        drop(healthy);
    }
}

/// A connection that forwards to a healthy one what `S` doesn't spoil.
pub(in crate::mutants) struct ForwardConnection<S: SpoilConnection> {
    /// `None` only once it was detached.
    healthy: Option<Box<dyn Connection>>,
    spoil: S,
}

impl<S: SpoilConnection> ForwardConnection<S> {
    pub(in crate::mutants) fn boxed(healthy: Box<dyn Connection>, spoil: S) -> Box<dyn Connection> {
        Box::new(ForwardConnection {
            healthy: Some(healthy),
            spoil,
        })
    }

    fn parts(&mut self) -> (&mut S, &mut dyn Connection) {
        let healthy = self.healthy.as_mut().expect("detach takes self");
        (&mut self.spoil, &mut **healthy)
    }
}

impl<S: SpoilConnection> ConnectionLike for ForwardConnection<S> {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let (spoil, healthy) = self.parts();
        spoil.request(healthy, command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let (spoil, healthy) = self.parts();
        spoil.request_pipeline(healthy, pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.healthy.as_ref().map_or(0, |healthy| healthy.get_db())
    }
}

impl<S: SpoilConnection> Connection for ForwardConnection<S> {
    fn owe_reply(&mut self) {
        let (spoil, healthy) = self.parts();
        spoil.owe_reply(healthy);
    }

    fn condemn(&mut self, reason: CloseReason) {
        let (spoil, healthy) = self.parts();
        spoil.condemn(healthy, reason);
    }

    fn detach(mut self: Box<Self>) -> Result<Box<dyn Detached>, PoolError> {
        let healthy = self.healthy.take().expect("detach takes self");
        self.spoil.detach(healthy)
    }
}

impl<S: SpoilConnection> Drop for ForwardConnection<S> {
    fn drop(&mut self) {
        if let Some(healthy) = self.healthy.take() {
            self.spoil.give_back(healthy);
        }
    }
}
