//! Publishes events with confirms.

use event::Event;

use crate::{BusUrl, Error};

/// Whether somebody was there to receive a confirmed event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// At least one queue took it.
    Routed,
    /// The bus took it, but no queue wants this topic (AMQP `basic.return`, 312 NO_ROUTE).
    Unrouted,
}

/// A connection that publishes. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct Publisher {}

impl Publisher {
    /// Connects once; no retry. `app` is shown in the broker's list of connections.
    ///
    /// # Errors
    /// Unknown host, refused connection, refused login, unknown virtual host: each named.
    pub async fn connect(_bus: &BusUrl, _app: &str) -> Result<Publisher, Error> {
        todo!()
    }

    /// Publishes to [`crate::EXCHANGE`] and waits for the bus's confirm.
    ///
    /// # Errors
    /// Nack, channel or connection closed, with the broker's text.
    pub async fn publish(&self, _event: &Event) -> Result<Published, Error> {
        todo!()
    }

    /// Publishes straight to a durable queue that it declares first: a dead-letter queue.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn publish_to_queue(&self, _queue: &str, _event: &Event) -> Result<(), Error> {
        todo!()
    }

    /// Closes the connection in order.
    pub async fn close(self) {
        todo!()
    }
}
