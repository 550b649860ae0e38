//! A request of HTTP over AMQP (working draft 06, as RabbitMQ's clients send it): who answers it.
//! What RabbitMQ ends the session for, because it knows no such request, is answered here.

use amqp10::{Message, messaging::Properties, section::BodyKind, types::Value};
use broker::policy::erlang;

use super::{
    answer::{Outcome, Refusal, Status},
    binding,
    call::Call,
    exchange, queue,
    target::{Target, decoded},
    token,
};

/// Does what a message asks for.
///
/// # Errors
/// What it is answered with instead.
pub(super) fn handle(call: &mut Call<'_>, message: &Message, said: &Properties) -> Outcome {
    let (method, target, body) = read(message, said)?;
    let target = Target::parse(target)?;
    let nothing = || match &body {
        Value::Null => Ok(()),
        other => Err(Refusal::bad_request(format!("{method} takes no body: {}", term(other)))),
    };
    match (method, &target.path[..]) {
        ("GET", ["queues", name]) => nothing().and_then(|()| queue::get(call, &decoded(name)?)),
        ("PUT", ["queues", name]) => queue::put(call, &decoded(name)?, &body),
        ("DELETE", ["queues", name]) => {
            nothing().and_then(|()| queue::delete(call, &decoded(name)?))
        }
        ("DELETE", ["queues", name, "messages"]) => {
            nothing().and_then(|()| queue::purge(call, &decoded(name)?))
        }
        ("GET", ["exchanges", name]) => {
            nothing().and_then(|()| exchange::get(call, &decoded(name)?))
        }
        ("PUT", ["exchanges", name]) => exchange::put(call, &decoded(name)?, &body),
        ("DELETE", ["exchanges", name]) => {
            nothing().and_then(|()| exchange::delete(call, &decoded(name)?))
        }
        ("GET", ["bindings"]) => nothing().and_then(|()| binding::list(call, &target)),
        ("POST", ["bindings"]) => binding::post(call, &body),
        ("DELETE", ["bindings", segment]) => {
            nothing().and_then(|()| binding::delete(call, segment))
        }
        ("PUT", ["auth", "tokens"]) => token::put(&body),
        (method, path) => Err(no_such(method, path)),
    }
}

/// Method, target and body.
fn read<'a>(message: &Message, said: &'a Properties) -> Result<(&'a str, &'a str, Value), Refusal> {
    let missing = |field: &str, what: &str| {
        Refusal::bad_request(format!("a request says {what} in its property '{field}'"))
    };
    let method = said.subject.as_deref();
    let method = method.ok_or_else(|| missing("subject", "its method, as GET,"))?;
    let target = said.to.as_deref();
    let target = target.ok_or_else(|| missing("to", "what it is about, as /queues/QUEUE,"))?;
    // Link Pair 1.0 §2.1.
    if said.reply_to.as_deref() != Some("$me") {
        return Err(missing("reply-to", "'$me', the other link of the pair,"));
    }
    let body = match message.body_kind() {
        BodyKind::Absent => Value::Null,
        BodyKind::Value => {
            let value = message.value().map_err(|error| Refusal::bad_request(error.to_string()))?;
            value.unwrap_or_default()
        }
        BodyKind::Data | BodyKind::Sequence => {
            return Err(Refusal::bad_request("the body of a request is an amqp-value section"));
        }
    };
    Ok((method, target, body))
}

fn no_such(method: &str, path: &[&str]) -> Refusal {
    let allowed = match path {
        ["queues" | "exchanges", _] => "GET, PUT, DELETE",
        ["queues", _, "messages"] | ["bindings", _] => "DELETE",
        ["bindings"] => "GET, POST",
        ["auth", "tokens"] => "PUT",
        path => {
            let text = format!(
                "nothing is at /{}; there are /queues/QUEUE, /queues/QUEUE/messages, \
                 /exchanges/EXCHANGE, /bindings, /bindings/BINDING and /auth/tokens",
                path.join("/")
            );
            return Refusal::Answered(Status::NotFound, text);
        }
    };
    let text = format!("{method} is not for /{}; {allowed} are", path.join("/"));
    Refusal::Answered(Status::MethodNotAllowed, text)
}

/// A value as RabbitMQ names it in a refusal (Erlang's `~tp`), as far as such values go.
pub(super) fn term(value: &Value) -> String {
    let kind = value.kind().name();
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(it) => it.to_string(),
        Value::Ubyte(it) => format!("{{{kind},{it}}}"),
        Value::Ushort(it) => format!("{{{kind},{it}}}"),
        Value::Uint(it) => format!("{{{kind},{it}}}"),
        Value::Ulong(it) => format!("{{{kind},{it}}}"),
        Value::Byte(it) => format!("{{{kind},{it}}}"),
        Value::Short(it) => format!("{{{kind},{it}}}"),
        Value::Int(it) => format!("{{{kind},{it}}}"),
        Value::Long(it) => format!("{{{kind},{it}}}"),
        Value::Timestamp(it) => format!("{{{kind},{}}}", it.0),
        Value::String(it) => format!("{{utf8,{}}}", erlang::binary(it)),
        Value::Symbol(it) => format!("{{{kind},{}}}", erlang::binary(it)),
        // What is inside would only be long.
        _ => format!("{{{kind},...}}"),
    }
}
