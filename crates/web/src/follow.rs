//! Fills a feed from the bus: everything published from now on, through a temporary queue.

use std::{sync::Arc, time::Duration};

use client::{BusUrl, Queue, Subscriber, Subscription, Trust};
use event::Registry;
use jiff::Timestamp;
use tokio::time::MissedTickBehavior;

use crate::feed::{Bus, Feed};

impl Feed {
    /// Puts all events of the bus (`#`) into the feed, for ever: through any outage, which the
    /// pages show. `app` is shown in the broker's list of connections. Run it as a task.
    pub async fn follow(self, bus: BusUrl, registry: Arc<Registry>, app: String) {
        self.follow_trusting(bus, registry, app, None).await;
    }

    /// As [`Feed::follow`], judging the signature of each event; one that is refused is not shown.
    pub async fn follow_trusting(
        self,
        bus: BusUrl,
        registry: Arc<Registry>,
        app: String,
        trust: Option<Trust>,
    ) {
        let mut subscriber = self.reach(&bus, &app).await.trusting(trust);
        // `next` waits out an outage by itself and in silence; this looks whether it is in one.
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let delivery = tokio::select! {
                delivery = subscriber.next() => Some(delivery),
                _ = look.tick() => None,
            };
            self.set_bus(match subscriber.is_consuming() {
                true => Bus::Connected,
                false => Bus::Away {
                    since: Timestamp::now(),
                    reason: format!("the connection to {bus} ended"),
                },
            });
            let Some(delivery) = delivery else { continue };
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

const LOOK_EVERY: Duration = Duration::from_secs(1);
const PREFETCH: u16 = 200;
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bus_that_is_not_there_is_shown_as_away_with_the_reason() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let feed = Feed::default();
        assert_eq!(feed.bus(), Bus::Connecting);
        let mut bus = feed.watch_bus();
        let url: BusUrl = format!("amqp://guest:secret@{nobody}").parse().unwrap();
        let following = feed.clone().follow(url, Arc::new(Registry::builtin()), "test".to_owned());
        let following = tokio::spawn(following);
        tokio::time::timeout(Duration::from_secs(20), bus.changed()).await.unwrap().unwrap();
        let Bus::Away { reason, .. } = feed.bus() else { panic!("{:?}", feed.bus()) };
        assert!(reason.contains(&nobody.to_string()), "{reason}");
        assert!(!reason.contains("secret"), "{reason}");
        following.abort();
    }
}
