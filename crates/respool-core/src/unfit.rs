use redis::{ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};

use crate::{CommandEffect, SessionEffect};

/// Whether a reply says that its node no longer serves: after a failover, while it loads its data
/// (LIFE-7). For authors of backends.
pub fn reply_says_unfit(reply: &Value) -> bool {
    match reply {
        Value::ServerError(error) => is_unfit(error.code(), error.details()),
        _ => false,
    }
}

/// The same of what EXEC returns, which has the replies of the commands in it.
pub(crate) fn executed_says_unfit(reply: &Value) -> bool {
    match reply {
        Value::Array(executed) => executed.iter().any(reply_says_unfit),
        reply => reply_says_unfit(reply),
    }
}

/// The same of a pipeline's replies, also where it has an EXEC of its own.
pub fn replies_say_unfit(pipeline: &Pipeline, replies: &[Value]) -> bool {
    let ends_transaction =
        |command| CommandEffect::of(command).session == SessionEffect::EndsTransaction;
    // Which reply is whose is not looked for: CLIENT REPLY takes some away.
    let executes = pipeline.is_transaction() || pipeline.cmd_iter().any(ends_transaction);
    replies.iter().any(|reply| match executes {
        true => executed_says_unfit(reply),
        false => reply_says_unfit(reply),
    })
}

/// The same of an error that the redis crate made of replies. It reports a transaction that was
/// aborted with what each of its commands was refused for.
pub fn error_says_unfit(error: &RedisError) -> bool {
    if error.kind() == ErrorKind::Server(ServerErrorKind::ExecAbort)
        && let Some(refusals) = error.clone().into_server_errors()
    {
        return refusals
            .iter()
            .any(|(_, refusal)| is_unfit(refusal.code(), refusal.details()));
    }
    error
        .code()
        .is_some_and(|code| is_unfit(code, error.detail()))
}

/// Of what a transaction was refused for, what its caller is to hear: that its node is unfit before what
/// else was wrong (LIFE-7), or the first of all. For authors of backends.
pub fn telling_refusal(refusals: impl IntoIterator<Item = Value>) -> Option<Value> {
    let mut refusals = refusals.into_iter();
    let first = refusals.next()?;
    let unfit = match reply_says_unfit(&first) {
        true => None,
        false => refusals.find(reply_says_unfit),
    };
    Some(unfit.unwrap_or(first))
}

fn is_unfit(code: &str, details: Option<&str>) -> bool {
    // What EXEC says on a node that was demoted after the commands had been queued.
    const ABORTED: &str = "Transaction discarded because of: ";
    let code = match (code, details) {
        ("EXECABORT", Some(details)) => details
            .strip_prefix(ABORTED)
            .and_then(|cause| cause.split(' ').next())
            .unwrap_or(code),
        _ => code,
    };
    matches!(code, "READONLY" | "LOADING" | "MASTERDOWN")
}
