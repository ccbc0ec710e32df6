//! A dial that the test steers, and its links.
#![allow(unreachable_pub, reason = "it is a module of a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};
use respool_connect::{CloseNow, Dial, Glance, Link, Opening, Parting, Place};
use respool_core::{CloseReason, ConnectError, Detached};
use tokio::sync::Semaphore;

/// What an attempt to dial comes to.
#[derive(Clone, Copy)]
pub enum Outcome {
    Opens,
    Refused,
    LoginRefused,
}

/// Lets others run. With the clock paused it also lets it go on.
pub async fn a_moment() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

/// Each attempt waits for a go-ahead of the test.
pub struct SteeredDial {
    pub steering: Arc<Steering>,
}

pub struct Steering {
    pub go: Semaphore,
    pub begun: AtomicUsize,
    pub under_way: AtomicUsize,
    pub most_under_way: AtomicUsize,
    outcome: std::sync::Mutex<Outcome>,
}

impl Steering {
    pub fn new(outcome: Outcome) -> Arc<Self> {
        Arc::new(Steering {
            go: Semaphore::new(0),
            begun: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            outcome: std::sync::Mutex::new(outcome),
        })
    }

    pub fn set(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap() = outcome;
    }

    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    pub async fn until_begun(&self, count: usize) {
        while self.begun() < count {
            a_moment().await;
        }
    }
}

struct UnderWay<'a>(&'a Steering);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Dial for SteeredDial {
    type Link = TestLink;

    async fn dial(&self, opening: Opening) -> Result<TestLink, ConnectError> {
        let steering = &*self.steering;
        let now = steering.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        let _under_way = UnderWay(steering);
        steering.most_under_way.fetch_max(now, Ordering::SeqCst);
        steering.begun.fetch_add(1, Ordering::SeqCst);
        steering.go.acquire().await.unwrap().forget();
        let outcome = *steering.outcome.lock().unwrap();
        match outcome {
            Outcome::Opens => Ok(TestLink {
                place: Some(opening.opened(Arc::new(NoSocket))),
            }),
            Outcome::Refused => Err(ConnectError::new(
                "nowhere",
                std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into(),
            )),
            Outcome::LoginRefused => Err(ConnectError::new(
                "nowhere",
                (redis::ErrorKind::AuthenticationFailed, "no").into(),
            )),
        }
    }
}

pub struct TestLink {
    place: Option<Place>,
}

struct NoSocket;

impl CloseNow for NoSocket {
    fn close_now(&self) {}

    fn part(self: Arc<Self>) -> Parting {
        Parting::Blind
    }
}

impl Link for TestLink {
    fn place(&mut self) -> Option<&mut Place> {
        self.place.as_mut()
    }

    fn glance(&mut self) -> Glance {
        Glance::Fit
    }

    async fn settle(&mut self) -> bool {
        true
    }

    fn has_broken(&mut self) -> bool {
        false
    }

    fn owe_reply(&mut self) {}

    fn condemn(&mut self, reason: CloseReason) {
        if let Some(place) = &mut self.place {
            place.set_reason(reason);
        }
    }

    fn part(&mut self) {
        if let Some(mut place) = self.place.take() {
            place.part(Parting::Blind);
        }
    }

    fn detached(self) -> Option<Box<dyn Detached>> {
        None
    }
}

impl ConnectionLike for TestLink {
    fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(std::future::ready(Ok(Value::Okay)))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(std::future::ready(Ok(vec![Value::Okay; count])))
    }

    fn get_db(&self) -> i64 {
        0
    }
}
