//! The two commands of the workload, on any connection of the redis crate that the workspace uses.

use redis::aio::ConnectionLike;

pub(super) async fn get(
    connection: &mut (impl ConnectionLike + Send),
    key: &str,
) -> Result<(), String> {
    let value: Result<Option<Vec<u8>>, _> =
        redis::cmd("GET").arg(key).query_async(connection).await;
    value.map(drop).map_err(|error| error.to_string())
}

pub(super) async fn set(
    connection: &mut (impl ConnectionLike + Send),
    key: &str,
    value: &[u8],
) -> Result<(), String> {
    let mut command = redis::cmd("SET");
    command.arg(key).arg(value);
    let done: Result<(), _> = command.query_async(connection).await;
    done.map_err(|error| error.to_string())
}
