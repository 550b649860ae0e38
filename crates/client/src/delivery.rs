//! What a subscriber receives, and the verdict on it.

use std::fmt;

use event::Event;
use lapin::{
    Acker,
    options::{BasicAckOptions, BasicRejectOptions},
};

use crate::{BusUrl, Error, message};

/// A message that is not an event.
#[derive(Debug, Clone)]
pub struct Undecodable {
    /// The routing key.
    pub topic: String,
    /// The body as received.
    pub body: Vec<u8>,
    /// Why it is not an event.
    pub reason: String,
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Undecodable { topic, body, reason } = self;
        write!(f, "message on '{topic}' ({} bytes) is not an event: {reason}", body.len())
    }
}

impl std::error::Error for Undecodable {}

/// One event as received. Dropped without a verdict, it is delivered again after the connection
/// ends.
///
/// Only what a trusted key signed:
///
/// ```no_run
/// # use client::Subscriber;
/// # async fn example(mut subscriber: Subscriber) -> Result<(), Box<dyn std::error::Error>> {
/// let mut trusted = event::Verifier::default();
/// trusted.add("hall", &std::fs::read_to_string("keys/hall.pub")?)?;
/// let delivery = subscriber.next().await;
/// match delivery.event.as_ref().ok().map(|event| trusted.verify(event)) {
///     Some(event::Verdict::Valid { key }) => println!("{key} said so"),
///     _ => return Ok(delivery.reject().await?),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Delivery {
    /// The event, or what came instead.
    pub event: Result<Event, Undecodable>,
    /// It may have been delivered before.
    pub redelivered: bool,
    acker: Acker,
    bus: BusUrl,
}

impl Delivery {
    pub(crate) fn new(mut delivery: lapin::message::Delivery, bus: &BusUrl) -> Delivery {
        Delivery {
            event: message::decode(&mut delivery),
            redelivered: delivery.redelivered,
            acker: delivery.acker,
            bus: bus.clone(),
        }
    }

    /// Done with it.
    ///
    /// # Errors
    /// [`Error::Lost`]: the connection it came by is gone; the event will come again.
    pub async fn ack(self) -> Result<(), Error> {
        self.judged(self.acker.ack(BasicAckOptions::default()).await)
    }

    /// Back into the queue, at once.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn requeue(self) -> Result<(), Error> {
        self.judged(self.acker.reject(BasicRejectOptions { requeue: true }).await)
    }

    /// Not wanted: dropped, or dead-lettered where the queue says so.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn reject(self) -> Result<(), Error> {
        self.judged(self.acker.reject(BasicRejectOptions { requeue: false }).await)
    }

    fn judged(&self, outcome: lapin::Result<bool>) -> Result<(), Error> {
        match outcome {
            Ok(true) => Ok(()),
            // lapin says false when the channel ended before.
            Ok(false) => Err(Error::lost(&self.bus, "the event will be delivered again")),
            Err(error) => Err(Error::of_use(&self.bus, "the verdict on an event", &error)),
        }
    }
}
