//! A queue as its operators see it, at one moment. Nothing here walks over messages.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::Relaxed},
};

use super::Queue;
use crate::{
    Consumer, Message, QueueCounts, Timestamp,
    counters::{ExchangeCounters, QueueCounters},
    policy::Effective,
    stream::Stream,
    sync::lock,
};

/// What a queue holds now, and what happened in it.
#[derive(Debug, Clone)]
pub struct QueueReport {
    /// Messages that wait for a consumer.
    pub ready: usize,
    /// Bytes of their bodies.
    pub ready_bytes: u64,
    /// Messages delivered and not yet acknowledged.
    pub unacknowledged: usize,
    /// Bytes of their bodies.
    pub unacknowledged_bytes: u64,
    /// Of both: messages that survive a restart.
    pub persistent: u64,
    /// Bytes of their bodies.
    pub persistent_bytes: u64,
    /// Bytes of memory that its messages hold.
    pub memory_bytes: u64,
    /// Consumers.
    pub consumers: usize,
    /// What happened in it.
    pub counters: QueueCounters,
    /// When it was declared, or last used by somebody, where that matters (`x-expires`).
    pub used_at: Timestamp,
    /// The settings in force.
    pub effective: Arc<Effective>,
    /// The next message, if it is in memory.
    pub head: Option<Arc<Message>>,
}

/// A consumer, and whether it gets messages: with a single active one the others wait.
#[derive(Debug, Clone)]
pub struct ConsumerReport {
    /// Who.
    pub consumer: Arc<Consumer>,
    /// Whether it is its turn.
    pub is_active: bool,
}

/// What a queue holds, counted apart from its lock: it changes where the lock is not held.
#[derive(Debug, Default)]
pub(super) struct Held {
    memory: AtomicI64,
    persistent: AtomicI64,
    persistent_bytes: AtomicI64,
}

impl Held {
    pub(super) fn persist(&self, messages: usize, bytes: u64) {
        self.persistent.fetch_add(signed(messages as u64), Relaxed);
        self.persistent_bytes.fetch_add(signed(bytes), Relaxed);
    }

    pub(super) fn forget(&self, messages: usize, bytes: u64) {
        self.persistent.fetch_sub(signed(messages as u64), Relaxed);
        self.persistent_bytes.fetch_sub(signed(bytes), Relaxed);
    }
}

impl Queue {
    /// How it stands.
    pub fn report(&self) -> QueueReport {
        if let Some(stream) = self.stream() {
            return self.report_of(stream);
        }
        let state = lock(&self.state);
        let count = |of: &AtomicI64| u64::try_from(of.load(Relaxed)).unwrap_or(0);
        QueueReport {
            ready: state.waiting().0,
            ready_bytes: state.waiting().1,
            unacknowledged: state.unacknowledged,
            unacknowledged_bytes: state.counted.unacknowledged_bytes,
            persistent: count(&self.held.persistent),
            persistent_bytes: count(&self.held.persistent_bytes),
            memory_bytes: count(&self.held.memory),
            consumers: state.consumers.len(),
            counters: state.counted.counters,
            used_at: state.used_at,
            effective: state.effective.clone(),
            head: state.ready.head_in_memory(),
        }
    }

    /// How it stands, as a stream: all of it is there for everybody.
    fn report_of(&self, stream: &Stream) -> QueueReport {
        let QueueCounts { ready, unacknowledged, consumers } = stream.counts();
        let (bytes, memory_bytes) = stream.bytes();
        let used_at = lock(&self.state).used_at;
        QueueReport {
            ready,
            ready_bytes: bytes,
            unacknowledged,
            unacknowledged_bytes: 0,
            persistent: ready as u64,
            persistent_bytes: bytes,
            memory_bytes: memory_bytes as u64,
            consumers,
            counters: stream.counters(),
            used_at,
            effective: self.effective(),
            head: None,
        }
    }

    /// For each exchange from which messages came: how many clients had published to it. Those that
    /// are gone may be among them. Nothing that takes time is to be done with it: the queue waits.
    pub fn incoming(&self, mut each: impl FnMut(&Arc<ExchangeCounters>, u64)) {
        match self.stream() {
            Some(stream) => stream.incoming(&mut each),
            None => {
                let state = lock(&self.state);
                state.incoming.iter().for_each(|(exchange, messages)| each(exchange, messages));
            }
        }
    }

    /// Its consumers, those of the highest priority first.
    pub fn consumers(&self) -> Vec<ConsumerReport> {
        if let Some(stream) = self.stream() {
            let all = stream.consumers().into_iter();
            return all.map(|consumer| ConsumerReport { consumer, is_active: true }).collect();
        }
        let state = lock(&self.state);
        let report = |consumer: &Arc<Consumer>| ConsumerReport {
            consumer: consumer.clone(),
            is_active: state.active.as_ref().is_none_or(|active| Arc::ptr_eq(active, consumer)),
        };
        state.consumers.iter().map(|place| report(&place.consumer)).collect()
    }

    pub(super) fn hold(&self, bytes: usize) {
        self.held.memory.fetch_add(signed(bytes as u64), Relaxed);
        self.store.hold(bytes);
    }

    pub(super) fn let_go(&self, bytes: usize) {
        self.held.memory.fetch_sub(signed(bytes as u64), Relaxed);
        self.store.let_go(bytes);
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
