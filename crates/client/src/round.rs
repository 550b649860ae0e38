//! Delivers what a store holds, in order, with confirms, across any outage. Knows no store's
//! insides.

use std::{fmt, future::Future};

use event::Event;
use tracing::error;

use crate::{
    Error, Published, Publisher,
    limits::{GATHER_WAIT, GATHERED_EVENTS, REFUSALS_MAX},
    outage::Outage,
    unrouted::Unrouted,
};

/// Where events are delivered to: a [`Publisher`], or what stands for one.
pub(crate) trait Bus: Sync {
    /// Connects when there is no connection.
    fn ensure_connected(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Publishes in order; an outcome for each.
    fn publish_all(
        &self,
        events: &[Event],
    ) -> impl Future<Output = Vec<Result<Published, Error>>> + Send;
}

impl Bus for Publisher {
    async fn ensure_connected(&self) -> Result<(), Error> {
        Publisher::ensure_connected(self).await
    }

    async fn publish_all(&self, events: &[Event]) -> Vec<Result<Published, Error>> {
        Publisher::publish_all(self, events).await
    }
}

/// What holds events until the bus has them: the spool's directory, or the agent's outbox.
pub(crate) trait Store {
    /// What one hand-over of it is known by.
    type Name: Clone + fmt::Display;

    /// The next hand-overs, in order, as long as there is room in a hand that holds so many of so
    /// many bytes. What was taken is not given again.
    fn take(&mut self, held: usize, held_bytes: u64) -> Result<Vec<Taken<Self::Name>>, Error>;

    /// The bus has it.
    fn remove(&mut self, name: &Self::Name) -> Result<(), Error>;

    /// The bus does not take these events of it, ever: keeps them with the reason.
    fn refuse(&mut self, name: &Self::Name, events: &[Event], reason: &str) -> Result<(), Error>;

    /// It can be neither delivered nor taken away: it is touched no more by this process.
    fn skip(&mut self, name: Self::Name);

    /// A round is over: what was removed may be written down.
    fn settle(&mut self) -> Result<(), Error>;
}

/// A hand-over under way.
#[derive(Debug)]
pub(crate) struct Taken<N> {
    pub(crate) name: N,
    pub(crate) size_bytes: u64,
    pub(crate) events: Vec<Event>,
}

/// What the bus has not confirmed yet of what is in hand.
struct Batch<N> {
    taken: Taken<N>,
    refusals: u32,
    reason: String,
}

/// The work of whoever delivers a store.
pub(crate) struct Round<S: Store, B: Bus = Publisher> {
    pub(crate) store: S,
    publisher: B,
    outage: Outage,
    unrouted: Unrouted,
    /// What is being delivered, in order.
    hand: Vec<Batch<S::Name>>,
    gathers: bool,
}

impl<S: Store, B: Bus> Round<S, B> {
    /// `who` is for the log: `agent of spool DIRECTORY`.
    pub(crate) fn new(store: S, publisher: B, who: String) -> Round<S, B> {
        let (outage, unrouted) = (Outage::none(who), Unrouted::default());
        Round { store, publisher, outage, unrouted, hand: Vec::new(), gathers: false }
    }

    /// Where events come fast, waits a little for more: each round costs the bus a sync and all of
    /// this machine a few changes of threads, however few its events are.
    pub(crate) fn gathering(self) -> Round<S, B> {
        Round { gathers: true, ..self }
    }

    pub(crate) async fn deliver_until_empty(&mut self) -> Result<(), Error> {
        loop {
            self.take_in_hand()?;
            if self.hand.is_empty() {
                return Ok(());
            }
            if let Err(error) = self.publisher.ensure_connected().await {
                self.outage.wait(&error).await;
                continue;
            }
            let in_hand = self.hand.len();
            let failure = self.publish_hand().await;
            self.put_away();
            self.store.settle()?;
            match failure {
                Some(failure) => self.outage.wait(&failure).await,
                None => self.outage.forget(),
            }
            if self.gathers && GATHERED_EVENTS.contains(&in_hand) {
                tokio::time::sleep(GATHER_WAIT).await;
            }
        }
    }

    fn take_in_hand(&mut self) -> Result<(), Error> {
        let held_bytes = self.hand.iter().map(|batch| batch.taken.size_bytes).sum();
        let taken = self.store.take(self.hand.len(), held_bytes)?;
        let batch = |taken| Batch { taken, refusals: 0, reason: String::new() };
        self.hand.extend(taken.into_iter().map(batch));
        Ok(())
    }

    /// One try of everything in hand. Returns why something is left, if something is.
    async fn publish_hand(&mut self) -> Option<Error> {
        let events: Vec<Event> =
            self.hand.iter().flat_map(|batch| batch.taken.events.iter().cloned()).collect();
        let mut outcomes = self.publisher.publish_all(&events).await.into_iter();
        let mut failure = None;
        for batch in &mut self.hand {
            let mut refused = false;
            let tried = std::mem::take(&mut batch.taken.events);
            for (event, outcome) in tried.into_iter().zip(outcomes.by_ref()) {
                let error = match outcome {
                    Ok(Published::Routed) => continue,
                    Ok(Published::Unrouted) => {
                        self.unrouted.note(event.topic.as_str());
                        continue;
                    }
                    Err(error) => error,
                };
                if !error.is_outage() {
                    refused = true;
                    batch.reason = error.to_string();
                }
                failure.get_or_insert(error);
                batch.taken.events.push(event);
            }
            batch.refusals += u32::from(refused);
        }
        self.unrouted.say();
        failure
    }

    /// Takes away what is delivered, sets aside what is refused for good.
    fn put_away(&mut self) {
        for batch in std::mem::take(&mut self.hand) {
            let Taken { name, events, .. } = &batch.taken;
            let done = if events.is_empty() {
                self.store.remove(name)
            } else if batch.refusals >= REFUSALS_MAX {
                self.store.refuse(name, events, &batch.reason)
            } else {
                self.hand.push(batch);
                continue;
            };
            if let Err(error) = done {
                error!(%name, %error, "left where it is; it is tried again after a restart");
                self.store.skip(batch.taken.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::{
        BusUrl, Spool,
        delivery_lock::{DeliveryLock, Of},
        limits::BACK_OFF_MAX,
        outbox::{Outbox, OutboxStore},
        spool_store::SpoolStore,
    };

    /// Refuses the login for a day, and then takes everything; also runs `meanwhile` at each try.
    struct LockedOut<F> {
        since: Instant,
        tries: Mutex<u64>,
        taken: Mutex<Vec<Event>>,
        meanwhile: F,
    }

    const DAY: Duration = Duration::from_secs(24 * 3600);

    impl<F: Fn(u64) + Sync> Bus for LockedOut<F> {
        async fn ensure_connected(&self) -> Result<(), Error> {
            let mut tries = self.tries.lock().unwrap();
            *tries += 1;
            (self.meanwhile)(*tries);
            match self.since.elapsed() < DAY {
                true => {
                    let (bus, text) = (BusUrl::default(), "403 ACCESS_REFUSED".to_owned());
                    Err(Error::LoginRefused { bus, text })
                }
                false => Ok(()),
            }
        }

        async fn publish_all(&self, events: &[Event]) -> Vec<Result<Published, Error>> {
            self.taken.lock().unwrap().extend_from_slice(events);
            events.iter().map(|_| Ok(Published::Routed)).collect()
        }
    }

    fn event(n: u64) -> Event {
        Event::new("t.locked.out".parse().unwrap(), json!({"n": n})).unwrap()
    }

    fn spool() -> (tempfile::TempDir, Spool) {
        let home = tempfile::tempdir().unwrap();
        let spool = Spool::open(home.path().join("spool"), 1 << 20).unwrap();
        (home, spool)
    }

    /// Delivers the store; returns the numbers of what arrived.
    async fn after_a_day<S: Store>(store: S, meanwhile: impl Fn(u64) + Sync) -> Vec<u64> {
        let (tries, taken) = Default::default();
        let bus = LockedOut { since: Instant::now(), tries, taken, meanwhile };
        let mut round = Round::new(store, bus, "agent".to_owned());
        round.deliver_until_empty().await.unwrap();
        let took = round.publisher.since.elapsed();
        assert!(DAY <= took && took <= DAY + BACK_OFF_MAX, "{took:?}");
        // Tried all the time, and no more often than the back-off lets it.
        let tries = *round.publisher.tries.lock().unwrap();
        let fewest = DAY.as_secs() / BACK_OFF_MAX.as_secs();
        assert!((fewest..=2 * fewest + 20).contains(&tries), "{tries}");
        let taken = round.publisher.taken.into_inner().unwrap();
        let ids: HashSet<&str> = taken.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids.len(), taken.len(), "each once");
        taken.iter().map(|event| event.body.object()["n"].as_u64().unwrap()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_bus_that_refuses_the_login_for_a_day_gets_the_spool_in_order() {
        let (_home, spool) = spool();
        (0..3).for_each(|n| spool.hand_over(&[event(n)]).unwrap());
        let (handing, counting) = (spool.clone(), spool.clone());
        let arrived = after_a_day(SpoolStore::new(spool, None), move |tries| {
            if (5000..5003).contains(&tries) {
                handing.hand_over(&[event(tries)]).unwrap();
            }
            // Nothing of it is gone before the bus has it.
            if tries % 1000 == 0 {
                let waiting = if tries < 5000 { 3 } else { 4 };
                assert!(counting.backlog().unwrap().batches >= waiting, "try {tries}");
            }
        });
        assert_eq!(arrived.await, (0..3).chain(5000..5003).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_bus_that_refuses_the_login_for_a_day_gets_the_outbox_up_to_its_bound() {
        let (_home, spool) = spool();
        let lock = DeliveryLock::try_acquire(&spool, Of::Outbox).unwrap().unwrap();
        let size_bytes_max = 16 << 10;
        let outbox = Outbox::open(&spool, size_bytes_max, journal::Sync::Always, lock).unwrap();
        let outbox = Arc::new(outbox);
        outbox.keep([event(0)].iter()).unwrap();
        let (kept, refused) = (Arc::new(Mutex::new(vec![0])), Arc::new(Mutex::new(0)));
        let (filling, keeping, refusing) = (outbox.clone(), kept.clone(), refused.clone());
        let arrived = after_a_day(OutboxStore::new(outbox, spool), move |tries| {
            if tries > 200 {
                return;
            }
            match filling.keep([event(tries)].iter()) {
                Ok(()) => keeping.lock().unwrap().push(tries),
                Err(error) => {
                    assert!(matches!(error, Error::SpoolFull { .. }), "{error}");
                    *refusing.lock().unwrap() += 1;
                }
            }
        })
        .await;
        // What was refused its publisher knows of; what was taken is all there.
        assert!(*refused.lock().unwrap() > 0);
        assert_eq!(arrived, *kept.lock().unwrap());
    }

    /// Takes everything, a millisecond for each round; remembers when it began and how many came.
    #[derive(Default)]
    struct Slow {
        rounds: Mutex<Vec<(Instant, usize)>>,
    }

    impl Bus for &Slow {
        async fn ensure_connected(&self) -> Result<(), Error> {
            Ok(())
        }

        async fn publish_all(&self, events: &[Event]) -> Vec<Result<Published, Error>> {
            self.rounds.lock().unwrap().push((Instant::now(), events.len()));
            tokio::time::sleep(Duration::from_millis(1)).await; // tidy: the clock is paused
            events.iter().map(|_| Ok(Published::Routed)).collect()
        }
    }

    /// The rounds in which `bursts` of `size` events are delivered, that come `pause` apart.
    async fn rounds_of(bursts: u64, size: u64, pause: Duration) -> Vec<(Instant, usize)> {
        let (_home, spool) = spool();
        let lock = DeliveryLock::try_acquire(&spool, Of::Outbox).unwrap().unwrap();
        let outbox = Outbox::open(&spool, 1 << 20, journal::Sync::Always, lock).unwrap();
        let (outbox, bus) = (Arc::new(outbox), Slow::default());
        let store = OutboxStore::new(outbox.clone(), spool);
        let mut round = Round::new(store, &bus, "agent".to_owned()).gathering();
        let deliver = async {
            loop {
                round.deliver_until_empty().await.unwrap();
                outbox.came.notified().await;
            }
        };
        let come = async {
            for _ in 0..bursts {
                outbox.keep((0..size).map(event).collect::<Vec<_>>().iter()).unwrap();
                outbox.came.notify_one();
                tokio::time::sleep(pause).await; // tidy: the clock is paused
            }
            while outbox.waiting() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await; // tidy: the clock is paused
            }
        };
        tokio::select! {
            () = deliver => unreachable!(),
            () = come => {}
        }
        bus.rounds.into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn where_events_come_fast_a_round_has_more_of_them_and_one_alone_waits_for_none() {
        let fast = rounds_of(200, 5, Duration::from_millis(1)).await;
        assert_eq!(fast.iter().map(|(_, size)| size).sum::<usize>(), 1000);
        assert!(fast.len() <= 120, "{} rounds for 200 bursts", fast.len());

        let begun = Instant::now();
        let slow = rounds_of(20, 1, Duration::from_millis(10)).await;
        let late: Vec<_> = (0_u64..)
            .zip(&slow)
            .map(|(n, (at, _))| *at - begun - Duration::from_millis(10 * n))
            .collect();
        assert_eq!(slow.len(), 20);
        assert!(late.iter().all(|late| *late <= Duration::from_millis(1)), "{late:?}");
    }
}
