//! [`Link`]: one client's connection and the one made for it to the server.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{self, Instant};

use super::budget::{Budget, ByteLimit};
use super::faults::Faults;
use super::intake::Intake;
use super::pace::Pace;

/// How many bytes are read at once, and how many such chunks may wait.
pub(super) const CHUNK_BYTES: usize = 16 * 1024;
pub(super) const CHUNKS_WAITING: usize = 64;

/// The bytes that have passed on all connections.
#[derive(Default)]
pub(super) struct Traffic {
    request_bytes: AtomicU64,
    reply_bytes: AtomicU64,
}

impl Traffic {
    pub(super) fn request_bytes(&self) -> u64 {
        self.request_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn reply_bytes(&self) -> u64 {
        self.reply_bytes.load(Ordering::Relaxed)
    }
}

/// Passes bytes between a client and the server, as the faults allow.
///
/// Each direction has a reader, which only looks at its socket, and a
/// forwarder, which only looks at the faults; chunks wait between them. So a
/// FIN is seen even while nothing passes.
pub(super) struct Link {
    number: u64,
    client: Arc<TcpStream>,
    intake: Arc<Intake>,
    upstream: SocketAddr,
    accepted: Instant,
    faults: watch::Receiver<Faults>,
    traffic: Arc<Traffic>,
}

impl Link {
    pub(super) fn new(
        number: u64,
        client: Arc<TcpStream>,
        intake: Arc<Intake>,
        upstream: SocketAddr,
        faults: watch::Receiver<Faults>,
        traffic: Arc<Traffic>,
    ) -> Link {
        Link {
            number,
            client,
            intake,
            upstream,
            accepted: Instant::now(),
            faults,
            traffic,
        }
    }

    /// Runs until both directions have ended or a limit cuts them. It counts as closed before any
    /// FIN of ours: whoever sees the end finds it counted.
    pub(super) async fn run(self, requests: mpsc::Receiver<Chunk>) {
        let _ = self.client.set_nodelay(true);
        let reading = async {
            self.intake.read_all().await;
            Ok(())
        };
        let _ = tokio::try_join!(reading, self.pass(requests));
        self.intake.close();
        finish(&self.client);
    }

    /// Connects to the server and passes bytes both ways.
    async fn pass(&self, requests: mpsc::Receiver<Chunk>) -> Result<(), Cut> {
        self.wait_to_connect().await;
        if requests.is_closed() && requests.is_empty() {
            return Ok(()); // the client has left, and nothing was said
        }
        let server = TcpStream::connect(self.upstream).await.map_err(|_| Cut)?;
        let _ = server.set_nodelay(true);
        let (read, replies) = mpsc::channel(CHUNKS_WAITING);
        let reading = async {
            read_chunks(&server, read).await;
            Ok(())
        };
        tokio::try_join!(
            reading,
            self.forward(Direction::Request, requests, &server),
            self.forward(Direction::Reply, replies, &self.client),
        )?;
        Ok(())
    }

    /// Passes chunks and then the FIN. When the receiver is gone they are
    /// discarded instead, so that the other direction can end in its own way.
    async fn forward(
        &self,
        direction: Direction,
        mut chunks: mpsc::Receiver<Chunk>,
        to: &TcpStream,
    ) -> Result<(), Cut> {
        let mut budget = Budget::default();
        let mut pace = Pace::new();
        while let Some(chunk) = chunks.recv().await {
            self.forward_chunk(direction, &chunk, to, &mut budget, &mut pace)
                .await?;
        }
        let ended = Instant::now();
        self.wait_until(|faults| after(ended, faults.delay)).await;
        finish(to);
        Ok(())
    }

    async fn forward_chunk(
        &self,
        direction: Direction,
        chunk: &Chunk,
        to: &TcpStream,
        budget: &mut Budget,
        pace: &mut Pace,
    ) -> Result<(), Cut> {
        let mut rest = &chunk.bytes[..];
        while !rest.is_empty() {
            self.wait_until(|faults| {
                let due = after(chunk.arrived, faults.delay);
                pace.later_than(due, direction.rate(faults))
            })
            .await;
            // From here to the write nothing is awaited: a fault set now counts
            // from the next write on, one set before has been seen.
            if direction == Direction::Reply && self.is_half_closed() {
                return Ok(());
            }
            let rate = direction.rate(&self.faults.borrow());
            let allowed = Pace::allows(rest.len(), rate);
            let allowed = budget.allows(allowed, self.limit(direction));
            if allowed == 0 {
                return Err(Cut);
            }
            match to.try_write(&rest[..allowed]) {
                Ok(written) => {
                    rest = &rest[written..];
                    self.counter(direction)
                        .fetch_add(written as u64, Ordering::Relaxed);
                    pace.spend(written, rate);
                    budget.spend(written);
                    if budget.is_spent() {
                        return Err(Cut);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let _ = to.writable().await;
                }
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    async fn wait_to_connect(&self) {
        self.wait_until(|faults| after(self.accepted, faults.slow_accept))
            .await;
    }

    /// Waits until nothing stalls this link and what is `due` under the faults
    /// of the moment is past.
    async fn wait_until(&self, due: impl Fn(&Faults) -> Instant) {
        let mut faults = self.faults.clone();
        loop {
            let (stalled, due) = {
                let faults = faults.borrow_and_update();
                (faults.stalls(self.number), due(&faults))
            };
            if !stalled && due <= Instant::now() {
                return;
            }
            tokio::select! {
                // An error means that the proxy is being dropped, and this task with it.
                _ = faults.changed() => {}
                () = time::sleep_until(due), if !stalled => {}
            }
        }
    }

    fn is_half_closed(&self) -> bool {
        self.number < self.faults.borrow().half_closed_below
    }

    fn limit(&self, direction: Direction) -> ByteLimit {
        let faults = self.faults.borrow();
        match direction {
            Direction::Request => faults.request_limit,
            Direction::Reply => faults.reply_limit,
        }
    }

    fn counter(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::Request => &self.traffic.request_bytes,
            Direction::Reply => &self.traffic.reply_bytes,
        }
    }
}

/// Sends a FIN, also when bytes that nobody read would turn a plain close into
/// an RST.
pub(super) fn finish(stream: &TcpStream) {
    // It fails if the other side is gone, and then there is nobody to tell.
    let _ = SockRef::from(stream).shutdown(Shutdown::Write);
}

/// Reads until the end, whether FIN or RST, or until nobody wants it.
async fn read_chunks(from: &TcpStream, chunks: mpsc::Sender<Chunk>) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while from.readable().await.is_ok() {
        match from.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                if chunks.send(Chunk::now(&buffer[..length])).await.is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// Bytes that were read at once.
pub(super) struct Chunk {
    arrived: Instant,
    bytes: Vec<u8>,
}

impl Chunk {
    pub(super) fn now(bytes: &[u8]) -> Chunk {
        Chunk {
            arrived: Instant::now(),
            bytes: bytes.to_vec(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Reply,
}

impl Direction {
    fn rate(self, faults: &Faults) -> Option<NonZeroU64> {
        match self {
            Direction::Request => faults.request_rate,
            Direction::Reply => faults.reply_rate,
        }
    }
}

fn after(moment: Instant, delay: Option<time::Duration>) -> Instant {
    moment + delay.unwrap_or_default()
}

/// The link is at its end: a limit is spent, or the server can't be reached.
struct Cut;
