//! The loop between source and destination: events in, notices out, acknowledgements back.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use event::{Description, Event};
use futures_util::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use tokio::time::{Instant, sleep_until, timeout};

use crate::{
    Audience, Counters, Destinations, Kind,
    dead_letters::{DeadLetters, dead_letter},
    in_flight::{Arrival, InFlight},
    limits::{CROWDED, DRAIN_MAX, IDLE_MAX, IN_FLIGHT_MAX},
    outbox::{Job, News, Outbox, Outcome, Settled, Task},
    source::{Receipt, Received, Source},
};

/// What the loop works with.
pub(crate) struct Dispatcher<'a, L, F> {
    pub(crate) audience: &'a Audience,
    pub(crate) describe: F,
    pub(crate) destinations: &'a Destinations,
    pub(crate) dead_letters: &'a L,
    pub(crate) counters: &'a Counters,
}

/// What the loop knows.
struct State<R> {
    in_flight: InFlight<R>,
    /// One for each kind of destination: one that is away keeps only its own waiting.
    outboxes: BTreeMap<Kind, Office>,
    /// When the destinations are told that they may rest.
    rest_at: Option<Instant>,
}

/// What goes by one kind of destination.
#[derive(Default)]
struct Office {
    outbox: Outbox,
    /// How many are out.
    sending: usize,
}

impl<R> State<R> {
    fn new() -> State<R> {
        State { in_flight: InFlight::default(), outboxes: BTreeMap::new(), rest_at: None }
    }

    /// The next job of any kind that has a hand free.
    fn next(&mut self, destinations: &Destinations, now: Instant) -> Option<Job> {
        self.outboxes.iter_mut().find_map(|(kind, office)| {
            if office.sending >= destinations.at_once(*kind) {
                return None;
            }
            let job = office.outbox.next(now)?;
            office.sending += 1;
            Some(job)
        })
    }

    fn wake_at(&self) -> Option<Instant> {
        self.outboxes.values().filter_map(|office| office.outbox.wake_at()).min()
    }
}

/// Something the loop waits for while it goes on.
enum Work {
    Job(Job),
    Rest,
}

impl<L, F> Dispatcher<'_, L, F>
where
    L: DeadLetters,
    F: Fn(&Event) -> Description,
{
    /// Runs until `shutdown`, then lets what is being sent end, for a while.
    pub(crate) async fn run<S: Source>(&self, source: &mut S, shutdown: impl Future<Output = ()>) {
        let mut state = State::new();
        let mut working = FuturesUnordered::new();
        let mut shutdown = std::pin::pin!(shutdown);
        let mut open = true;
        loop {
            if state.in_flight.len() >= CROWDED {
                let now = Instant::now();
                state.outboxes.values_mut().for_each(|office| office.outbox.give_way(now));
            }
            while let Some(job) = state.next(self.destinations, Instant::now()) {
                state.rest_at = None;
                working.push(self.work(Work::Job(job)));
            }
            let wake_at = state.wake_at();
            let room = open && state.in_flight.len() < IN_FLIGHT_MAX;
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = working.next() => {
                    let rested = ended.is_none();
                    self.settle(ended, &mut state).await;
                    if working.is_empty() && !rested {
                        state.rest_at = Some(Instant::now() + IDLE_MAX);
                    }
                }
                received = source.next(), if room => match received {
                    Some(received) => self.receive(received, &mut state).await,
                    None => open = false,
                },
                () = until(wake_at) => {}
                () = until(state.rest_at) => {
                    state.rest_at = None;
                    working.push(self.work(Work::Rest));
                }
            }
        }
        let draining = async {
            while let Some(ended) = working.next().await {
                self.settle(ended, &mut state).await;
            }
            self.destinations.rest().await;
        };
        if timeout(DRAIN_MAX, draining).await.is_err() {
            tracing::warn!("not waiting longer for what is being sent; it stays queued");
        }
    }

    /// Turns one delivery into notices, or into a verdict.
    async fn receive<R: Receipt>(&self, received: Received<R>, state: &mut State<R>) {
        self.counters.received();
        let Received { event, redelivered, receipt } = received;
        let event = match event {
            Ok(event) => event,
            Err(not_one) => {
                self.counters.undecodable();
                let (topic, bytes) = (not_one.topic.as_str(), not_one.body.len());
                tracing::warn!(
                    topic,
                    bytes,
                    "message rejected, it is no event: {}",
                    not_one.reason
                );
                unheard(receipt.reject().await);
                return;
            }
        };
        let (receipt, event) = match state.in_flight.arrive(event, redelivered, receipt) {
            Arrival::New(receipt, event) => (receipt, event),
            Arrival::Joined => return,
            Arrival::Told(receipt) => return unheard(receipt.ack().await),
        };
        let description = Arc::new((self.describe)(&event));
        let notices = self.audience.notices(&event, &description, Timestamp::now());
        if notices.is_empty() {
            return unheard(receipt.ack().await);
        }
        let flight = state.in_flight.start(event, receipt, notices.len());
        for notice in notices {
            let office = state.outboxes.entry(notice.to.kind()).or_default();
            office.outbox.push(flight, notice);
        }
    }

    /// One try; its address and how it ended.
    async fn work(&self, work: Work) -> Option<(Job, Outcome)> {
        let job = match work {
            Work::Job(job) => job,
            Work::Rest => {
                self.destinations.rest().await;
                return None;
            }
        };
        let outcome = match &job.task {
            Task::Deliver => match self.destinations.deliver(&job.notice).await {
                Ok(()) => Outcome::Delivered,
                Err(failure) => Outcome::Failed(failure),
            },
            Task::Bury(reason) => {
                match self.dead_letters.bury(&dead_letter(&job.notice, reason)).await {
                    Ok(()) => Outcome::Buried,
                    Err(reason) => Outcome::NotBuried(reason),
                }
            }
        };
        Some((job, outcome))
    }

    async fn settle<R: Receipt>(&self, ended: Option<(Job, Outcome)>, state: &mut State<R>) {
        let Some((job, outcome)) = ended else { return };
        match &outcome {
            Outcome::Delivered => self.counters.delivered(),
            Outcome::Buried => self.counters.dead_lettered(),
            Outcome::Failed(_) | Outcome::NotBuried(_) => self.counters.retried(),
        }
        let office = state.outboxes.entry(job.notice.to.kind()).or_default();
        office.sending = office.sending.saturating_sub(1);
        let Settled { done, news } =
            office.outbox.settle(&job.notice.to.key(), outcome, Instant::now());
        for news in &news {
            tell(news, &job, office.outbox.len());
        }
        let Some((event, receipts)) = done.and_then(|flight| state.in_flight.done(flight)) else {
            return;
        };
        let mut heard = false;
        for receipt in receipts {
            heard |= receipt.ack().await.is_ok();
        }
        if !heard {
            state.in_flight.remember(event);
        }
    }
}

/// A verdict that does not reach the bus: the message comes again, and is judged again.
fn unheard(verdict: Result<(), String>) {
    if let Err(reason) = verdict {
        tracing::debug!("the bus did not hear the verdict, the event will come again: {reason}");
    }
}

fn tell(news: &News, job: &Job, waiting: usize) {
    let (event, to, kind) =
        (job.notice.event.id.as_str(), job.notice.to.shown(), job.notice.to.kind());
    match news {
        News::Away(reason) => {
            tracing::warn!(waiting, "{kind} waits, trying again until it goes: {reason}");
        }
        News::Back(after) => {
            tracing::info!(waiting, "{kind} goes again after {} s", after.as_secs());
        }
        News::Deferred(reason) => {
            tracing::warn!(to, event, "{kind} to one address waits, trying again: {reason}");
        }
        News::Buried(reason) => tracing::warn!(
            to,
            event,
            "{kind} not delivered, the event is in queue {}: {reason}",
            crate::DEAD_LETTER_QUEUE
        ),
        News::NotBuried(reason) => tracing::warn!(
            to,
            event,
            "queue {} cannot be reached, trying again: {reason}",
            crate::DEAD_LETTER_QUEUE
        ),
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
