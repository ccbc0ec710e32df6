use std::collections::{BTreeMap, BTreeSet};

use redis::{Cmd, Value, cmd, pipe};
use respool_core::{Pool, PooledConnection};
use respool_testserver::RedisServer;

use super::sessions::{CHANGES, CHANNEL, CLEAN, GUEST, WATCHED_KEY};
use super::ways::{Way, give_up};
use crate::check::ensure;
use crate::checks::{client_id, execute};
use crate::{Broken, Finding, Trial};

/// RET-3, with a pool of one, so that the next holder would get the very connection.
pub(crate) fn next_holder_sees_a_fresh_session(trial: &Trial) -> Finding {
    trial.block_on(async {
        let server = trial.server().await?;
        let [user, password] = GUEST;
        let rights = format!("ACL SETUSER {user} on >{password} ~* &* +@all");
        execute(&server, &rights.split(' ').collect::<Vec<_>>()).await?;
        let mut config = trial.config(&server.url());
        config.max_size = 1;
        let pool = trial.pool(config)?;

        let fresh = Session::of(&mut pool.get().await?).await?;
        let mut refused = BTreeSet::new();
        for change in CHANGES {
            for way in Way::ALL {
                // What others do meanwhile may bring a leftover to light, or hide it: a connection
                // to which something was pushed may be replaced for that alone.
                for others in [Others::AreQuiet, Others::Write] {
                    let case = format!("{} {way:?}", change.name);
                    let in_case = |broken: Broken| broken.in_case(&case);
                    if let Some(reason) = way.make(change, &pool).await.map_err(in_case)? {
                        refused.insert(format!("{} ({reason})", change.name));
                    }
                    if let Others::Write = others {
                        execute(&server, &["SET", WATCHED_KEY, change.name]).await?;
                        execute(&server, &["PUBLISH", CHANNEL, change.name]).await?;
                    }
                    ensure_fresh(&pool, &fresh).await.map_err(in_case)?;
                }
            }
        }
        ensure_clean_sessions_are_kept(&pool).await?;
        who_may_not_begin_a_transaction_leaves_nothing(trial, &server)
            .await
            .map_err(|broken| broken.in_case("WATCH by a user who may not send MULTI"))?;
        who_may_not_take_back_his_change_leaves_nothing(trial, &server).await?;

        let mut evidence = format!(
            "{} changes of a session, each sent in {} ways, none seen by the next holder",
            CHANGES.len(),
            Way::ALL.len()
        );
        if !refused.is_empty() {
            let refused: Vec<_> = refused.into_iter().collect();
            evidence.push_str(&format!("; refused: {}", refused.join(", ")));
        }
        Ok(evidence)
    })
}

/// What the server's other clients do between one holder and the next.
enum Others {
    AreQuiet,
    Write,
}

/// What CLIENT INFO says of a session that a newcomer could notice.
#[derive(Debug, PartialEq, Eq)]
struct Session(BTreeMap<String, String>);

impl Session {
    const FIELDS: [&str; 13] = [
        "name", "flags", "db", "sub", "psub", "ssub", "multi", "watch", "user", "redir", "resp",
        "lib-name", "lib-ver",
    ];

    async fn of(connection: &mut PooledConnection) -> Result<Self, Broken> {
        let info: String = cmd("CLIENT").arg("INFO").query_async(connection).await?;
        let fields = info
            .split_whitespace()
            .filter_map(|field| field.split_once('='))
            .filter(|(name, _)| Self::FIELDS.contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Session(fields.collect()))
    }

    fn difference_from(&self, fresh: &Session) -> String {
        let differing = |(name, value): &(&String, &String)| fresh.0.get(*name) != Some(value);
        let fields = self.0.iter().filter(differing);
        let fields: Vec<_> = fields
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        fields.join(" ")
    }
}

async fn ensure_fresh(pool: &Pool, fresh: &Session) -> Result<(), Broken> {
    let mut connection = pool.get().await?;
    let (pong, session) = (
        cmd("PING").query_async::<Value>(&mut connection).await?,
        Session::of(&mut connection).await?,
    );
    ensure!(
        pong == Value::SimpleString("PONG".to_owned()),
        expected: "PONG",
        seen: "{pong:?}"
    );
    ensure!(
        session == *fresh,
        expected: "a fresh session",
        seen: "{}",
        session.difference_from(fresh)
    );

    // What CLIENT INFO doesn't show everywhere: something watched would make this come to nothing.
    let done: Option<(String,)> = pipe()
        .atomic()
        .set("key", "value")
        .query_async(&mut connection)
        .await?;
    ensure!(
        done.is_some(),
        expected: "a transaction to be executed",
        seen: "that it was given up for a key that the previous holder watched"
    );
    let value: Option<String> = cmd("GET").arg("key").query_async(&mut connection).await?;
    ensure!(
        value.as_deref() == Some("value"),
        expected: "GET to give the value",
        seen: "{value:?}"
    );
    Ok(())
}

/// The server refuses MULTI, and then EXEC, and what he watches stays watched.
async fn who_may_not_begin_a_transaction_leaves_nothing(
    trial: &Trial,
    server: &RedisServer,
) -> Result<(), Broken> {
    let rights = "ACL SETUSER hasty on >hasty ~* &* +@all -multi";
    execute(server, &rights.split(' ').collect::<Vec<_>>()).await?;
    let mut config = trial.config(&server.url().replace("redis://", "redis://hasty:hasty@"));
    config.max_size = 1;
    let pool = trial.pool(config)?;
    let before = {
        let mut connection = pool.get().await?;
        let watch = cmd("WATCH").arg(WATCHED_KEY).to_owned();
        watch.query_async::<()>(&mut connection).await?;
        for name in ["MULTI", "EXEC"] {
            let outcome = cmd(name).query_async::<Value>(&mut connection).await;
            ensure!(outcome.is_err(), expected: "{name} to be refused", seen: "{outcome:?}");
        }
        client_id(&mut connection).await?
    };
    let after = client_id(&mut pool.get().await?).await?;
    ensure!(
        before != after,
        expected: "another connection than the one on which a key is watched",
        seen: "the same"
    );
    Ok(())
}

/// What takes a change back, and is refused by the server.
const REFUSED_UNDOINGS: &[(&str, &[&str])] = &[
    ("+@all -discard", &["MULTI", "DISCARD"]),
    ("+@all -unwatch", &["WATCH key", "UNWATCH"]),
    ("+@all -select +select|1", &["SELECT 1", "SELECT 0"]),
    (
        "+@all -multi",
        &["WATCH key", "MULTI", "SET key other", "EXEC"],
    ),
];

async fn who_may_not_take_back_his_change_leaves_nothing(
    trial: &Trial,
    server: &RedisServer,
) -> Result<(), Broken> {
    for (rights, commands) in REFUSED_UNDOINGS {
        execute(server, &["ACL", "DELUSER", "rash"]).await?;
        let user = format!("ACL SETUSER rash on >rash ~* &* {rights}");
        execute(server, &user.split(' ').collect::<Vec<_>>()).await?;
        for way in [Way::OneByOne, Way::InAPipeline, Way::Cancelled] {
            let mut config = trial.config(&server.url().replace("redis://", "redis://rash:rash@"));
            config.max_size = 1;
            let pool = trial.pool(config)?;
            let before = {
                let mut connection = pool.get().await?;
                let before = client_id(&mut connection).await?;
                let mut pipeline = pipe();
                for (index, words) in commands.iter().enumerate() {
                    let mut command = Cmd::new();
                    command.arg(words.split(' ').collect::<Vec<_>>());
                    match way {
                        Way::InAPipeline => drop(pipeline.add_command(command)),
                        // The last is given up when it was sent, and its refusal seen by nobody.
                        Way::Cancelled if index + 1 == commands.len() => {
                            give_up(command.query_async::<Value>(&mut connection)).await;
                        }
                        _ => drop(command.query_async::<Value>(&mut connection).await),
                    }
                }
                if let Way::InAPipeline = way {
                    let outcome = pipeline.query_async::<Value>(&mut connection).await;
                    ensure!(
                        outcome.is_err(),
                        expected: "the last of {commands:?} to be refused",
                        seen: "{outcome:?}"
                    );
                }
                before
            };
            let after = client_id(&mut pool.get().await?).await?;
            ensure!(
                before != after,
                expected: "another connection after {commands:?} {way:?} by who has {rights}",
                seen: "the same"
            );
        }
    }
    Ok(())
}

/// What cleans up after itself must not cost the connection.
async fn ensure_clean_sessions_are_kept(pool: &Pool) -> Result<(), Broken> {
    for change in CLEAN {
        for way in [Way::OneByOne, Way::InAPipeline] {
            let before = client_id(&mut pool.get().await?).await?;
            let refusal = way.make(change, pool).await?;
            let after = client_id(&mut pool.get().await?).await?;
            let (name, refusal) = (change.name, refusal.unwrap_or_default());
            ensure!(
                before == after && refusal.is_empty(),
                expected: "{name} {way:?} to leave client {before} in the pool",
                seen: "client {after} {refusal}"
            );
        }
    }
    Ok(())
}
