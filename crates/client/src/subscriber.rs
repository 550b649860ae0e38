//! Receives events with acknowledgement.

use event::{Event, Pattern};

use crate::{BusUrl, Error};

/// Where a subscriber's events wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Queue {
    /// Server-named, exclusive, gone with the connection.
    Temporary,
    /// Durable, by name: nothing is missed while the subscriber is away.
    Durable(String),
}

/// What a subscriber wants.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Where the events wait.
    pub queue: Queue,
    /// Which topics; none means all (`#`).
    pub patterns: Vec<Pattern>,
    /// How many unacknowledged events at once, at least 1.
    pub prefetch: u16,
}

/// A consumer on the bus. Reconnects by itself, with capped and jittered back-off, and declares,
/// binds and consumes again.
#[derive(Debug)]
pub struct Subscriber {}

impl Subscriber {
    /// Connects once, declares, binds, consumes.
    ///
    /// # Errors
    /// As [`crate::Publisher::connect`]; also a queue that exists with other arguments.
    pub async fn connect(
        _bus: &BusUrl,
        _app: &str,
        _subscription: Subscription,
    ) -> Result<Subscriber, Error> {
        todo!()
    }

    /// As [`Subscriber::connect`], but never gives up: for services that start before their bus.
    pub async fn connect_patiently(
        _bus: &BusUrl,
        _app: &str,
        _subscription: Subscription,
    ) -> Subscriber {
        todo!()
    }

    /// The next event. Waits through any outage.
    pub async fn next(&mut self) -> Delivery {
        todo!()
    }

    /// Cancels the consumer and closes the connection; what was not acknowledged goes back.
    pub async fn close(self) {
        todo!()
    }
}

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

/// One event as received. Dropped without a verdict, it is delivered again after the connection
/// ends.
#[derive(Debug)]
pub struct Delivery {
    /// The event, or what came instead.
    pub event: Result<Event, Undecodable>,
    /// It may have been delivered before.
    pub redelivered: bool,
}

impl Delivery {
    /// Done with it.
    ///
    /// # Errors
    /// The connection is gone; the event will come again.
    pub async fn ack(self) -> Result<(), Error> {
        todo!()
    }

    /// Back into the queue, at once.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn requeue(self) -> Result<(), Error> {
        todo!()
    }

    /// Not wanted: dropped, or dead-lettered where the queue says so.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn reject(self) -> Result<(), Error> {
        todo!()
    }
}
