//! The sections of AMQP 1.0 for the broker: to route by them, and to change one of their
//! annotations.

use amqp10::{
    Message, SectionKind,
    section::{Pieces, encode_map_section},
    types::{Map, MessageId, Symbol, Value as Given},
};
use broker::{Group, Headers, Label, Properties as _, Property, Value};
use bytes::{Bytes, BytesMut};

use super::value::told;
use crate::properties::MessageProperties;

/// Reads and changes the properties of labels of this encoding.
#[derive(Debug)]
pub(crate) struct SectionProperties;

impl SectionProperties {
    pub(crate) fn headers<'a>(&self, label: &'a Label) -> Box<dyn Headers + 'a> {
        match sections(label) {
            Some(sections) => Box::new(Stored(sections)),
            None => Box::new(()),
        }
    }

    /// That of `group-id`.
    pub(crate) fn group(&self, properties: &[u8]) -> Option<Group> {
        let sections = Message::parse(Pieces::from_iter([Bytes::copy_from_slice(properties)]));
        group(&sections.ok()?.properties().ok()??)
    }

    /// As an annotation: what is the broker's own is one (RabbitMQ: `x-delay`).
    pub(crate) fn with_header(&self, label: &Label, name: &str, value: &Value) -> Bytes {
        match (Symbol::try_from(name), given(value)) {
            (Ok(name), Some(value)) => with_annotation(label, &name, Some(value)),
            _ => label.properties.clone(),
        }
    }

    pub(crate) fn without_header(&self, label: &Label, name: &str) -> Bytes {
        match Symbol::try_from(name) {
            Ok(name) => with_annotation(label, &name, None),
            Err(_) => label.properties.clone(),
        }
    }
}

//= amqp-1.0 §3.2.4
/// group-id: identifies the group the message belongs to.
pub(super) fn group(properties: &amqp10::messaging::Properties) -> Option<Group> {
    let name = properties.group_id.as_ref().filter(|name| !name.is_empty());
    name.map(|name| Group::of(name.as_bytes()))
}

/// What stands before a stored message's body.
fn sections(label: &Label) -> Option<Message> {
    Message::parse(Pieces::from_iter([label.properties.clone()])).ok()
}

fn with_annotation(label: &Label, name: &Symbol, value: Option<Given>) -> Bytes {
    annotated(label, std::iter::once((Given::from(name.clone()), value)))
}

/// A message's properties with these annotations, whatever protocol it came by. What has no equal
/// in the other protocol is left out there.
pub(super) fn with_annotations(label: &Label, annotations: &Map) -> Bytes {
    if label.encoding == super::ENCODING {
        let changes = annotations.iter();
        return annotated(label, changes.map(|(name, value)| (name.clone(), Some(value.clone()))));
    }
    let mut label = label.clone();
    for (name, value) in annotations.iter() {
        if let (Some(name), Some(value)) = (name.as_text(), told(value)) {
            label.properties = MessageProperties.with_header(&label, name, value);
        }
    }
    label.properties
}

/// With these annotations changed, or taken away.
fn annotated(label: &Label, changes: impl Iterator<Item = (Given, Option<Given>)>) -> Bytes {
    let Some(message) = sections(label) else { return label.properties.clone() };
    let annotations = message.message_annotations().and_then(|it| it.to_map().ok());
    let mut changed: Map = annotations.unwrap_or_default();
    for (name, value) in changes {
        let others = changed.into_iter().filter(|(key, _)| key.as_text() != name.as_text());
        changed = others.collect();
        if let Some(value) = value {
            changed.push(name, value);
        }
    }
    let mut out = BytesMut::new();
    out.extend_from_slice(&message.octets(SectionKind::Header).unwrap_or_default());
    if !changed.is_empty() {
        encode_map_section(SectionKind::MessageAnnotations, &mut out, |map| {
            changed.iter().for_each(|(key, value)| map.entry(key, value));
        });
    }
    for kind in [SectionKind::Properties, SectionKind::ApplicationProperties] {
        out.extend_from_slice(&message.octets(kind).unwrap_or_default());
    }
    out.freeze()
}

struct Stored(Message);

impl Headers for Stored {
    fn header(&self, name: &str) -> Option<Value> {
        Reader::new(&self.0).header(name)
    }

    fn property(&self, property: Property) -> Option<Value> {
        Reader::new(&self.0).property(property)
    }
}

/// A message as exchanges route by it: application properties are its headers, and what begins with
/// `x-` its annotations (RabbitMQ: `mc:routing_headers`).
pub(super) struct Reader<'a>(&'a Message);

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a Message) -> Reader<'a> {
        Reader(message)
    }
}

impl Headers for Reader<'_> {
    fn header(&self, name: &str) -> Option<Value> {
        let of = |section: Option<amqp10::section::MapSection>| {
            section.and_then(|section| section.get(name).ok().flatten())
        };
        let found = of(self.0.application_properties());
        let found = found.or_else(|| match name.starts_with("x-") {
            true => of(self.0.message_annotations()),
            false => None,
        });
        found.and_then(|value| told(&value))
    }

    fn property(&self, property: Property) -> Option<Value> {
        let properties = self.0.properties().ok().flatten()?;
        let name = |id: MessageId| match id {
            MessageId::Ulong(number) => Some(Value::Longstr(number.to_string())),
            MessageId::String(text) => Some(Value::Longstr(text.to_string())),
            MessageId::Binary(octets) => Some(Value::Binary(octets.to_vec())),
            MessageId::Uuid(uuid) => Some(Value::Longstr(uuid.to_string())),
        };
        match property {
            Property::MessageId => properties.message_id.and_then(name),
            Property::CorrelationId => properties.correlation_id.and_then(name),
            Property::Timestamp => {
                let milliseconds = u64::try_from(properties.creation_time?.0).ok()?;
                Some(Value::Timestamp(milliseconds / 1000))
            }
        }
    }
}

/// A value for an annotation, of those that the broker itself writes.
fn given(value: &Value) -> Option<Given> {
    Some(match value {
        Value::Bool(it) => (*it).into(),
        Value::Longstr(it) => it.as_str().into(),
        other => other.as_integer()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use amqp10::{
        Encode as _,
        messaging::{Header, Properties},
    };

    use super::*;
    use crate::amqp10::ENCODING;

    fn label() -> Label {
        let mut octets = BytesMut::new();
        Header { durable: Some(true), ..Header::default() }.encode(&mut octets);
        encode_map_section(SectionKind::MessageAnnotations, &mut octets, |map| {
            map.entry(&Symbol::from_static("x-delay"), &500_i32);
        });
        Properties { subject: Some("s".into()), ..Properties::default() }.encode(&mut octets);
        encode_map_section(SectionKind::ApplicationProperties, &mut octets, |map| {
            map.entry("k", &7_u64);
        });
        Label { properties: octets.freeze(), encoding: ENCODING, ..Label::default() }
    }

    #[test]
    fn application_properties_and_annotations_are_headers() {
        let label = label();
        let headers = SectionProperties.headers(&label);
        assert_eq!(headers.header("k"), Some(Value::Long(7)));
        assert_eq!(headers.header("x-delay"), Some(Value::SignedInt(500)));
        assert_eq!(headers.header("subject"), None);
        let garbage = Label { properties: Bytes::from_static(b"\xff"), ..Label::default() };
        assert_eq!(SectionProperties.headers(&garbage).header("k"), None);
    }

    #[test]
    fn an_annotation_is_changed_and_all_else_stays_as_it_was() {
        let label = label();
        let octets = SectionProperties.with_header(&label, "x-delay", &Value::Long(-500));
        let changed = Label { properties: octets, ..label.clone() };
        let (before, after) = (sections(&label).unwrap(), sections(&changed).unwrap());
        let headers = SectionProperties.headers(&changed);
        assert_eq!(headers.header("x-delay"), Some(Value::Long(-500)));
        for kind in
            [SectionKind::Header, SectionKind::Properties, SectionKind::ApplicationProperties]
        {
            assert_eq!(before.octets(kind), after.octets(kind));
        }
        let octets = SectionProperties.without_header(&label, "x-delay");
        let without = Label { properties: octets, ..label.clone() };
        assert_eq!(sections(&without).unwrap().message_annotations(), None);
    }
}
