//! CloudEvents' AMQP binding, on either AMQP: application properties of 1.0 are headers of 0-9-1.

use std::mem;

use serde_json::Value;

use super::{Attributes, Envelope, add_headers, attributes, json, wrong};
use crate::{Error, Event, Headers, Wire};

/// What stands before an attribute's name: the binding's newer spelling (JMS has no colon in
/// names), its older one, and Knative's for RabbitMQ.
const PREFIXES: [&str; 3] = ["cloudEvents_", "cloudEvents:", "ce-"];

/// Whether the headers say that the message is a CloudEvent in binary mode.
pub(crate) fn is_binary(headers: &Headers) -> bool {
    headers.keys().any(|name| attribute_of(name) == Some("specversion"))
}

fn attribute_of(header: &str) -> Option<&str> {
    PREFIXES.iter().find_map(|prefix| header.strip_prefix(prefix))
}

pub(crate) fn to_binary(event: &Event) -> Wire {
    let (mut attributes, rest) = attributes(event);
    let mut headers = Headers::new();
    let mut packed = Headers::new();
    for (name, value) in rest {
        let to = if goes_beside(&name, &value) { &mut headers } else { &mut packed };
        to.insert(name, value);
    }
    add_headers(&mut attributes, packed);
    let [prefix, ..] = PREFIXES;
    headers.extend(attributes.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)));
    Wire {
        content_type: Some(event.body.encoding().content_type().to_owned()),
        content_encoding: event.content_encoding(),
        headers,
        body: event.body.bytes().clone(),
        ..bare(event)
    }
}

pub(crate) fn to_structured(event: &Event) -> Wire {
    Wire {
        content_type: Some(json::CONTENT_TYPE.to_owned()),
        content_encoding: Some("utf-8".to_owned()),
        body: json::write(event).into(),
        ..bare(event)
    }
}

/// A header that keeps its type on both AMQPs, and is not taken for an attribute.
fn goes_beside(name: &str, value: &Value) -> bool {
    let simple = match value {
        Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => number.is_i64() || number.is_f64(),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    };
    simple && attribute_of(name).is_none()
}

fn bare(event: &Event) -> Wire {
    Wire {
        routing_key: event.topic.to_string(),
        message_id: Some(event.id.clone()),
        priority: event.priority,
        persistent: true,
        ..Wire::default()
    }
}

pub(crate) fn from_binary(mut wire: Wire) -> Result<Event, Error> {
    let (mut attributes, mut headers) = (Attributes::new(), Headers::new());
    for (name, value) in mem::take(&mut wire.headers) {
        let Some(attribute) = attribute_of(&name) else {
            headers.insert(name, value);
            continue;
        };
        if attributes.contains_key(attribute) {
            let reason = "is there twice, with two prefixes".to_owned();
            return Err(wrong(attribute.to_owned(), reason));
        }
        attributes.insert(attribute.to_owned(), value);
    }
    let body = Envelope::body(mem::take(&mut wire.body), wire.content_type.as_deref())?;
    envelope(wire, attributes, headers).event(body)
}

pub(crate) fn from_structured(mut wire: Wire) -> Result<Event, Error> {
    json::check_content_type(wire.content_type.as_deref().unwrap_or_default())?;
    let (attributes, body) = json::read(&mem::take(&mut wire.body))?;
    // The binding allows for a copy of the attributes in the headers, and it says nothing new.
    let headers = mem::take(&mut wire.headers).into_iter();
    let headers = headers.filter(|(name, _)| attribute_of(name).is_none()).collect();
    envelope(wire, attributes, headers).event(body)
}

fn envelope(wire: Wire, attributes: Attributes, headers: Headers) -> Envelope {
    Envelope { attributes, headers, routing_key: wire.routing_key, priority: wire.priority }
}
