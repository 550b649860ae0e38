//! The properties of messages for the broker, whatever protocol they came by.

use broker::{Encoding, Group, Headers, Label, Properties, Value};
use bytes::Bytes;

use crate::{
    amqp10::{self, SectionProperties},
    amqp091::ContentProperties,
};

/// Reads and changes properties: for [`broker::Options::properties`].
#[derive(Debug)]
pub struct MessageProperties;

impl Properties for MessageProperties {
    fn headers<'a>(&self, label: &'a Label) -> Box<dyn Headers + 'a> {
        match label.encoding {
            amqp10::ENCODING => SectionProperties.headers(label),
            _ => ContentProperties.headers(label),
        }
    }

    fn group(&self, properties: &[u8], encoding: Encoding) -> Option<Group> {
        match encoding {
            amqp10::ENCODING => SectionProperties.group(properties),
            // There an application may say who it is in every message; that is no group.
            _ => None,
        }
    }

    fn with_header(&self, label: &Label, name: &str, value: Value) -> Bytes {
        match label.encoding {
            amqp10::ENCODING => SectionProperties.with_header(label, name, &value),
            _ => ContentProperties.with_header(label, name, value),
        }
    }

    fn without_header(&self, label: &Label, name: &str) -> Bytes {
        match label.encoding {
            amqp10::ENCODING => SectionProperties.without_header(label, name),
            _ => ContentProperties.without_header(label, name),
        }
    }
}
