//! The service: bus, registry and destinations put together.

use std::{future::Future, sync::Arc};

use client::{BusUrl, Queue, Subscriber, Subscription, Trust};
use event::Registry;
use tokio::sync::{Notify, watch};

use crate::{
    Audience, Config, Counters, DesktopPost, Destination, Destinations, Error, IrcMessenger, Kind,
    Mailer, MatrixMessenger, NtfyPublisher, PushSender, Webhooks,
    dispatcher::Dispatcher,
    follower::{self, Follower},
    limits::PREFETCH,
    store::Store,
};

/// The durable queue the notifier consumes. Bound to every pattern that the file's
/// subscriptions have; with a store of rules, to every topic.
pub const QUEUE: &str = "tubepost.notify.mail";

/// Tells people what they subscribed to. Several on one bus share the work.
#[derive(Debug)]
pub struct Notifier {
    config: Config,
    audience: Arc<Audience>,
    follower: Option<Follower>,
    registry: Registry,
    bus: BusUrl,
    destinations: Destinations,
    trust: Option<Trust>,
    counters: Arc<Counters>,
    listening: watch::Sender<bool>,
    /// Somebody put something into the outbox.
    nudged: Arc<Notify>,
}

impl Notifier {
    /// A notifier. Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Tls`] or [`Error::Settings`] when the certificates to trust cannot be used.
    pub fn new(config: Config, registry: Registry, bus: BusUrl) -> Result<Notifier, Error> {
        let mut destinations = Destinations::default();
        destinations.put(Kind::Mail, Mailer::new(&config.mail)?);
        if let Some(webhook) = &config.webhook {
            destinations.put(Kind::Webhook, Webhooks::new(webhook)?);
        }
        if let Some(ntfy) = &config.ntfy {
            destinations.put(Kind::Ntfy, NtfyPublisher::new(ntfy)?);
        }
        if let Some(push) = &config.push {
            destinations.put(Kind::Push, PushSender::new(push)?);
        }
        destinations.put(Kind::Desktop, DesktopPost::new(bus.clone()));
        if let Some(irc) = &config.irc {
            destinations.put(Kind::Irc, IrcMessenger::new(irc)?);
        }
        if let Some(matrix) = &config.matrix {
            destinations.put(Kind::Matrix, MatrixMessenger::new(matrix)?);
        }
        let listening = watch::Sender::new(false);
        let audience = Arc::new(Audience::of(&config.subscriptions));
        Ok(Notifier {
            config,
            audience,
            follower: None,
            registry,
            bus,
            destinations,
            trust: None,
            counters: Arc::default(),
            listening,
            nudged: Arc::default(),
        })
    }

    /// Tells what the rules of a store ask for, too, as they are at any moment. Reads them all;
    /// waits for that.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn following(mut self, store: Arc<Store>) -> Result<Notifier, Error> {
        let nudged = Arc::clone(&self.nudged);
        let follower = follower::follow(store, &self.audience, nudged);
        self.follower = Some(follower.map_err(Error::Store)?);
        Ok(self)
    }

    /// Tells people by this, too.
    #[must_use]
    pub fn telling(mut self, kind: Kind, destination: impl Destination + 'static) -> Notifier {
        self.destinations.put(kind, destination);
        self
    }

    /// Whom it tells: rules, groups, destinations as they are now.
    pub fn audience(&self) -> Arc<Audience> {
        Arc::clone(&self.audience)
    }

    /// Judges the signature of each event; one that is refused is told to nobody.
    #[must_use]
    pub fn trusting(self, trust: Option<Trust>) -> Notifier {
        Notifier { trust, ..self }
    }

    /// Ready once the notifier's queue is there, or the notifier is gone: what is published from
    /// then on is not missed, even at the very first start.
    pub fn listening(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut listening = self.listening.subscribe();
        async move { drop(listening.wait_for(|listening| *listening).await) }
    }

    /// Counts there what it does, together with who else does.
    #[must_use]
    pub fn counting(self, counters: Arc<Counters>) -> Notifier {
        Notifier { counters, ..self }
    }

    /// What it did so far; can be kept and read while it runs.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Runs until `shutdown`; waits through any outage of the bus, of `outbox`, where notices are
    /// kept until they are told, and of whom it tells. What is being sent then has a few seconds to
    /// end; everything else stays where it is. Several notifiers on one outbox share the work.
    pub async fn run(self, outbox: Arc<Store>, shutdown: impl Future<Output = ()>) {
        // What people ask for changes, and a queue is bound once: then it takes every event.
        let patterns = match self.follower {
            None => self.config.patterns(),
            Some(_) => "#".parse().into_iter().collect(),
        };
        tracing::info!(
            rules = self.audience.len(),
            queue = QUEUE,
            server = format!("{}:{}", self.config.mail.host, self.config.mail.port),
            "mail notifier started"
        );
        let queue = Queue::Durable(QUEUE.to_owned());
        let subscription = Subscription { queue, patterns, prefetch: PREFETCH };
        let mut shutdown = std::pin::pin!(shutdown);
        let mut subscriber = tokio::select! {
            () = &mut shutdown => return,
            subscriber = Subscriber::connect_patiently(&self.bus, APP, subscription) => subscriber,
        };
        subscriber = subscriber.trusting(self.trust.clone());
        self.listening.send_replace(true);
        let dispatcher = Dispatcher {
            audience: &self.audience,
            describe: |event: &event::Event| self.registry.describe(event),
            destinations: &self.destinations,
            store: &outbox,
            counters: &self.counters,
            nudged: &self.nudged,
            clock: jiff::Timestamp::now,
        };
        dispatcher.run(&mut subscriber, shutdown).await;
        subscriber.close().await;
        let failures = self.audience.failures();
        if let Some((rule, reason)) = &failures.last {
            let count = failures.count;
            tracing::info!(count, rule, "expressions could not be worked out, the last: {reason}");
        }
        let failed = self.config.templates.failed();
        if failed > 0 {
            tracing::info!(failed, "templates failed, and notices were said without them");
        }
        tracing::info!(counts = ?self.counters.read(), "mail notifier stopped");
    }
}

/// How the connections are called in the broker's list.
const APP: &str = "tubepost notify";
