//! What happened so far, counted: of queues, of exchanges, of declarations. Counts only grow; what
//! a queue counted that is gone is kept for the totals. Nothing here is on disk.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytestring::ByteString;

use crate::{DeathReason, policy::QueueType, sync::lock};

/// What happened in one queue, or in all of one type, in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueCounters {
    /// Came in.
    pub publish: u64,
    /// Went to consumers that acknowledge.
    pub deliver: u64,
    /// Went to consumers that do not.
    pub deliver_no_ack: u64,
    /// Were fetched (`basic.get`) to be acknowledged.
    pub get: u64,
    /// Were fetched and so were done with.
    pub get_no_ack: u64,
    /// Fetches that found nothing.
    pub get_empty: u64,
    /// Were acknowledged.
    pub ack: u64,
    /// Of those that went out: had been out before.
    pub redeliver: u64,
    /// Left without being consumed, and were dead-lettered.
    pub dead_lettered: DeathCounters,
    /// Left without being consumed, where nothing is dead-lettered.
    pub dropped: DeathCounters,
}

/// Messages that left a queue without being consumed, by the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeathCounters {
    /// Their time was over.
    pub expired: u64,
    /// The queue was too long.
    pub maxlen: u64,
    /// A consumer rejected them.
    pub rejected: u64,
    /// They came back too often.
    pub delivery_limit: u64,
}

impl DeathCounters {
    pub(crate) fn count(&mut self, reason: DeathReason, messages: u64) {
        *match reason {
            DeathReason::Expired => &mut self.expired,
            DeathReason::Maxlen => &mut self.maxlen,
            DeathReason::Rejected => &mut self.rejected,
            DeathReason::DeliveryLimit => &mut self.delivery_limit,
        } += messages;
    }

    fn add(&mut self, other: &DeathCounters) {
        self.expired += other.expired;
        self.maxlen += other.maxlen;
        self.rejected += other.rejected;
        self.delivery_limit += other.delivery_limit;
    }
}

impl QueueCounters {
    /// Adds what another counted.
    pub fn add(&mut self, other: &QueueCounters) {
        self.publish += other.publish;
        self.deliver += other.deliver;
        self.deliver_no_ack += other.deliver_no_ack;
        self.get += other.get;
        self.get_no_ack += other.get_no_ack;
        self.get_empty += other.get_empty;
        self.ack += other.ack;
        self.redeliver += other.redeliver;
        self.dead_lettered.add(&other.dead_lettered);
        self.dropped.add(&other.dropped);
    }

    /// What went out, however it did.
    pub fn deliver_get(&self) -> u64 {
        self.deliver + self.deliver_no_ack + self.get + self.get_no_ack
    }
}

/// What a queue's lock protects of them.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) counters: QueueCounters,
    /// Bytes of what consumers have and have not settled.
    pub(crate) unacknowledged_bytes: u64,
    /// Settlements to come that are no acknowledgements: of what was fetched and so done with, or
    /// rejected.
    unspoken: u64,
}

impl Counted {
    /// A message goes to a consumer.
    pub(crate) fn deliver(&mut self, no_ack: bool, redelivered: bool, size: u32) {
        match no_ack {
            true => self.counters.deliver_no_ack += 1,
            false => {
                self.counters.deliver += 1;
                self.unacknowledged_bytes += u64::from(size);
            }
        }
        self.counters.redeliver += u64::from(redelivered);
    }

    /// A message was asked for, and this one was found.
    pub(crate) fn get(&mut self, no_ack: bool, found: Option<(bool, u32)>) {
        let Some((redelivered, size)) = found else {
            self.counters.get_empty += 1;
            return;
        };
        match no_ack {
            true => {
                self.counters.get_no_ack += 1;
                self.unspoken += 1;
            }
            false => self.counters.get += 1,
        }
        self.unacknowledged_bytes += u64::from(size);
        self.counters.redeliver += u64::from(redelivered);
    }

    /// So many of those that are out will be settled without a word of acknowledgement.
    pub(crate) fn reject(&mut self, messages: u64) {
        self.unspoken += messages;
        self.counters.dropped.rejected += messages;
    }

    /// Messages that were out are done with.
    pub(crate) fn settle(&mut self, messages: u64, bytes: u64) {
        let unspoken = self.unspoken.min(messages);
        self.unspoken -= unspoken;
        self.counters.ack += messages - unspoken;
        self.come_back(bytes);
    }

    /// Messages of so many bytes are not out any more.
    pub(crate) fn come_back(&mut self, bytes: u64) {
        self.unacknowledged_bytes = self.unacknowledged_bytes.saturating_sub(bytes);
    }
}

/// What came through one exchange, in messages. It stands for the exchange where something is
/// counted by exchange: one of the same name that is declared later has another.
#[derive(Debug)]
pub struct ExchangeCounters {
    name: ByteString,
    publish_in: AtomicU64,
    publish_out: AtomicU64,
}

impl ExchangeCounters {
    pub(crate) fn of(name: ByteString) -> ExchangeCounters {
        ExchangeCounters { name, publish_in: AtomicU64::new(0), publish_out: AtomicU64::new(0) }
    }

    /// The exchange's name; empty of the default one.
    pub fn name(&self) -> &ByteString {
        &self.name
    }

    /// Were published to it.
    pub fn publish_in(&self) -> u64 {
        self.publish_in.load(Relaxed)
    }

    /// Went on from it, counted once for each queue.
    pub fn publish_out(&self) -> u64 {
        self.publish_out.load(Relaxed)
    }

    pub(crate) fn add(&self, published: u64, routed: u64) {
        self.publish_in.fetch_add(published, Relaxed);
        self.publish_out.fetch_add(routed, Relaxed);
    }
}

/// Declarations of queues since the start, and what queues counted that are gone.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    declared: AtomicU64,
    created: AtomicU64,
    deleted: AtomicU64,
    gone: Mutex<[QueueCounters; QueueType::ALL.len()]>,
}

/// How queues came and went since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueChurn {
    /// Declarations, those of queues that were there included.
    pub declared: u64,
    /// New queues.
    pub created: u64,
    /// Queues that went, however they did.
    pub deleted: u64,
}

impl Totals {
    pub(crate) fn queue_declared(&self) {
        self.declared.fetch_add(1, Relaxed);
    }

    pub(crate) fn queue_created(&self) {
        self.created.fetch_add(1, Relaxed);
    }

    /// A queue is gone. What it counted is added, once.
    pub(crate) fn queue_deleted(&self, queue_type: QueueType, counters: &QueueCounters) {
        self.deleted.fetch_add(1, Relaxed);
        if let Some(gone) = lock(&self.gone).get_mut(queue_type as usize) {
            gone.add(counters);
        }
    }

    pub(crate) fn churn(&self) -> QueueChurn {
        QueueChurn {
            declared: self.declared.load(Relaxed),
            created: self.created.load(Relaxed),
            deleted: self.deleted.load(Relaxed),
        }
    }

    /// What queues of that type counted that are gone.
    pub(crate) fn gone(&self, queue_type: QueueType) -> QueueCounters {
        lock(&self.gone).get(queue_type as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_without_acknowledgement_or_rejected_is_no_acknowledgement() {
        let mut counted = Counted::default();
        counted.get(true, Some((false, 5)));
        counted.get(false, Some((true, 7)));
        counted.get(false, None);
        counted.deliver(false, false, 3);
        assert_eq!(counted.unacknowledged_bytes, 15);
        counted.settle(1, 5);
        assert_eq!(counted.counters.ack, 0, "nobody acknowledged the first");
        counted.settle(1, 7);
        counted.reject(1);
        counted.settle(1, 3);
        let QueueCounters { get, get_no_ack, get_empty, deliver, ack, redeliver, dropped, .. } =
            counted.counters;
        assert_eq!((get, get_no_ack, get_empty, deliver, ack, redeliver), (1, 1, 1, 1, 1, 1));
        assert_eq!((dropped.rejected, counted.unacknowledged_bytes), (1, 0));
        assert_eq!(counted.counters.deliver_get(), 3);
    }

    #[test]
    fn what_a_queue_counted_is_kept_when_it_goes_by_its_type() {
        let totals = Totals::default();
        totals.queue_declared();
        totals.queue_created();
        let counters = QueueCounters { publish: 3, ..QueueCounters::default() };
        totals.queue_deleted(QueueType::Quorum, &counters);
        totals.queue_deleted(QueueType::Quorum, &counters);
        assert_eq!(totals.gone(QueueType::Quorum).publish, 6);
        assert_eq!(totals.gone(QueueType::Classic), QueueCounters::default());
        assert_eq!(totals.churn(), QueueChurn { declared: 1, created: 1, deleted: 2 });
    }
}
