//! The three clothes of an event on AMQP: which to put on, and which a message has on.

use std::{fmt, str::FromStr};

use crate::{Error, Event, Wire, cloudevents, plain_text};

/// How an event is dressed on AMQP. Whichever it is, the event is the same, and is read without
/// being told which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Clothing {
    /// fedora-messaging's properties and headers.
    #[default]
    FedoraMessaging,
    /// CloudEvents 1.0, binary content mode: attributes in headers `cloudEvents_NAME`, the body as
    /// it is.
    CloudEventsBinary,
    /// CloudEvents 1.0, structured content mode: one JSON document.
    CloudEventsStructured,
}

impl Clothing {
    /// All of them.
    pub const ALL: [Clothing; 3] =
        [Clothing::FedoraMessaging, Clothing::CloudEventsBinary, Clothing::CloudEventsStructured];

    /// The name: `fedora`, `cloudevents`, `cloudevents-structured`.
    pub fn name(self) -> &'static str {
        match self {
            Clothing::FedoraMessaging => "fedora",
            Clothing::CloudEventsBinary => "cloudevents",
            Clothing::CloudEventsStructured => "cloudevents-structured",
        }
    }

    /// What a message has on.
    pub fn of(wire: &Wire) -> Clothing {
        let content_type = wire.content_type.as_deref().unwrap_or_default();
        if cloudevents::is_structured(content_type) {
            Clothing::CloudEventsStructured
        } else if cloudevents::amqp::is_binary(&wire.headers) {
            Clothing::CloudEventsBinary
        } else {
            Clothing::FedoraMessaging
        }
    }
}

impl Event {
    /// The event as a message in these clothes, for either AMQP.
    pub fn to_wire_as(&self, clothing: Clothing) -> Wire {
        match clothing {
            Clothing::FedoraMessaging => self.to_wire(),
            Clothing::CloudEventsBinary => cloudevents::amqp::to_binary(self),
            Clothing::CloudEventsStructured => cloudevents::amqp::to_structured(self),
        }
    }

    /// The event that a message carries, whatever clothes it has on. What fedora-messaging only
    /// warns of (no schema, no severity, no encoding) and a missing id are filled in; headers not
    /// known are kept.
    ///
    /// # Errors
    /// [`Error::Body`] when the body is not a JSON object, [`Error::Topic`] when the routing key
    /// is not a topic, [`Error::Wire`] that names the property, header or attribute which is
    /// missing, there twice, too long, or has a value it cannot have.
    pub fn from_wire(wire: Wire) -> Result<Event, Error> {
        wire.check_content_encoding()?;
        match Clothing::of(&wire) {
            Clothing::FedoraMessaging => Event::from_fedora_messaging(wire),
            Clothing::CloudEventsBinary => cloudevents::amqp::from_binary(wire),
            Clothing::CloudEventsStructured => cloudevents::amqp::from_structured(wire),
        }
    }
}

impl fmt::Display for Clothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Clothing {
    type Err = String;

    fn from_str(text: &str) -> Result<Clothing, String> {
        let found = Clothing::ALL.into_iter().find(|clothing| clothing.name() == text);
        found.ok_or_else(|| {
            let text = plain_text::one_line(text, 40);
            format!("'{text}' is not a format: fedora, cloudevents or cloudevents-structured")
        })
    }
}
