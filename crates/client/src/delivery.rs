//! What a subscriber receives, and the verdict on it.

use std::fmt;

use event::{Event, Verdict as Judgement};
use tokio::sync::{mpsc, oneshot};

use crate::{
    BusUrl, Error, Trust, consumption::Order, conversation::Verdict, message::Arrived, trust,
};

/// A message that is not an event, or one that is refused.
#[derive(Debug, Clone, Default)]
pub struct Undecodable {
    /// The routing key.
    pub topic: String,
    /// The body as received.
    pub body: Vec<u8>,
    /// Why it is not an event, or not taken for one.
    pub reason: String,
    /// The event, where it is one without the signature that is required: [`crate::Trust`].
    pub refused: Option<Box<Event>>,
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Undecodable { topic, body, reason, refused } = self;
        let what = if refused.is_some() { "is refused" } else { "is not an event" };
        write!(f, "message on '{topic}' ({} bytes) {what}: {reason}", body.len())
    }
}

impl std::error::Error for Undecodable {}

/// One event as received. Dropped without a verdict, it is delivered again after the connection
/// ends.
///
/// Only what a trusted key signed:
///
/// ```no_run
/// # use std::path::Path;
/// # use client::{SignaturePolicy, Subscriber, Trust, trusted_keys};
/// # async fn example(subscriber: Subscriber) -> Result<(), Box<dyn std::error::Error>> {
/// let keys = trusted_keys(Path::new("/etc/tubepost/keys"), None)?;
/// let mut subscriber = subscriber.trusting(Trust::new(keys, SignaturePolicy::Require));
/// let delivery = subscriber.next().await;
/// match &delivery.event {
///     Ok(event) => println!("{} is as {:?} said it", event.id, delivery.verdict),
///     Err(refused) => println!("{refused}"),
/// }
/// delivery.ack().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Delivery {
    /// The event, or what came instead.
    pub event: Result<Event, Undecodable>,
    /// What is thought of its signature, where [`crate::Subscriber::trusting`] asked for that.
    pub verdict: Option<Judgement>,
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
        let (event, bus) = (arrived.event(), bus.clone());
        Delivery { event, verdict: None, redelivered, number, orders, bus }
    }

    /// With what is thought of its signature, where that is asked.
    pub(crate) fn judged_by(mut self, trust: Option<&Trust>) -> Delivery {
        let event = std::mem::replace(&mut self.event, Err(Undecodable::default()));
        (self.event, self.verdict) = trust::received(trust, event);
        self
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
