//! The durable topology, as the ledger tells it from its beginning.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytestring::ByteString;

use super::messages::Parts;
use crate::{
    Binding, Queue,
    binding::Destination,
    broker::DEFAULT_VHOST,
    ledger::{Bound, BoundTo, Change},
    queue::QueueId,
    routing::Map,
    store::Store,
    topology::Topology,
};

/// The durable topology while it is read.
#[derive(Default)]
pub(super) struct Declared {
    /// Numbers below it were given to queues, as far as the ledger knows.
    pub(super) next_queue_id: u64,
    exchanges: BTreeMap<ByteString, crate::ExchangeDeclaration>,
    pub(super) queues: BTreeMap<QueueId, crate::QueueDeclaration>,
    /// The queue that has each name now.
    names: Map<ByteString, QueueId>,
    /// Queues that an earlier start missed.
    pub(super) lost: BTreeSet<QueueId>,
    bindings: Vec<Bound>,
    /// Nothing of the ledger is damaged.
    pub(super) is_whole: bool,
}

impl Declared {
    /// Whether messages of that queue are still to be had. One that the ledger does not have was
    /// deleted, and its messages with it: unless the ledger has lost something. What cannot be
    /// found is never a reason to delete.
    pub(super) fn keeps(&self, id: QueueId) -> bool {
        self.queues.contains_key(&id)
            || !self.is_whole
            || self.was_never_given(id)
            || self.lost.contains(&id)
    }

    /// How long that queue's arguments let a message live, in milliseconds.
    pub(super) fn message_ttl(&self, id: QueueId) -> Option<u64> {
        let ttl = self.queues.get(&id)?.arguments.get("x-message-ttl")?;
        u64::try_from(ttl.as_integer()?).ok()
    }

    /// Whether the ledger knows nothing of a queue with that number.
    pub(super) fn was_never_given(&self, id: QueueId) -> bool {
        id.0 >= self.next_queue_id
    }

    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::QueueIds { next } => self.next_queue_id = self.next_queue_id.max(next),
            Change::Exchange { declaration, .. } => {
                // A name is free when it is declared. If the ledger still has something of that
                // name, the record of its end was lost.
                self.exchange_gone(&declaration.name);
                self.exchanges.insert(declaration.name.clone(), declaration);
            }
            Change::ExchangeDeleted { name, .. } => self.exchange_gone(&name),
            Change::Queue { id, declaration, .. } => {
                self.next_queue_id = self.next_queue_id.max(id.0 + 1);
                if let Some(earlier) = self.names.insert(declaration.name.clone(), id) {
                    self.queue_gone(earlier);
                }
                self.queues.insert(id, declaration);
            }
            Change::QueueDeleted { id, .. } => {
                if let Some(gone) = self.queue_gone(id)
                    && self.names.get(&gone.name) == Some(&id)
                {
                    self.names.remove(&gone.name);
                }
            }
            Change::QueueLost { id } => {
                self.lost.insert(id);
            }
            Change::Bound(bound) => self.bindings.push(bound),
            Change::Unbound(bound) => self.bindings.retain(|it| !it.is_same(&bound)),
        }
    }

    fn exchange_gone(&mut self, name: &ByteString) {
        if self.exchanges.remove(name).is_some() {
            let gone = BoundTo::Exchange(name.clone());
            self.bindings.retain(|it| it.source != *name && it.destination != gone);
        }
    }

    fn queue_gone(&mut self, id: QueueId) -> Option<crate::QueueDeclaration> {
        let queue = self.queues.remove(&id)?;
        let gone = BoundTo::Queue(id);
        self.bindings.retain(|it| it.destination != gone);
        Some(queue)
    }

    pub(super) fn build(self, store: &Arc<Store>, mut messages: Map<QueueId, Parts>) -> Topology {
        let mut topology = Topology::new();
        for (name, declaration) in self.exchanges {
            if topology.exchange(&name).is_none() {
                topology.add_exchange(declaration);
            }
        }
        let mut queues: Map<QueueId, Arc<Queue>> = Map::default();
        for (id, declaration) in self.queues {
            let queue = Queue::new(id, DEFAULT_VHOST, declaration, None, store.clone());
            messages.remove(&id).into_iter().flatten().for_each(|part| queue.restore(part));
            topology.add_queue(queue.clone());
            queues.insert(id, queue);
        }
        for bound in self.bindings {
            let destination = match bound.destination {
                BoundTo::Exchange(name) => Destination::Exchange(name),
                BoundTo::Queue(id) => match queues.get(&id) {
                    Some(queue) => Destination::Queue(queue.clone()),
                    None => continue,
                },
            };
            let binding = Binding { destination, key: bound.key, arguments: bound.arguments };
            topology.bind(&bound.source, &binding);
        }
        topology
    }
}
