//! The service: bus, registry and mail put together.

use std::{future::Future, sync::Arc};

use client::{BusUrl, Queue, Subscriber, Subscription};
use event::Registry;
use tokio::sync::watch;

use crate::{
    Config, Counters, Error, Mailer, dead_letters::BusDeadLetters, dispatcher::Dispatcher,
    limits::PREFETCH,
};

/// The durable queue the notifier consumes. Bound to every pattern somebody subscribes to.
pub const QUEUE: &str = "tubepost.notify.mail";

/// Tells people by mail what they subscribed to. Several on one bus share the work.
#[derive(Debug)]
pub struct Notifier {
    config: Config,
    registry: Registry,
    bus: BusUrl,
    mailer: Mailer,
    counters: Arc<Counters>,
    listening: watch::Sender<bool>,
}

impl Notifier {
    /// A notifier. Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Tls`] when the certificates to trust cannot be used.
    pub fn new(config: Config, registry: Registry, bus: BusUrl) -> Result<Notifier, Error> {
        let mailer = Mailer::new(&config.mail)?;
        let listening = watch::Sender::new(false);
        Ok(Notifier { config, registry, bus, mailer, counters: Arc::default(), listening })
    }

    /// Ready once the notifier's queue is there, or the notifier is gone: what is published from
    /// then on is not missed, even at the very first start.
    pub fn listening(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut listening = self.listening.subscribe();
        async move { drop(listening.wait_for(|listening| *listening).await) }
    }

    /// What it did so far; can be kept and read while it runs.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Runs until `shutdown`; waits through any outage of the bus and of the mail server. What is
    /// being sent then has a few seconds to end; everything else stays in the queue.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let patterns = self.config.patterns();
        tracing::info!(
            subscriptions = self.config.subscriptions.len(),
            queue = QUEUE,
            server = format!("{}:{}", self.config.mail.host, self.config.mail.port),
            "mail notifier started"
        );
        let dead_letters = BusDeadLetters::new(self.bus.clone(), APP);
        let queue = Queue::Durable(QUEUE.to_owned());
        let subscription = Subscription { queue, patterns, prefetch: PREFETCH };
        let mut shutdown = std::pin::pin!(shutdown);
        let mut subscriber = tokio::select! {
            () = &mut shutdown => return,
            subscriber = Subscriber::connect_patiently(&self.bus, APP, subscription) => subscriber,
        };
        self.listening.send_replace(true);
        let dispatcher = Dispatcher {
            subscriptions: &self.config.subscriptions,
            describe: |event: &event::Event| self.registry.describe(event),
            destination: &self.mailer,
            dead_letters: &dead_letters,
            counters: &self.counters,
            sending_max: self.config.mail.connections_max,
        };
        dispatcher.run(&mut subscriber, shutdown).await;
        subscriber.close().await;
        dead_letters.close().await;
        tracing::info!(counts = ?self.counters.read(), "mail notifier stopped");
    }
}

/// How the connections are called in the broker's list.
const APP: &str = "tubepost notify";
