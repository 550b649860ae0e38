//! Delivers what a store holds, in order, with confirms, across any outage. Knows no store's
//! insides.

use std::fmt;

use event::Event;
use tracing::error;

use crate::{
    Error, Published, Publisher, limits::REFUSALS_MAX, outage::Outage, unrouted::Unrouted,
};

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
pub(crate) struct Round<S: Store> {
    pub(crate) store: S,
    publisher: Publisher,
    outage: Outage,
    unrouted: Unrouted,
    /// What is being delivered, in order.
    hand: Vec<Batch<S::Name>>,
}

impl<S: Store> Round<S> {
    /// `who` is for the log: `agent of spool DIRECTORY`.
    pub(crate) fn new(store: S, publisher: Publisher, who: String) -> Round<S> {
        let (outage, unrouted) = (Outage::none(who), Unrouted::default());
        Round { store, publisher, outage, unrouted, hand: Vec::new() }
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
            let failure = self.publish_hand().await;
            self.put_away();
            self.store.settle()?;
            match failure {
                Some(failure) => self.outage.wait(&failure).await,
                None => self.outage.forget(),
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
