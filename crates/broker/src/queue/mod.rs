//! A queue: entries in order, and who gets the next one.
//!
//! `ready + unacknowledged = published − settled`. One lock, taken once for a batch. Entries are
//! handed to consumers in turn, each as far as its credit goes; what is handed over lies in the
//! consumer's mailbox until its connection takes it.

mod choice;
mod dispatch;
mod duplicates;
mod dying;
mod groups;
mod report;
mod settle;
mod state;
mod upkeep;

use std::{
    borrow::Cow,
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, OnceLock, Weak, atomic::AtomicBool},
};

use bytestring::ByteString;
use journal::{Position, ReadAhead};
use serde::{Deserialize, Serialize};

use self::report::Held;
pub(crate) use self::state::Dead;
pub use self::{
    choice::{Looked, Waiting},
    report::{ConsumerReport, QueueReport},
    settle::Return,
};
use self::{duplicates::Duplicates, state::State};
use crate::{
    Arguments, Entry, Error, Letter, Message, Timestamp, Value, VirtualHost,
    connection::ConnectionId,
    counters::Counted,
    entry::{Flags, Ticket},
    error::Resource,
    incoming::{Incoming, Sources},
    index::CheckpointPart,
    policy::{Definition, Effective, QueueArguments, QueueType},
    ready::Ready,
    record::InStream,
    routing::Map,
    store::Store,
    stream::Stream,
    sync::lock,
};

/// A queue's number, never used twice in one data directory: records of the journal name a
/// queue by it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct QueueId(pub(crate) u64);

/// What is declared of a queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    queue_type: QueueType,
    this: Weak<Queue>,
    /// Where its dead letters are seen to.
    home: OnceLock<Weak<VirtualHost>>,
    /// The clock has something to do with it.
    ticks: AtomicBool,
    /// It is on the list of those that the clock looks at.
    is_ticking: AtomicBool,
    /// It refuses messages when it is full.
    may_refuse: AtomicBool,
    held: Held,
    state: Mutex<State>,
    /// It takes no message twice.
    deduplicates: bool,
    /// What it holds instead, when it is a stream.
    stream: Option<Stream>,
}

impl Queue {
    pub(crate) fn new(
        id: QueueId,
        vhost: ByteString,
        declaration: QueueDeclaration,
        owner: Option<ConnectionId>,
        store: Arc<Store>,
    ) -> Arc<Queue> {
        let asked = QueueArguments::parse(
            &vhost,
            &declaration.name,
            &declaration.arguments,
            QueueType::default(),
        );
        // One that an earlier version took with arguments that are none goes on without them.
        let asked = asked.unwrap_or_default();
        let effective = Effective::of_queue(&asked, &Definition::default());
        let priority_max = effective.max_priority.unwrap_or(0);
        let deduplicates =
            declaration.arguments.get("x-message-deduplication") == Some(&Value::Bool(true));
        let state = State {
            ready: Ready::new(store.backlog(), priority_max),
            unacknowledged: 0,
            outstanding: Map::default(),
            next_order: 0,
            consumers: Vec::new(),
            choosers: 0,
            turn: 0,
            active: None,
            deleted: false,
            expiring: false,
            dead: VecDeque::new(),
            used_at: store.now(),
            counted: Counted::default(),
            incoming: Incoming::default(),
            effective: Arc::new(effective),
            duplicates: deduplicates.then(Duplicates::new),
            groups: None,
        };
        let is_stream = asked.queue_type == QueueType::Stream;
        let queue = Arc::new_cyclic(|this| Queue {
            deduplicates,
            stream: is_stream.then(|| Stream::new(id, store.clone())),
            id,
            vhost,
            declaration,
            owner,
            store,
            queue_type: asked.queue_type,
            this: this.clone(),
            home: OnceLock::new(),
            ticks: AtomicBool::new(false),
            is_ticking: AtomicBool::new(false),
            may_refuse: AtomicBool::new(false),
            held: Held::default(),
            state: Mutex::new(state),
        });
        queue.note_what_ticks();
        queue
    }

    /// Its number.
    pub fn id(&self) -> QueueId {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &ByteString {
        &self.declaration.name
    }

    /// Its virtual host.
    pub fn vhost(&self) -> &ByteString {
        &self.vhost
    }

    /// What was declared.
    pub fn declaration(&self) -> &QueueDeclaration {
        &self.declaration
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.declaration.durable
    }

    /// Which kind of queue was asked for.
    pub fn queue_type(&self) -> QueueType {
        self.queue_type
    }

    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    /// The connection that an exclusive one belongs to.
    pub fn owner(&self) -> Option<ConnectionId> {
        self.owner
    }

    pub(crate) fn resource(&self) -> Resource<'_> {
        Resource { kind: "queue", name: self.name(), vhost: &self.vhost }
    }

    /// How many messages and consumers it has.
    pub fn counts(&self) -> QueueCounts {
        if let Some(stream) = &self.stream {
            return stream.counts();
        }
        let state = lock(&self.state);
        QueueCounts {
            ready: state.waiting().0,
            unacknowledged: state.unacknowledged,
            consumers: state.consumers.len(),
        }
    }

    /// Appends entries in order and hands out what consumers have room for. What dies of it waits
    /// for [`Queue::bury`].
    pub(crate) fn push(&self, entries: impl Iterator<Item = NewEntry>, from: Sources<'_>) {
        if let Some(stream) = &self.stream {
            stream.push(entries, from);
            return self.await_commit();
        }
        let mut state = lock(&self.state);
        if state.deleted {
            drop(state);
            let positions: Vec<Position> = entries.filter_map(|it| it.position).collect();
            return self.store.release(&positions);
        }
        state.incoming.add(&from);
        let mut published_at = Timestamp::default();
        let (mut held, queue_ttl) = (0, state.effective.message_ttl);
        let mut again = Vec::new();
        let (mut persistent, mut persistent_bytes) = (0, 0);
        let (was_expiring, first_order) = (state.expiring, state.next_order);
        for new in entries {
            let order = state.next_order;
            if let Some(duplicates) = &mut state.duplicates {
                let headers = self.store.properties().headers(&new.message.label);
                if !duplicates.enter(order, &*headers, self.store.now()) {
                    again.extend(new.position);
                    continue;
                }
            }
            held += new.share as usize;
            published_at = new.message.published_at;
            state.next_order += 1;
            let marks = &new.message.marks;
            let ttl = marks.ttl.into_iter().chain(queue_ttl).min();
            let ticket = Ticket {
                size: u32::try_from(new.message.body_len()).unwrap_or(u32::MAX),
                flags: Flags::fresh(marks.group),
                priority: marks.priority,
                returns: 0,
                expires_at: ttl.map(|ttl| new.message.published_at.after(ttl)),
            };
            state.expiring |= ttl.is_some();
            let (position, share) = (new.position, new.share);
            state.counted.counters.publish += 1;
            if position.is_some() {
                persistent += 1;
                persistent_bytes += u64::from(ticket.size);
            }
            state.ready.push_back(Entry {
                order,
                position,
                share,
                ticket,
                message: Some(new.message),
            });
        }
        self.hold(held);
        self.held.persist(persistent, persistent_bytes);
        // As of when they were published: what may live no time at all still reaches who waits.
        self.dispatch_at(&mut state, published_at);
        if state.expiring {
            let now = self.store.now();
            self.drop_expired(&mut state, now);
        }
        self.drop_surplus(&mut state);
        state.tell_choosers(first_order);
        let began = state.expiring && !was_expiring;
        drop(state);
        if !again.is_empty() {
            // A failed journal is said by whoever commits.
            self.store.settle(self.id, &again).ok();
        }
        if began {
            self.note_what_ticks();
        }
    }

    /// What a stream has got is to be seen after the commit.
    fn await_commit(&self) {
        let awaiting = self.stream.as_ref().filter(|stream| stream.begins_to_await());
        if let Some(this) = awaiting.and_then(|_| self.this.upgrade()) {
            self.store.await_commit(this);
        }
    }

    /// What was committed is to be seen by a stream's consumers.
    pub(crate) fn committed(&self) {
        if let Some(stream) = &self.stream {
            stream.awaits_no_more();
            if stream.committed() {
                self.await_commit();
            }
        }
    }

    /// Whether it takes one more message of that size; `more` messages and bytes are on their way
    /// to it.
    pub(crate) fn refuses(&self, size: u64, more: (u64, u64)) -> bool {
        lock(&self.state).refuses(size, more)
    }

    /// Puts back what a restart found.
    pub(crate) fn restore(&self, part: CheckpointPart) {
        if let Some(stream) = &self.stream {
            return stream.restore(part);
        }
        {
            let State { ready, next_order, expiring, .. } = &mut *lock(&self.state);
            match part {
                CheckpointPart::Slots(slots) => {
                    *expiring |= slots.iter().any(|slot| slot.ticket.expires_at.is_some());
                    let bytes = slots.iter().map(|slot| u64::from(slot.ticket.size)).sum();
                    self.held.persist(slots.len(), bytes);
                    slots.into_iter().for_each(|slot| ready.restore(slot, next_order));
                }
                CheckpointPart::Chunk(chunk) => {
                    *expiring |= chunk.expires;
                    self.held.persist(chunk.count as usize, chunk.bytes);
                    ready.restore_chunk(chunk, next_order);
                }
                // Of streams only.
                CheckpointPart::Rows { .. } | CheckpointPart::Stretch(_) => {}
            }
        }
        self.note_what_ticks();
    }

    /// Takes the first message, for `basic.get`; also says how many are left. The caller owes a
    /// settle or a requeue.
    ///
    /// # Errors
    /// A part of the queue on disk cannot be read now. A stream cannot be asked so.
    pub fn get(&self) -> Result<Option<(Entry, usize)>, Error> {
        self.fetch(false)
    }

    /// As [`Queue::get`], for somebody who settles it without a word.
    ///
    /// # Errors
    /// As [`Queue::get`].
    pub fn get_no_ack(&self) -> Result<Option<(Entry, usize)>, Error> {
        self.fetch(true)
    }

    fn fetch(&self, no_ack: bool) -> Result<Option<(Entry, usize)>, Error> {
        self.refuse_stream("basic.get not supported by stream queues")?;
        let got = {
            let mut state = lock(&self.state);
            if state.expiring {
                let now = self.store.now();
                self.drop_expired(&mut state, now);
            }
            let first = state.ready.pop_front(self.store.chunks()).map_err(|it| it.error)?;
            let found = first.as_ref().map(|it| (it.is_redelivered(), it.ticket.size));
            state.counted.get(no_ack, found);
            first.map(|entry| {
                state.unacknowledged += 1;
                state.go_out(&entry);
                (entry, state.waiting().0)
            })
        };
        self.touch();
        self.bury();
        Ok(got)
    }

    /// The message of an entry of this queue.
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`] when the journal cannot give it back.
    pub fn message<'a>(&self, entry: &'a Entry) -> Result<Cow<'a, Arc<Message>>, Error> {
        self.message_ahead(entry, &mut ReadAhead::default())
    }

    /// The same, by somebody who takes one entry after the other.
    ///
    /// # Errors
    /// As [`Queue::message`].
    pub fn message_ahead<'a>(
        &self,
        entry: &'a Entry,
        ahead: &mut ReadAhead,
    ) -> Result<Cow<'a, Arc<Message>>, Error> {
        if let Some(stream) = &self.stream {
            return stream.message(entry, ahead).map(Cow::Owned);
        }
        if let Some(message) = &entry.message {
            return Ok(Cow::Borrowed(message));
        }
        loop {
            let at = lock(&self.state).position_of(entry);
            let Some(position) = at else { return Err(Error::without_message()) };
            match self.store.load(position, ahead) {
                // It moved before it was read.
                Err(_) if lock(&self.state).position_of(entry) != at => {}
                loaded => return loaded.map(Cow::Owned),
            }
        }
    }

    /// Drops all messages that are ready; returns how many.
    ///
    /// # Errors
    /// The journal failed. A stream cannot be purged.
    pub fn purge(&self) -> Result<usize, Error> {
        self.refuse_stream("queue.purge not supported by stream queues")?;
        let mut purged = {
            let mut state = lock(&self.state);
            state.release_held();
            state.ready.take()
        };
        let count = purged.len();
        let (mut held, mut positions, mut bytes) = (0, Vec::new(), 0);
        let drained = purged.drain(self.store.chunks(), &mut |entry| {
            held += entry.share as usize;
            if self.deduplicates {
                lock(&self.state).left(entry.order);
            }
            if let Some(position) = entry.position {
                positions.push(position);
                bytes += u64::from(entry.ticket.size);
            }
        });
        // What could be read is purged, whatever the rest is.
        self.let_go(held);
        self.held.forget(positions.len(), bytes);
        if !positions.is_empty() {
            self.store.settle(self.id, &positions)?;
        }
        drained.map(|()| count)
    }

    /// Ends the queue: its messages go, its consumers are told. `None` when it ended before or
    /// `allowed` refuses.
    pub(crate) fn delete(
        &self,
        allowed: impl FnOnce(&QueueCounts) -> Result<(), Error>,
    ) -> Result<Option<usize>, Error> {
        if let Some(stream) = &self.stream {
            return stream.delete(allowed);
        }
        let (mut ready, consumers, dead) = {
            let mut state = lock(&self.state);
            if state.deleted {
                return Ok(None);
            }
            state.release_held();
            allowed(&QueueCounts {
                ready: state.ready.len(),
                unacknowledged: state.unacknowledged,
                consumers: state.consumers.len(),
            })?;
            state.deleted = true;
            let counters = std::mem::take(&mut state.counted.counters);
            self.store.totals().queue_deleted(self.queue_type, &counters);
            let dead: Vec<Entry> = state
                .take_dead()
                .into_iter()
                .map(|Dead { mut entry, .. }| {
                    entry.position = state.come_back(&entry);
                    entry
                })
                .collect();
            (state.ready.take(), std::mem::take(&mut state.consumers), dead)
        };
        let count = ready.len();
        let mut entries = dead;
        // What cannot be read is released by the next start, which reads the whole journal.
        ready.drain(self.store.chunks(), &mut |entry| entries.push(entry)).ok();
        self.forget(entries.into_iter());
        for slot in consumers {
            let consumer = slot.consumer;
            consumer.clone().mailbox().put(Letter::Cancelled { consumer });
        }
        Ok(Some(count))
    }

    /// RabbitMQ: what a stream does not do.
    fn refuse_stream(&self, what: &str) -> Result<(), Error> {
        match &self.stream {
            None => Ok(()),
            Some(_) => Err(Error::not_implemented(format!("{what} {}", self.resource()))),
        }
    }

    fn forget(&self, entries: impl Iterator<Item = Entry>) {
        let (mut held, mut positions) = (0, Vec::new());
        for entry in entries {
            held += entry.share as usize;
            positions.extend(entry.position);
        }
        self.let_go(held);
        self.store.release(&positions);
    }
}

/// A message on its way into a queue.
#[derive(Debug)]
pub(crate) struct NewEntry {
    pub(crate) message: Arc<Message>,
    pub(crate) position: Option<Position>,
    /// What the journal says of it in a stream.
    pub(crate) in_stream: Option<InStream>,
    pub(crate) share: u32,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({}, {:?})", self.id.0, self.name())
    }
}
