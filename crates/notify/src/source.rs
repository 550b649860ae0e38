//! Where events come from: the bus, behind a seam small enough to stand in for it.

use std::future::Future;

use client::{BusUrl, Delivery, Queue, Subscriber, Subscription, Undecodable};
use event::{Event, Pattern};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use crate::limits::{DRAIN_MAX, PREFETCH, RECEIVED_MAX};

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
    pub(crate) redelivered: bool,
    pub(crate) receipt: R,
}

/// A durable queue on the bus. A task of its own holds the subscriber, because what waits for an
/// event here also waits for other things and must be free to stop waiting at any time.
pub(crate) struct BusSource {
    deliveries: mpsc::Receiver<Delivery>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl BusSource {
    /// Consumes `queue`, bound to `patterns`; waits for the bus as long as it takes.
    pub(crate) fn start(bus: BusUrl, app: &str, queue: &str, patterns: Vec<Pattern>) -> BusSource {
        let queue = Queue::Durable(queue.to_owned());
        let subscription = Subscription { queue, patterns, prefetch: PREFETCH };
        let (sender, deliveries) = mpsc::channel(RECEIVED_MAX);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(pump(bus, app.to_owned(), subscription, sender, stopped));
        BusSource { deliveries, stop, task }
    }

    /// Gives back what was not acknowledged and closes the connection.
    pub(crate) async fn close(self) {
        let _ = self.stop.send(());
        drop(self.deliveries);
        let _ = timeout(DRAIN_MAX, self.task).await;
    }
}

impl Source for BusSource {
    type Receipt = Delivery;

    async fn next(&mut self) -> Option<Received<Delivery>> {
        let mut delivery = self.deliveries.recv().await?;
        let moved = Undecodable { topic: String::new(), body: Vec::new(), reason: String::new() };
        // The verdict consumes the delivery, so the event is moved out and not copied.
        let event = std::mem::replace(&mut delivery.event, Err(moved));
        Some(Received { event, redelivered: delivery.redelivered, receipt: delivery })
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

async fn pump(
    bus: BusUrl,
    app: String,
    subscription: Subscription,
    sender: mpsc::Sender<Delivery>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut subscriber = tokio::select! {
        _ = &mut stopped => return,
        subscriber = Subscriber::connect_patiently(&bus, &app, subscription) => subscriber,
    };
    loop {
        let delivery = tokio::select! {
            _ = &mut stopped => break,
            delivery = subscriber.next() => delivery,
        };
        let sent = tokio::select! {
            _ = &mut stopped => break,
            sent = sender.send(delivery) => sent,
        };
        if sent.is_err() {
            break;
        }
    }
    subscriber.close().await;
}
