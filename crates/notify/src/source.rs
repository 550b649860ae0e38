//! Where events come from: the bus, behind a seam small enough to stand in for it.

use std::future::Future;

use client::{Delivery, Subscriber, Undecodable};
use event::Event;

/// A consumer that the dispatcher can wait for.
pub(crate) trait Source: Send {
    /// Acknowledges one delivery.
    type Receipt: Receipt;

    /// The next delivery; `None` when there will be no more. Safe to be cancelled.
    fn next(&mut self) -> impl Future<Output = Option<Received<Self::Receipt>>> + Send;
}

/// The verdict on one delivery.
pub(crate) trait Receipt: Send + Sized {
    /// Done with.
    fn ack(self) -> impl Future<Output = Result<(), String>> + Send;

    /// Not wanted.
    fn reject(self) -> impl Future<Output = Result<(), String>> + Send;
}

/// One delivery.
pub(crate) struct Received<R> {
    pub(crate) event: Result<Event, Undecodable>,
    pub(crate) receipt: R,
}

/// [`Subscriber::next`] may be cancelled at any await, and waits through any outage.
impl Source for Subscriber {
    type Receipt = Delivery;

    async fn next(&mut self) -> Option<Received<Delivery>> {
        let mut delivery = Subscriber::next(self).await;
        let moved = Undecodable::default();
        // The verdict consumes the delivery, so the event is moved out and not copied.
        let event = std::mem::replace(&mut delivery.event, Err(moved));
        Some(Received { event, receipt: delivery })
    }
}

impl Receipt for Delivery {
    async fn ack(self) -> Result<(), String> {
        Delivery::ack(self).await.map_err(|error| error.to_string())
    }

    async fn reject(self) -> Result<(), String> {
        Delivery::reject(self).await.map_err(|error| error.to_string())
    }
}
