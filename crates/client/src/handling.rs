//! Many handlers at once: who is next, in which order, and what comes of it.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use event::Event;
use futures_util::FutureExt;
use tokio::{sync::watch, task::JoinSet};
use tracing::{debug, error, warn};

use crate::{DeadLetters, Delivery, Retry, Subscriber, TraceContext, seen::Seen, subscribe::Key};

/// What became of the events of a subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Handled {
    /// Their handler succeeded.
    pub done: u64,
    /// Their handler failed for good, or they were no events.
    pub failed: u64,
    /// They had been handled before.
    pub duplicates: u64,
}

type Handler =
    dyn Fn(Event) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync;

/// What is the same for all events.
pub(crate) struct Job {
    handler: Box<Handler>,
    retry: Retry,
    dead: Option<DeadLetters>,
    seen: Mutex<Seen>,
    done: AtomicU64,
    failed: AtomicU64,
    duplicates: AtomicU64,
}

impl Job {
    pub(crate) fn new<H, F, E>(
        handler: H,
        retry: Retry,
        dead: Option<DeadLetters>,
        seen: Seen,
    ) -> Job
    where
        H: Fn(Event) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let handler: Box<Handler> = Box::new(move |event| {
            let handled = handler(event);
            Box::pin(async move { handled.await.map_err(|error| error.to_string()) })
        });
        let (done, failed, duplicates) = Default::default();
        Job { handler, retry, dead, seen: Mutex::new(seen), done, failed, duplicates }
    }

    /// Handles one delivery to its end. Left without a verdict when we are told to stop in a wait
    /// between two tries: then it comes again.
    async fn handle(&self, delivery: Delivery, stopped: watch::Receiver<bool>) {
        match &delivery.event {
            Ok(event) if self.seen().contains(&event.id) => {
                self.duplicates.fetch_add(1, Relaxed);
            }
            Ok(event) => match self.run(event, stopped).await {
                Verdict::Stopped => return,
                Verdict::Done => {
                    self.seen().remember(&event.id);
                    self.done.fetch_add(1, Relaxed);
                }
                Verdict::Failed { reason, attempts } => {
                    self.failed.fetch_add(1, Relaxed);
                    error!(event = %event.id, topic = %event.topic, %reason, attempts, "an event was not handled");
                    if let Some(dead) = &self.dead {
                        dead.keep(event.clone(), &reason, attempts).await;
                    }
                }
            },
            Err(undecodable) => {
                self.failed.fetch_add(1, Relaxed);
                error!(%undecodable, "not handled");
                if let Some(dead) = &self.dead {
                    dead.keep_undecodable(undecodable).await;
                }
            }
        }
        if let Err(error) = delivery.ack().await {
            debug!(%error, "an acknowledgement did not arrive");
        }
    }

    async fn run(&self, event: &Event, mut stopped: watch::Receiver<bool>) -> Verdict {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let Err(reason) = self.attempt(event.clone()).await else { return Verdict::Done };
            if attempts > self.retry.times {
                return Verdict::Failed { reason, attempts };
            }
            let wait = self.retry.wait(attempts);
            warn!(event = %event.id, topic = %event.topic, %reason, again = ?wait, "a handler failed");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stopped.wait_for(|stopped| *stopped) => return Verdict::Stopped,
            }
        }
    }

    async fn attempt(&self, event: Event) -> Result<(), String> {
        let context = TraceContext::of(&event);
        // A handler that panics has failed; the others go on.
        let handled = AssertUnwindSafe(async { (self.handler)(event).await }).catch_unwind();
        let handled = match context {
            Some(context) => context.scope(handled).await,
            None => handled.await,
        };
        handled.unwrap_or_else(|_| Err("its handler panicked".to_owned()))
    }

    fn handled(&self) -> Handled {
        Handled {
            done: self.done.load(Relaxed),
            failed: self.failed.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
        }
    }

    // Poisoned, it is entered: what it lacks costs a duplicate.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Verdict {
    Done,
    Failed { reason: String, attempts: u32 },
    Stopped,
}

/// A subscriber and the handlers that run.
pub(crate) struct Handling {
    subscriber: Subscriber,
    job: Arc<Job>,
    key: Option<Arc<Key>>,
    parallel: usize,
    patience: Duration,
    running: JoinSet<Option<String>>,
    /// The keys that are being handled, and what waits behind each.
    behind: HashMap<String, VecDeque<Delivery>>,
    waiting: usize,
    stopping: watch::Sender<bool>,
}

impl Handling {
    pub(crate) fn new(
        subscriber: Subscriber,
        job: Job,
        key: Option<Arc<Key>>,
        parallel: usize,
        patience: Duration,
    ) -> Handling {
        Handling {
            subscriber,
            job: Arc::new(job),
            key,
            parallel,
            patience,
            running: JoinSet::new(),
            behind: HashMap::new(),
            waiting: 0,
            stopping: watch::channel(false).0,
        }
    }

    pub(crate) async fn run_until(
        mut self,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Handled {
        loop {
            // What waits is bounded by the prefetch, but for what an old connection left behind.
            let has_room = self.running.len() < self.parallel
                && self.waiting < WAITING_MAX_PER_HANDLER * self.parallel;
            tokio::select! {
                () = &mut stop => break,
                Some(ended) = self.running.join_next() => self.next_of(ended.ok().flatten()),
                delivery = self.subscriber.next(), if has_room => self.begin(delivery),
            }
        }
        self.stopping.send_replace(true);
        self.behind.clear();
        let drained = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(self.patience, drained).await.is_err() {
            warn!(
                handlers = self.running.len(),
                "handlers that did not end are cut off; their events come again"
            );
        }
        self.running.shutdown().await;
        self.subscriber.close().await;
        self.job.handled()
    }

    fn begin(&mut self, delivery: Delivery) {
        let key = match (&self.key, &delivery.event) {
            (Some(key), Ok(event)) => Some(key(event)),
            _ => None,
        };
        if let Some(key) = &key {
            if let Some(behind) = self.behind.get_mut(key) {
                behind.push_back(delivery);
                self.waiting += 1;
                return;
            }
            self.behind.insert(key.clone(), VecDeque::new());
        }
        self.spawn(delivery, key);
    }

    /// One with that key has ended: the next one of it, if there is one.
    fn next_of(&mut self, key: Option<String>) {
        let Some(key) = key else { return };
        match self.behind.get_mut(&key).and_then(VecDeque::pop_front) {
            Some(delivery) => {
                self.waiting -= 1;
                self.spawn(delivery, Some(key));
            }
            None => drop(self.behind.remove(&key)),
        }
    }

    fn spawn(&mut self, delivery: Delivery, key: Option<String>) {
        let (job, stopped) = (Arc::clone(&self.job), self.stopping.subscribe());
        self.running.spawn(async move {
            job.handle(delivery, stopped).await;
            key
        });
    }
}

const WAITING_MAX_PER_HANDLER: usize = 64;
