//! From AMQP 1.0 to AMQP 0-9-1.

use amqp10::{
    Message, SectionKind,
    messaging::Header,
    section::MapSection,
    types::{Map, MessageId, Timestamp, Value},
};
use amqp091::{BasicProperties, Body, FieldTable, FieldValue, ShortStr};
use bytes::Bytes;
use bytestring::ByteString;

use crate::{
    Error, body,
    death::{self, X_OPT_DEATHS},
    message_id::{self, Said},
    name::{
        ANNOTATION_PREFIX, CC, Seen, TIMESTAMP_IN_MS, X_BASIC_DELIVERY_MODE, X_BASIC_EXPIRATION,
        X_BASIC_PRIORITY, X_BASIC_TYPE, X_CC, X_CORRELATION_ID, X_MESSAGE_ID, X_RECEIVED_TIME,
        is_internal, short,
    },
    reply_to,
    value::{to_field, to_seconds},
};

/// A message as AMQP 0-9-1 has it, not yet framed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amqp091Message {
    /// The properties; the headers may be more than fit into a frame ([`fit`](crate::fit)).
    pub properties: BasicProperties,
    /// The body: slices of what it was.
    pub body: Body,
}

/// A message of AMQP 1.0 as AMQP 0-9-1 says it.
///
/// # Errors
/// A section cannot be read. Whoever takes messages from publishers wants to know before they are
/// in a queue.
pub fn to_amqp091(message: &Message) -> Result<Amqp091Message, Error> {
    let header = message.header().map_err(Error::of(SectionKind::Header))?;
    let annotations = map(message.message_annotations(), SectionKind::MessageAnnotations)?;
    let standard = message.properties().map_err(Error::of(SectionKind::Properties))?;
    let standard = standard.unwrap_or_default();
    let application = map(message.application_properties(), SectionKind::ApplicationProperties)?;
    let (body, encoded) = body::to_octets(message);

    let mut names = Vec::new();
    let message_id = name(standard.message_id, X_MESSAGE_ID, &mut names);
    let correlation_id = name(standard.correlation_id, X_CORRELATION_ID, &mut names);
    let headers = headers(names, &annotations, &application);
    let properties = BasicProperties {
        content_type: standard.content_type.and_then(|symbol| short(symbol.into_inner())),
        content_encoding: standard.content_encoding.and_then(|symbol| short(symbol.into_inner())),
        headers: (!headers.is_empty()).then_some(headers),
        delivery_mode: delivery_mode(&header, &annotations),
        priority: header.priority.or_else(|| octet(&annotations, X_BASIC_PRIORITY)),
        correlation_id,
        reply_to: standard.reply_to.and_then(reply_to::from_address),
        expiration: match header.ttl {
            Some(ttl) => short(ttl.0.to_string().into()),
            None => string(&annotations, X_BASIC_EXPIRATION),
        },
        message_id,
        timestamp: standard.creation_time.and_then(to_seconds),
        kind: encoded.or_else(|| string(&annotations, X_BASIC_TYPE)),
        user_id: standard.user_id.and_then(user),
        app_id: standard.group_id.and_then(short),
        cluster_id: None,
    };
    Ok(Amqp091Message { properties, body })
}

fn map(section: Option<MapSection>, kind: SectionKind) -> Result<Map, Error> {
    match section {
        Some(section) => section.to_map().map_err(Error::of(kind)),
        None => Ok(Map::new()),
    }
}

/// A message's name, or none when it was moved to a header.
fn name(
    id: Option<MessageId>,
    header: &'static str,
    headers: &mut Vec<(ShortStr, FieldValue)>,
) -> Option<ShortStr> {
    match message_id::said(id?) {
        Said::Short(text) => Some(text),
        Said::Header(value) => {
            headers.push((ShortStr::from_static(header), value));
            None
        }
    }
}

fn delivery_mode(header: &Header, annotations: &Map) -> Option<u8> {
    match header.durable {
        Some(true) => Some(2),
        Some(false) => Some(1),
        None => octet(annotations, X_BASIC_DELIVERY_MODE),
    }
}

fn octet(annotations: &Map, name: &str) -> Option<u8> {
    match annotations.get(name) {
        Some(Value::Ubyte(octet)) => Some(*octet),
        _ => None,
    }
}

fn string(annotations: &Map, name: &str) -> Option<ShortStr> {
    match annotations.get(name) {
        Some(Value::String(text)) => short(text.clone()),
        _ => None,
    }
}

/// A user's name is octets in AMQP 1.0.
fn user(octets: Bytes) -> Option<ShortStr> {
    ByteString::try_from(octets).ok().and_then(short)
}

/// The message's names that were moved, the annotations, and the application properties: of two of
/// a name the first.
fn headers(names: Vec<(ShortStr, FieldValue)>, annotations: &Map, application: &Map) -> FieldTable {
    let annotations = annotations.iter().filter_map(|(key, value)| match key {
        Value::Symbol(name) => annotation(name.clone().into_inner(), value),
        _ => None,
    });
    let application = application.iter().filter_map(|(key, value)| match key {
        Value::String(name) => Some((short(name.clone())?, to_field(value)?)),
        _ => None,
    });
    let all: Vec<_> = names.into_iter().chain(annotations).chain(application).collect();
    let mut seen = Seen::default();
    let is_new: Vec<bool> = all.iter().map(|(name, _)| seen.is_new(name)).collect();
    all.into_iter().zip(is_new).filter(|(_, is_new)| *is_new).map(|(field, _)| field).collect()
}

/// The header that an annotation is, if any.
fn annotation(name: ByteString, value: &Value) -> Option<(ShortStr, FieldValue)> {
    match &*name {
        X_CC if let Value::List(_) | Value::Array(_) = value => {
            Some((ShortStr::from_static(CC), to_field(value)?))
        }
        X_OPT_DEATHS => Some((ShortStr::from_static(death::X_DEATH), death::to_header(value)?)),
        X_RECEIVED_TIME if let Value::Timestamp(Timestamp(milliseconds)) = value => {
            Some((ShortStr::from_static(TIMESTAMP_IN_MS), FieldValue::I64(*milliseconds)))
        }
        other if other.starts_with(ANNOTATION_PREFIX) && !is_internal(other) => {
            Some((short(name)?, to_field(value)?))
        }
        _ => None,
    }
}
