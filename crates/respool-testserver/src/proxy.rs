//! [`FaultProxy`]: a network that fails when it is told to.

mod budget;
mod faults;
mod intake;
mod link;
mod pace;
mod switchboard;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use crate::connection_count::ConnectionCount;
use crate::port::ReservedPort;
use crate::runtime_thread::RuntimeThread;
use faults::Faults;
use link::Traffic;
use switchboard::{Closing, Order, Orders, Switchboard};

/// A TCP proxy between clients and one server that delays, slows, withholds and cuts.
///
/// Each method takes effect before it returns, and covers (or counts) every
/// client whose `connect` succeeded before the call; each blocks for no longer
/// than the proxy's own thread takes to do it.
///
/// A connection counts as open from its acceptance until the proxy sees the
/// client's end of it: its FIN or RST, or a cut. Whoever asks for a count has the
/// proxy look for both first, so that a client which had left by then isn't
/// counted. The FIN is passed on in its turn, after the bytes before it. Up to
/// about one megabyte in each direction is read ahead of what may pass, so a
/// client's FIN is seen even while nothing passes.
///
/// Dropping the proxy closes the listener and every connection.
pub struct FaultProxy {
    address: SocketAddr,
    orders: Orders,
    connections: Arc<ConnectionCount>,
    traffic: Arc<Traffic>,
    thread: RuntimeThread,
}

impl FaultProxy {
    /// Starts a faultless proxy on a free loopback port. The server need not run
    /// yet: each connection of a client makes its own to the server, and is
    /// closed when that fails.
    ///
    /// # Errors
    ///
    /// When no port or thread can be had.
    pub async fn start(upstream: SocketAddr) -> io::Result<FaultProxy> {
        let thread = RuntimeThread::start("fault-proxy")?;
        let port = ReservedPort::any()?;
        let address = port.address();
        let listener = port.listen()?;
        let connections = ConnectionCount::new();
        let traffic = Arc::new(Traffic::default());
        let (orders, received) = switchboard::orders();
        let (counted, carried) = (connections.clone(), traffic.clone());
        thread
            .run(async move {
                let switchboard = Switchboard::new(upstream, port, listener, counted, carried)?;
                tokio::spawn(switchboard.run(received));
                io::Result::Ok(())
            })
            .await?;
        Ok(FaultProxy {
            address,
            orders,
            connections,
            traffic,
            thread,
        })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `redis://127.0.0.1:PORT/0`
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Lets each chunk of bytes arrive this much later, both ways; `None` ends
    /// it, also for what is on its way. It is a delay, not a limit of the rate:
    /// for that see [`limit_reply_rate`](Self::limit_reply_rate).
    pub fn delay(&self, delay: Option<Duration>) {
        self.set(move |faults| faults.delay = delay);
    }

    /// Lets each connection, open or new, get no more than this many bytes of
    /// reply a second, as over a slow link of its own, in steps of a hundredth of
    /// that; `None` ends it. For none at all there is [`stall`](Self::stall).
    pub fn limit_reply_rate(&self, bytes_per_second: Option<NonZeroU64>) {
        self.set(move |faults| faults.reply_rate = bytes_per_second);
    }

    /// The same for what each connection sends.
    pub fn limit_request_rate(&self, bytes_per_second: Option<NonZeroU64>) {
        self.set(move |faults| faults.request_rate = bytes_per_second);
    }

    /// Lets no byte and no FIN pass, on open and on new connections, until
    /// [`resume`](Self::resume). Nothing is closed, and new connections are
    /// accepted but not linked to the server.
    pub fn stall(&self) {
        self.set(|faults| faults.stalled = true);
    }

    /// Ends [`stall`](Self::stall): what piled up arrives.
    pub fn resume(&self) {
        self.set(|faults| faults.stalled = false);
    }

    /// Lets nothing pass ever again on the connections that are open now, and
    /// closes nothing, so the server goes on seeing them until
    /// [`cut`](Self::cut). New connections work.
    pub fn stall_open_connections(&self) {
        self.order(Order::StallOpenConnections);
    }

    /// Closes all connections to both sides (FIN). [`open`](Self::open) is zero
    /// afterwards, unless somebody connects anew.
    pub fn cut(&self) {
        self.order(Order::Close(Closing::Finish));
    }

    /// Like [`cut`](Self::cut), but clients get an RST: they see "connection
    /// reset", not an end.
    pub fn reset(&self) {
        self.order(Order::Close(Closing::Reset));
    }

    /// Sends a FIN to the clients that are connected now; what they send still
    /// reaches the server, whose replies are discarded.
    pub fn half_close(&self) {
        self.order(Order::HalfClose);
    }

    /// Lets each connection, open or new, get exactly this many more bytes of
    /// reply, and is then cut. With `Some(0)` the first byte of reply cuts it
    /// (the server has executed the command, the client can't know). `None`
    /// ends it.
    pub fn cut_after_reply_bytes(&self, bytes: Option<u64>) {
        self.set(move |faults| faults.reply_limit.set(bytes));
    }

    /// Lets each connection, open or new, send exactly this many more bytes of
    /// request, and is then cut. With `Some(0)` the first byte of request cuts
    /// it (the server has seen nothing of the command). `None` ends it.
    pub fn cut_after_request_bytes(&self, bytes: Option<u64>) {
        self.set(move |faults| faults.request_limit.set(bytes));
    }

    /// Links a newly accepted connection to the server only after this delay; a
    /// client that leaves sooner never appears at the server. `None` ends it,
    /// also for those that are waiting.
    pub fn slow_accept(&self, delay: Option<Duration>) {
        self.set(move |faults| faults.slow_accept = delay);
    }

    /// With `true` closes the listener, so that connecting is refused; with
    /// `false` opens it again on the same port. Open connections stay.
    ///
    /// # Panics
    ///
    /// When the port can't be opened again, which Linux rules out.
    pub fn refuse(&self, refuse: bool) {
        self.order(Order::Refuse(refuse));
    }

    /// Links those who connect from now on to this server, as an address does
    /// that moves in a failover. Open connections stay where they are.
    pub fn lead_to(&self, upstream: SocketAddr) {
        self.order(Order::LeadTo(upstream));
    }

    /// How many connections are open now.
    pub fn open(&self) -> usize {
        self.order(Order::CatchUp);
        self.connections.open()
    }

    /// How many were ever open at once.
    pub fn most_open(&self) -> usize {
        self.order(Order::CatchUp);
        self.connections.most_open()
    }

    /// How many were ever accepted.
    pub fn accepted(&self) -> u64 {
        self.order(Order::CatchUp);
        self.connections.accepted()
    }

    /// Waits until exactly `count` connections are open.
    ///
    /// # Panics
    ///
    /// When that hasn't happened within 10 seconds.
    pub async fn wait_until_open(&self, count: usize) {
        self.connections.wait_until_open(count, &self.thread).await;
    }

    /// How many bytes have passed from clients to the server.
    pub fn request_bytes(&self) -> u64 {
        self.order(Order::CatchUp);
        self.traffic.request_bytes()
    }

    /// How many bytes have passed from the server to clients.
    pub fn reply_bytes(&self) -> u64 {
        self.order(Order::CatchUp);
        self.traffic.reply_bytes()
    }

    fn set(&self, change: impl FnOnce(&mut Faults) + Send + 'static) {
        self.order(Order::Set(Box::new(change)));
    }

    fn order(&self, order: Order) {
        if let Err(error) = self.orders.give(order) {
            panic!("the fault proxy on {} failed: {error}", self.address);
        }
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FaultProxy")
            .field("address", &self.address)
            .field("open", &self.connections.open())
            .finish_non_exhaustive()
    }
}
