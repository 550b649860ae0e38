//! Who gets the next message: consumers of the highest priority first, in turn, each as far as its
//! credit goes.

use std::sync::Arc;

use super::{
    Queue,
    state::{Place, State},
};
use crate::{
    Consumer, ConsumerRequest, DeathReason, Error, Group, Letter, Supply, Timestamp,
    index::Unreadable, stream::Stream, sync::lock,
};

impl Queue {
    pub(crate) fn consume(&self, request: ConsumerRequest) -> Result<Arc<Consumer>, Error> {
        let Some(this) = self.this.upgrade() else { return Err(Error::not_found(self.resource())) };
        if let Some(stream) = &self.stream {
            return self.read(stream, request, this);
        }
        let mut state = lock(&self.state);
        if state.deleted {
            return Err(Error::not_found(self.resource()));
        }
        let others = !state.consumers.is_empty();
        if state.consumers.iter().any(|slot| slot.consumer.is_exclusive())
            || (request.exclusive && others)
        {
            return Err(Error::refused(format!("{} in exclusive use", self.resource())));
        }
        let consumer = Arc::new(Consumer::new(request, this));
        let (batch, room) = Default::default();
        let place = Place { consumer: consumer.clone(), batch, room };
        let behind = |it: &Place| it.consumer.priority() >= consumer.priority();
        let at = state.consumers.partition_point(behind);
        state.choosers += usize::from(consumer.chooses());
        state.consumers.insert(at, place);
        state.choose_active();
        Ok(consumer)
    }

    /// A consumer of a stream. RabbitMQ: `rabbit_stream_queue:consume`; it does not know exclusive
    /// consumers of streams.
    fn read(
        &self,
        stream: &Stream,
        request: ConsumerRequest,
        this: Arc<Queue>,
    ) -> Result<Arc<Consumer>, Error> {
        let what = self.resource();
        if request.prefetch == 0 && request.supply == Supply::Prefetch {
            let text = format!("consumer prefetch count is not set for stream {what}");
            return Err(Error::precondition(text));
        }
        if request.no_ack {
            let text = format!("automatic acknowledgement not supported by stream {what}");
            return Err(Error::not_implemented(text));
        }
        if request.shared_limit.is_set() {
            return Err(Error::not_implemented(format!("{what} does not support global qos")));
        }
        let consumer = Arc::new(Consumer::new(request, this));
        match stream.read(consumer.clone(), consumer.reading()) {
            true => Ok(consumer),
            false => Err(Error::not_found(self.resource())),
        }
    }

    /// Takes a consumer away. `true` when it was the last and the queue goes with its last.
    pub(crate) fn cancel(&self, consumer: &Arc<Consumer>) -> bool {
        if let Some(stream) = &self.stream {
            stream.cancel(consumer);
            return false;
        }
        let mut state = lock(&self.state);
        let before = state.consumers.len();
        state.consumers.retain(|slot| !Arc::ptr_eq(&slot.consumer, consumer));
        state.turn = 0;
        state.disown(consumer);
        if state.active.as_ref().is_some_and(|active| Arc::ptr_eq(active, consumer)) {
            state.active = None;
            state.choose_active();
        }
        let went = state.consumers.len() < before;
        state.choosers -= usize::from(went && consumer.chooses());
        if went && self.ticks() {
            state.used_at = self.store.now();
        }
        went && state.consumers.is_empty() && self.declaration.auto_delete
    }

    /// Lets go of the consumers, without a word: the broker is gone.
    pub(crate) fn drop_consumers(&self) {
        if let Some(stream) = &self.stream {
            stream.drop_readers();
        }
        let mut state = lock(&self.state);
        state.active = None;
        state.disown_all();
        state.consumers.clear();
        state.choosers = 0;
    }

    /// Hands out what consumers have room for: somebody's room grew.
    pub fn dispatch(&self) {
        if let Some(stream) = &self.stream {
            return stream.dispatch();
        }
        self.dispatch_locked(&mut lock(&self.state));
        self.bury();
    }

    /// Hands out what there is for this consumer, whose room grew.
    pub(crate) fn dispatch_to(&self, consumer: &Consumer) {
        match &self.stream {
            Some(stream) => stream.dispatch_to(consumer),
            None => self.dispatch(),
        }
    }

    pub(super) fn dispatch_locked(&self, state: &mut State) {
        let now = match state.expiring {
            true => self.store.now(),
            false => Timestamp::default(),
        };
        self.dispatch_at(state, now);
    }

    /// The same, as it was at that time.
    pub(super) fn dispatch_at(&self, state: &mut State, now: Timestamp) {
        self.dispatch_held(state, now);
        let mut from = 0;
        while let Some(first) = state.consumers.get(from) {
            let priority = first.consumer.priority();
            let others = state.consumers.iter().skip(from);
            let group = others.take_while(|it| it.consumer.priority() == priority).count();
            if !self.dispatch_to_group(state, from, group, now) {
                break;
            }
            from += group;
        }
        for place in &mut state.consumers {
            place.room.commit(&place.consumer);
            if place.batch.is_empty() {
                continue;
            }
            let entries = std::mem::take(&mut place.batch);
            let consumer = place.consumer.clone();
            place.consumer.mailbox().put(Letter::Deliveries { consumer, entries });
        }
    }

    /// Hands out to the `group` consumers behind `from`, until all of them are full. `false` when
    /// there is nothing left to hand out.
    fn dispatch_to_group(
        &self,
        state: &mut State,
        from: usize,
        group: usize,
        now: Timestamp,
    ) -> bool {
        let mut full = 0;
        while full < group {
            let first = match state.ready.front(self.store.chunks()) {
                Ok(Some(first)) => first,
                Ok(None) => return false,
                Err(Unreadable { error, is_damaged }) => {
                    self.store.report(error);
                    match is_damaged {
                        true => continue,
                        // It stays, and is tried again.
                        false => return false,
                    }
                }
            };
            // One that may live no time at all still reaches who waits for it.
            let is_over = first.ticket.expires_at.is_some_and(|at| at < now);
            let (size, its_group) = (first.size_bytes(), first.ticket.flags.group());
            let at = from + state.turn % group;
            if !is_over {
                if let Some(its_group) = its_group
                    && let Some(owner) = state.owner(its_group)
                {
                    let owner = owner.clone();
                    match self.dispatch_to_owner(state, &owner, its_group, size) {
                        true => continue,
                        false => return false,
                    }
                }
                state.turn = (state.turn + 1) % group;
                let Some(place) = state.consumers.get_mut(at) else { return false };
                let Place { consumer, room, .. } = place;
                let is_served = !consumer.chooses()
                    && state.active.as_ref().is_none_or(|it| Arc::ptr_eq(it, consumer));
                if !is_served || !room.take(consumer, size) {
                    full += 1;
                    continue;
                }
                if let Some(its_group) = its_group {
                    let consumer = consumer.clone();
                    state.own(its_group, &consumer);
                }
                full = 0;
            }
            let Ok(Some(entry)) = state.ready.pop_front(self.store.chunks()) else { return false };
            if is_over {
                state.die(entry, DeathReason::Expired);
                continue;
            }
            state.hand_over(at, entry);
        }
        true
    }

    /// Hands the first entry to the owner of its group, or holds it for that. `false`: no more can
    /// be held.
    fn dispatch_to_owner(
        &self,
        state: &mut State,
        owner: &Arc<Consumer>,
        group: Group,
        size: usize,
    ) -> bool {
        let its_place = |place: &Place| Arc::ptr_eq(&place.consumer, owner);
        let at = state.consumers.iter().position(its_place);
        let is_behind = state.holds(group);
        let place = at.and_then(|at| state.consumers.get_mut(at));
        let has_room = !is_behind && place.is_some_and(|it| it.room.take(&it.consumer, size));
        if !has_room && !state.may_hold() {
            return false;
        }
        let Ok(Some(entry)) = state.ready.pop_front(self.store.chunks()) else { return false };
        match at.filter(|_| has_room) {
            Some(at) => state.hand_over(at, entry),
            None => state.hold_for_owner(group, entry),
        }
        true
    }
}
