//! What is in a queue that takes no message twice (RabbitMQ's plugin: a queue with
//! `x-message-deduplication`): as long as a message is in it, or with a consumer, another that says
//! it is the same is dropped. In memory only: what a restart found in the queue may come once more.

use crate::{
    Deduplicator, Headers, Timestamp, exchange::Identity, limits::DEDUPLICATION_ENTRIES_MAX,
    routing::Map,
};

#[derive(Debug)]
pub(super) struct Duplicates {
    seen: Deduplicator,
    /// By the order of their entries.
    identities: Map<u64, Identity>,
}

impl Duplicates {
    pub(super) fn new() -> Duplicates {
        let seen = Deduplicator::new(DEDUPLICATION_ENTRIES_MAX, None);
        Duplicates { seen, identities: Map::default() }
    }

    /// Whether a message that is to be the entry of this order is new. From now on it is not.
    pub(super) fn enter(&mut self, order: u64, headers: &dyn Headers, now: Timestamp) -> bool {
        let Some((who, ttl)) = Identity::of_message(headers) else { return true };
        let is_new = self.seen.enter(who.clone(), ttl, now);
        if is_new {
            self.identities.insert(order, who);
        }
        is_new
    }

    /// The entry of this order is no longer in the queue, nor with a consumer.
    pub(super) fn leave(&mut self, order: u64) {
        if let Some(who) = self.identities.remove(&order) {
            self.seen.leave(&who);
        }
    }
}
