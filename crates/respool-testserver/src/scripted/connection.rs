//! [`Connection`]: one client of a scripted server, from accept to close.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc};

use super::Answer;
use super::commands::execute;
use super::encode;
use super::request::Request;
use super::session::Session;
use super::state::{self, Saying, State};
use crate::connection_count::OpenConnection;

/// How much room is made for each read.
const READ_BYTES: usize = 64 * 1024;
/// When this many bytes of replies are ready, they are sent before more
/// commands are executed.
const REPLIES_AT_ONCE: usize = 256 * 1024;
/// What a client that takes all of it shall not be made to keep more of.
const ENDLESS: u64 = 64 << 20;

pub(super) struct Connection {
    stream: TcpStream,
    state: Arc<Mutex<State>>,
    session: Session,
    input: Vec<u8>,
    output: Vec<u8>,
    sayings: broadcast::Receiver<Saying>,
    /// Sent again and again before it closes.
    endless: Vec<u8>,
    /// Told when the output is sent.
    saying: Option<mpsc::Sender<()>>,
}

/// What comes after a batch of commands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// There may be more commands in the buffer.
    Answer,
    /// The buffer holds no whole command any more.
    Read,
    Close,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, state: Arc<Mutex<State>>) -> Connection {
        let unknown = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let address = stream.peer_addr().unwrap_or(unknown);
        let (session, sayings) = {
            let mut state = state::lock(&state);
            (state.new_session(address), state.sayings.subscribe())
        };
        Connection {
            stream,
            state,
            session,
            input: Vec::new(),
            output: Vec::new(),
            sayings,
            endless: Vec::new(),
            saying: None,
        }
    }

    pub(super) async fn serve(mut self, open: OpenConnection) {
        let _ = self.stream.set_nodelay(true);
        let on_connect = state::lock(&self.state).script.answer_to_connect();
        let mut next = match on_connect {
            Answer::Default => Next::Read,
            Answer::Bytes(bytes) => {
                self.output = bytes;
                Next::Read
            }
            Answer::BytesThenClose(bytes) => {
                self.output = bytes;
                Next::Close
            }
            Answer::Endless(bytes) => {
                self.endless = bytes;
                Next::Close
            }
            Answer::Close => Next::Close,
            Answer::Silence => {
                let _ = tokio::io::copy(&mut self.stream, &mut tokio::io::sink()).await;
                return;
            }
        };
        while self.send().await && next != Next::Close {
            if next == Next::Read && !self.read().await {
                break;
            }
            next = self.answer_batch();
        }
        if !self.endless.is_empty() {
            self.send_endless().await;
        }
        // Counted as closed before the client can see that it is.
        drop(open);
        // A FIN even when unread commands would turn a plain close into an RST.
        let _ = self.stream.shutdown().await;
    }

    async fn send(&mut self) -> bool {
        let sent = self.stream.write_all(&self.output).await;
        self.output.clear();
        self.saying = None;
        sent.is_ok()
    }

    async fn send_endless(&mut self) {
        let mut sent = 0;
        while sent < ENDLESS {
            if self.stream.write_all(&self.endless).await.is_err() {
                return;
            }
            sent += self.endless.len() as u64;
            state::lock(&self.state).endless_bytes += self.endless.len() as u64;
        }
        let _ = tokio::io::copy(&mut self.stream, &mut tokio::io::sink()).await;
    }

    async fn read(&mut self) -> bool {
        self.input.reserve(READ_BYTES);
        tokio::select! {
            read = self.stream.read_buf(&mut self.input) => matches!(read, Ok(length) if length > 0),
            Ok(saying) = self.sayings.recv() => {
                self.output.extend_from_slice(&saying.bytes);
                self.saying = Some(saying.sent);
                true
            }
        }
    }

    /// Executes what is in the buffer, up to a limit of replies.
    fn answer_batch(&mut self) -> Next {
        let mut state = state::lock(&self.state);
        let mut answered = 0;
        let next = loop {
            if self.output.len() >= REPLIES_AT_ONCE {
                break Next::Answer;
            }
            match Request::parse(&self.input[answered..]) {
                Ok(None) => break Next::Read,
                Err(error) => {
                    encode::error(&mut self.output, error.0);
                    break Next::Close;
                }
                Ok(Some(request)) => {
                    answered += request.length;
                    let (output, endless) = (&mut self.output, &mut self.endless);
                    let next = answer(&mut state, &mut self.session, &request, output, endless);
                    if next == Next::Close {
                        break Next::Close;
                    }
                }
            }
        };
        drop(state);
        self.input.drain(..answered);
        next
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        state::lock(&self.state).clients.remove(&self.session.id);
    }
}

/// Answers one command as the script says.
fn answer(
    state: &mut State,
    session: &mut Session,
    request: &Request<'_>,
    output: &mut Vec<u8>,
    endless: &mut Vec<u8>,
) -> Next {
    if request.arguments.is_empty() {
        return Next::Answer;
    }
    let name = request.name();
    state.count_call(&name);
    match state.script.answer(&name) {
        Answer::Default => execute(state, session, &name, &request.arguments, output),
        Answer::Silence => Next::Answer,
        Answer::Close => Next::Close,
        Answer::Bytes(bytes) => {
            output.extend_from_slice(&bytes);
            Next::Answer
        }
        Answer::BytesThenClose(bytes) => {
            output.extend_from_slice(&bytes);
            Next::Close
        }
        Answer::Endless(bytes) => {
            *endless = bytes;
            Next::Close
        }
    }
}
