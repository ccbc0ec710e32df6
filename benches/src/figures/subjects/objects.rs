//! The stock pools over numbers, with managers that check nothing.

use std::time::Duration;

use respool_benches::{Bb8Manager, DeadpoolManager, MobcManager};

use super::Lends;

/// bb8 with its check before each use switched off.
#[derive(Clone)]
pub(crate) struct Bb8Objects(bb8::Pool<Bb8Manager>);

impl Bb8Objects {
    pub(crate) async fn build(size: usize) -> Self {
        let pool = bb8::Pool::builder()
            .max_size(size as u32)
            .test_on_check_out(false)
            .build(Bb8Manager)
            .await;
        Bb8Objects(pool.expect("a pool of numbers can be built"))
    }
}

impl Lends for Bb8Objects {
    type Held<'pool> = bb8::PooledConnection<'pool, Bb8Manager>;

    async fn get(&self) -> Self::Held<'_> {
        self.0.get().await.expect("a number")
    }
}

/// deadpool.
#[derive(Clone)]
pub(crate) struct DeadpoolObjects(deadpool::managed::Pool<DeadpoolManager>);

impl DeadpoolObjects {
    pub(crate) fn build(size: usize, wait_timeout: Option<Duration>) -> Self {
        let mut builder = deadpool::managed::Pool::builder(DeadpoolManager).max_size(size);
        if wait_timeout.is_some() {
            builder = builder
                .wait_timeout(wait_timeout)
                .runtime(deadpool::Runtime::Tokio1);
        }
        DeadpoolObjects(builder.build().expect("a pool of numbers can be built"))
    }
}

impl Lends for DeadpoolObjects {
    type Held<'pool> = deadpool::managed::Object<DeadpoolManager>;

    async fn get(&self) -> Self::Held<'_> {
        self.0.get().await.expect("a number")
    }
}

/// mobc without its check and its limit on the wait, and with `max_idle` at the pool's size: its
/// default of two would measure reconnecting.
#[derive(Clone)]
pub(crate) struct MobcObjects(mobc::Pool<MobcManager>);

impl MobcObjects {
    pub(crate) fn build(size: usize) -> Self {
        MobcObjects(
            mobc::Pool::builder()
                .max_open(size as u64)
                .max_idle(size as u64)
                .test_on_check_out(false)
                .get_timeout(None)
                .build(MobcManager),
        )
    }
}

impl Lends for MobcObjects {
    type Held<'pool> = mobc::Connection<MobcManager>;

    async fn get(&self) -> Self::Held<'_> {
        self.0.get().await.expect("a number")
    }
}
