//! The shared connections of the redis crate.

use redis::aio::{ConnectionManager, MultiplexedConnection};
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo};

use super::Like;

/// Commands that may queue for the connection's task; the crate's default is 50, and its
/// documentation advises more for many callers.
const PIPELINE_BUFFER: usize = 1_024;
/// Bytes that may gather for one write; the default is 8 KiB.
const WRITE_BUFFER: usize = 64 * 1024;

/// As it comes: a response time-out of 500 ms, no nodelay.
pub(crate) async fn plain(url: &str) -> Like<MultiplexedConnection> {
    let client = Client::open(url).expect("the server's URL");
    let connection = client.get_multiplexed_async_connection().await;
    Like(connection.expect("a connection"))
}

/// With nodelay, without a time-out for each command, and with room for many callers.
pub(crate) async fn tuned(url: &str) -> Like<MultiplexedConnection> {
    let address = url.into_connection_info().expect("the server's URL");
    let address = address.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_pipeline_buffer_size(PIPELINE_BUFFER)
        .set_write_backpressure_boundary(WRITE_BUFFER);
    let connection = Client::open(address)
        .expect("an address")
        .get_multiplexed_async_connection_with_config(&config)
        .await;
    Like(connection.expect("a connection"))
}

/// As it comes.
pub(crate) async fn manager(url: &str) -> Like<ConnectionManager> {
    let client = Client::open(url).expect("the server's URL");
    let manager = client.get_connection_manager().await;
    Like(manager.expect("a connection"))
}
