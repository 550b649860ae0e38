//! Deliveries that a client has not settled, and what becomes of them, whatever its protocol.

use std::{sync::Arc, time::Instant};

use broker::{Consumer, Entry, Error, Queue, Return};

/// A delivery that the client has not settled.
#[derive(Debug)]
pub(crate) struct Unacked {
    pub(crate) tag: u64,
    pub(crate) holder: Holder,
    pub(crate) entry: Entry,
    /// When it went out.
    pub(crate) since: Instant,
}

/// What becomes of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Their client is done with them.
    Done,
    /// Rejected for good.
    Rejected,
    /// Back into the queue.
    Back(Return),
}

/// For whom a delivery was taken, and so from which queue.
#[derive(Debug)]
pub(crate) enum Holder {
    Consumer(Arc<Consumer>),
    /// For `basic.get`.
    Queue(Arc<Queue>),
}

impl Holder {
    pub(crate) fn queue(&self) -> &Arc<Queue> {
        match self {
            Holder::Consumer(consumer) => consumer.queue(),
            Holder::Queue(queue) => queue,
        }
    }

    pub(crate) fn consumer(&self) -> Option<&Consumer> {
        match self {
            Holder::Consumer(consumer) => Some(consumer),
            Holder::Queue(_) => None,
        }
    }

    /// Queue and consumer.
    pub(crate) fn into_parts(self) -> (Arc<Queue>, Option<Arc<Consumer>>) {
        match self {
            Holder::Consumer(consumer) => (consumer.queue().clone(), Some(consumer)),
            Holder::Queue(queue) => (queue, None),
        }
    }

    pub(crate) fn from_parts(queue: Arc<Queue>, consumer: Option<Arc<Consumer>>) -> Holder {
        consumer.map_or(Holder::Queue(queue), Holder::Consumer)
    }

    pub(crate) fn is_same(&self, other: &Holder) -> bool {
        match (self, other) {
            (Holder::Consumer(one), Holder::Consumer(two)) => Arc::ptr_eq(one, two),
            (Holder::Queue(one), Holder::Queue(two)) => Arc::ptr_eq(one, two),
            _ => false,
        }
    }
}

/// Neighbours of one queue and consumer, together.
pub(crate) fn grouped(deliveries: Vec<Unacked>) -> Vec<(Holder, Vec<Entry>)> {
    grouped_with(deliveries, |Unacked { holder, entry, .. }| (holder, entry))
}

/// The same, of what is left of each delivery beside its holder.
pub(crate) fn grouped_with<T>(
    deliveries: Vec<Unacked>,
    parted: impl Fn(Unacked) -> (Holder, T),
) -> Vec<(Holder, Vec<T>)> {
    let mut groups: Vec<(Holder, Vec<T>)> = Vec::new();
    for (holder, rest) in deliveries.into_iter().map(parted) {
        let mut latest = groups.iter_mut().rev().take(GROUPS_LOOKED_AT);
        match latest.find(|(of, _)| of.is_same(&holder)) {
            Some((_, group)) => group.push(rest),
            None => groups.push((holder, vec![rest])),
        }
    }
    groups
}

/// Deliveries of a few queues alternate; looking further back would cost more than it saves.
const GROUPS_LOOKED_AT: usize = 8;

/// Rejected for good: dead letters, where the queue has them.
///
/// # Errors
/// The journal failed.
pub(crate) fn reject(deliveries: Vec<Unacked>) -> Result<(), Error> {
    for (holder, entries) in grouped(deliveries) {
        holder.queue().reject(entries, holder.consumer())?;
    }
    Ok(())
}

/// Puts deliveries back that a client had and is not done with.
pub(crate) fn requeue_sent(deliveries: Vec<Unacked>) {
    give_back(deliveries, Return::Failed);
}

/// Puts deliveries back that a client had.
pub(crate) fn give_back(deliveries: Vec<Unacked>, how: Return) {
    for (holder, entries) in grouped(deliveries) {
        holder.queue().requeue(entries, holder.consumer(), how);
    }
}
