//! Consumers that choose: they look at what waits, and take what they want of it, or nothing. What
//! they leave stays where it is, for others.

use std::sync::Arc;

use journal::ReadAhead;

use super::{Queue, state::State};
use crate::{Consumer, DeathReason, Entry, Error, Message, sync::lock};

/// How far somebody has looked through a queue.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// Of each level of priority, the order from which on nothing was looked at.
    pub(crate) next: Vec<u64>,
}

impl Looked {
    /// What stands from there on is to be looked at, once more if it was: it came back.
    pub fn again_from(&mut self, order: u64) {
        self.next.iter_mut().for_each(|next| *next = order.min(*next));
    }

    /// Nothing was done with this one, and with what follows it in its level of priority.
    pub fn put_off(&mut self, waiting: &Waiting) {
        // As in the queue: a priority above the highest counts as the highest.
        let level =
            usize::from(waiting.entry.ticket.priority).min(self.next.len().saturating_sub(1));
        if let Some(next) = self.next.get_mut(level) {
            *next = waiting.entry.order.min(*next);
        }
    }
}

/// A message that waits in a queue.
#[derive(Debug)]
pub struct Waiting {
    entry: Entry,
    message: Arc<Message>,
}

impl Waiting {
    /// What is known of it in its queue. It is a copy, and nothing is owed for it.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The message.
    pub fn message(&self) -> &Arc<Message> {
        &self.message
    }
}

impl Queue {
    /// What waits and was not looked at yet, in order, at most `max` of it, and nothing of what is
    /// more than `window` messages behind the first. Empty: all was looked at.
    ///
    /// # Errors
    /// A part of the queue on disk cannot be read now. A stream cannot be asked so.
    pub fn look(
        &self,
        looked: &mut Looked,
        max: usize,
        window: usize,
    ) -> Result<Vec<Waiting>, Error> {
        self.refuse_stream("a stream cannot be looked through")?;
        let mut ahead = ReadAhead::default();
        loop {
            let now = self.store.now();
            let seen = {
                let mut state = lock(&self.state);
                state.release_held();
                state.ready.look(looked, max, window, self.store.chunks())
            };
            let seen = seen.map_err(|it| it.error)?;
            if seen.is_empty() {
                return Ok(Vec::new());
            }
            let alive = seen.into_iter().filter(|entry| !entry.ticket.is_expired(now));
            let waiting: Vec<Waiting> =
                alive.filter_map(|entry| self.waiting(entry, &mut ahead)).collect();
            if !waiting.is_empty() {
                return Ok(waiting);
            }
        }
    }

    /// `None`: it has gone meanwhile, or it cannot be read; who takes it in its turn is told.
    fn waiting(&self, mut entry: Entry, ahead: &mut ReadAhead) -> Option<Waiting> {
        loop {
            if let Some(message) = &entry.message {
                return Some(Waiting { message: message.clone(), entry });
            }
            let position = entry.position?;
            if let Ok(message) = self.store.load(position, ahead) {
                return Some(Waiting { entry, message });
            }
            // It may have moved before it was read.
            let now = lock(&self.state).ready.position_of(entry.order, self.store.chunks())?;
            if now == position {
                return None;
            }
            entry.position = Some(now);
        }
    }

    /// Takes a message that was looked at, for that consumer, who owes a settle or a requeue for
    /// it, and [`Consumer::taken`]. `None`: somebody else has it, or its time is over.
    ///
    /// # Errors
    /// A part of the queue on disk cannot be read now.
    pub fn take(&self, consumer: &Consumer, waiting: &Waiting) -> Result<Option<Entry>, Error> {
        let now = self.store.now();
        let taken = {
            let mut state = lock(&self.state);
            let is_served =
                state.active.as_ref().is_none_or(|it| std::ptr::eq(Arc::as_ptr(it), consumer));
            if !is_served || state.deleted {
                return Ok(None);
            }
            // Who chooses takes for itself, and nothing of a group that somebody else has.
            let group = waiting.entry.ticket.flags.group();
            let owner = group.and_then(|group| state.owner(group));
            if owner.is_some_and(|owner| !std::ptr::eq(Arc::as_ptr(owner), consumer)) {
                return Ok(None);
            }
            let entry = state.ready.take_at(waiting.entry.order, self.store.chunks());
            let Some(entry) = entry.map_err(|it| it.error)? else { return Ok(None) };
            if entry.ticket.is_expired(now) {
                state.die(entry, DeathReason::Expired);
                None
            } else {
                consumer.reserve(entry.size_bytes());
                state.go_out(&entry);
                let no_ack = consumer.is_no_ack();
                state.unacknowledged += usize::from(!no_ack);
                state.counted.deliver(no_ack, entry.is_redelivered(), entry.ticket.size);
                Some(entry)
            }
        };
        self.bury();
        Ok(taken)
    }
}

impl State {
    /// Tells those who choose that there is something from that order on.
    pub(super) fn tell_choosers(&self, order: u64) {
        if self.choosers == 0 {
            return;
        }
        for place in self.consumers.iter().filter(|place| place.consumer.chooses()) {
            place.consumer.is_fresh(order);
        }
    }
}
