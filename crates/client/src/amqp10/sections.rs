//! An event's [`Wire`] form as the sections of a message of AMQP 1.0, and back.

use ::amqp10::{
    Encode as _, Message, SectionKind,
    messaging::{Header, Properties},
    section::{data_section_head, encode_map_section},
    types::{MessageId, Symbol, Value as Field},
};
use bytes::{Bytes, BytesMut};
use event::Wire;
use serde_json::Value;

use crate::{amqp091, limits::HEADER_DEPTH_MAX};

/// Everything but the body, and where the message goes.
#[derive(Debug, Clone)]
pub(crate) struct Sections {
    /// Header and annotations, encoded.
    first: Bytes,
    properties: Properties,
    /// Application properties and the beginning of the body, encoded.
    last: Bytes,
}

impl Sections {
    /// # Errors
    /// What AMQP 1.0 cannot carry, by name.
    pub(crate) fn new(wire: &Wire) -> Result<Sections, String> {
        let mut first = BytesMut::new();
        let header = Header {
            durable: Some(wire.persistent),
            // Without one it counts as 0 in AMQP 0-9-1, and as 4 here.
            priority: Some(wire.priority.unwrap_or(0)),
            ..Header::default()
        };
        header.encode(&mut first);
        let mut annotations = Vec::new();
        let mut application = Vec::new();
        for (name, value) in &wire.headers {
            let fault = |reason: String| format!("header '{name}': {reason}");
            if !value.is_array() && !value.is_object() {
                application.push((name, field(name, value, 0).map_err(fault)?));
                continue;
            }
            //= amqp-1.0 §3.2.5
            // The values are restricted to be of simple types only, that is, excluding map, list,
            // and array types. An annotation may be any; RabbitMQ has headers "x-…" there.
            match Symbol::try_from(name.as_str()) {
                Ok(symbol) if name.starts_with("x-") => {
                    annotations.push((symbol, field(name, value, 0).map_err(fault)?));
                }
                _ => {
                    let reason = "is a list or a map, which AMQP 1.0 carries only in headers x-…";
                    return Err(fault(reason.to_owned()));
                }
            }
        }
        if !annotations.is_empty() {
            encode_map_section(SectionKind::MessageAnnotations, &mut first, |section| {
                annotations.iter().for_each(|(name, value)| section.entry(name, value));
            });
        }
        let mut last = BytesMut::new();
        encode_map_section(SectionKind::ApplicationProperties, &mut last, |section| {
            application.iter().for_each(|(name, value)| section.entry(name.as_str(), value));
        });
        let size = u32::try_from(wire.body.len())
            .map_err(|_| format!("the body has {} bytes, 4 GiB or more", wire.body.len()))?;
        last.extend_from_slice(&data_section_head(size));
        let symbol = |what: &str, text: &Option<String>| match text {
            Some(text) => Symbol::try_from(text.as_str())
                .map(Some)
                .map_err(|_| format!("{what}: '{text}' is not ASCII")),
            None => Ok(None),
        };
        let properties = Properties {
            message_id: wire.message_id.as_deref().map(|id| MessageId::String(id.into())),
            content_type: symbol("content type", &wire.content_type)?,
            content_encoding: symbol("content encoding", &wire.content_encoding)?,
            subject: Some(wire.routing_key.as_str().into()),
            ..Properties::default()
        };
        Ok(Sections { first: first.freeze(), properties, last: last.freeze() })
    }

    /// Appends all that comes before the body.
    pub(super) fn encode(&self, to: Option<String>, out: &mut BytesMut) {
        out.extend_from_slice(&self.first);
        let to = to.map(Into::into);
        Properties { to, ..self.properties.clone() }.encode(out);
        out.extend_from_slice(&self.last);
    }
}

fn field(name: &str, value: &Value, depth: usize) -> Result<Field, String> {
    if depth > HEADER_DEPTH_MAX {
        return Err(format!("it nests deeper than {HEADER_DEPTH_MAX}"));
    }
    Ok(match value {
        Value::Null => Field::Null,
        Value::Bool(bool) => Field::Boolean(*bool),
        Value::Number(number) => match number.as_i64() {
            // CloudEvents' AMQP binding §3.1.3.2: integers are longs.
            Some(integer) => match i32::try_from(integer) {
                Ok(small) if !name.starts_with("cloudEvents_") => Field::Int(small),
                _ => Field::Long(integer),
            },
            None if number.is_u64() => return Err(amqp091::too_big(number)),
            None => Field::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Field::String(text.as_str().into()),
        Value::Array(values) => {
            let fields: Result<Vec<_>, _> =
                values.iter().map(|value| field(name, value, depth + 1)).collect();
            Field::List(fields?)
        }
        Value::Object(object) => {
            let pair = |(key, value): (&String, &Value)| {
                Ok::<_, String>((
                    Field::String(key.as_str().into()),
                    field(name, value, depth + 1)?,
                ))
            };
            let pairs: Result<Vec<_>, _> = object.iter().map(pair).collect();
            Field::Map(pairs?.into_iter().collect())
        }
    })
}

/// What a message says of itself, and of its way here.
pub(super) struct Received {
    pub(super) wire: Result<Wire, String>,
    pub(super) topic: String,
    pub(super) body: Vec<u8>,
    pub(super) is_by_queue: bool,
    pub(super) is_redelivered: bool,
}

/// Reads a message. `is_told`: the broker says by which exchange and routing key it came, and lets
/// no publisher say so.
pub(super) fn received(message: &Message, is_told: bool) -> Received {
    let annotation = |name: &str| match message.message_annotations().filter(|_| is_told) {
        Some(annotations) => match annotations.get(name) {
            Ok(Some(value)) => value.as_text().map(str::to_owned),
            _ => None,
        },
        None => None,
    };
    let subject = message.properties().ok().flatten().and_then(|properties| properties.subject);
    let topic = annotation("x-routing-key")
        .or_else(|| subject.map(|subject| subject.to_string()))
        .unwrap_or_default();
    let header = message.header().unwrap_or_default();
    // The conversion's rules, so that an event is the same by which protocol ever it comes.
    let converted = conversion::to_amqp091(message);
    let (wire, body) = match converted {
        Ok(converted) => {
            let wire = amqp091::wire(converted.properties, &topic, &converted.body);
            (wire, converted.body.concat())
        }
        Err(error) => (Err(error.to_string()), message.body().collect::<Vec<_>>().concat()),
    };
    Received {
        wire,
        topic,
        body,
        is_by_queue: annotation("x-exchange").is_some_and(|exchange| exchange.is_empty()),
        is_redelivered: header.first_acquirer == Some(false)
            || header.delivery_count.unwrap_or(0) > 0,
    }
}
