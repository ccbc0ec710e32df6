/// What a [`ScriptedServer`](super::ScriptedServer) does when a command, or a
/// connection, comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Sends these bytes, whatever they are, and goes on.
    Bytes(Vec<u8>),
    /// Says nothing. To a command: goes on with the next. To a connection: never
    /// answers anything on it.
    Silence,
    /// Closes the connection (FIN), after the answers to earlier commands.
    Close,
    /// Sends these bytes and closes the connection (FIN).
    BytesThenClose(Vec<u8>),
    /// Sends these bytes again and again, until the client has closed the connection or has taken
    /// 64 MiB of them; then says no more.
    /// [`ScriptedServer::endless_bytes`](super::ScriptedServer::endless_bytes) counts them.
    Endless(Vec<u8>),
    /// What it would do without a script.
    Default,
}
