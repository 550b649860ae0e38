//! How messages leave a queue without being consumed: their time is over, the queue is too long,
//! a consumer rejects them, or they came back too often. What becomes of them is the virtual
//! host's business.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::Ordering::{Relaxed, SeqCst},
    },
};

use journal::Position;

use super::{Queue, state::State};
use crate::{
    Consumer, DeathReason, Entry, Error, Timestamp, VirtualHost,
    policy::{Effective, Overflow},
    queue::Dead,
    stream::Stream,
    sync::lock,
};

impl Queue {
    /// The settings in force.
    pub fn effective(&self) -> Arc<Effective> {
        lock(&self.state).effective.clone()
    }

    /// Other settings are in force from now on. Messages that are in the queue keep the time they
    /// were given to live.
    pub fn set_effective(&self, effective: Effective) {
        if let Some(stream) = self.stream() {
            stream.set_retention(&effective);
        }
        {
            let mut state = lock(&self.state);
            state.effective = Arc::new(effective);
            self.drop_surplus(&mut state);
        }
        self.note_what_ticks();
        self.bury();
    }

    /// Where its dead letters are seen to.
    pub(crate) fn set_home(&self, home: Weak<VirtualHost>) {
        // Set once, when it is taken in.
        self.home.set(home).ok();
    }

    /// Whether the clock has anything to do with it.
    pub(crate) fn ticks(&self) -> bool {
        self.ticks.load(SeqCst)
    }

    /// Whether it stays on the list of those that the clock looks at.
    pub(crate) fn goes_on_ticking(&self) -> bool {
        // Ask again after it is off: it may have begun anew in between.
        self.ticks() || {
            self.is_ticking.store(false, SeqCst);
            self.ticks() && !self.is_ticking.swap(true, SeqCst)
        }
    }

    /// Whether it refuses messages when it is full.
    pub(crate) fn may_refuse(&self) -> bool {
        self.may_refuse.load(Relaxed)
    }

    pub(super) fn note_what_ticks(&self) {
        let state = lock(&self.state);
        let is_limited = self.stream().is_some_and(Stream::is_limited);
        let ticks = state.expiring || state.effective.expires.is_some() || is_limited;
        self.ticks.store(ticks, SeqCst);
        if ticks && !self.is_ticking.swap(true, SeqCst) {
            self.store.look_at_by_clock(self.this.clone());
        }
        let is_bounded = state.effective.max_length.or(state.effective.max_length_bytes).is_some();
        let may_refuse = is_bounded && state.effective.overflow != Overflow::DropHead;
        self.may_refuse.store(may_refuse, Relaxed);
    }

    /// Takes out what expired by now, as far as it stands at the front.
    pub(crate) fn tick(&self, now: Timestamp) {
        if let Some(stream) = self.stream() {
            // A failed journal is said by whoever commits.
            stream.trim(now).ok();
            return;
        }
        self.drop_expired(&mut lock(&self.state), now);
        self.bury();
    }

    /// The virtual host that it is in.
    pub(crate) fn home(&self) -> Option<Arc<VirtualHost>> {
        self.home.get().and_then(Weak::upgrade)
    }

    /// Whether nobody has had to do with it for as long as it is to stay.
    pub(crate) fn is_disused(&self, now: Timestamp) -> bool {
        let state = lock(&self.state);
        let expires = state.effective.expires;
        expires.is_some_and(|after| state.consumers.is_empty() && state.used_at.after(after) <= now)
    }

    /// Somebody has to do with it.
    pub(crate) fn touch(&self) {
        if self.ticks() {
            lock(&self.state).used_at = self.store.now();
        }
    }

    pub(super) fn drop_expired(&self, state: &mut State, now: Timestamp) {
        if !state.expiring {
            return;
        }
        if state.holds_expired(now) {
            state.release_held();
        }
        while let Ok(Some(first)) = state.ready.front(self.store.chunks())
            && first.ticket.is_expired(now)
            && let Ok(Some(entry)) = state.ready.pop_front(self.store.chunks())
        {
            state.die(entry, DeathReason::Expired);
        }
        if state.waiting().0 == 0 {
            state.expiring = state.effective.message_ttl.is_some();
        }
    }

    pub(super) fn drop_surplus(&self, state: &mut State) {
        if state.is_over_length() {
            // The oldest may be held.
            state.release_held();
        }
        while state.is_over_length()
            && let Ok(Some(entry)) = state.ready.pop_front(self.store.chunks())
        {
            state.die(entry, DeathReason::Maxlen);
        }
    }

    /// Rejected by the consumer who had them, and not to come back.
    ///
    /// # Errors
    /// The journal failed.
    pub fn reject(
        &self,
        entries: impl IntoIterator<Item = Entry>,
        consumer: Option<&Consumer>,
    ) -> Result<(), Error> {
        if self.stream().is_some() {
            return self.settle(entries, consumer);
        }
        let mut state = lock(&self.state);
        if state.deleted || state.effective.dead_letter_exchange.is_none() {
            let entries: Vec<Entry> = entries.into_iter().collect();
            state.counted.reject(entries.len() as u64);
            drop(state);
            return self.settle(entries, consumer);
        }
        let (mut count, mut bytes) = (0, 0);
        for mut entry in entries {
            count += 1;
            bytes += u64::from(entry.ticket.size);
            entry.position = state.position_of(&entry);
            state.die(entry, DeathReason::Rejected);
        }
        if consumer.is_none_or(|consumer| !consumer.is_no_ack()) {
            state.unacknowledged -= count;
            state.counted.come_back(bytes);
        }
        if let Some(consumer) = consumer {
            consumer.give_back(count);
        }
        self.dispatch_locked(&mut state);
        drop(state);
        self.bury();
        Ok(())
    }

    /// Sees to what died. Never to be called while a publish is under way
    /// ([`crate::store::Store`]): dead letters are publishes.
    pub(crate) fn bury(&self) {
        if lock(&self.state).dead.is_empty() {
            return;
        }
        match (self.home(), self.this.upgrade()) {
            (Some(home), Some(this)) => home.bury(this),
            // A queue of its own, in a test.
            _ => drop(self.settle_dead(self.take_dead())),
        }
    }

    pub(crate) fn take_dead(&self) -> VecDeque<Dead> {
        lock(&self.state).take_dead()
    }

    /// What died was seen to.
    ///
    /// # Errors
    /// The journal failed.
    pub(crate) fn settle_dead(&self, dead: impl IntoIterator<Item = Dead>) -> Result<(), Error> {
        let (mut held, mut positions, mut bytes) = (0, Vec::<Position>::new(), 0);
        {
            let mut state = lock(&self.state);
            for Dead { entry, .. } in dead {
                held += entry.share as usize;
                state.left(entry.order);
                if let Some(position) = state.come_back(&entry) {
                    positions.push(position);
                    bytes += u64::from(entry.ticket.size);
                }
            }
        }
        self.let_go(held);
        self.held.forget(positions.len(), bytes);
        match positions.is_empty() {
            true => Ok(()),
            false => self.store.settle(self.id, &positions),
        }
    }

    /// What died cannot be seen to now: it stays, and is tried again.
    pub(crate) fn revive(&self, dead: impl IntoIterator<Item = Dead>) {
        let mut state = lock(&self.state);
        let mut entries: Vec<Entry> = dead.into_iter().map(|it| it.entry).collect();
        state.release_held_behind(&entries);
        entries.sort_unstable_by_key(|entry| entry.order);
        for mut entry in entries.into_iter().rev() {
            entry.position = state.come_back(&entry);
            state.ready.put_back(entry);
        }
    }
}
