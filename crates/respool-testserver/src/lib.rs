//! Servers for the tests of Redis clients. Nothing here knows about pools.
//!
//! - [`RedisServer`]: a real `redis-server` or `valkey-server` process on a
//!   free loopback port, gone when the value is dropped.
//! - [`FaultProxy`]: stands between a client and a server and breaks the
//!   connection in the ways that networks do.
//! - [`ScriptedServer`]: a tiny Redis inside this process that can also say
//!   what no real server says.
//!
//! Each of them works on a thread and a runtime of its own. A test may build
//! one on a runtime, drop that runtime, pause its clock or use three others:
//! the servers don't notice. Everything listens on 127.0.0.1 only.
//!
//! A first run needs no Redis at all:
//!
//! ```
//! use std::io::{Read, Write};
//! use respool_testserver::{Answer, Script, ScriptedServer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let loading = Answer::Bytes(b"-LOADING dataset\r\n".to_vec());
//! let server = ScriptedServer::start_with(Script::new().once("GET", loading)).await?;
//!
//! let mut client = std::net::TcpStream::connect(server.address())?;
//! client.write_all(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n")?;
//! let mut replies = [0; 23];
//! client.read_exact(&mut replies)?;
//!
//! assert_eq!(&replies, b"-LOADING dataset\r\n$-1\r\n");
//! assert_eq!(server.command_calls("get"), 2);
//! # Ok(())
//! # }
//! ```
//!
//! With a real server and a proxy in front of it:
//!
//! ```no_run
//! use respool_testserver::{FaultProxy, RedisServer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = RedisServer::builder().password("secret").start().await?;
//! let proxy = FaultProxy::start(server.address()).await?;
//! // ... connect a client to proxy.address(), then:
//! proxy.wait_until_open(1).await;
//! proxy.cut();
//! assert_eq!(proxy.open(), 0);
//! # Ok(())
//! # }
//! ```

mod connection_count;
mod port;
mod proxy;
mod runtime_thread;
mod scripted;
mod server;

pub use proxy::FaultProxy;
pub use scripted::{Answer, Script, ScriptedServer};
pub use server::{
    RedisServer, RedisServerBuilder, Reply, ServerKind, StartError, find_server, find_server_in,
    server_version,
};
