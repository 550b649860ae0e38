//! Bindings, those that every queue has to the default exchange included.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use broker::{Arguments, BindingEnd, Destination, VirtualHost};
use bytestring::ByteString;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Outcome},
    call::Call,
    list::{self, Row},
    query::shortened,
    refusal::Refusal,
};

/// A binding by names.
#[derive(Debug, Clone)]
struct Bound {
    vhost: ByteString,
    source: ByteString,
    destination: ByteString,
    to_queue: bool,
    key: ByteString,
    arguments: Arguments,
}

impl Bound {
    fn shown(&self) -> Value {
        json!({
            "source": &*self.source,
            "vhost": &*self.vhost,
            "destination": &*self.destination,
            "destination_type": if self.to_queue { "queue" } else { "exchange" },
            "routing_key": &*self.key,
            "arguments": definitions::to_json(&self.arguments),
            "properties_key": properties_key(&self.key, &self.arguments),
        })
    }

    fn end(&self) -> BindingEnd<'_> {
        match self.to_queue {
            true => BindingEnd::Queue(&self.destination),
            false => BindingEnd::Exchange(&self.destination),
        }
    }
}

/// The name of a binding among those between the same two: `~` without key and arguments; the key;
/// or the key and a hash of the arguments (RabbitMQ: `rabbit_mgmt_format:pack_binding_props`).
fn properties_key(key: &str, arguments: &Arguments) -> String {
    let quoted = utf8_percent_encode(key, QUOTED).to_string();
    if arguments.is_empty() {
        return if key.is_empty() { "~".to_owned() } else { quoted };
    }
    format!("{quoted}~{}", BASE64_URL_SAFE_NO_PAD.encode(hash(arguments).to_be_bytes()))
}

/// Of the arguments in any order, integers of any width: FNV-1a of their JSON.
fn hash(arguments: &Arguments) -> u32 {
    let mut sorted: Vec<(String, Value)> = definitions::to_json(arguments).into_iter().collect();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    let text = Value::Object(sorted.into_iter().collect::<Map<_, _>>()).to_string();
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// All but what RFC 3986 leaves as it is, without the tilde that parts key and hash.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

fn all(vhost: &VirtualHost) -> Vec<Bound> {
    let mut bound: Vec<Bound> = super::queue::shown(vhost)
        .into_iter()
        .map(|queue| Bound {
            vhost: vhost.name().clone(),
            source: ByteString::new(),
            destination: queue.name().clone(),
            to_queue: true,
            key: queue.name().clone(),
            arguments: Arguments::default(),
        })
        .collect();
    for (source, binding) in vhost.bindings() {
        let (destination, to_queue) = match &binding.destination {
            Destination::Queue(queue) => (queue.name().clone(), true),
            Destination::Exchange(name) => (name.clone(), false),
        };
        bound.push(Bound {
            vhost: vhost.name().clone(),
            source,
            destination,
            to_queue,
            key: binding.key,
            arguments: binding.arguments,
        });
    }
    bound.sort_by(|a, b| {
        (&a.source, &a.destination, &a.key).cmp(&(&b.source, &b.destination, &b.key))
    });
    bound
}

fn listed(bound: Vec<Bound>, call: &Call) -> Outcome {
    let row = |it: Bound| Row::new(it.destination.to_string(), move || it.shown());
    list::answer(bound.into_iter().map(row).collect(), &call.query)
}

/// `GET /api/bindings`, `/api/bindings/VHOST`.
pub(crate) fn list(call: &Call) -> Outcome {
    let vhosts = call.vhosts_at(0)?;
    listed(vhosts.iter().flat_map(|vhost| all(vhost)).collect(), call)
}

/// `GET /api/queues/VHOST/NAME/bindings`.
pub(crate) fn of_queue(call: &Call) -> Outcome {
    let queue = super::queue::known(call)?;
    let vhost = call.vhost(call.place(0))?;
    let mut bound = all(&vhost);
    bound.retain(|it| it.to_queue && it.destination == *queue.name());
    listed(bound, call)
}

/// `GET /api/exchanges/VHOST/NAME/bindings/source`: those that lead from it.
pub(crate) fn from_exchange(call: &Call) -> Outcome {
    let (vhost, exchange) = exchange(call)?;
    let mut bound = all(&vhost);
    bound.retain(|it| it.source == exchange);
    listed(bound, call)
}

/// `GET /api/exchanges/VHOST/NAME/bindings/destination`: those that lead to it.
pub(crate) fn to_exchange(call: &Call) -> Outcome {
    let (vhost, exchange) = exchange(call)?;
    let mut bound = all(&vhost);
    bound.retain(|it| !it.to_queue && it.destination == exchange);
    listed(bound, call)
}

fn exchange(call: &Call) -> Result<(Arc<VirtualHost>, ByteString), Refusal> {
    let vhost = call.vhost(call.place(0))?;
    let exchange = super::exchange::known(&vhost, super::exchange::named(call.place(1)))?;
    Ok((vhost, exchange.name))
}

/// `GET /api/bindings/VHOST/e/EXCHANGE/q/QUEUE`.
pub(crate) fn to_queue(call: &Call) -> Outcome {
    listed(between_two(call, true)?, call)
}

/// `GET /api/bindings/VHOST/e/EXCHANGE/e/EXCHANGE`.
pub(crate) fn between(call: &Call) -> Outcome {
    listed(between_two(call, false)?, call)
}

fn between_two(call: &Call, to_queue: bool) -> Result<Vec<Bound>, Refusal> {
    let vhost = call.vhost(call.place(0))?;
    let source = super::exchange::known(&vhost, super::exchange::named(call.place(1)))?;
    let destination = super::exchange::named(call.place(2));
    match to_queue {
        true if !vhost.has_queue(destination) => {
            let name = shortened(destination);
            return Err(Refusal::no_object(format!("Not Found: no queue '{name}'")));
        }
        true => {}
        false => drop(super::exchange::known(&vhost, destination)?),
    }
    let mut bound = all(&vhost);
    bound.retain(|it| {
        it.source == source.name && it.to_queue == to_queue && *it.destination == *destination
    });
    Ok(bound)
}

/// `POST /api/bindings/VHOST/e/EXCHANGE/q/QUEUE`.
pub(crate) fn bind_queue(call: &Call) -> Outcome {
    bind(call, true)
}

/// `POST /api/bindings/VHOST/e/EXCHANGE/e/EXCHANGE`.
pub(crate) fn bind_exchange(call: &Call) -> Outcome {
    bind(call, false)
}

fn bind(call: &Call, to_queue: bool) -> Outcome {
    let vhost = call.known_vhost(call.place(0)).map_err(|it| it.named("not_found"))?;
    let fields = call.object()?;
    let key = fields.text("routing_key")?.unwrap_or_default();
    super::check_name("routing key", key)?;
    let bound = Bound {
        vhost: vhost.name().clone(),
        source: super::exchange::named(call.place(1)).into(),
        destination: super::exchange::named(call.place(2)).into(),
        to_queue,
        key: key.into(),
        arguments: fields.arguments("arguments")?,
    };
    call.access(vhost.name())?.bind(
        &bound.source,
        bound.end(),
        bound.key.clone(),
        bound.arguments.clone(),
        call.caller.connection,
    )?;
    let properties = properties_key(&bound.key, &bound.arguments);
    let last = utf8_percent_encode(&bound.destination, QUOTED);
    Ok(Answer::Created(Some(format!("{last}/{}", utf8_percent_encode(&properties, IN_PATH)))))
}

/// A properties key is quoted once; in an address it is once more.
const IN_PATH: &AsciiSet = &QUOTED.remove(b'~');

fn known(call: &Call, to_queue: bool) -> Result<Bound, Refusal> {
    let wanted = call.place(3);
    let found = between_two(call, to_queue)?.into_iter().find(|it| {
        let properties = properties_key(&it.key, &it.arguments);
        // Many clients do not quote the key a second time.
        properties == wanted || (it.arguments.is_empty() && *it.key == *wanted)
    });
    found.ok_or_else(|| {
        let wanted = shortened(wanted);
        Refusal::no_object(format!("Not Found: no binding with the properties key '{wanted}'"))
    })
}

/// `GET /api/bindings/VHOST/e/EXCHANGE/q/QUEUE/PROPS`.
pub(crate) fn get_queue(call: &Call) -> Outcome {
    Ok(Answer::Json(known(call, true)?.shown()))
}

/// `GET /api/bindings/VHOST/e/EXCHANGE/e/EXCHANGE/PROPS`.
pub(crate) fn get_exchange(call: &Call) -> Outcome {
    Ok(Answer::Json(known(call, false)?.shown()))
}

/// `DELETE /api/bindings/VHOST/e/EXCHANGE/q/QUEUE/PROPS`.
pub(crate) fn unbind_queue(call: &Call) -> Outcome {
    unbind(call, true)
}

/// `DELETE /api/bindings/VHOST/e/EXCHANGE/e/EXCHANGE/PROPS`.
pub(crate) fn unbind_exchange(call: &Call) -> Outcome {
    unbind(call, false)
}

fn unbind(call: &Call, to_queue: bool) -> Outcome {
    let bound = known(call, to_queue)?;
    let me = call.caller.connection;
    call.access(&bound.vhost)?.unbind(
        &bound.source,
        bound.end(),
        bound.key.clone(),
        bound.arguments.clone(),
        me,
    )?;
    Ok(Answer::Done)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(value: &Value) -> Arguments {
        definitions::from_json(value.as_object().unwrap()).unwrap()
    }

    #[test]
    fn a_binding_is_named_by_its_key_and_its_arguments_in_any_order() {
        let none = Arguments::default();
        assert_eq!(properties_key("", &none), "~");
        assert_eq!(properties_key("a.b", &none), "a.b");
        assert_eq!(properties_key("a~b/#", &none), "a%7Eb%2F%23");
        let one = arguments(&json!({"x": 1, "y": "z"}));
        let other = arguments(&json!({"y": "z", "x": 1}));
        let third = arguments(&json!({"y": "z", "x": 2}));
        assert_eq!(properties_key("k", &one), properties_key("k", &other));
        assert_ne!(properties_key("k", &one), properties_key("k", &third));
        assert!(properties_key("", &one).starts_with('~'));
    }
}
