//! The event: topic, body, id, time, source, severity, schema, object, signature.

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    Body, Error, Severity, Topic,
    limits::{ID_BYTES_MAX, NAME_BYTES_MAX, within},
};

/// Something that happened, as published.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Unique for all time, 1 to 255 bytes; a re-delivery has the same. A UUIDv7 when Tubepost
    /// makes it, whatever the publisher chose otherwise.
    pub id: String,
    /// What it is called: the AMQP routing key.
    pub topic: Topic,
    /// What is known of it.
    pub body: Body,
    /// When it was sent, to the second (fedora-messaging: header `sent-at`).
    pub sent_at: Option<Timestamp>,
    /// Which service said it: a URI or a part of one, `https://git.example.org`, `//builder7/koji`.
    pub source: Option<String>,
    /// How much it matters.
    pub severity: Severity,
    /// The name of its schema (fedora-messaging: header `fedora_messaging_schema`).
    pub schema: Option<String>,
    /// The version of that schema which the publisher had.
    pub schema_version: Option<u32>,
    /// What it is about, `git/rpms/kernel`; events about the same object belong to one thread.
    pub object: Option<String>,
    /// 0 to 9, higher first, for queues that honour it.
    pub priority: Option<u8>,
    /// Who vouches for it, as text: see [`crate::SigningKey`] and [`crate::Verifier`].
    pub signature: Option<String>,
    /// Every other header, as received or as to be sent; `fedora_messaging_user_NAME` and the like
    /// say whom and what it concerns.
    pub headers: Map<String, Value>,
}

impl Event {
    /// A new event that happens now: fresh id (UUIDv7), severity info, no schema.
    ///
    /// # Errors
    /// [`Error::Body`] when `body` is not a JSON object.
    pub fn new(topic: Topic, body: Value) -> Result<Event, Error> {
        Ok(Event::with_body(topic, body.try_into()?))
    }

    /// As [`Event::new`], from a body that is already one.
    pub fn with_body(topic: Topic, body: Body) -> Event {
        // Cut, not rounded: nothing is sent in the future.
        let now = Timestamp::from_second(Timestamp::now().as_second()).ok();
        Event { sent_at: now, ..Event::blank(Event::fresh_id(), topic, body) }
    }

    /// Whether every reader would take it: id, source, schema, object and signature are within
    /// their limits.
    ///
    /// # Errors
    /// [`Error::Wire`] that names what is too long, or empty.
    pub fn check(&self) -> Result<(), Error> {
        if self.id.is_empty() {
            return Err(Error::Wire { what: "id".into(), reason: "is empty".to_owned() });
        }
        within("id", &self.id, ID_BYTES_MAX)?;
        let names = [
            ("source", &self.source),
            ("schema", &self.schema),
            ("object", &self.object),
            ("signature", &self.signature),
        ];
        names.into_iter().try_for_each(|(what, name)| {
            within(what, name.as_deref().unwrap_or_default(), NAME_BYTES_MAX)
        })
    }

    /// One of which nothing else is known.
    pub(crate) fn blank(id: String, topic: Topic, body: Body) -> Event {
        Event {
            id,
            topic,
            body,
            sent_at: None,
            source: None,
            severity: Severity::default(),
            schema: None,
            schema_version: None,
            object: None,
            priority: None,
            signature: None,
            headers: Map::new(),
        }
    }

    pub(crate) fn fresh_id() -> String {
        Uuid::now_v7().to_string()
    }
}
