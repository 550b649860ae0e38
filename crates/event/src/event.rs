//! The event: topic, body, id, time, severity, schema.

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{Body, Error, Severity, Topic};

/// Something that happened, as published.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Unique for all time; a re-delivery has the same. A UUID when Tubepost makes it, whatever
    /// the publisher chose otherwise.
    pub id: String,
    /// What it is called: the AMQP routing key.
    pub topic: Topic,
    /// What is known of it.
    pub body: Body,
    /// When it was sent, to the second (fedora-messaging: header `sent-at`).
    pub sent_at: Option<Timestamp>,
    /// How much it matters.
    pub severity: Severity,
    /// The name of its schema (fedora-messaging: header `fedora_messaging_schema`).
    pub schema: Option<String>,
    /// 0 to 9, higher first, for queues that honour it.
    pub priority: Option<u8>,
    /// Every other header, as received or as to be sent.
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
        Event {
            id: Uuid::now_v7().to_string(),
            topic,
            body,
            sent_at: now,
            severity: Severity::default(),
            schema: None,
            priority: None,
            headers: Map::new(),
        }
    }
}
