//! The conversion seen from outside: every row of `docs/conversion.md`, there and back, malformed
//! sections, whole messages octet by octet.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail by panic")]

mod corpus;
mod from_091;
mod from_10;
mod generators;
mod malformed;
mod round_trip;
mod table;
mod types;
mod wire;

use amqp10::{
    Encode as _, Message, SectionKind,
    messaging::{Header, Properties},
    section::{Pieces, data_section_head, encode_map_section, encode_sequence, encode_value},
    types::{Map, Symbol, Value},
};
use amqp091::{BasicProperties, FieldTable, FieldValue, PropertyList, ShortStr};
use bytes::{Bytes, BytesMut};
use conversion::{Amqp10Message, Amqp091Message, Routed, to_amqp10, to_amqp091};

const ROUTED: Routed<'_> = Routed { exchange: "x", routing_key: "k" };

/// A message of AMQP 1.0, section by section.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sections {
    header: Header,
    delivery_annotations: Map,
    annotations: Map,
    properties: Properties,
    application: Map,
    body: Sort,
    footer: Map,
}

/// A body of one sort.
#[derive(Clone, Debug, PartialEq)]
enum Sort {
    None,
    /// The octets of each section.
    Data(Vec<Bytes>),
    Value(Value),
    Sequences(Vec<Vec<Value>>),
}

impl Default for Sort {
    fn default() -> Self {
        Self::Data(vec![Bytes::new()])
    }
}

impl Sections {
    /// Everything behind the header.
    fn encode(&self, out: &mut BytesMut) {
        let map = |kind, map: &Map, out: &mut BytesMut| {
            if !map.is_empty() {
                encode_map_section(kind, out, |section| {
                    map.iter().for_each(|(key, value)| section.entry(key, value));
                });
            }
        };
        map(SectionKind::DeliveryAnnotations, &self.delivery_annotations, out);
        map(SectionKind::MessageAnnotations, &self.annotations, out);
        if self.properties != Properties::default() {
            self.properties.encode(out);
        }
        map(SectionKind::ApplicationProperties, &self.application, out);
        match &self.body {
            Sort::None => {}
            Sort::Data(sections) => sections.iter().for_each(|data| {
                out.extend_from_slice(&data_section_head(data.len() as u32));
                out.extend_from_slice(data);
            }),
            Sort::Value(value) => encode_value(value, out),
            Sort::Sequences(sections) => sections.iter().for_each(|it| encode_sequence(it, out)),
        }
        map(SectionKind::Footer, &self.footer, out);
    }

    fn message(&self) -> Message {
        let mut out = BytesMut::new();
        if self.header != Header::default() {
            self.header.encode(&mut out);
        }
        self.encode(&mut out);
        Message::parse(Pieces::from_iter([out.freeze()])).unwrap()
    }
}

/// What these properties and this body become.
fn to_10(properties: &BasicProperties, body: &[Bytes]) -> (Header, Vec<u8>) {
    let converted = to_amqp10(&PropertyList::from(properties), body, ROUTED, &[]);
    let sections = converted.sections.concat();
    // What is written can be read, at every level.
    let message = Message::parse(Pieces::from_iter([Bytes::from(sections.clone())])).unwrap();
    message.properties().unwrap();
    for map in [message.message_annotations(), message.application_properties()].into_iter() {
        map.map(|map| map.to_map().unwrap());
    }
    (converted.header, sections)
}

/// What these sections become.
fn to_091(sections: &Sections) -> Amqp091Message {
    to_amqp091(&sections.message()).unwrap()
}

fn name(text: &str) -> ShortStr {
    ShortStr::try_from(text).unwrap()
}

fn headers<const N: usize>(fields: [(&str, FieldValue); N]) -> Option<FieldTable> {
    Some(fields.into_iter().map(|(text, field)| (name(text), field)).collect())
}

fn symbol(text: &str) -> Symbol {
    Symbol::try_from(text).unwrap()
}

/// Pairs whose keys are symbols.
fn symbols<const N: usize>(pairs: [(&str, Value); N]) -> Map {
    pairs.into_iter().map(|(key, value)| (symbol(key), value)).collect()
}

/// Pairs whose keys are strings.
fn strings<const N: usize>(pairs: [(&str, Value); N]) -> Map {
    pairs.into_iter().collect()
}

/// The annotations of every message that was 0-9-1, and these.
fn routed<const N: usize>(pairs: [(&str, Value); N]) -> Map {
    let mut map = symbols([("x-exchange", "x".into()), ("x-routing-key", "k".into())]);
    symbols(pairs).into_iter().for_each(|(key, value)| map.push(key, value));
    map
}

fn octets(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}
