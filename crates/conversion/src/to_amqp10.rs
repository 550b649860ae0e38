//! From AMQP 0-9-1 to AMQP 1.0.

use amqp10::{
    Encode as _, SectionKind,
    definition::Milliseconds,
    messaging::{Header, Properties},
    section::{Pieces, encode_map_section},
    types::{Map, MessageId, Symbol, Value},
};
use amqp091::{BasicProperties, FieldTable, FieldValue, PropertyList, ShortStr};
use bytes::{Bytes, BytesMut};

use crate::{
    body::{self, push_data},
    death::{self, X_DEATH, X_OPT_DEATHS},
    legacy::Legacy,
    message_id,
    name::{
        ANNOTATION_PREFIX, CC, Seen, X_BASIC_EXPIRATION, X_BASIC_TYPE, X_CC, X_CORRELATION_ID,
        X_EXCHANGE, X_MESSAGE_ID, X_ROUTING_KEY,
    },
    reply_to,
    value::{to_milliseconds, to_value},
};

/// How a message came to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routed<'a> {
    /// The exchange it was published to; empty for the default exchange.
    pub exchange: &'a str,
    /// The key it was published with.
    pub routing_key: &'a str,
}

/// A message as AMQP 1.0 has it, not yet framed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amqp10Message {
    /// Durable, priority and ttl as published; whoever sends it adds what the queue knows.
    pub header: Header,
    /// Everything behind the header, encoded: annotations, properties, application properties,
    /// body, footer. The body is slices of what it was; only one of sections that came in several
    /// slices is copied together.
    pub sections: Pieces,
}

/// A message of AMQP 0-9-1 as AMQP 1.0 says it. `told` is what the broker has to say besides
/// (deaths, the number in a stream), as annotations: no header of the message overrides it.
pub fn to_amqp10(
    properties: &PropertyList,
    body: &[Bytes],
    routed: Routed<'_>,
    told: &[(Symbol, Value)],
) -> Amqp10Message {
    // A list that exists can be decoded.
    let mut basic = properties.decode().unwrap_or_default();
    let mut headers = basic.headers.take().unwrap_or_default();
    let legacy = Legacy::take(&mut headers);
    let encoded = body::encoded(basic.kind.as_deref(), body);
    if encoded.is_some() {
        // The type said only that the body is encoded.
        basic.kind = None;
    }
    let (header, expiration) = header(&mut basic);
    let message_id = name(basic.message_id.take(), X_MESSAGE_ID, &mut headers);
    let correlation_id = name(basic.correlation_id.take(), X_CORRELATION_ID, &mut headers);

    let mut annotations = Map::new();
    annotations.push(Symbol::from_static(X_EXCHANGE), routed.exchange);
    annotations.push(Symbol::from_static(X_ROUTING_KEY), routed.routing_key);
    told.iter().for_each(|(name, value)| annotations.push(name.clone(), value.clone()));
    extend(&mut annotations, legacy.annotations);
    for (name, text) in [(X_BASIC_TYPE, basic.kind.take()), (X_BASIC_EXPIRATION, expiration)] {
        if let Some(text) = text {
            annotations.push(Symbol::from_static(name), text.into_inner());
        }
    }
    let mut application = Map::new();
    extend(&mut application, legacy.application_properties);
    sort(headers, &mut annotations, &mut application);
    let standard = Properties { message_id, correlation_id, ..standard(basic) };
    let properties = match legacy.properties {
        // Of the two users only this one was checked when the message was published.
        Some(restored) => Properties { user_id: standard.user_id, ..restored },
        None => standard,
    };

    let mut head = BytesMut::new();
    push_map(SectionKind::MessageAnnotations, &annotations, &mut head);
    if properties != Properties::default() {
        properties.encode(&mut head);
    }
    push_map(SectionKind::ApplicationProperties, &application, &mut head);
    let mut sections = Pieces::new();
    let mut has_footer = false;
    match encoded {
        None => push_data(head, body, &mut sections),
        Some(encoded) => {
            sections.extend([head.freeze(), encoded.sections]);
            has_footer = encoded.has_footer;
        }
    }
    sections.extend(legacy.footer.filter(|_| !has_footer));
    Amqp10Message { header, sections }
}

/// The header, and an expiration that does not fit into it.
fn header(basic: &mut BasicProperties) -> (Header, Option<ShortStr>) {
    let expiration = basic.expiration.take();
    let ttl = expiration.as_deref().and_then(|digits| digits.parse().ok());
    let header = Header {
        durable: basic.delivery_mode.map(|mode| mode == 2),
        priority: basic.priority,
        ttl: ttl.map(Milliseconds),
        ..Header::default()
    };
    (header, expiration.filter(|_| ttl.is_none()))
}

/// A message's name: of the property, or of the header that it was moved to.
fn name(property: Option<ShortStr>, moved: &str, headers: &mut FieldTable) -> Option<MessageId> {
    if let Some(text) = property {
        return Some(message_id::from_short(text));
    }
    let id = headers.get(moved).and_then(message_id::from_header)?;
    headers.remove(moved);
    Some(id)
}

/// The standard properties but the message's names.
fn standard(basic: BasicProperties) -> Properties {
    let symbol = |text: ShortStr| Symbol::try_from(text.into_inner()).ok();
    Properties {
        user_id: basic.user_id.map(|user| user.into_inner().into_bytes()),
        reply_to: basic.reply_to.as_deref().map(reply_to::to_address),
        content_type: basic.content_type.and_then(symbol),
        content_encoding: basic.content_encoding.and_then(symbol),
        creation_time: basic.timestamp.and_then(to_milliseconds),
        group_id: basic.app_id.map(ShortStr::into_inner),
        ..Properties::default()
    }
}

/// Sorts the headers: what begins with `x-` is an annotation, all else the application's.
fn sort(headers: FieldTable, annotations: &mut Map, application: &mut Map) {
    for (name, field) in headers {
        if name == X_DEATH
            && let Some(deaths) = death::to_annotation(&field)
        {
            annotations.push(Symbol::from_static(X_OPT_DEATHS), deaths);
            continue;
        }
        let is_compound = matches!(field, FieldValue::Array(_) | FieldValue::Table(_));
        let Some(value) = to_value(&field) else { continue };
        if name.starts_with(ANNOTATION_PREFIX) {
            if let Ok(name) = Symbol::try_from(name.into_inner()) {
                annotations.push(name, value);
            }
        } else if !is_compound {
            //= amqp-1.0 §3.2.5
            // The values are restricted to be of simple types only, that is, excluding map, list,
            // and array types.
            application.push(name.into_inner(), value);
        } else if name == CC && matches!(field, FieldValue::Array(_)) {
            annotations.push(Symbol::from_static(X_CC), value);
        }
    }
}

fn extend(map: &mut Map, pairs: Option<Map>) {
    pairs.into_iter().flatten().for_each(|(key, value)| map.push(key, value));
}

/// Appends a section of the pairs, each key once, unless there are none.
fn push_map(kind: SectionKind, map: &Map, out: &mut BytesMut) {
    if map.is_empty() {
        return;
    }
    let mut seen = Seen::default();
    encode_map_section(kind, out, |section| {
        for (key, value) in map {
            if key.as_text().is_none_or(|name| seen.is_new(name)) {
                section.entry(key, value);
            }
        }
    });
}
