//! [`Switchboard`]: accepts clients and carries out orders, one at a time.

use std::io;
use std::net::{self, SocketAddr};
use std::sync::mpsc as blocking;
use std::sync::{Arc, Weak};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time;

use super::faults::Faults;
use super::intake::Intake;
use super::link::{self, Link, Traffic};
use crate::connection_count::ConnectionCount;
use crate::port::ReservedPort;

/// Something that the proxy is to do.
pub(super) enum Order {
    /// Accept who waits and read what was sent, the end of it too, so that counts are exact.
    CatchUp,
    Set(Box<dyn FnOnce(&mut Faults) + Send>),
    StallOpenConnections,
    HalfClose,
    Close(Closing),
    Refuse(bool),
    LeadTo(SocketAddr),
}

/// How a connection to a client is closed.
#[derive(Clone, Copy)]
pub(super) enum Closing {
    Finish,
    Reset,
}

type Done = blocking::Sender<io::Result<()>>;

/// The way to give an [`Order`] from any thread.
pub(super) struct Orders(mpsc::UnboundedSender<(Order, Done)>);

pub(super) fn orders() -> (Orders, mpsc::UnboundedReceiver<(Order, Done)>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Orders(sender), receiver)
}

impl Orders {
    /// Returns once it is carried out. Blocking is fine even on a runtime's
    /// thread: the switchboard's thread waits for nobody.
    pub(super) fn give(&self, order: Order) -> io::Result<()> {
        let (done, outcome) = blocking::channel();
        let _ = self.0.send((order, done));
        outcome
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("its thread has ended")))
    }
}

/// The proxy's only writer of [`Faults`] and only owner of its links.
pub(super) struct Switchboard {
    upstream: SocketAddr,
    port: ReservedPort,
    /// `None` while connections are refused.
    listener: Option<TcpListener>,
    faults: watch::Sender<Faults>,
    next_number: u64,
    links: Vec<RunningLink>,
    connections: Arc<ConnectionCount>,
    traffic: Arc<Traffic>,
}

struct RunningLink {
    /// Weak, so that the link alone decides when the socket is closed.
    client: Weak<TcpStream>,
    intake: Weak<Intake>,
    task: JoinHandle<()>,
}

impl Switchboard {
    pub(super) fn new(
        upstream: SocketAddr,
        port: ReservedPort,
        listener: net::TcpListener,
        connections: Arc<ConnectionCount>,
        traffic: Arc<Traffic>,
    ) -> io::Result<Switchboard> {
        Ok(Switchboard {
            upstream,
            port,
            listener: Some(TcpListener::from_std(listener)?),
            faults: watch::Sender::default(),
            next_number: 0,
            links: Vec::new(),
            connections,
            traffic,
        })
    }

    pub(super) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<(Order, Done)>) {
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => {
                    let Some((order, done)) = order else { return };
                    let outcome = self.carry_out(order).await;
                    let _ = done.send(outcome);
                }
                accepted = accept(self.listener.as_ref()) => match accepted {
                    Ok(client) => self.link(client),
                    // Out of file descriptors, or the client is gone: it passes.
                    Err(_) => time::sleep(Duration::from_millis(10)).await,
                },
            }
        }
    }

    async fn carry_out(&mut self, order: Order) -> io::Result<()> {
        self.accept_all_waiting();
        match order {
            Order::CatchUp => {
                for intake in self.links.iter().filter_map(|link| link.intake.upgrade()) {
                    intake.catch_up();
                }
            }
            Order::Set(change) => self.faults.send_modify(change),
            Order::StallOpenConnections => {
                let below = self.next_number;
                self.faults
                    .send_modify(|faults| faults.stalled_below = below);
            }
            Order::HalfClose => {
                let below = self.next_number;
                self.faults
                    .send_modify(|faults| faults.half_closed_below = below);
                for client in self.links.iter().filter_map(|link| link.client.upgrade()) {
                    link::finish(&client);
                }
            }
            Order::Close(closing) => {
                for link in self.links.drain(..) {
                    link.close(closing).await;
                }
            }
            Order::LeadTo(upstream) => self.upstream = upstream,
            Order::Refuse(true) => self.listener = None,
            Order::Refuse(false) => {
                if self.listener.is_none() {
                    self.listener = Some(TcpListener::from_std(self.port.listen()?)?);
                }
            }
        }
        Ok(())
    }

    /// Accepts those whose `connect` has succeeded already. The kernel is asked
    /// directly, since the runtime may not have heard of them yet.
    fn accept_all_waiting(&mut self) {
        while let Some(listener) = &self.listener
            && let Ok((socket, _)) = SockRef::from(listener).accept()
            && socket.set_nonblocking(true).is_ok()
            && let Ok(client) = TcpStream::from_std(socket.into())
        {
            self.link(client);
        }
    }

    fn link(&mut self, client: TcpStream) {
        self.links.retain(|link| !link.task.is_finished());
        let client = Arc::new(client);
        let (intake, requests) = Intake::new(client.clone(), self.connections.accept());
        let link = Link::new(
            self.next_number,
            client.clone(),
            intake.clone(),
            self.upstream,
            self.faults.subscribe(),
            self.traffic.clone(),
        );
        self.next_number += 1;
        self.links.push(RunningLink {
            client: Arc::downgrade(&client),
            intake: Arc::downgrade(&intake),
            task: tokio::spawn(link.run(requests)),
        });
    }
}

impl RunningLink {
    /// Ends the link; both its sockets are closed when this returns.
    async fn close(self, closing: Closing) {
        let client = self.client.upgrade();
        self.task.abort();
        // The task is dropped: an error says that it was cancelled, as it was.
        let _ = self.task.await;
        if let Some(client) = client {
            match closing {
                Closing::Finish => link::finish(&client),
                Closing::Reset => {
                    let _ = SockRef::from(&*client).set_linger(Some(Duration::ZERO));
                }
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => Ok(listener.accept().await?.0),
        None => std::future::pending().await,
    }
}
