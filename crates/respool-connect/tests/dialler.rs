//! What the dialler promises, with a dial that the test steers.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use respool_connect::{Dialler, Ledger, Link};
use respool_core::{ConnectErrorKind, PoolConfig, PoolError};
use support::{Outcome, SteeredDial, Steering, a_moment};
use tokio::task::JoinSet;

fn dialler(steering: &Arc<Steering>) -> (Dialler<SteeredDial>, Arc<Ledger>) {
    let config = PoolConfig::default();
    let ledger = Ledger::new(&config);
    let dial = SteeredDial {
        steering: steering.clone(),
    };
    (Dialler::new(dial, &config, ledger.clone()), ledger)
}

#[tokio::test]
async fn a_connection_whose_asker_left_goes_to_the_next() {
    let steering = Steering::new(Outcome::Opens);
    let (dialler, ledger) = dialler(&steering);
    let asker = tokio::spawn({
        let dialler = dialler.clone();
        async move { dialler.connect().await.map(drop) }
    });
    steering.until_begun(1).await;
    asker.abort();
    assert!(asker.await.unwrap_err().is_cancelled());
    steering.go.add_permits(1);
    dialler.connect().await.unwrap();
    assert_eq!(steering.begun(), 1);
    assert_eq!(ledger.status().opened, 1);
}

#[tokio::test]
async fn a_connection_that_nobody_asks_for_any_more_is_kept_for_later() {
    let steering = Steering::new(Outcome::Opens);
    let (dialler, ledger) = dialler(&steering);
    let asker = tokio::spawn({
        let dialler = dialler.clone();
        async move { dialler.connect().await.map(drop) }
    });
    steering.until_begun(1).await;
    asker.abort();
    let _ = asker.await;
    steering.go.add_permits(1);
    while ledger.status().idle == 0 {
        a_moment().await;
    }
    assert!(dialler.try_ready().is_some());
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_one_attempt_at_a_time_is_made() {
    let steering = Steering::new(Outcome::Refused);
    let (dialler, _) = dialler(&steering);
    let mut askers = JoinSet::new();
    for _ in 0..20 {
        let dialler = dialler.clone();
        askers.spawn(async move { dialler.connect().await.map(drop) });
    }
    // The crowd of the first moment fails; from then on attempts come one by one.
    steering.until_begun(10).await;
    steering.go.add_permits(10);
    steering.until_begun(11).await;
    steering.most_under_way.store(1, Ordering::SeqCst);
    for _ in 0..20 {
        let before = steering.begun();
        steering.go.add_permits(1);
        steering.until_begun(before + 1).await;
    }
    assert_eq!(steering.most_under_way.load(Ordering::SeqCst), 1);
    let refused = dialler.last_error().expect("the last failure is kept");
    assert_eq!(refused.kind(), ConnectErrorKind::Refused);

    // Its return serves everybody.
    steering.set(Outcome::Opens);
    steering.go.add_permits(100);
    while let Some(served) = askers.join_next().await {
        served.unwrap().unwrap();
    }
    assert!(dialler.last_error().is_none());
}

#[tokio::test]
async fn a_refused_login_is_told_to_everybody_at_once() {
    let steering = Steering::new(Outcome::LoginRefused);
    let (dialler, ledger) = dialler(&steering);
    steering.go.add_permits(100);
    let mut askers = JoinSet::new();
    for _ in 0..20 {
        let dialler = dialler.clone();
        askers.spawn(async move { dialler.connect().await.map(drop) });
    }
    while let Some(told) = askers.join_next().await {
        match told.unwrap() {
            Err(PoolError::Connect { source, .. }) => {
                assert_eq!(source.kind(), ConnectErrorKind::Authentication);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(ledger.status().is_at_rest());
}

#[test]
fn an_attempt_that_dies_with_its_runtime_is_made_anew_on_another() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let steering = Steering::new(Outcome::Opens);
    let (dialler, ledger) = dialler(&steering);
    let (first, second) = (runtime(), runtime());
    first.spawn({
        let dialler = dialler.clone();
        async move { dialler.connect().await.map(drop) }
    });
    second.block_on(steering.until_begun(1));
    // Waits until what ran there is gone.
    drop(first);
    let link = second.block_on(async {
        let asked = tokio::spawn({
            let dialler = dialler.clone();
            async move { dialler.connect().await }
        });
        steering.until_begun(2).await;
        steering.go.add_permits(2);
        asked.await.unwrap()
    });
    assert!(link.unwrap().place().is_some());
    assert_eq!(ledger.status().connecting, 0);
}

#[tokio::test]
async fn closing_answers_whoever_asks() {
    let steering = Steering::new(Outcome::Opens);
    let (dialler, ledger) = dialler(&steering);
    let asker = tokio::spawn({
        let dialler = dialler.clone();
        async move { dialler.connect().await.map(drop) }
    });
    steering.until_begun(1).await;
    dialler.close();
    assert!(matches!(asker.await.unwrap(), Err(PoolError::Closed)));
    assert!(matches!(dialler.connect().await, Err(PoolError::Closed)));
    ledger.unused().await;
}
