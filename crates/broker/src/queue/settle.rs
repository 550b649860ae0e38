//! What becomes of entries that somebody took: they are done with, come back, or cannot be read.

use journal::Position;

use super::Queue;
use crate::{Consumer, DeathReason, Entry, Error, sync::lock};

impl Queue {
    /// Leaves out an entry whose message cannot be read: the consumer goes on without it, and the
    /// journal keeps it, for a restart after its file was mended.
    pub fn set_aside(&self, entry: Entry, consumer: Option<&Consumer>) {
        if let Some(stream) = &self.stream {
            if !stream.has_trimmed(&entry) {
                self.store.note_damaged();
            }
            return stream.settle(1, consumer);
        }
        self.let_go(entry.share as usize);
        self.store.note_damaged();
        let mut state = lock(&self.state);
        if consumer.is_none_or(|consumer| !consumer.is_no_ack()) {
            state.unacknowledged -= 1;
            state.counted.come_back(entry.ticket.size.into());
        }
        state.left(entry.order);
        if let Some(consumer) = consumer {
            consumer.give_back(1);
        }
        self.dispatch_locked(&mut state);
        drop(state);
        self.bury();
    }

    /// Whether an entry's message is gone because a stream keeps it no longer: that is no damage.
    pub fn has_trimmed(&self, entry: &Entry) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.has_trimmed(entry))
    }

    /// Done with these entries: acknowledged, rejected, or sent to a consumer that does not
    /// acknowledge. `consumer` is who had them; `None` after [`Queue::get`].
    ///
    /// # Errors
    /// The journal failed.
    pub fn settle(
        &self,
        entries: impl IntoIterator<Item = Entry>,
        consumer: Option<&Consumer>,
    ) -> Result<(), Error> {
        if let Some(stream) = &self.stream {
            stream.settle(entries.into_iter().count(), consumer);
            return Ok(());
        }
        let (mut count, mut held, mut bytes) = (0, 0, 0);
        let (mut persistent, mut persistent_bytes) = (0, 0);
        let mut kept: Vec<Entry> = Vec::new();
        for entry in entries {
            count += 1;
            held += entry.share as usize;
            bytes += u64::from(entry.ticket.size);
            if entry.position.is_some() {
                persistent += 1;
                persistent_bytes += u64::from(entry.ticket.size);
            }
            if entry.position.is_some() || self.deduplicates {
                kept.push(entry);
            }
        }
        self.let_go(held);
        self.held.forget(persistent, persistent_bytes);
        let counted = consumer.is_none_or(|consumer| !consumer.is_no_ack());
        let (deleted, positions) = {
            let mut state = lock(&self.state);
            let positions: Vec<Position> =
                kept.iter().filter_map(|entry| state.come_back(entry)).collect();
            if self.deduplicates {
                kept.iter().for_each(|entry| state.left(entry.order));
            }
            if counted {
                state.unacknowledged -= count;
                state.counted.settle(count as u64, bytes);
            }
            if let Some(consumer) = consumer {
                consumer.give_back(count);
            }
            if counted {
                self.dispatch_locked(&mut state);
            }
            (state.deleted, positions)
        };
        let settled = match positions.is_empty() {
            true => Ok(()),
            // The ledger says that the queue is gone: its messages need no record each.
            false if deleted => {
                self.store.release(&positions);
                Ok(())
            }
            false => self.store.settle(self.id, &positions),
        };
        self.bury();
        settled
    }

    /// Puts entries back, each where it stood. `sent` marks them as delivered before; entries
    /// that never left the mailbox were not.
    pub fn requeue(
        &self,
        entries: impl IntoIterator<Item = Entry>,
        consumer: Option<&Consumer>,
        sent: bool,
    ) {
        if let Some(stream) = &self.stream {
            return stream.settle(entries.into_iter().count(), consumer);
        }
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        let mut state = lock(&self.state);
        // An entry on its way to a consumer that does not acknowledge was counted nowhere.
        if consumer.is_none_or(|consumer| !consumer.is_no_ack()) {
            state.unacknowledged -= entries.len();
            let bytes = entries.iter().map(|entry| u64::from(entry.ticket.size)).sum();
            state.counted.come_back(bytes);
        }
        if let Some(consumer) = consumer {
            consumer.give_back(entries.len());
        }
        for entry in &mut entries {
            if sent {
                entry.ticket.redelivered = true;
                entry.ticket.returns = entry.ticket.returns.saturating_add(1);
            }
            entry.position = state.come_back(entry);
        }
        if state.deleted {
            drop(state);
            return self.forget(entries.into_iter());
        }
        entries.sort_unstable_by_key(|entry| entry.order);
        let limit = state.effective.delivery_limit;
        let is_over = |entry: &Entry| limit.is_some_and(|max| u32::from(entry.returns()) > max);
        for entry in entries.into_iter().rev() {
            match is_over(&entry) {
                true => state.die(entry, DeathReason::DeliveryLimit),
                false => state.ready.put_back(entry),
            }
        }
        self.drop_surplus(&mut state);
        self.dispatch_locked(&mut state);
        drop(state);
        self.bury();
    }
}
