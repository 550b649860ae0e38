//! What a notifier did since it started.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts that only grow. Shared between the notifier and who watches it.
#[derive(Debug, Default)]
pub struct Counters {
    received: AtomicU64,
    undecodable: AtomicU64,
    delivered: AtomicU64,
    kept: AtomicU64,
    retried: AtomicU64,
    parked: AtomicU64,
}

/// A reading of [`Counters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// Messages taken from the bus, re-deliveries included.
    pub received: u64,
    /// Messages that were no events; rejected.
    pub undecodable: u64,
    /// Notices that are in the store, those that were there already included.
    pub kept: u64,
    /// Notices that were taken by the other side.
    pub delivered: u64,
    /// Tries that have to be made again.
    pub retried: u64,
    /// Notices refused for good, now parked in the store.
    pub parked: u64,
}

impl Counters {
    /// The counts now.
    pub fn read(&self) -> Counts {
        Counts {
            received: self.received.load(Relaxed),
            undecodable: self.undecodable.load(Relaxed),
            delivered: self.delivered.load(Relaxed),
            kept: self.kept.load(Relaxed),
            retried: self.retried.load(Relaxed),
            parked: self.parked.load(Relaxed),
        }
    }

    pub(crate) fn received(&self) {
        self.received.fetch_add(1, Relaxed);
    }

    pub(crate) fn undecodable(&self) {
        self.undecodable.fetch_add(1, Relaxed);
    }

    pub(crate) fn delivered(&self) {
        self.delivered.fetch_add(1, Relaxed);
    }

    pub(crate) fn kept(&self, count: u64) {
        self.kept.fetch_add(count, Relaxed);
    }

    pub(crate) fn retried(&self) {
        self.retried.fetch_add(1, Relaxed);
    }

    pub(crate) fn parked(&self) {
        self.parked.fetch_add(1, Relaxed);
    }
}
