//! How an event travels: fedora-messaging's properties and headers, any AMQP library's types.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::{Error, Event};

/// An AMQP message's headers as JSON values. Booleans, integers and strings keep their kind on
/// the wire; fedora-messaging uses no other.
pub type Headers = Map<String, Value>;

/// An event as an AMQP message, before any library's types.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wire {
    /// The topic, in full.
    pub routing_key: String,
    /// `application/json`.
    pub content_type: Option<String>,
    /// `utf-8`.
    pub content_encoding: Option<String>,
    /// The event's id.
    pub message_id: Option<String>,
    /// 0 to 9.
    pub priority: Option<u8>,
    /// Delivery mode 2.
    pub persistent: bool,
    /// All headers.
    pub headers: Headers,
    /// The JSON body.
    pub body: Bytes,
}

impl Event {
    /// The event as a message (fedora-messaging 3.9, wire format).
    pub fn to_wire(&self) -> Wire {
        let mut headers = self.headers.clone();
        let schema = self.schema.clone().unwrap_or_else(|| BASE_SCHEMA.to_owned());
        headers.insert(SCHEMA.to_owned(), schema.into());
        headers.insert(SEVERITY.to_owned(), self.severity.number().into());
        headers.insert("priority".to_owned(), self.priority.unwrap_or(0).into());
        if let Some(sent_at) = self.sent_at {
            headers.insert(SENT_AT.to_owned(), format!("{sent_at:.0}").replace('Z', "+00:00").into());
        }
        Wire {
            routing_key: self.topic.to_string(),
            content_type: Some("application/json".to_owned()),
            content_encoding: Some("utf-8".to_owned()),
            message_id: Some(self.id.clone()),
            priority: self.priority,
            persistent: true,
            headers,
            body: self.body.bytes().clone(),
        }
    }

    /// The event that a message carries. What fedora-messaging only warns of (no schema, no
    /// severity, no id) is filled in.
    ///
    /// # Errors
    /// [`Error::Body`] when the body is not a JSON object, [`Error::Topic`] when the routing key
    /// is not a topic, [`Error::Wire`] when the encoding is not UTF-8.
    pub fn from_wire(_wire: Wire) -> Result<Event, Error> {
        todo!()
    }
}

const BASE_SCHEMA: &str = "base.message";
const SCHEMA: &str = "fedora_messaging_schema";
const SEVERITY: &str = "fedora_messaging_severity";
const SENT_AT: &str = "sent-at";
