use std::future::poll_fn;
use std::sync::Arc;

use redis::{ProtocolVersion, RedisConnectionInfo, RedisResult, Value, cmd};
use respool_connect::{Socket, turns_away};
use respool_core::PoolConfig;

use crate::wire::Wire;

/// What this library calls itself at the server (CLIENT LIST shows it).
const LIBRARY: &str = "respool";

/// Logs in on `socket`: all of it in one write and one round trip. A server that does not know HELLO
/// costs another, and is spoken to in RESP2.
///
/// Dropping the future gives up.
pub(crate) async fn shake_hands(socket: Arc<Socket>, config: &PoolConfig) -> RedisResult<Wire> {
    let info = config.endpoint.connection_info().redis_settings();
    let name = config.client_name.as_deref();
    let mut wire = Wire::new(socket.clone(), config.on_push.clone());
    let hello = info.protocol() != ProtocolVersion::RESP2;
    let outcome = match log_in(&mut wire, &steps(info, name, hello)).await {
        Ok(Login::Done) => Ok(hello),
        Ok(Login::NoHello) => {
            let login = log_in(&mut wire, &steps(info, name, false)).await;
            login.map(|_| false)
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok(is_resp3) => {
            socket.handshake_is_over();
            wire.settled();
            wire.note_protocol(is_resp3);
            Ok(wire)
        }
        Err(error) => Err(what_the_server_said(&socket, error)),
    }
}

enum Login {
    Done,
    NoHello,
}

/// A step of the handshake: what it asks, and whether a refusal of it matters.
struct Step {
    request: redis::Cmd,
    refusal: Refusal,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Ends,
    /// A server that doesn't know the command has none of what it is for.
    EndsUnlessUnknown,
    /// Only if it says that the server does not serve us.
    EndsIfTurnedAway,
    Harmless,
}

async fn log_in(wire: &mut Wire, steps: &[Step]) -> RedisResult<Login> {
    let mut packed = Vec::new();
    for step in steps {
        step.request.write_packed_command(&mut packed);
    }
    wire.send_packed(&packed, steps.len() as u64);
    let mut login = Login::Done;
    let mut refused = None;
    for step in steps {
        let reply = poll_fn(|context| wire.poll_reply(context)).await;
        let reply = match reply {
            Ok(reply) => reply,
            // The first refusal says more than the end that followed it.
            Err(error) => return Err(refused.unwrap_or(error)),
        };
        let Value::ServerError(error) = &reply else {
            continue;
        };
        let (code, detail) = (error.code(), error.details().unwrap_or_default());
        let matters = match step.refusal {
            Refusal::Ends => true,
            Refusal::EndsUnlessUnknown if is_unknown(code, detail) => {
                login = Login::NoHello;
                false
            }
            Refusal::EndsUnlessUnknown => true,
            Refusal::EndsIfTurnedAway => turns_away(code, detail),
            Refusal::Harmless => false,
        };
        // Without HELLO there was no login either: what else was refused is asked again.
        if matters && matches!(login, Login::Done) && refused.is_none() {
            refused = reply.extract_error().err();
        }
    }
    match refused {
        Some(error) => Err(error),
        None => Ok(login),
    }
}

fn steps(info: &RedisConnectionInfo, name: Option<&str>, hello: bool) -> Vec<Step> {
    let mut steps = Vec::with_capacity(6);
    let mut add = |request: &redis::Cmd, refusal| {
        steps.push(Step {
            request: request.clone(),
            refusal,
        });
    };
    if hello {
        let mut request = cmd("HELLO");
        request.arg(3);
        if let Some(password) = info.password() {
            request
                .arg("AUTH")
                .arg(info.username().unwrap_or("default"))
                .arg(password);
        }
        add(&request, Refusal::EndsUnlessUnknown);
    } else if let Some(password) = info.password() {
        let mut request = cmd("AUTH");
        if let Some(user) = info.username() {
            request.arg(user);
        }
        add(request.arg(password), Refusal::Ends);
    }
    if info.db() != 0 {
        add(cmd("SELECT").arg(info.db()), Refusal::Ends);
    }
    if let Some(name) = name {
        add(cmd("CLIENT").arg("SETNAME").arg(name), Refusal::Ends);
    }
    if !info.skip_set_lib_name() {
        for (field, value) in [
            ("LIB-NAME", info.lib_name().unwrap_or(LIBRARY)),
            (
                "LIB-VER",
                info.lib_ver().unwrap_or(env!("CARGO_PKG_VERSION")),
            ),
        ] {
            let mut request = cmd("CLIENT");
            request.arg("SETINFO").arg(field).arg(value);
            add(&request, Refusal::Harmless);
        }
    }
    // A server that wants a password, is still loading or is full would otherwise only say so to the
    // first user: this asks for all of these, and harms nobody.
    add(&cmd("DBSIZE"), Refusal::EndsIfTurnedAway);
    steps
}

fn is_unknown(code: &str, detail: &str) -> bool {
    code == "NOPROTO" || (code == "ERR" && detail.starts_with("unknown command"))
}

/// A full server answers with an error line and closes. And a reply that was cut short is the
/// network's fault: only what isn't RESP is no Redis.
fn what_the_server_said(socket: &Socket, error: redis::RedisError) -> redis::RedisError {
    match socket.first_error() {
        Some(first) if error.is_io_error() || error.kind() == redis::ErrorKind::Parse => first,
        _ => error,
    }
}
