//! That the server never sees more connections than the ledger allows.

use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;

use redis::ConnectionAddr;
use respool_connect::{Ledger, Parting, Socket};
use respool_core::{CloseReason, PoolConfig};

fn ledger_of(max_size: usize) -> Arc<Ledger> {
    let mut config = PoolConfig::default();
    config.max_size = max_size;
    Ledger::new(&config)
}

#[tokio::test]
async fn a_closed_connection_makes_room_only_when_the_server_has_let_go() {
    let ledger = ledger_of(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = ConnectionAddr::Tcp("127.0.0.1".to_owned(), port);
    let socket = Socket::connect(&address).await.unwrap();
    let (mut server, _) = listener.accept().unwrap();

    let mut place = ledger.opening().await.opened(socket.clone());
    place.set_reason(CloseReason::SessionChanged);
    socket.say_goodbye();
    place.part(Parting::Watched(socket));
    drop(place);
    assert_eq!(ledger.status().size(), 0);

    let mut next = Box::pin(ledger.opening());
    assert!(
        futures_poll(&mut next).await.is_none(),
        "the server still has it"
    );
    assert_eq!(server.read(&mut [0; 1]).unwrap(), 0, "it was told");
    drop(server);
    let _next = next.await;
    assert_eq!(ledger.status().connecting, 1);
}

#[tokio::test]
async fn figures_add_up_through_a_connections_life() {
    let ledger = ledger_of(2);
    let caller = ledger.caller();
    assert_eq!(ledger.status().waiting, 1);
    drop(caller);
    let opening = ledger.opening().await;
    assert_eq!(ledger.status().connecting, 1);
    let mut place = opening.opened(Arc::new(NoSocket));
    place.lend();
    assert_eq!((ledger.status().in_use, ledger.status().idle), (1, 0));
    place.give_back();
    assert_eq!((ledger.status().in_use, ledger.status().idle), (0, 1));
    place.set_reason(CloseReason::Expired);
    place.set_reason(CloseReason::Broken);
    drop(place);
    let status = ledger.status();
    assert_eq!(
        status.closed.of(CloseReason::Expired),
        1,
        "the first reason counts"
    );
    assert_eq!(status.opened, status.closed.total());
    assert!(status.is_at_rest());
}

struct NoSocket;

impl respool_connect::CloseNow for NoSocket {
    fn close_now(&self) {}

    fn part(self: Arc<Self>) -> Parting {
        Parting::Blind
    }
}

/// Polls once, with the waker of this task.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
