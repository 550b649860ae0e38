//! Headers that hold a whole section, encoded: what RabbitMQ before 3.13 made of AMQP 1.0 messages.

use amqp10::{
    Message,
    messaging::Properties,
    section::{BodyKind, MapSection, Pieces},
    types::Map,
};
use amqp091::{FieldTable, FieldValue};
use bytes::Bytes;

const PREFIX: &str = "x-amqp-1.0-";

/// The sections found.
#[derive(Debug, Default)]
pub(crate) struct Legacy {
    pub(crate) properties: Option<Properties>,
    pub(crate) application_properties: Option<Map>,
    pub(crate) annotations: Option<Map>,
    pub(crate) footer: Option<Bytes>,
}

impl Legacy {
    /// Takes the sections out of the headers. One that cannot be read stays there.
    pub(crate) fn take(headers: &mut FieldTable) -> Self {
        let mut legacy = Self::default();
        if !headers.iter().any(|(name, _)| name.starts_with(PREFIX)) {
            return legacy;
        }
        let all = std::mem::take(headers).into_iter();
        *headers = all.filter(|(name, value)| legacy.read(name, value).is_none()).collect();
        legacy
    }

    /// Reads a header; none when it is no section, or a second one of its kind.
    fn read(&mut self, name: &str, value: &FieldValue) -> Option<()> {
        let section = name.strip_prefix(PREFIX)?;
        let (FieldValue::LongStr(octets) | FieldValue::Bytes(octets)) = value else { return None };
        let message = Message::parse(Pieces::from_buf([octets.clone()])).ok()?;
        let whole = |found: Option<MapSection>| {
            found.filter(|section| section.as_bytes().len() == octets.len())
        };
        match section {
            "properties" if self.properties.is_none() => {
                let is_whole = message.bare_size() == octets.len()
                    && message.application_properties().is_none()
                    && message.body_kind() == BodyKind::Absent;
                self.properties = Some(message.properties().ok()?.filter(|_| is_whole)?);
            }
            "app-properties" if self.application_properties.is_none() => {
                let section = whole(message.application_properties())?;
                self.application_properties = Some(section.to_map().ok()?);
            }
            "message-annotations" if self.annotations.is_none() => {
                self.annotations = Some(whole(message.message_annotations())?.to_map().ok()?);
            }
            "footer" if self.footer.is_none() => {
                let section = whole(message.footer())?;
                section.to_map().ok()?;
                self.footer = Some(section.as_bytes().clone());
            }
            _ => return None,
        }
        Some(())
    }
}
