//! What a subscriber receives, and the verdict on it.

use std::fmt;

use event::Event;
use tokio::sync::{mpsc, oneshot};

use crate::{BusUrl, Error, consumption::Order, conversation::Verdict, message::Arrived};

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
    number: u64,
    orders: mpsc::UnboundedSender<Order>,
    bus: BusUrl,
}

impl Delivery {
    pub(crate) fn new(
        arrived: Arrived,
        orders: mpsc::UnboundedSender<Order>,
        bus: &BusUrl,
    ) -> Delivery {
        let (number, redelivered) = (arrived.number, arrived.is_redelivered);
        Delivery { event: arrived.event(), redelivered, number, orders, bus: bus.clone() }
    }

    /// Done with it. Returns when that is written to the bus.
    ///
    /// # Errors
    /// [`Error::Lost`]: the connection it came by is gone; the event will come again.
    pub async fn ack(self) -> Result<(), Error> {
        self.judge(Verdict::Ack).await
    }

    /// Back into the queue, at once.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn requeue(self) -> Result<(), Error> {
        self.judge(Verdict::Requeue).await
    }

    /// Not wanted: dropped, or dead-lettered where the queue says so.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn reject(self) -> Result<(), Error> {
        self.judge(Verdict::Reject).await
    }

    async fn judge(self, verdict: Verdict) -> Result<(), Error> {
        let (written, is_written) = oneshot::channel();
        let gone = || Error::lost(&self.bus, "the event will be delivered again");
        let order = Order::Judge(self.number, verdict, written);
        self.orders.send(order).map_err(|_| gone())?;
        is_written.await.map_err(|_| gone())
    }
}
