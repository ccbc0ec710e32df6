//! What the server itself says, asked past the pool.

use std::time::Duration;

use respool_testserver::{RedisServer, Reply};

use crate::Broken;
use crate::check::ensure;
use crate::trial::eventually;

const PATIENCE: Duration = Duration::from_secs(5);

/// Runs a command, in which `{key}` stands for `key`, at the server.
pub(crate) async fn run(server: &RedisServer, words: &str, key: &str) -> Result<Reply, Broken> {
    let words = words.replace("{key}", key);
    let arguments: Vec<_> = words.split(' ').collect();
    let reply = server.command(&arguments).await?;
    ensure!(!reply.is_error(), expected: "the server to run {words}", seen: "{reply:?}");
    Ok(reply)
}

/// Waits until so many clients are blocked, by the server's count.
pub(crate) async fn until_blocked(server: &RedisServer, count: usize) -> Result<(), Broken> {
    let what = format!("{count} clients blocked at the server");
    eventually(PATIENCE, &what, async || {
        blocked_clients(server).await == Some(count)
    })
    .await
}

/// Waits until the server has forgotten all who were blocked. One look is not enough: the command
/// of a caller who gave up at once may not have been read yet.
pub(super) async fn until_nobody_is_blocked(server: &RedisServer) -> Result<(), Broken> {
    let mut looks = 0;
    let what = "the server to have forgotten the command that was given up";
    eventually(PATIENCE, what, async || {
        looks = match blocked_clients(server).await {
            Some(0) => looks + 1,
            _ => 0,
        };
        looks == 3
    })
    .await
}

async fn blocked_clients(server: &RedisServer) -> Option<usize> {
    let info = server.command(&["INFO", "clients"]).await.ok()?.text()?;
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("blocked_clients:"))?;
    line.trim().parse().ok()
}

/// Whether the client of this number (CLIENT ID) is connected.
pub(super) async fn is_connected(server: &RedisServer, client: u64) -> bool {
    let prefix = format!("id={client} ");
    let list = server.command(&["CLIENT", "LIST"]).await.ok();
    list.and_then(|list| list.text())
        .is_some_and(|list| list.lines().any(|line| line.starts_with(&prefix)))
}

/// Whether `word` occurs in the reply, however deep.
pub(super) fn holds(reply: &Reply, word: &str) -> bool {
    match reply {
        Reply::Array(parts) => parts.iter().any(|part| holds(part, word)),
        other => other.text().is_some_and(|text| text == word),
    }
}
