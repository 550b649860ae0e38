//! Where a message goes: to queues at once, and to the queues of delayed exchanges until it is due.

use std::{
    hash::{BuildHasher, Hash, Hasher},
    ops::Deref,
    ptr,
    sync::Arc,
};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::{
    Publish, Queue, Receipt,
    clock::Timestamp,
    counters::ExchangeCounters,
    exchange::{Delay, Sealed},
    store::Store,
    topology::Route,
};

/// The queues a message goes to. Empty when it is unroutable: one that waits is not.
#[derive(Debug, Clone, Default)]
pub struct Routes(Arc<Ways>);

#[derive(Debug, Clone, Default)]
struct Ways {
    queues: SmallVec<[Arc<Queue>; 1]>,
    delays: Option<Arc<[Delay]>>,
    /// Any message with this exchange and key goes so, until the topology changes.
    by_key: bool,
    /// Of the exchange it was published to; `None` of what no client published.
    counters: Option<Arc<ExchangeCounters>>,
}

impl Routes {
    /// The same, of the queues that it goes to at once only these.
    pub(crate) fn only(&self, queues: Vec<Arc<Queue>>) -> Routes {
        Routes(Arc::new(Ways { queues: queues.into(), ..(*self.0).clone() }))
    }

    /// Of the exchange it was published to; `None` of what no client published.
    pub fn counters(&self) -> Option<&Arc<ExchangeCounters>> {
        self.0.counters.as_ref()
    }

    #[cfg(test)]
    pub(crate) fn counted_for(counters: Option<Arc<ExchangeCounters>>) -> Routes {
        Routes(Arc::new(Ways { counters, ..Ways::default() }))
    }

    /// Whether it goes nowhere, now or later.
    pub fn is_empty(&self) -> bool {
        self.0.queues.is_empty() && self.0.delays.is_none()
    }

    /// Whether any message with this exchange and key goes so, until the topology changes.
    pub fn is_by_key(&self) -> bool {
        self.0.by_key
    }

    /// Whether they are the very same: found by one search.
    pub(crate) fn is_same(&self, other: &Routes) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Routes by key, equal ones as one object. Of thousands of keys many lead to the same few queues:
/// that way is then in the processor's cache, whichever key comes next.
#[derive(Debug, Default)]
pub(crate) struct SharedRoutes {
    table: HashTable<Routes>,
    hasher: RandomState,
}

impl SharedRoutes {
    /// Those that were shared before and are equal, or these from now on.
    pub(crate) fn share(&mut self, routes: Routes) -> Routes {
        let hash = |routes: &Routes| self.hasher.hash_one(&*routes.0);
        let is_equal = |other: &Routes| other.0.is_equal(&routes.0);
        self.table.entry(hash(&routes), is_equal, hash).or_insert(routes).get().clone()
    }

    pub(crate) fn clear(&mut self) {
        self.table.clear();
    }
}

impl Ways {
    fn is_equal(&self, other: &Ways) -> bool {
        let is_same = |(one, two): (&Arc<Queue>, &Arc<Queue>)| Arc::ptr_eq(one, two);
        self.by_key == other.by_key
            && self.delays.is_none()
            && other.delays.is_none()
            && self.counters.as_ref().map(Arc::as_ptr) == other.counters.as_ref().map(Arc::as_ptr)
            && self.queues.len() == other.queues.len()
            && self.queues.iter().zip(&other.queues).all(is_same)
    }
}

impl Hash for Ways {
    fn hash<H: Hasher>(&self, to: &mut H) {
        self.queues.iter().for_each(|queue| ptr::hash(Arc::as_ptr(queue), to));
    }
}

/// The queues it goes to at once.
impl Deref for Routes {
    type Target = [Arc<Queue>];

    fn deref(&self) -> &[Arc<Queue>] {
        &self.0.queues
    }
}

impl From<Vec<Arc<Queue>>> for Routes {
    fn from(queues: Vec<Arc<Queue>>) -> Routes {
        Routes(Arc::new(Ways { queues: queues.into(), ..Ways::default() }))
    }
}

impl From<Route> for Routes {
    fn from(route: Route) -> Routes {
        let delays = (!route.delays.is_empty()).then(|| route.delays.into());
        let (queues, counters) = (route.queues.into(), Some(route.counters));
        Routes(Arc::new(Ways { queues, delays, by_key: route.by_key, counters }))
    }
}

/// How much of a batch was published to which exchange: neighbours mostly to the same.
#[derive(Debug, Default)]
pub(crate) struct Passing(SmallVec<[(Arc<ExchangeCounters>, u64, u64); 2]>);

impl Passing {
    pub(crate) fn of(batch: &[Publish]) -> Passing {
        let mut passing = Passing::default();
        for Publish { routes, .. } in batch {
            let Some(counters) = &routes.0.counters else { continue };
            let out = routes.len() as u64;
            match passing.0.last_mut() {
                Some((last, published, routed)) if Arc::ptr_eq(last, counters) => {
                    *published += 1;
                    *routed += out;
                }
                _ => passing.0.push((counters.clone(), 1, out)),
            }
        }
        passing
    }

    /// It was published.
    pub(crate) fn count(self) {
        self.0
            .into_iter()
            .for_each(|(counters, published, routed)| counters.add(published, routed));
    }
}

/// What a batch has for delayed exchanges, while it is published.
#[derive(Debug)]
pub(crate) struct Delaying {
    /// For each message behind the batch, which of the batch it is.
    of: SmallVec<[usize; 0]>,
    earliest: Option<Timestamp>,
}

impl Delaying {
    /// Adds to a batch its messages again as they wait.
    pub(crate) fn expand(batch: &mut Vec<Publish>) -> Delaying {
        let mut delaying = Delaying { of: SmallVec::new(), earliest: None };
        for index in 0..batch.len() {
            let Some(Publish { message, routes }) = batch.get(index) else { break };
            let Some(delays) = routes.0.delays.clone() else { continue };
            let message = message.clone();
            for Delay { queue, due } in delays.iter() {
                delaying.of.push(index);
                delaying.earliest = Some(delaying.earliest.map_or(*due, |it| it.min(*due)));
                batch.push(Publish {
                    message: Sealed::seal(message.clone(), *due),
                    routes: Routes::from(vec![queue.queue().clone()]),
                });
            }
        }
        delaying
    }

    /// They are in their queues: a message is on disk when all that it is are. `receipts` has the
    /// batch's from `first` on.
    pub(crate) fn finish(self, store: &Store, first: usize, receipts: &mut Vec<Receipt>) {
        let Some(earliest) = self.earliest else { return };
        let waiting = receipts.split_off(receipts.len() - self.of.len());
        for (index, receipt) in self.of.into_iter().zip(waiting) {
            if let Some(whole) = receipts.get_mut(first + index) {
                *whole = whole.and(receipt);
            }
        }
        store.alarm().set(earliest);
    }
}
