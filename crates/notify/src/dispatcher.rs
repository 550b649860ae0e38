//! The loop between source, store and destinations: events in, notices kept, acknowledgements
//! back, lanes out. One transaction is under way at a time; what comes meanwhile is for the next.

use std::{collections::BTreeMap, future::Future, panic::AssertUnwindSafe, sync::Arc};

use event::{Description, Event};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Audience, Counters, Destinations, Failure, Kind, Notice,
    backoff::Backoff,
    delivery::{self, Digested},
    holder::Holder,
    limits::{
        DEFERRED_BACKOFF, DRAIN_MAX, FALLBACK_AFTER, IDLE_MAX, LANES_AHEAD, PREFETCH, PUT_OFF_MAX,
        STORE_BACKOFF, SWEEP_EVERY, TRY_MAX,
    },
    outbox::Outbox,
    source::{Receipt, Received, Source},
    store::{Address, Claimed, End, Error, Handed, Letter, Round, Settlement, Store},
};

/// What the loop works with.
pub(crate) struct Dispatcher<'a, F, C> {
    pub(crate) audience: &'a Audience,
    pub(crate) describe: F,
    pub(crate) destinations: &'a Destinations,
    pub(crate) store: &'a Arc<Store>,
    pub(crate) counters: &'a Counters,
    /// Somebody else put something into the outbox.
    pub(crate) nudged: &'a Notify,
    /// The time of day.
    pub(crate) clock: C,
}

/// A transaction, what it does, and the deliveries it is for.
type Writing<R> = (JoinHandle<Result<Handed, Error>>, Arc<Round>, Vec<R>);

/// What the loop knows.
struct State<R> {
    holder: Arc<Holder>,
    /// What the next transaction takes.
    letters: Vec<Letter>,
    settlements: Vec<Settlement>,
    divert: Vec<Kind>,
    /// Of the events whose notices are in `letters`.
    receipts: Vec<R>,
    /// The transaction under way, and the deliveries it is for.
    writing: Option<Writing<R>>,
    /// The store failed: what to try again, and when.
    failed: Option<(Arc<Round>, Vec<R>, Instant)>,
    tries: u32,
    /// One for each kind of destination: one that is away keeps only its own waiting.
    outboxes: BTreeMap<Kind, Outbox>,
    /// When there may be something due.
    look_at: Instant,
    sweep_at: Instant,
    /// Somebody asked to look now.
    is_nudged: bool,
    /// When the destinations are told that they may rest.
    rest_at: Option<Instant>,
}

impl<R> State<R> {
    fn new() -> State<R> {
        let now = Instant::now();
        State {
            holder: Arc::new(Holder::new()),
            letters: Vec::new(),
            settlements: Vec::new(),
            divert: Vec::new(),
            receipts: Vec::new(),
            writing: None,
            failed: None,
            tries: 0,
            outboxes: Kind::ALL.into_iter().map(|kind| (kind, Outbox::default())).collect(),
            look_at: now,
            sweep_at: now,
            is_nudged: false,
            rest_at: None,
        }
    }

    /// The next lane of any kind that has a hand free.
    fn next(&mut self, destinations: &Destinations, now: Instant) -> Option<Claimed> {
        self.outboxes.iter_mut().find_map(|(kind, outbox)| {
            if outbox.out() >= destinations.at_once(*kind) {
                return None;
            }
            outbox.next(now)
        })
    }

    fn wake_at(&self) -> Option<Instant> {
        let outage = self.outboxes.values().filter_map(Outbox::wake_at).min();
        let store = match (&self.writing, &self.failed) {
            (Some(_), _) => None,
            (None, Some((_, _, at))) => Some(*at),
            (None, None) => Some(self.look_at.min(self.sweep_at)),
        };
        [outage, store].into_iter().flatten().min()
    }

    /// What the next transaction does; nothing when it would do nothing.
    fn round(&mut self, destinations: &Destinations, now: Instant) -> Option<Round> {
        let sweep = now >= self.sweep_at;
        let has_something = !self.letters.is_empty()
            || !self.settlements.is_empty()
            || !self.divert.is_empty()
            || sweep
            || self.is_nudged
            || now >= self.look_at;
        if !has_something {
            return None;
        }
        self.is_nudged = false;
        if sweep {
            self.sweep_at = now + SWEEP_EVERY;
        }
        let room = |(kind, outbox): (&Kind, &Outbox)| {
            // While it is away one lane is enough to ask whether it is back.
            let most = match outbox.away_for(now) {
                Some(_) => 1,
                None => destinations.at_once(*kind) * LANES_AHEAD,
            };
            (*kind, most.saturating_sub(outbox.len()))
        };
        Some(Round {
            room: self.outboxes.iter().map(room).collect(),
            letters: std::mem::take(&mut self.letters),
            settlements: std::mem::take(&mut self.settlements),
            divert: std::mem::take(&mut self.divert),
            sweep,
            close: false,
        })
    }
}

/// Something the loop waits for while it goes on.
enum Work {
    Lane(Box<Claimed>),
    Rest,
}

/// How the head of a lane ended.
struct Ended {
    lane: Claimed,
    upto: u64,
    outcome: Result<(), Failure>,
    silenced: bool,
}

impl<F, C> Dispatcher<'_, F, C>
where
    F: Fn(&Event) -> Description,
    C: Fn() -> Timestamp,
{
    /// Runs until `shutdown`, then lets what is being sent end, for a while.
    pub(crate) async fn run<S: Source>(&self, source: &mut S, shutdown: impl Future<Output = ()>) {
        let mut state = State::new();
        let mut working = FuturesUnordered::new();
        let mut shutdown = std::pin::pin!(shutdown);
        let mut open = true;
        loop {
            while let Some(lane) = state.next(self.destinations, Instant::now()) {
                state.rest_at = None;
                working.push(self.work(Work::Lane(Box::new(lane))));
            }
            self.write(&mut state);
            let (wake_at, rest_at) = (state.wake_at(), state.rest_at);
            let room = open && state.receipts.len() < usize::from(PREFETCH);
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                written = written(&mut state.writing) => self.written(written, &mut state).await,
                Some(ended) = working.next() => {
                    match ended {
                        Some(ended) => {
                            self.settle(ended, &mut state);
                            if working.is_empty() {
                                state.rest_at = Some(Instant::now() + IDLE_MAX);
                            }
                        }
                        None => state.rest_at = None,
                    }
                }
                received = source.next(), if room => match received {
                    Some(received) => self.receive(received, &mut state).await,
                    None => open = false,
                },
                () = self.nudged.notified() => state.is_nudged = true,
                () = until(wake_at) => {}
                () = until(rest_at) => {
                    state.rest_at = None;
                    working.push(self.work(Work::Rest));
                }
            }
        }
        let draining = async {
            while let Some(ended) = working.next().await {
                if let Some(ended) = ended {
                    self.settle(ended, &mut state);
                }
            }
            self.destinations.rest().await;
        };
        if timeout(DRAIN_MAX, draining).await.is_err() {
            tracing::warn!("not waiting longer for what is being sent; it stays in the store");
        }
        self.close(state).await;
    }

    /// Turns one delivery into letters, or into a verdict.
    async fn receive<R: Receipt>(&self, received: Received<R>, state: &mut State<R>) {
        self.counters.received();
        let Received { event, receipt, .. } = received;
        let event = match event {
            Ok(event) => Arc::new(event),
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
        let description = (self.describe)(&event);
        let letters = self.audience.letters(&event, &description, (self.clock)());
        if letters.is_empty() {
            return unheard(receipt.ack().await);
        }
        state.letters.extend(letters);
        state.receipts.push(receipt);
    }

    /// Begins a transaction, if none is under way and there is something to do.
    fn write<R>(&self, state: &mut State<R>) {
        if state.writing.is_some() {
            return;
        }
        let now = Instant::now();
        let (round, receipts) = match state.failed.take() {
            Some((round, receipts, at)) if at <= now => (round, receipts),
            Some(failed) => return state.failed = Some(failed),
            None => {
                let Some(round) = state.round(self.destinations, now) else { return };
                (Arc::new(round), std::mem::take(&mut state.receipts))
            }
        };
        let task = self.transact(&round, &state.holder);
        state.writing = Some((task, round, receipts));
    }

    fn transact(
        &self,
        round: &Arc<Round>,
        holder: &Arc<Holder>,
    ) -> JoinHandle<Result<Handed, Error>> {
        let (store, round, holder) =
            (Arc::clone(self.store), Arc::clone(round), Arc::clone(holder));
        let now = (self.clock)();
        // It waits for the disk.
        tokio::task::spawn_blocking(move || store.round(&round, &holder, now))
    }

    async fn written<R: Receipt>(&self, written: Result<Handed, Error>, state: &mut State<R>) {
        let Some((_, round, receipts)) = state.writing.take() else { return };
        let handed = match written {
            Ok(handed) => handed,
            Err(error) => {
                if state.tries == 0 {
                    tracing::warn!(
                        waiting = receipts.len(),
                        "notices cannot be kept, events stay on the bus, trying again: {error}"
                    );
                }
                state.tries = state.tries.saturating_add(1);
                let at = Instant::now() + Backoff::new(STORE_BACKOFF).pause(state.tries);
                state.failed = Some((round, receipts, at));
                return;
            }
        };
        if std::mem::take(&mut state.tries) > 0 {
            tracing::info!("notices can be kept again");
        }
        self.counters.kept(round.letters.len() as u64);
        for receipt in receipts {
            unheard(receipt.ack().await);
        }
        let now = Instant::now();
        let due = handed.next_due.map(|due| {
            let wait = due.duration_since((self.clock)());
            let wait = std::time::Duration::try_from(wait).unwrap_or_default();
            // Clocks are not the same to the microsecond, and are set.
            now + wait.clamp(DUE_MIN, SWEEP_EVERY)
        });
        state.look_at = due.unwrap_or(now + SWEEP_EVERY);
        for lane in handed.lanes {
            state.outboxes.entry(lane.to.kind()).or_default().push(lane);
        }
    }

    /// One try; how it ended.
    async fn work(&self, work: Work) -> Option<Ended> {
        let mut lane = match work {
            Work::Lane(lane) => *lane,
            Work::Rest => {
                self.destinations.rest().await;
                return None;
            }
        };
        if lane.parcels.is_empty() {
            return None;
        }
        let parcel = lane.parcels.remove(0);
        let upto = parcel.upto;
        let digested =
            delivery::notice(&parcel, &lane.to, self.audience, &self.describe, (self.clock)());
        let (outcome, silenced) = match digested {
            Digested::Unreadable(reason) => (Err(Failure::Refused(reason)), false),
            Digested::Silenced => (Ok(()), true),
            Digested::Notice(notice) => (self.deliver(&notice).await, false),
        };
        if matches!(outcome, Err(Failure::Away(_))) {
            lane.parcels.insert(0, parcel);
        }
        Some(Ended { lane, upto, outcome, silenced })
    }

    async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        let delivering = AssertUnwindSafe(self.destinations.deliver(notice)).catch_unwind();
        match timeout(TRY_MAX, delivering).await {
            Ok(Ok(outcome)) => outcome,
            // It would do so each time, and take the others with it.
            Ok(Err(_)) => Err(Failure::Refused("telling it failed in Tubepost itself".to_owned())),
            Err(_) => Err(Failure::Deferred(format!("no answer in {} s", TRY_MAX.as_secs()))),
        }
    }

    /// Notes how a try ended, for the next transaction.
    fn settle<R>(&self, ended: Ended, state: &mut State<R>) {
        let Ended { lane, upto, outcome, silenced } = ended;
        let (now, moment) = (Instant::now(), (self.clock)());
        let (kind, to) = (lane.to.kind(), lane.to.shown());
        let outbox = state.outboxes.entry(kind).or_default();
        let put_off = lane.put_off_since.unwrap_or(moment);
        let put_off = std::time::Duration::try_from(moment.duration_since(put_off));
        let put_off = put_off.unwrap_or_default();
        let mut address = Address::Unknown;
        let end = match outcome {
            Ok(()) if silenced => End::Silenced,
            Ok(()) => {
                self.counters.delivered();
                address = Address::Good;
                End::Told
            }
            Err(Failure::Away(reason)) => {
                self.counters.retried();
                let away_for = outbox.away_for(now).unwrap_or_default();
                if away_for >= FALLBACK_AFTER {
                    state.divert.push(kind);
                }
                if away_for < FALLBACK_AFTER || !lane.has_fallback {
                    let waiting = outbox.len();
                    if outbox.away(lane, now) {
                        tracing::warn!(
                            waiting,
                            "{kind} waits, trying again until it goes: {reason}"
                        );
                    }
                    return;
                }
                // It goes by the fall-back, and the next lane asks whether this kind is back.
                let last = lane.parcels.len() <= 1;
                let id = lane.id.clone();
                let rest = Claimed { parcels: lane.parcels.into_iter().skip(1).collect(), ..lane };
                outbox.away(rest, now);
                state.settlements.push(Settlement {
                    lane: id,
                    upto,
                    end: End::Diverted(reason),
                    address,
                    last,
                });
                return;
            }
            Err(Failure::Deferred(reason)) if lane.has_fallback && put_off >= FALLBACK_AFTER => {
                End::Diverted(reason)
            }
            Err(Failure::Deferred(reason)) if put_off >= PUT_OFF_MAX => {
                let reason = format!("put off for {} hours: {reason}", put_off.as_secs() / 3600);
                address = Address::Dead(reason.clone());
                End::Parked(reason)
            }
            Err(Failure::Deferred(reason)) => {
                self.counters.retried();
                if lane.tries == 0 {
                    tracing::warn!(to, "{kind} to one address waits, trying again: {reason}");
                }
                let pause = Backoff::new(DEFERRED_BACKOFF).pause(lane.tries.saturating_add(1));
                let until = moment.checked_add(pause).unwrap_or(moment);
                tell_back(kind, outbox.put_off(&lane, now));
                let end = End::Deferred { until, reason };
                let id = lane.id;
                state.settlements.push(Settlement { lane: id, upto, end, address, last: true });
                return;
            }
            Err(Failure::Refused(reason)) if lane.has_fallback => End::Diverted(reason),
            Err(Failure::Refused(reason)) => End::Parked(reason),
            Err(Failure::Bounced(reason)) => {
                address = match kind {
                    // RFC 8030 §7.3: a browser's subscription that is gone never comes back.
                    Kind::Push => Address::Dead(reason.clone()),
                    _ => Address::Bounced(reason.clone()),
                };
                if lane.has_fallback { End::Diverted(reason) } else { End::Parked(reason) }
            }
        };
        match &end {
            End::Parked(reason) => {
                self.counters.parked();
                tracing::warn!(
                    to,
                    "{kind} not delivered, see tubepost notify parked list: {reason}"
                );
            }
            End::Diverted(reason) => {
                tracing::warn!(to, "{kind} not delivered, it goes by the fall-back: {reason}");
            }
            _ => {}
        }
        // The lane was told: what put it off is over.
        let mut lane = Claimed { tries: 0, put_off_since: None, ..lane };
        if matches!(address, Address::Bounced(_) | Address::Dead(_)) {
            // The store knows whether anything goes there still.
            lane.parcels.clear();
        }
        let (last, id) = (lane.parcels.is_empty(), lane.id.clone());
        tell_back(kind, outbox.answered(lane, now));
        state.settlements.push(Settlement { lane: id, upto, end, address, last });
    }

    /// Ends what is being written, writes what there is to say, and gives the leases back. What
    /// is not kept was not acknowledged, and comes again.
    async fn close<R: Receipt>(&self, mut state: State<R>) {
        let closing = async {
            if state.writing.is_some() {
                let last = written(&mut state.writing).await;
                self.written(last, &mut state).await;
            }
            if let Some((round, receipts, _)) = state.failed.take() {
                state.writing = Some((self.transact(&round, &state.holder), round, receipts));
                let last = written(&mut state.writing).await;
                self.written(last, &mut state).await;
            }
            let receipts = std::mem::take(&mut state.receipts);
            let round = Arc::new(Round {
                letters: std::mem::take(&mut state.letters),
                settlements: std::mem::take(&mut state.settlements),
                close: true,
                ..Round::default()
            });
            state.writing = Some((self.transact(&round, &state.holder), round, receipts));
            let last = written(&mut state.writing).await;
            self.written(last, &mut state).await;
        };
        if timeout(DRAIN_MAX, closing).await.is_err() {
            tracing::warn!("not waiting longer for the store; what it does not have comes again");
        }
    }
}

/// The end of the transaction under way; never, if none is.
async fn written<R>(writing: &mut Option<Writing<R>>) -> Result<Handed, Error> {
    match writing {
        Some((task, ..)) => match task.await {
            Ok(written) => written,
            Err(error) => Err(Error::Database(format!("a transaction ended badly: {error}"))),
        },
        None => std::future::pending().await,
    }
}

/// A verdict that does not reach the bus: the message comes again, and is known by then.
fn unheard(verdict: Result<(), String>) {
    if let Err(reason) = verdict {
        tracing::debug!("the bus did not hear the verdict, the event will come again: {reason}");
    }
}

fn tell_back(kind: Kind, after: Option<std::time::Duration>) {
    if let Some(after) = after {
        tracing::info!("{kind} goes again after {} s", after.as_secs());
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Between two looks at a store that said that something is due.
const DUE_MIN: std::time::Duration = std::time::Duration::from_millis(5);

#[cfg(test)]
mod tests;
