use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, Pipeline, RedisError, RedisResult, Value};
use respool_core::telling_refusal;

/// Sends `pipeline` and waits for its replies, as `send_packed_commands` does.
///
/// A transaction goes out with its MULTI and EXEC as commands like others. As one, the redis crate (1.8.1)
/// counts the place of what the server refuses from the command after MULTI, and panics in a debug build
/// where MULTI itself is refused: in the driver of all who share the connection.
pub async fn send_pipeline(
    connection: &mut MultiplexedConnection,
    pipeline: &Pipeline,
    offset: usize,
    count: usize,
) -> RedisResult<Vec<Value>> {
    if !pipeline.is_transaction() || pipeline.is_empty() {
        return connection
            .send_packed_commands(pipeline, offset, count)
            .await;
    }
    let mut spelled_out = Pipeline::with_capacity(pipeline.len() + 2);
    spelled_out.cmd("MULTI");
    for command in pipeline.cmd_iter() {
        spelled_out.add_command(command.clone());
    }
    spelled_out.cmd("EXEC");
    let all = connection.send_packed_commands(&spelled_out, 0, spelled_out.len());
    let mut replies = all.await?;
    let rest = replies.split_off(offset.min(replies.len()));
    let refusals = replies.into_iter().enumerate();
    let refusals = refusals.filter(|(_, reply)| matches!(reply, Value::ServerError(_)));
    match refused(refusals) {
        Some(error) => Err(error),
        None => Ok(rest.into_iter().take(count).collect()),
    }
}

/// What becomes of a transaction of which something was refused before EXEC: each with how many
/// replies came before it.
pub fn refused(refusals: impl IntoIterator<Item = (usize, Value)>) -> Option<RedisError> {
    let mut refusals = refusals.into_iter();
    let (index, first) = refusals.next()?;
    if index == 0 {
        // MULTI itself: what follows it was executed, command by command.
        return first.extract_error().err();
    }
    let rest = refusals.map(|(_, refusal)| refusal);
    telling_refusal(std::iter::once(first).chain(rest)).map(aborted)
}

/// What EXEC would say of a transaction that was refused, with the first refusal as its cause, in the
/// words that the server itself has for it.
fn aborted(refusal: Value) -> RedisError {
    let Value::ServerError(cause) = &refusal else {
        return (ErrorKind::Client, "a transaction was refused").into();
    };
    let cause = match cause.details() {
        Some(details) => format!("{} {details}", cause.code()),
        None => cause.code().to_owned(),
    };
    let line = format!("-EXECABORT Transaction discarded because of: {cause}\r\n");
    redis::parse_redis_value(line.as_bytes())
        .and_then(Value::extract_error)
        .err()
        .unwrap_or_else(|| (ErrorKind::Client, "a transaction was refused", cause).into())
}
