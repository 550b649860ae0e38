//! Where a message goes: to queues at once, and to the queues of delayed exchanges until it is due.

use std::{ops::Deref, sync::Arc};

use smallvec::SmallVec;

use crate::{
    Publish, Queue, Receipt,
    clock::Timestamp,
    exchange::{Delay, Sealed},
    store::Store,
    topology::Route,
};

/// The queues a message goes to. Empty when it is unroutable: one that waits is not.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    queues: Arc<[Arc<Queue>]>,
    delays: Option<Arc<[Delay]>>,
}

impl Routes {
    /// The same, of the queues that it goes to at once only these.
    pub(crate) fn only(&self, queues: Vec<Arc<Queue>>) -> Routes {
        Routes { queues: queues.into(), delays: self.delays.clone() }
    }

    /// Whether it goes nowhere, now or later.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.delays.is_none()
    }
}

/// The queues it goes to at once.
impl Deref for Routes {
    type Target = [Arc<Queue>];

    fn deref(&self) -> &[Arc<Queue>] {
        &self.queues
    }
}

impl From<Vec<Arc<Queue>>> for Routes {
    fn from(queues: Vec<Arc<Queue>>) -> Routes {
        Routes { queues: queues.into(), delays: None }
    }
}

impl From<Route> for Routes {
    fn from(route: Route) -> Routes {
        let delays = (!route.delays.is_empty()).then(|| route.delays.into());
        Routes { queues: route.queues.into(), delays }
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
            let Some(delays) = routes.delays.clone() else { continue };
            let message = message.clone();
            for Delay { queue, due } in delays.iter() {
                delaying.of.push(index);
                delaying.earliest = Some(delaying.earliest.map_or(*due, |it| it.min(*due)));
                let queues = [queue.queue().clone()];
                batch.push(Publish {
                    message: Sealed::seal(message.clone(), *due),
                    routes: Routes { queues: Arc::new(queues), delays: None },
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
