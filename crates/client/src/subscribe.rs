//! What a service says of the events it wants, and how they are to be handled.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use event::{Event, Pattern};

use crate::{
    BusUrl, DeadLetters, Error, Inbox, Publisher, Queue, Retry, Subscriber, Subscription,
    Surroundings, Trust,
    handling::{Handled, Handling, Job},
    limits::{APP_WAIT, KEYED_AHEAD},
    seen::Seen,
};

/// Events of a pattern (`*` is one word of the topic, `#` any number): how they are received.
///
/// ```no_run
/// # async fn example() -> Result<(), client::Error> {
/// client::subscribe("org.example.door.#")?
///     .queue("doors")                               // nothing is missed while we are away
///     .parallel(8)
///     .retry(3, std::time::Duration::from_secs(1))  // then to the queue doors.dead
///     .run(async |event| {
///         println!("{}", event.topic);
///         Ok::<(), std::io::Error>(())
///     })
///     .await;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::NoEvent`]: it is no pattern. Those of [`Surroundings::of_process`].
pub fn subscribe(pattern: &str) -> Result<Subscribe, Error> {
    let around = Surroundings::of_process()?;
    let trust = around.signing.trust()?;
    Subscribe { trust, ..Subscribe::on(&around.bus, &around.app) }.and(pattern)
}

/// What [`Subscribe::in_order_of`] is given.
pub(crate) type Key = dyn Fn(&Event) -> String + Send + Sync;

/// A subscription in the making. Without a word more: all in a temporary queue, one at a time, in
/// order, no retry.
#[must_use = "it receives nothing before `run` or `connect`"]
pub struct Subscribe {
    bus: BusUrl,
    app: String,
    trust: Option<Trust>,
    queue: Queue,
    patterns: Vec<Pattern>,
    parallel: u16,
    key: Option<Arc<Key>>,
    retry: Retry,
    dead_letters: Option<String>,
    remembered: usize,
    patience: Duration,
}

impl Subscribe {
    /// On that bus, under that name in its list of connections.
    pub fn on(bus: &BusUrl, app: &str) -> Subscribe {
        Subscribe {
            bus: bus.clone(),
            app: app.to_owned(),
            trust: None,
            queue: Queue::Temporary,
            patterns: Vec::new(),
            parallel: 1,
            key: None,
            retry: Retry::default(),
            dead_letters: None,
            remembered: 0,
            patience: APP_WAIT,
        }
    }

    /// Events of this pattern, too.
    ///
    /// # Errors
    /// [`Error::NoEvent`]: it is no pattern.
    pub fn and(mut self, pattern: &str) -> Result<Subscribe, Error> {
        self.patterns.push(pattern.parse().map_err(Error::NoEvent)?);
        Ok(self)
    }

    /// Only what is signed as this has it, or with a flag. By [`subscribe`] it is as the
    /// configuration has it.
    pub fn trusting(self, trust: Trust) -> Subscribe {
        Subscribe { trust: Some(trust), ..self }
    }

    /// In a durable queue of this name: what comes while nobody is there waits in it. Several
    /// processes with one queue share the work.
    pub fn queue(self, name: &str) -> Subscribe {
        Subscribe { queue: Queue::Durable(name.to_owned()), ..self }
    }

    /// So many handlers at once, at least 1; with more than one, events are out of order.
    pub fn parallel(self, handlers: u16) -> Subscribe {
        Subscribe { parallel: handlers.max(1), ..self }
    }

    /// Of events with the same key one after the other, in order; of others many at once.
    pub fn in_order_of(self, key: impl Fn(&Event) -> String + Send + Sync + 'static) -> Subscribe {
        Subscribe { key: Some(Arc::new(key)), ..self }
    }

    /// What failed is tried so often again, after a wait that doubles, and then kept in the queue
    /// NAME.dead beside queue NAME, with the reason in its headers.
    pub fn retry(self, times: u32, delay: Duration) -> Subscribe {
        Subscribe { retry: Retry { times, delay }, ..self }
    }

    /// What failed for good goes to this durable queue. Without it what failed in a temporary queue
    /// is said in the log and gone.
    pub fn dead_letters(self, queue: &str) -> Subscribe {
        Subscribe { dead_letters: Some(queue.to_owned()), ..self }
    }

    /// Does not handle an event whose id is among the last so many that were handled.
    pub fn deduplicate(self, remembered: usize) -> Subscribe {
        Subscribe { remembered, ..self }
    }

    /// How long handlers may take to end after a stop; then their events come again. 30 s unless
    /// said.
    pub fn patience(self, patience: Duration) -> Subscribe {
        Subscribe { patience, ..self }
    }

    /// Receives; every delivery is to be acknowledged by hand. [`Subscriber::into_stream`] makes a
    /// stream of it.
    ///
    /// # Errors
    /// As [`Subscriber::connect`].
    pub async fn connect(self) -> Result<Subscriber, Error> {
        let subscriber = Subscriber::connect(&self.bus, &self.app, self.subscription()).await?;
        Ok(subscriber.trusting(self.trust))
    }

    /// Handles events for ever: each is acknowledged when its handler succeeded, or when it is kept
    /// as a dead letter. Waits for the bus as often as need be. In its handler an event's
    /// [`crate::TraceContext`] is the current one.
    pub async fn run<H, F, E>(self, handler: H) -> Handled
    where
        H: Fn(Event) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.run_until(std::future::pending(), handler).await
    }

    /// As [`Subscribe::run`], until `stop`: then takes no more, waits for the handlers that run,
    /// and leaves the rest to others.
    pub async fn run_until<H, F, E>(self, stop: impl Future<Output = ()>, handler: H) -> Handled
    where
        H: Fn(Event) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let of = match &self.queue {
            Queue::Durable(name) | Queue::Inbox(Inbox { name, .. }) => name.clone(),
            Queue::Temporary => String::new(),
        };
        let own = (!of.is_empty()).then(|| format!("{of}.dead"));
        let dead = self.dead_letters.clone().or(own).map(|queue| DeadLetters {
            publisher: Publisher::unconnected(&self.bus, &self.app),
            queue,
            of,
        });
        let job = Job::new(handler, self.retry, dead, Seen::new(self.remembered));
        // Of a duplicate nobody knows before its first one is done with.
        let by_id = || Arc::new(|event: &Event| event.id.clone()) as Arc<Key>;
        let key = self.key.clone().or_else(|| (self.remembered > 0).then(by_id));
        let mut stop = std::pin::pin!(stop);
        let subscription = self.subscription();
        let connecting = Subscriber::connect_patiently(&self.bus, &self.app, subscription);
        let subscriber = tokio::select! {
            subscriber = connecting => subscriber.trusting(self.trust.clone()),
            () = &mut stop => return Handled::default(),
        };
        let handling = Handling::new(subscriber, job, key, self.parallel.into(), self.patience);
        handling.run_until(stop).await
    }

    fn subscription(&self) -> Subscription {
        // One that waits for its key must not keep the others from coming.
        let ahead = if self.key.is_some() { KEYED_AHEAD } else { 1 };
        let prefetch = self.parallel.saturating_mul(ahead);
        Subscription { queue: self.queue.clone(), patterns: self.patterns.clone(), prefetch }
    }
}

impl fmt::Debug for Subscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe")
            .field("bus", &self.bus)
            .field("queue", &self.queue)
            .field("patterns", &self.patterns)
            .finish_non_exhaustive()
    }
}
