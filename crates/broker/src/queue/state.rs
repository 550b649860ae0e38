//! What a queue's lock protects.

use std::{collections::VecDeque, sync::Arc};

use journal::Position;

use super::{duplicates::Duplicates, groups::Groups};
use crate::{
    Consumer, DeathReason, Entry, Timestamp,
    consumer::Room,
    counters::Counted,
    incoming::Incoming,
    index::Slot,
    policy::{Effective, Overflow},
    ready::Ready,
    routing::Map,
};

pub(super) struct State {
    pub(super) ready: Ready,
    pub(super) unacknowledged: usize,
    /// What consumers have and have not settled, and what is about to be dead-lettered, of what
    /// survives a restart: by order.
    pub(super) outstanding: Map<u64, Slot>,
    pub(super) next_order: u64,
    /// The highest priority first; of the same, who came first.
    pub(super) consumers: Vec<Place>,
    /// How many of them choose what they take.
    pub(super) choosers: usize,
    /// Whose turn it is among those of the same priority.
    pub(super) turn: usize,
    /// Who alone is served, in a queue that has a single active consumer.
    pub(super) active: Option<Arc<Consumer>>,
    pub(super) deleted: bool,
    /// What it does besides: its arguments and policies.
    pub(super) effective: Arc<Effective>,
    /// Some of its messages may expire.
    pub(super) expiring: bool,
    /// What left without being consumed and has not been seen to yet.
    pub(super) dead: VecDeque<Dead>,
    /// What is in it, if it takes nothing twice.
    pub(super) duplicates: Option<Duplicates>,
    /// When somebody last had to do with it.
    pub(super) used_at: Timestamp,
    /// What happened so far.
    pub(super) counted: Counted,
    /// From where what came came.
    pub(super) incoming: Incoming,
    /// Whose the groups are; none while nothing of any was handed out.
    pub(super) groups: Option<Box<Groups>>,
}

pub(super) struct Place {
    pub(super) consumer: Arc<Consumer>,
    /// What this dispatch hands over.
    pub(super) batch: Vec<Entry>,
    /// And as far as it may.
    pub(super) room: Room,
}

/// An entry that is dead-lettered, or dropped where there are no dead letters. Until that is done
/// it counts as delivered: a restart finds it in the queue.
#[derive(Debug)]
pub(crate) struct Dead {
    pub(crate) entry: Entry,
    pub(crate) reason: DeathReason,
}

impl State {
    /// Where the journal has an entry that is with a consumer: compaction may have moved it.
    pub(super) fn position_of(&self, entry: &Entry) -> Option<Position> {
        self.outstanding.get(&entry.order).map(|slot| slot.position).or(entry.position)
    }

    /// An entry has left the queue for good.
    pub(super) fn left(&mut self, order: u64) {
        if let Some(duplicates) = &mut self.duplicates {
            duplicates.leave(order);
        }
    }

    /// Takes an entry off the list of what is out; returns where the journal has it.
    pub(super) fn come_back(&mut self, entry: &Entry) -> Option<Position> {
        self.outstanding.remove(&entry.order).map(|slot| slot.position).or(entry.position)
    }

    /// Puts an entry on the list of what is out.
    pub(super) fn go_out(&mut self, entry: &Entry) {
        if let Some(kept) = entry.slot() {
            self.outstanding.insert(entry.order, kept);
        }
    }

    /// In a queue with a single active consumer, the first one is it until it goes.
    pub(super) fn choose_active(&mut self) {
        if self.effective.single_active_consumer && self.active.is_none() {
            self.active = self.consumers.first().map(|place| place.consumer.clone());
        }
    }

    /// Hands an entry to the consumer in that place, who has room for it.
    pub(super) fn hand_over(&mut self, at: usize, entry: Entry) {
        self.go_out(&entry);
        let Some(place) = self.consumers.get_mut(at) else { return };
        let no_ack = place.consumer.is_no_ack();
        self.unacknowledged += usize::from(!no_ack);
        self.counted.deliver(no_ack, entry.is_redelivered(), entry.ticket.size);
        place.batch.push(entry);
    }

    pub(super) fn take_dead(&mut self) -> VecDeque<Dead> {
        std::mem::take(&mut self.dead)
    }

    pub(super) fn die(&mut self, entry: Entry, reason: DeathReason) {
        let counters = &mut self.counted.counters;
        match self.effective.dead_letter_exchange.is_some() {
            true => counters.dead_lettered.count(reason, 1),
            false => counters.dropped.count(reason, 1),
        }
        self.go_out(&entry);
        self.dead.push_back(Dead { entry, reason });
    }

    /// Whether one more message of that size would be too much for a queue that refuses then.
    /// `more` are messages and bytes that are on their way already.
    pub(super) fn refuses(&self, size: u64, more: (u64, u64)) -> bool {
        let limits = &self.effective;
        if limits.overflow == Overflow::DropHead {
            return false;
        }
        let (count, bytes) = self.waiting();
        let (count, bytes) = (count as u64 + more.0, bytes + more.1);
        limits.max_length.is_some_and(|max| count >= max)
            || limits.max_length_bytes.is_some_and(|max| bytes + size > max)
    }

    /// Whether there is more in it than a queue may have that drops its oldest.
    pub(super) fn is_over_length(&self) -> bool {
        let limits = &self.effective;
        let (count, bytes) = self.waiting();
        limits.overflow == Overflow::DropHead
            && (limits.max_length.is_some_and(|max| count as u64 > max)
                || limits.max_length_bytes.is_some_and(|max| bytes > max))
    }
}
