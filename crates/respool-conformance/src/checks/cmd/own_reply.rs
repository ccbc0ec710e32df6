use std::ops::AddAssign;
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, RedisError, Value, cmd, pipe};
use respool_core::{CommandError, Pool, PoolConfig};
use tokio::task::JoinSet;

use super::patience::Patience;
use super::question::{self, Question};
use crate::check::ensure;
use crate::checks::full_use::{come_to_rest, hold_all};
use crate::{Broken, Finding, Trial};

const TASKS: u64 = 16;
const VISITS_PER_TASK: usize = 15;
const ODD_ROUNDS: usize = 10;

/// CMD-1. Every question has one right answer and almost none shares it with another, so that any
/// reply that goes astray is noticed. Large values go both ways, so that requests are given up in
/// the middle of their writing and in the middle of their reply; behind the proxy even small ones.
pub(crate) fn nobody_gets_anothers_reply(trial: &Trial) -> Finding {
    trial.block_on(async {
        let server = trial.server().await?;
        let proxy = trial.proxy(&server).await?;
        let patient = |url: &str| -> PoolConfig {
            let mut config = trial.config(url);
            // Whoever has to wait here is given up by the check, not by the pool.
            config.get_timeout = Some(Duration::from_secs(20));
            config.response_timeout = Some(Duration::from_secs(10));
            config
        };

        let pool = trial.pool(patient(&server.url()))?;
        for key in question::keys() {
            Question::set(key).ask(&mut pool.client()).await?;
        }
        // A bare pool refuses nothing.
        if !pool.is_bare() {
            commands_without_a_name_shift_nothing(&pool).await?;
        }
        for (case, odd) in odd_commands() {
            // What it loses is not to be found by others.
            odd_replies_shift_nothing(&trial.pool(patient(&server.url()))?, &odd)
                .await
                .map_err(|broken| broken.in_case(case))?;
        }
        let mut tally = storm(&pool, 0).await?;
        proxy.delay(Some(Duration::from_millis(1)));
        tally += storm(&trial.pool(patient(&proxy.url()))?, 100).await?;

        let Tally {
            right,
            given_up,
            refused,
        } = tally;
        ensure!(
            right >= 500 && given_up >= 300,
            expected: "a storm of 500 replies and 300 requests given up",
            seen: "{right} and {given_up}"
        );
        Ok(format!(
            "{right} replies right, {given_up} requests given up, {refused} refused after"
        ))
    })
}

/// The server reads on where a command has no name, and answers nothing.
async fn commands_without_a_name_shift_nothing(pool: &Pool) -> Result<(), Broken> {
    let nothing = Cmd::new();
    let mut pipeline = pipe();
    pipeline
        .cmd("PING")
        .add_command(nothing.clone())
        .cmd("PING");
    let mut atomic = pipeline.clone();
    atomic.atomic();
    let mut held = pool.get().await?;
    let mut client = pool.client();
    for (case, outcome) in [
        ("held", nothing.query_async::<Value>(&mut held).await),
        ("shared", nothing.query_async(&mut client).await),
        ("held, in a pipeline", pipeline.query_async(&mut held).await),
        (
            "shared, in a pipeline",
            pipeline.query_async(&mut client).await,
        ),
        (
            "held, in a transaction",
            atomic.query_async(&mut held).await,
        ),
        (
            "shared, in a transaction",
            atomic.query_async(&mut client).await,
        ),
    ] {
        let is_refused = outcome
            .as_ref()
            .is_err_and(|it| it.kind() == ErrorKind::Client);
        ensure!(
            is_refused,
            expected: "a command without a name to be refused, {case}",
            seen: "{outcome:?}"
        );
    }
    ask_everything(&mut held).await?;
    ask_everything(&mut client).await
}

/// What a real server answers with bytes that its clients may not be able to read.
fn odd_commands() -> [(&'static str, Cmd); 2] {
    // It quotes what it doesn't know.
    let mut not_text = cmd("NOSUCH");
    not_text.arg(b"\xff\xfe");
    let mut too_deep = cmd("EVAL");
    too_deep
        .arg("local deep = 1 for _ = 1, 100 do deep = {deep} end return deep")
        .arg(0);
    [
        ("beside an error that is not text", not_text),
        ("beside a reply of 100 arrays in each other", too_deep),
    ]
}

/// Whoever asks beside it may lose his reply with the connection, and never gets another's.
async fn odd_replies_shift_nothing(pool: &Pool, odd: &Cmd) -> Result<(), Broken> {
    for _ in 0..ODD_ROUNDS {
        // Whoever drives what is shared has had no turn since then, so that all of it goes out together.
        let _ = cmd("PING").query_async::<Value>(&mut pool.client()).await;
        let mut client = pool.client();
        let outcome = odd.query_async::<Value>(&mut client);
        let answers = join_all(question::keys().map(|key| {
            let mut client = pool.client();
            async move {
                let question = Question::get(key);
                (question.ask(&mut client).await, question)
            }
        }));
        let (outcome, answers) = tokio::join!(outcome, answers);
        ensure!(outcome.is_err(), expected: "an error", seen: "{outcome:?}");
        for (answer, question) in answers {
            let is_lost = answer.as_ref().is_err_and(|error| error.code().is_none());
            if !is_lost {
                question.verify(answer)?;
            }
        }
    }
    Ok(())
}

async fn storm(pool: &Pool, seed: u64) -> Result<Tally, Broken> {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (pool, random) = (pool.clone(), Rng::with_seed(seed + task));
        match task % 4 {
            0 | 1 => tasks.spawn(async move { share(&pool, random).await }),
            2 => tasks.spawn(async move { hold(&pool, random).await }),
            _ => tasks.spawn(async move { be_aborted(&pool, random).await }),
        };
    }
    let mut tally = Tally::default();
    while let Some(outcome) = tasks.join_next().await {
        tally += outcome??;
    }

    for connection in &mut hold_all(pool).await? {
        ask_everything(connection).await?;
    }
    ask_everything(&mut pool.client()).await?;
    come_to_rest(pool).await?;
    Ok(tally)
}

/// Asks through a client, which goes on as if nothing were when a request is given up.
async fn share(pool: &Pool, mut random: Rng) -> Result<Tally, Broken> {
    let mut client = pool.client();
    let mut tally = Tally::default();
    for _ in 0..3 * VISITS_PER_TASK {
        let question = Question::draw(&mut random);
        match Patience::draw(&mut random)
            .wait_for(question.ask(&mut client))
            .await
        {
            None => tally.given_up += 1,
            Some(answer) => {
                question.verify(answer)?;
                tally.right += 1;
            }
        }
    }
    Ok(tally)
}

async fn hold(pool: &Pool, mut random: Rng) -> Result<Tally, Broken> {
    let mut tally = Tally::default();
    for _ in 0..VISITS_PER_TASK {
        tally += visit(pool, &mut random).await?;
    }
    Ok(tally)
}

/// Takes a connection and goes on using it after requests on it were given up. It may refuse then.
async fn visit(pool: &Pool, random: &mut Rng) -> Result<Tally, Broken> {
    let mut tally = Tally::default();
    let mut connection = pool.get().await?;
    for _ in 0..random.usize(1..6) {
        let question = Question::draw(random);
        let answer = Patience::draw(random)
            .wait_for(question.ask(&mut connection))
            .await;
        match answer {
            None => tally.given_up += 1,
            Some(Err(error)) if tally.given_up > 0 && is_refusal(pool, &error) => {
                tally.refused += 1;
                break;
            }
            Some(answer) => {
                question.verify(answer)?;
                tally.right += 1;
            }
        }
    }
    Ok(tally)
}

/// Whether a command was refused because of what was given up before it on its connection.
fn is_refusal(pool: &Pool, error: &RedisError) -> bool {
    match pool.is_bare() {
        false => CommandError::find_in(error).is_some(),
        true => error.code().is_none(),
    }
}

/// Visits in tasks that are aborted: request and connection are dropped together, where they stand.
async fn be_aborted(pool: &Pool, mut random: Rng) -> Result<Tally, Broken> {
    let mut tally = Tally::default();
    for _ in 0..VISITS_PER_TASK {
        let (pool, mut own_random) = (pool.clone(), random.fork());
        let mut task = tokio::spawn(async move { visit(&pool, &mut own_random).await });
        match Patience::draw(&mut random).wait_for(&mut task).await {
            Some(outcome) => tally += outcome??,
            None => {
                task.abort();
                tally.given_up += 1;
            }
        }
    }
    Ok(tally)
}

async fn ask_everything(connection: &mut impl ConnectionLike) -> Result<(), Broken> {
    for key in question::keys() {
        let question = Question::get(key);
        question.verify(question.ask(connection).await)?;
    }
    Ok(())
}

#[derive(Default)]
struct Tally {
    right: usize,
    given_up: usize,
    refused: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.right += other.right;
        self.given_up += other.given_up;
        self.refused += other.refused;
    }
}
