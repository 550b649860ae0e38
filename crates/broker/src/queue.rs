//! A queue: entries in order, and who gets the next one.
//!
//! `ready + unacknowledged = published − settled`. One lock, taken once for a batch. Entries are
//! handed to consumers in turn, each as far as its credit goes; what is handed over lies in the
//! consumer's mailbox until its connection takes it.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, Weak},
};

use bytestring::ByteString;
use journal::Position;
use serde::{Deserialize, Serialize};

use crate::{
    Arguments, Consumer, ConsumerRequest, Entry, Error, Letter, Message,
    backlog::Backlog,
    compaction::Copies,
    connection::ConnectionId,
    error::Resource,
    index::{CheckpointPart, QueueCheckpoint, Slot, Unreadable},
    routing::Map,
    store::Store,
    sync::lock,
};

/// A queue's number, never used twice in one data directory: records of the journal name a
/// queue by it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct QueueId(pub(crate) u64);

/// What is declared of a queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueDeclaration {
    /// Its name.
    pub name: ByteString,
    /// It survives a restart, with its persistent messages.
    pub durable: bool,
    /// It belongs to the connection that declared it, and goes with it.
    pub exclusive: bool,
    /// It goes when its last consumer goes.
    pub auto_delete: bool,
    /// Its arguments.
    pub arguments: Arguments,
}

/// Counts of a queue at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueCounts {
    /// Messages that wait for a consumer.
    pub ready: usize,
    /// Messages delivered and not yet acknowledged.
    pub unacknowledged: usize,
    /// Consumers.
    pub consumers: usize,
}

/// A queue of one virtual host.
pub struct Queue {
    id: QueueId,
    vhost: ByteString,
    declaration: QueueDeclaration,
    owner: Option<ConnectionId>,
    store: Arc<Store>,
    this: Weak<Queue>,
    state: Mutex<State>,
}

struct State {
    ready: Backlog,
    unacknowledged: usize,
    /// What consumers have and have not settled, of what survives a restart: by order.
    outstanding: Map<u64, Slot>,
    next_order: u64,
    consumers: Vec<Place>,
    /// Whose turn it is.
    turn: usize,
    deleted: bool,
}

struct Place {
    consumer: Arc<Consumer>,
    /// What this dispatch hands over.
    batch: Vec<Entry>,
}

impl Queue {
    pub(crate) fn new(
        id: QueueId,
        vhost: ByteString,
        declaration: QueueDeclaration,
        owner: Option<ConnectionId>,
        store: Arc<Store>,
    ) -> Arc<Queue> {
        let ready = Backlog::new(store.backlog());
        Arc::new_cyclic(|this| Queue {
            id,
            vhost,
            declaration,
            owner,
            store,
            this: this.clone(),
            state: Mutex::new(State {
                ready,
                unacknowledged: 0,
                outstanding: Map::default(),
                next_order: 0,
                consumers: Vec::new(),
                turn: 0,
                deleted: false,
            }),
        })
    }

    pub(crate) fn id(&self) -> QueueId {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &ByteString {
        &self.declaration.name
    }

    /// What was declared.
    pub fn declaration(&self) -> &QueueDeclaration {
        &self.declaration
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.declaration.durable
    }

    pub(crate) fn owner(&self) -> Option<ConnectionId> {
        self.owner
    }

    pub(crate) fn resource(&self) -> Resource<'_> {
        Resource { kind: "queue", name: self.name(), vhost: &self.vhost }
    }

    /// How many messages and consumers it has.
    pub fn counts(&self) -> QueueCounts {
        let state = lock(&self.state);
        QueueCounts {
            ready: state.ready.len(),
            unacknowledged: state.unacknowledged,
            consumers: state.consumers.len(),
        }
    }

    /// Appends entries in order and hands out what consumers have room for.
    pub(crate) fn push(&self, entries: impl Iterator<Item = NewEntry>) {
        let mut state = lock(&self.state);
        if state.deleted {
            drop(state);
            let positions: Vec<Position> = entries.filter_map(|it| it.position).collect();
            return self.store.release(&positions);
        }
        let mut held = 0;
        for new in entries {
            held += new.share as usize;
            let order = state.next_order;
            state.next_order += 1;
            state.ready.push_back(Entry {
                order,
                position: new.position,
                size: new.message.body_len() as u32 + new.message.properties.len() as u32,
                share: new.share,
                message: Some(new.message),
                redelivered: false,
            });
        }
        self.store.hold(held);
        self.dispatch_locked(&mut state);
    }

    /// Puts back what a restart found.
    pub(crate) fn restore(&self, part: CheckpointPart) {
        let State { ready, next_order, .. } = &mut *lock(&self.state);
        match part {
            CheckpointPart::Slots(slots) => {
                slots.into_iter().for_each(|slot| ready.restore(slot, next_order));
            }
            CheckpointPart::Chunk(chunk) => ready.restore_chunk(chunk, next_order),
        }
    }

    /// Takes the first message, for `basic.get`; also says how many are left. The caller owes a
    /// settle or a requeue.
    ///
    /// # Errors
    /// A part of the queue on disk cannot be read now.
    pub fn get(&self) -> Result<Option<(Entry, usize)>, Error> {
        let mut state = lock(&self.state);
        let first = state.ready.pop_front(self.store.chunks());
        let Some(entry) = first.map_err(|it| it.error)? else { return Ok(None) };
        state.unacknowledged += 1;
        if let Some(kept) = entry.slot() {
            state.outstanding.insert(entry.order, kept);
        }
        Ok(Some((entry, state.ready.len())))
    }

    /// The message of an entry of this queue.
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`] when the journal cannot give it back.
    pub fn message(&self, entry: &Entry) -> Result<Arc<Message>, Error> {
        if let Some(message) = &entry.message {
            return Ok(message.clone());
        }
        loop {
            let at = lock(&self.state).position_of(entry);
            let Some(position) = at else { return Err(Error::without_message()) };
            match self.store.load(position) {
                // It moved before it was read.
                Err(_) if lock(&self.state).position_of(entry) != at => {}
                loaded => return loaded,
            }
        }
    }

    /// Leaves out an entry whose message cannot be read: the consumer goes on without it, and the
    /// journal keeps it, for a restart after its file was mended.
    pub fn set_aside(&self, entry: Entry, consumer: Option<&Consumer>) {
        self.store.let_go(entry.share as usize);
        self.store.note_damaged();
        let mut state = lock(&self.state);
        if consumer.is_none_or(|consumer| !consumer.is_no_ack()) {
            state.unacknowledged -= 1;
        }
        if let Some(consumer) = consumer {
            consumer.give_back(1);
        }
        self.dispatch_locked(&mut state);
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
        let (mut count, mut held) = (0, 0);
        let mut kept: Vec<Entry> = Vec::new();
        for entry in entries {
            count += 1;
            held += entry.share as usize;
            if entry.position.is_some() {
                kept.push(entry);
            }
        }
        self.store.let_go(held);
        let counted = consumer.is_none_or(|consumer| !consumer.is_no_ack());
        let (deleted, positions) = {
            let mut state = lock(&self.state);
            let positions: Vec<Position> =
                kept.iter().filter_map(|entry| state.come_back(entry)).collect();
            if counted {
                state.unacknowledged -= count;
            }
            if let Some(consumer) = consumer {
                consumer.give_back(count);
            }
            if counted {
                self.dispatch_locked(&mut state);
            }
            (state.deleted, positions)
        };
        match positions.is_empty() {
            true => Ok(()),
            // The ledger says that the queue is gone: its messages need no record each.
            false if deleted => {
                self.store.release(&positions);
                Ok(())
            }
            false => self.store.settle(self.id, &positions),
        }
    }

    /// Puts entries back, each where it stood. `sent` marks them as delivered before; entries
    /// that never left the mailbox were not.
    pub fn requeue(
        &self,
        entries: impl IntoIterator<Item = Entry>,
        consumer: Option<&Consumer>,
        sent: bool,
    ) {
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        let mut state = lock(&self.state);
        // An entry on its way to a consumer that does not acknowledge was counted nowhere.
        if consumer.is_none_or(|consumer| !consumer.is_no_ack()) {
            state.unacknowledged -= entries.len();
        }
        if let Some(consumer) = consumer {
            consumer.give_back(entries.len());
        }
        for entry in &mut entries {
            entry.redelivered |= sent;
            entry.position = state.come_back(entry);
        }
        if state.deleted {
            drop(state);
            return self.forget(entries.into_iter());
        }
        entries.sort_unstable_by_key(|entry| entry.order);
        for entry in entries.into_iter().rev() {
            state.ready.put_back(entry);
        }
        self.dispatch_locked(&mut state);
    }

    /// Drops all messages that are ready; returns how many.
    ///
    /// # Errors
    /// The journal failed.
    pub fn purge(&self) -> Result<usize, Error> {
        let mut purged = lock(&self.state).ready.take();
        let count = purged.len();
        let (mut held, mut positions) = (0, Vec::new());
        purged.drain(self.store.chunks(), &mut |entry| {
            held += entry.share as usize;
            positions.extend(entry.position);
        })?;
        self.store.let_go(held);
        if !positions.is_empty() {
            self.store.settle(self.id, &positions)?;
        }
        Ok(count)
    }

    pub(crate) fn consume(&self, request: ConsumerRequest) -> Result<Arc<Consumer>, Error> {
        let Some(this) = self.this.upgrade() else { return Err(Error::not_found(self.resource())) };
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
        state.consumers.push(Place { consumer: consumer.clone(), batch: Vec::new() });
        Ok(consumer)
    }

    /// Takes a consumer away. `true` when it was the last and the queue goes with its last.
    pub(crate) fn cancel(&self, consumer: &Arc<Consumer>) -> bool {
        let mut state = lock(&self.state);
        let before = state.consumers.len();
        state.consumers.retain(|slot| !Arc::ptr_eq(&slot.consumer, consumer));
        state.turn = 0;
        let went = state.consumers.len() < before;
        went && state.consumers.is_empty() && self.declaration.auto_delete
    }

    /// Ends the queue: its messages go, its consumers are told. `None` when it ended before or
    /// `allowed` refuses.
    pub(crate) fn delete(
        &self,
        allowed: impl FnOnce(&QueueCounts) -> Result<(), Error>,
    ) -> Result<Option<usize>, Error> {
        let (mut ready, consumers) = {
            let mut state = lock(&self.state);
            if state.deleted {
                return Ok(None);
            }
            allowed(&QueueCounts {
                ready: state.ready.len(),
                unacknowledged: state.unacknowledged,
                consumers: state.consumers.len(),
            })?;
            state.deleted = true;
            (state.ready.take(), std::mem::take(&mut state.consumers))
        };
        let count = ready.len();
        let mut entries = Vec::new();
        // What cannot be read is released by the next start, which reads the whole journal.
        ready.drain(self.store.chunks(), &mut |entry| entries.push(entry)).ok();
        self.forget(entries.into_iter());
        for slot in consumers {
            let consumer = slot.consumer;
            consumer.clone().mailbox().put(Letter::Cancelled { consumer });
        }
        Ok(Some(count))
    }

    fn forget(&self, entries: impl Iterator<Item = Entry>) {
        let (mut held, mut positions) = (0, Vec::new());
        for entry in entries {
            held += entry.share as usize;
            positions.extend(entry.position);
        }
        self.store.let_go(held);
        self.store.release(&positions);
    }

    /// Hands out what consumers have room for: somebody's room grew.
    pub fn dispatch(&self) {
        self.dispatch_locked(&mut lock(&self.state));
    }

    fn dispatch_locked(&self, state: &mut State) {
        let State { ready, consumers, turn, unacknowledged, outstanding, .. } = state;
        let mut full = 0;
        while full < consumers.len() {
            let first = match ready.front(self.store.chunks()) {
                Ok(Some(first)) => first,
                Ok(None) => break,
                Err(Unreadable { error, is_damaged }) => {
                    self.store.report(error);
                    match is_damaged {
                        true => continue,
                        // It stays, and is tried again.
                        false => break,
                    }
                }
            };
            let at = *turn % consumers.len();
            *turn = (at + 1) % consumers.len();
            let Some(slot) = consumers.get_mut(at) else { break };
            if !slot.consumer.try_reserve(first) {
                full += 1;
                continue;
            }
            full = 0;
            if !slot.consumer.is_no_ack() {
                *unacknowledged += 1;
            }
            let Ok(Some(entry)) = ready.pop_front(self.store.chunks()) else { break };
            if let Some(kept) = entry.slot() {
                outstanding.insert(entry.order, kept);
            }
            slot.batch.push(entry);
        }
        for slot in consumers.iter_mut().filter(|slot| !slot.batch.is_empty()) {
            let entries = std::mem::take(&mut slot.batch);
            let consumer = slot.consumer.clone();
            slot.consumer.mailbox().put(Letter::Deliveries { consumer, entries });
        }
    }

    /// Gives memory back: with `spill` what is far behind goes to disk, and with `page_out` the
    /// messages of the rest, as far as the journal has them.
    ///
    /// # Errors
    /// The index cannot be written.
    pub(crate) fn shrink(&self, spill: bool, page_out: bool) -> std::io::Result<()> {
        let Some(journal) = self.store.journal() else { return Ok(()) };
        let mut freed = 0;
        let mut result = Ok(());
        {
            let mut state = lock(&self.state);
            if let Some(chunks) = self.store.chunks().filter(|_| spill) {
                let spilled = state.ready.spill(chunks, |position| journal.is_committed(position));
                result = spilled.map(|bytes| freed += bytes);
            }
            if page_out {
                freed += state.ready.page_out(journal);
            }
        }
        self.store.let_go(freed);
        result
    }

    /// What of the queue lies in this segment of the journal.
    ///
    /// # Errors
    /// A part of the queue on disk cannot be read.
    pub(crate) fn live_in(&self, segment: u32) -> Result<Vec<Slot>, Error> {
        let (mut live, chunks) = {
            let state = lock(&self.state);
            let delivered = state.outstanding.values().copied();
            let mut live: Vec<Slot> =
                delivered.filter(|slot| slot.position.segment() == segment).collect();
            let chunks = state.ready.live_in(segment, &mut live);
            (live, chunks)
        };
        for (chunk, files) in chunks.iter().zip(self.store.chunks().into_iter().cycle()) {
            let slots = files.read(chunk).map_err(|it| it.error)?;
            live.extend(slots.into_iter().filter(|slot| slot.position.segment() == segment));
        }
        Ok(live)
    }

    /// Follows messages of a segment to where they were copied. Those that the queue had settled
    /// meanwhile are not kept there.
    ///
    /// # Errors
    /// A part of the queue on disk cannot be written: its messages stay where they are.
    pub(crate) fn follow(&self, segment: u32, copies: &Copies) -> std::io::Result<()> {
        let mut followed = Vec::with_capacity(copies.len());
        let result = {
            let mut state = lock(&self.state);
            for slot in state.outstanding.values_mut() {
                if let Some(&(to, _)) = copies.get(&slot.position) {
                    followed.push(slot.position);
                    slot.position = to;
                }
            }
            state.ready.follow(segment, copies, self.store.chunks(), &mut followed)
        };
        self.store.release(&followed);
        let followed: HashSet<Position> = followed.into_iter().collect();
        let stayed = copies
            .iter()
            .filter(|(from, (_, queues))| queues.contains(&self.id) && !followed.contains(from));
        let unused: Vec<Position> = stayed.map(|(_, (to, _))| *to).collect();
        self.store.release(&unused);
        result
    }

    /// What a checkpoint says of the queue, as it stands, that accounts for all before `end`.
    pub(crate) fn checkpoint(&self, end: Position) -> QueueCheckpoint {
        let state = lock(&self.state);
        let delivered = state.outstanding.iter();
        let delivered =
            delivered.map(|(order, slot)| (*order, Slot { redelivered: true, ..*slot }));
        QueueCheckpoint { id: self.id, parts: state.ready.checkpoint(delivered.collect(), end) }
    }
}

impl State {
    /// Where the journal has an entry that is with a consumer: compaction may have moved it.
    fn position_of(&self, entry: &Entry) -> Option<Position> {
        self.outstanding.get(&entry.order).map(|slot| slot.position).or(entry.position)
    }

    /// Takes an entry off the list of what is with consumers; returns where the journal has it.
    fn come_back(&mut self, entry: &Entry) -> Option<Position> {
        self.outstanding.remove(&entry.order).map(|slot| slot.position).or(entry.position)
    }
}

/// A message on its way into a queue.
#[derive(Debug)]
pub(crate) struct NewEntry {
    pub(crate) message: Arc<Message>,
    pub(crate) position: Option<Position>,
    pub(crate) share: u32,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({}, {:?})", self.id.0, self.name())
    }
}

/// Policies.
impl Queue {
    /// What policies and arguments together say of it, whenever that changes.
    pub(crate) fn set_effective(&self, _: crate::policy::Effective) {}
}
