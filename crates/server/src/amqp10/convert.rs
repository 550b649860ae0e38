//! Messages as their receiver's protocol has them. What came by the same protocol is not decoded,
//! but for what the broker has to tell (AMQP 1.0 §3.2: the bare message is passed on as it is);
//! what came by the other one is converted (`docs/conversion.md`).

use std::sync::Arc;

use amqp10::{
    Encode as _, Message as Sections, SectionKind,
    definition::Milliseconds,
    messaging::Header,
    section::{Pieces, encode_map_section},
    types::{Map, Symbol, Value},
};
use amqp091::PropertyList;
use broker::{AttachmentReader, Body, Entry, Label, Message, Queue};
use bytes::BytesMut;
use conversion::{Routed, fit, to_amqp10, to_amqp091};

use super::{
    ENCODING,
    large::{EMPTY_BODY, rest_of},
};
use crate::amqp091::{self as adapter091, Told};

/// A message for a consumer of AMQP 1.0.
pub(super) struct Shown {
    /// What it begins with.
    pub(super) head: BytesMut,
    /// What follows, as slices.
    pub(super) body: Body,
    /// And then, of a large message, from disk.
    pub(super) rest: Option<AttachmentReader>,
}

/// The message of a queue's entry.
///
/// # Errors
/// What of it is on disk only cannot be read.
pub(super) fn shown(
    message: &Message,
    queue: &Queue,
    entry: &Entry,
) -> Result<Shown, broker::Error> {
    let (told, mut octets) = (Told::of(queue, entry), BytesMut::new());
    if message.encoding != ENCODING {
        let body = converted(message, told, entry, &mut octets);
        return Ok(Shown { head: octets, body, rest: None });
    }
    head(message, told, entry, &mut octets);
    Ok(Shown { head: octets, body: message.body.clone(), rest: rest_of(message)? })
}

/// What a message of the other protocol begins with here, which is appended to `head`; and the
/// rest of it.
pub(super) fn converted(message: &Message, told: Told, entry: &Entry, head: &mut BytesMut) -> Body {
    let list = adapter091::properties_told(message, told);
    let routed = Routed { exchange: &message.exchange, routing_key: &message.routing_key };
    let converted = to_amqp10(&list, &message.body, routed, &[]);
    let header = Header { ttl: converted.header.ttl, ..header_of(message, entry) };
    header.encode(head);
    converted.sections.into_iter().collect()
}

/// Appends what a message of this protocol begins with. Its body follows as it is.
pub(super) fn head(message: &Message, told: Told, entry: &Entry, head: &mut BytesMut) {
    let pieces = Pieces::from_iter([message.properties.clone()]);
    let Ok(sections) = Sections::parse(pieces) else {
        // It was read when it came: so this is never seen.
        return head.extend_from_slice(&message.properties);
    };
    let mut header = header_of(message, entry);
    if sections.header().is_ok_and(|it| it.priority.is_none()) {
        header.priority = None;
    }
    header.encode(head);
    annotate(message, &sections, told, head);
    //= amqp-1.0 §3.2 bare-unchanged
    for kind in [SectionKind::Properties, SectionKind::ApplicationProperties] {
        if let Some(octets) = sections.octets(kind) {
            head.extend_from_slice(&octets);
        }
    }
}

fn header_of(message: &Message, entry: &Entry) -> Header {
    Header {
        durable: Some(message.persistent),
        priority: Some(message.marks.priority),
        ttl: message.marks.ttl.and_then(|it| u32::try_from(it).ok()).map(Milliseconds),
        first_acquirer: Some(!entry.is_redelivered()),
        delivery_count: Some(entry.returns().into()),
    }
}

/// The message's own annotations, and where it came from (RabbitMQ: `x-exchange`,
/// `x-routing-key`).
fn annotate(message: &Message, sections: &Sections, told: Told, head: &mut BytesMut) {
    //= amqp-1.0 §3.2.3 annotations-passed-on
    let own = sections.message_annotations().and_then(|it| it.to_map().ok()).unwrap_or_default();
    let of_broker = match message.marks.deaths.is_some() || told != Told::Nothing {
        true => broker_annotations(message, told),
        false => Map::new(),
    };
    encode_map_section(SectionKind::MessageAnnotations, head, |map| {
        let mut names: Vec<&str> = Vec::new();
        for (name, text) in [(X_EXCHANGE, &message.exchange), (X_ROUTING_KEY, &message.routing_key)]
        {
            names.push(name);
            map.entry(&Symbol::from_static(name), &**text);
        }
        for (name, value) in of_broker.iter().chain(own.iter()) {
            let Some(text) = name.as_text() else {
                map.entry(name, value);
                continue;
            };
            if !names.contains(&text) {
                names.push(text);
                map.entry(name, value);
            }
        }
    });
}

/// Deaths and the like, in the words that a converted message has for them.
fn broker_annotations(message: &Message, told: Told) -> Map {
    let label = Label {
        marks: message.marks.clone(),
        properties: PropertyList::EMPTY.as_bytes().clone(),
        ..Label::default()
    };
    let list = adapter091::properties_told(&Message::new(label, Body::new()), told);
    let routed = Routed { exchange: "", routing_key: "" };
    let told = Sections::parse(to_amqp10(&list, &[], routed, &[]).sections).ok();
    let annotations = told.and_then(|it| it.message_annotations()?.to_map().ok());
    let others = annotations.into_iter().flatten();
    let is_known = |name: &Value| matches!(name.as_text(), Some(X_EXCHANGE | X_ROUTING_KEY));
    others.filter(|(name, _)| !is_known(name)).collect()
}

/// A message that came by AMQP 1.0, as AMQP 0-9-1 has it. Of its headers the largest are left out,
/// if they do not fit into so many octets.
pub(crate) fn as_amqp091(message: &Message, properties_max: usize) -> Message {
    let mut pieces = Pieces::from_iter([message.properties.clone()]);
    match message.rest {
        None => pieces.extend(message.body.iter().cloned()),
        // Nobody has asked for its body.
        Some(_) => pieces.push(EMPTY_BODY),
    }
    let converted = Sections::parse(pieces)
        .ok()
        .and_then(|sections| to_amqp091(&sections).ok())
        .map(|mut it| {
            fit(&mut it.properties, properties_max);
            (PropertyList::from(&it.properties).as_bytes().clone(), it.body)
        });
    // A section that cannot be read: the body at least, as it came.
    let (properties, body) =
        converted.unwrap_or_else(|| (PropertyList::EMPTY.as_bytes().clone(), message.body.clone()));
    let label = Label { properties, encoding: Default::default(), ..Label::clone(&message.label) };
    Message { label: Arc::new(label), body, ..message.clone() }
}

const X_EXCHANGE: &str = "x-exchange";
const X_ROUTING_KEY: &str = "x-routing-key";
