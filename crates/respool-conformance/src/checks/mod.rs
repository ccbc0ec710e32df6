//! The checks, one file a rule or a group of rules, and what several of them use.

pub(crate) mod cmd;
pub(crate) mod full_use;
pub(crate) mod get;
pub(crate) mod impatience;
pub(crate) mod life;
pub(crate) mod ret;
pub(crate) mod see;
pub(crate) mod shr;
pub(crate) mod way;

use redis::cmd;
use respool_core::PooledConnection;
use respool_testserver::RedisServer;

use crate::Broken;

/// Which connection it is, as the server numbers them.
pub(crate) async fn client_id(connection: &mut PooledConnection) -> Result<u64, Broken> {
    Ok(cmd("CLIENT").arg("ID").query_async(connection).await?)
}

/// Has somebody else execute a command, which the server must not refuse.
pub(crate) async fn execute(server: &RedisServer, command: &[&str]) -> Result<(), Broken> {
    let reply = server.command(command).await?;
    if reply.is_error() {
        return Err(Broken::new(
            format!("{command:?} to be executed"),
            format!("{reply:?}"),
        ));
    }
    Ok(())
}
