//! An event as a message, of either protocol, and the event that a message carries.

use bytes::Bytes;
use event::{Clothing, Event, Wire};
use serde_json::Value;

use crate::{Error, Protocol, Undecodable, amqp10::Sections, amqp091};

/// An event ready to be published.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) place: Place,
    /// The topic, whatever its place is.
    pub(crate) topic: String,
    pub(crate) head: Head,
    pub(crate) body: Bytes,
    /// How many messages the queue of its place keeps, if that is bounded.
    pub(crate) length_max: Option<u32>,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// To [`crate::EXCHANGE`], by its topic.
    Exchange,
    /// To the durable queue of this name.
    Queue(String),
}

/// All of a message but its body and where it goes, encoded.
#[derive(Debug, Clone)]
pub(crate) enum Head {
    Amqp091(amqp091::PropertyList),
    Amqp10(Box<Sections>),
}

impl Message {
    pub(crate) fn new(
        event: &Event,
        clothing: Clothing,
        protocol: Protocol,
    ) -> Result<Message, Error> {
        // Whoever reads it would refuse it.
        event
            .check()
            .map_err(|error| Error::Event { id: event.id.clone(), reason: error.to_string() })?;
        Message::from_wire(event.to_wire_as(clothing), Place::Exchange, protocol)
    }

    /// The event for a queue, past any exchange: the queue's name takes the routing key's place,
    /// so the topic travels in a header.
    pub(crate) fn for_queue(
        queue: &str,
        event: &Event,
        protocol: Protocol,
    ) -> Result<Message, Error> {
        let mut wire = event.to_wire();
        wire.headers.insert(TOPIC_HEADER.to_owned(), wire.routing_key.as_str().into());
        Message::from_wire(wire, Place::Queue(queue.to_owned()), protocol)
    }

    fn from_wire(wire: Wire, place: Place, protocol: Protocol) -> Result<Message, Error> {
        let id = wire.message_id.clone().unwrap_or_default();
        let fault = |reason: String| Error::Event { id: id.clone(), reason };
        let routing_key = match &place {
            Place::Exchange => ("topic", &wire.routing_key),
            Place::Queue(name) => ("queue's name", name),
        };
        // AMQP 0-9-1 §4.2.5.3: both are short strings; and by AMQP 1.0 they get there.
        if routing_key.1.len() > 255 {
            let (what, bytes) = (routing_key.0, routing_key.1.len());
            return Err(fault(format!("{what}: has {bytes} bytes, more than 255")));
        }
        let head = match protocol {
            Protocol::Amqp091 => Head::Amqp091(amqp091::properties(&wire).map_err(fault)?),
            Protocol::Amqp10 => Head::Amqp10(Box::new(Sections::new(&wire).map_err(fault)?)),
        };
        let (topic, body) = (wire.routing_key, wire.body);
        Ok(Message { id, place, topic, head, body, length_max: None })
    }

    /// AMQP 0-9-1: by this the exchange, or the default exchange, finds the queues.
    pub(crate) fn routing_key(&self) -> &str {
        match &self.place {
            Place::Exchange => &self.topic,
            Place::Queue(name) => name,
        }
    }

    /// For errors: `event ID on TOPIC`.
    pub(crate) fn what(&self) -> String {
        format!("event {} on {}", self.id, self.routing_key())
    }
}

/// A message as it came.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// For the verdict on it.
    pub(crate) number: u64,
    pub(crate) is_redelivered: bool,
    /// It was put into the queue past any exchange, as the broker says: nobody checked its topic,
    /// and its routing key is the queue's name.
    pub(crate) is_by_queue: bool,
    /// Everything, the routing key in it; or why it cannot be read.
    pub(crate) wire: Result<Wire, Undecodable>,
}

impl Arrived {
    /// The event it carries.
    pub(crate) fn event(self) -> Result<Event, Undecodable> {
        let mut wire = self.wire?;
        let body = wire.body.clone();
        let mut topic_said = false;
        // Only past the exchange, which takes the right to write to the queue itself: through a
        // topic exchange the header would walk around the broker's check of the topic.
        if self.is_by_queue
            && let Some(Value::String(topic)) = wire.headers.shift_remove(TOPIC_HEADER)
        {
            wire.routing_key = topic;
            topic_said = true;
        }
        let topic = wire.routing_key.clone();
        // A CloudEvent says its topic itself, where the routing key is a queue's name.
        if self.is_by_queue && !topic_said && Clothing::of(&wire) != Clothing::FedoraMessaging {
            wire.routing_key.clear();
        }
        Event::from_wire(wire).map_err(|error| Undecodable {
            topic,
            body: body.to_vec(),
            reason: error.to_string(),
            refused: None,
        })
    }
}

/// The topic of an event that was put into a queue by name.
pub(crate) const TOPIC_HEADER: &str = "tubepost_topic";
