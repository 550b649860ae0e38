//! Fills a feed from the bus: everything published from now on, through a temporary queue.

use std::{sync::Arc, time::Duration};

use client::{BusUrl, Queue, Subscriber, Subscription};
use event::Registry;
use jiff::Timestamp;

use crate::feed::{Bus, Feed};

impl Feed {
    /// Puts all events of the bus (`#`) into the feed, for ever: through any outage, which the
    /// pages show. `app` is shown in the broker's list of connections. Run it as a task.
    pub async fn follow(self, bus: BusUrl, registry: Arc<Registry>, app: String) {
        let mut subscriber = self.reach(&bus, &app).await;
        loop {
            let delivery = subscriber.next().await;
            self.set_bus(Bus::Connected);
            match &delivery.event {
                Ok(event) => self.push(event.clone(), registry.describe(event)),
                Err(message) => {
                    self.count_undecodable();
                    tracing::debug!(
                        topic = message.topic,
                        reason = message.reason,
                        "a message on the bus is not an event; the page does not show it"
                    );
                }
            }
            // Without the acknowledgement it comes again, and the feed knows it already.
            if let Err(error) = delivery.ack().await {
                tracing::debug!(%error, "an event shown on the page was not acknowledged");
            }
        }
    }

    /// Connects, however long it takes, and says on the pages why it takes long.
    async fn reach(&self, bus: &BusUrl, app: &str) -> Subscriber {
        let mut wait = RETRY_FIRST;
        loop {
            let everything =
                Subscription { queue: Queue::Temporary, patterns: Vec::new(), prefetch: PREFETCH };
            match Subscriber::connect(bus, app, everything).await {
                Ok(subscriber) => {
                    self.set_bus(Bus::Connected);
                    return subscriber;
                }
                Err(error) => {
                    tracing::warn!(%bus, %error, retry_in = ?wait, "the page cannot follow the bus");
                    self.set_bus(Bus::Away { since: Timestamp::now(), reason: error.to_string() });
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }
}

const PREFETCH: u16 = 200;
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(10);
