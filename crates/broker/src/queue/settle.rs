//! What becomes of entries that somebody took: they are done with, come back, or cannot be read.

use std::{mem, sync::Arc};

use journal::Position;

use super::{Queue, state::State};
use crate::{Consumer, DeathReason, Entry, Error, Message, sync::lock};

/// How entries come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// They never left the mailbox: nobody had them.
    Unsent,
    /// Their consumer did not want them: they may have been seen, and that is no failure (AMQP 1.0:
    /// released).
    Released,
    /// Their consumer did not get done with them, or is gone: that counts.
    Failed,
}

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
        let (is_deleted, done) = self.done_with(entries, consumer, State::come_back);
        let positions: Vec<Position> = done.into_iter().map(|(_, position)| position).collect();
        let settled = match positions.is_empty() {
            true => Ok(()),
            // The ledger says that the queue is gone: its messages need no record each.
            false if is_deleted => {
                self.store.release(&positions);
                Ok(())
            }
            false => self.store.settle(self.id, &positions),
        };
        self.bury();
        settled
    }

    /// As [`Queue::settle`], for a transaction that is about to be written: returns order and
    /// place of what it has to say is settled. They stay on the list of what is out, and are kept,
    /// until [`Queue::departed`].
    pub(crate) fn settle_by_transaction(
        &self,
        entries: Vec<Entry>,
        consumer: Option<&Consumer>,
    ) -> Vec<(u64, Position)> {
        if let Some(stream) = &self.stream {
            stream.settle(entries.len(), consumer);
            return Vec::new();
        }
        let (is_deleted, done) =
            self.done_with(entries, consumer, |state, entry| state.position_of(entry));
        match is_deleted {
            true => {
                let orders: Vec<u64> = done.into_iter().map(|(order, _)| order).collect();
                self.departed(&orders);
                Vec::new()
            }
            false => done,
        }
    }

    /// The transaction that settled these is on disk.
    pub(crate) fn departed(&self, orders: &[u64]) {
        let positions: Vec<Position> = {
            let mut state = lock(&self.state);
            let out = |order: &u64| state.outstanding.remove(order).map(|slot| slot.position);
            orders.iter().filter_map(out).collect()
        };
        self.store.release(&positions);
    }

    /// Counts entries as settled. Returns whether the queue is deleted, and order and place of
    /// those that the journal has, which `place` finds.
    fn done_with(
        &self,
        entries: impl IntoIterator<Item = Entry>,
        consumer: Option<&Consumer>,
        mut place: impl FnMut(&mut State, &Entry) -> Option<Position>,
    ) -> (bool, Vec<(u64, Position)>) {
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
        let mut state = lock(&self.state);
        let placed = kept.iter().filter_map(|entry| Some((entry.order, place(&mut state, entry)?)));
        let placed: Vec<(u64, Position)> = placed.collect();
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
        (state.deleted, placed)
    }

    /// Puts another message in the place of one that somebody has, for whoever gets it next.
    ///
    /// # Errors
    /// The journal cannot take it: then the message stays as it is. A stream's does not change.
    pub fn change(&self, entry: &mut Entry, message: Message) -> Result<(), Error> {
        self.refuse_stream("a message of a stream cannot be changed")?;
        let published_at = self.message(entry)?.published_at;
        let mut message = Message { published_at, ..message };
        self.store.detach(&mut message)?;
        let was = lock(&self.state).position_of(entry);
        if let Some(was) = was {
            let position = self.store.replace(was, self.id, &message)?;
            // It may have moved meanwhile.
            let left = match lock(&self.state).outstanding.get_mut(&entry.order) {
                Some(slot) => mem::replace(&mut slot.position, position),
                None => was,
            };
            entry.position = Some(position);
            self.store.release(&[left]);
        }
        // Its share of the memory stays what it was: one that is on disk only stays there.
        if entry.message.is_some() {
            entry.message = Some(Arc::new(message));
        }
        Ok(())
    }

    /// Puts entries back, each where it stood.
    pub fn requeue(
        &self,
        entries: impl IntoIterator<Item = Entry>,
        consumer: Option<&Consumer>,
        how: Return,
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
            if how == Return::Unsent {
                consumer.not_sent(entries.len());
            }
        }
        for entry in &mut entries {
            if how != Return::Unsent {
                entry.ticket.flags = entry.ticket.flags.redelivered();
            }
            if how == Return::Failed {
                entry.ticket.returns = entry.ticket.returns.saturating_add(1);
            }
            entry.position = state.come_back(entry);
        }
        if state.deleted {
            drop(state);
            return self.forget(entries.into_iter());
        }
        state.release_held_behind(&entries);
        entries.sort_unstable_by_key(|entry| entry.order);
        let first_order = entries.first().map_or(0, |entry| entry.order);
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
        state.tell_choosers(first_order);
        drop(state);
        self.bury();
    }
}
