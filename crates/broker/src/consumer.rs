//! A consumer: who takes from a queue, and how much it may have at once.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
};

use bytestring::ByteString;

use crate::{
    Mailbox, Queue, Reading,
    limits::{OUTBOX_BYTES_MAX, OUTBOX_MESSAGES_MAX},
};

/// How many unacknowledged deliveries a set of consumers may share: one 0-9-1 channel's, with
/// `basic.qos(global = true)`. A limit of 0 is none.
#[derive(Debug, Default)]
pub struct SharedLimit {
    limit: AtomicU32,
    unacked: AtomicU32,
}

impl SharedLimit {
    /// Sets the limit; what is out already stays out.
    pub fn set(&self, limit: u32) {
        self.limit.store(limit, SeqCst);
    }

    /// Whether there is a limit: then an acknowledgement on one queue makes room on others.
    pub fn is_set(&self) -> bool {
        self.limit.load(SeqCst) != 0
    }

    fn try_take(&self) -> bool {
        let limit = self.limit.load(SeqCst);
        let room = |out: u32| (limit == 0 || out < limit).then_some(out + 1);
        self.unacked.fetch_update(SeqCst, SeqCst, room).is_ok()
    }

    fn add(&self, count: u32) {
        self.unacked.fetch_add(count, SeqCst);
    }

    fn give_back(&self, count: u32) {
        self.unacked.fetch_sub(count, SeqCst);
    }
}

/// How a consumer gets its messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Supply {
    /// It is handed what there is, as far as its prefetch goes.
    #[default]
    Prefetch,
    /// It is handed only as many as were allowed ([`Consumer::allow`]), whether settled or not.
    Credit,
    /// It is handed nothing: it looks at what waits, and takes what it wants ([`Queue::look`],
    /// [`Queue::take`]). It is woken when there is something to look at ([`Consumer::fresh`]).
    Choice,
}

/// What a client asks for when it consumes.
#[derive(Debug, Clone)]
pub struct ConsumerRequest {
    /// The channel, or link, of its connection: an opaque number to the broker.
    pub channel: u32,
    /// Its name on the channel.
    pub tag: ByteString,
    /// Deliveries count as settled when they are sent.
    pub no_ack: bool,
    /// Nobody else may consume from the queue.
    pub exclusive: bool,
    /// The higher, the sooner it gets messages (RabbitMQ: `x-priority`).
    pub priority: i64,
    /// Unacknowledged deliveries it may have; 0 is no limit.
    pub prefetch: u32,
    /// How it gets its messages.
    pub supply: Supply,
    /// Of a stream: where it begins, and what it wants.
    pub reading: Reading,
    /// What it shares with the other consumers of its channel.
    pub shared_limit: Arc<SharedLimit>,
    /// Where its deliveries go.
    pub mailbox: Arc<Mailbox>,
}

/// A consumer of one queue.
pub struct Consumer {
    request: ConsumerRequest,
    queue: Arc<Queue>,
    prefetch: AtomicU32,
    /// Deliveries it may be handed since it began, and those that it was.
    allowed: AtomicU64,
    handed: AtomicU64,
    unacked: AtomicU32,
    outbox_messages: AtomicUsize,
    outbox_bytes: AtomicUsize,
    /// The queue found the outbox full: the next [`Consumer::taken`] has to tell it.
    stalled: AtomicBool,
    /// Of one that chooses, the lowest order of what has come since it was last asked for.
    fresh: AtomicU64,
}

impl Consumer {
    pub(crate) fn new(request: ConsumerRequest, queue: Arc<Queue>) -> Consumer {
        let prefetch = AtomicU32::new(request.prefetch);
        let allowed = match request.supply {
            Supply::Prefetch => u64::MAX,
            Supply::Credit | Supply::Choice => 0,
        };
        Consumer {
            request,
            queue,
            prefetch,
            allowed: AtomicU64::new(allowed),
            handed: AtomicU64::new(0),
            unacked: AtomicU32::new(0),
            outbox_messages: AtomicUsize::new(0),
            outbox_bytes: AtomicUsize::new(0),
            stalled: AtomicBool::new(false),
            fresh: AtomicU64::new(NOTHING_FRESH),
        }
    }

    /// The channel it was asked for on.
    pub fn channel(&self) -> u32 {
        self.request.channel
    }

    /// Its name on the channel.
    pub fn tag(&self) -> &ByteString {
        &self.request.tag
    }

    /// The queue it takes from.
    pub fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// Deliveries count as settled when they are sent.
    pub fn is_no_ack(&self) -> bool {
        self.request.no_ack
    }

    /// The higher, the sooner it gets messages.
    pub fn priority(&self) -> i64 {
        self.request.priority
    }

    /// Nobody else may consume from the queue.
    pub fn is_exclusive(&self) -> bool {
        self.request.exclusive
    }

    pub(crate) fn reading(&self) -> &Reading {
        &self.request.reading
    }

    /// Unacknowledged deliveries it may have; 0 is no limit.
    pub fn prefetch(&self) -> u32 {
        self.prefetch.load(SeqCst)
    }

    /// Unacknowledged deliveries it has.
    pub fn unacknowledged(&self) -> u32 {
        self.unacked.load(SeqCst)
    }

    /// Where its deliveries go: which of the connections it is of.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.request.mailbox
    }

    /// The driver took this many deliveries out of the mailbox: there is room for more.
    pub fn taken(&self, messages: usize, bytes: usize) {
        self.outbox_messages.fetch_sub(messages, SeqCst);
        self.outbox_bytes.fetch_sub(bytes, SeqCst);
        if self.stalled.swap(false, SeqCst) {
            self.queue.dispatch_to(self);
        }
    }

    /// It may be handed so many deliveries, counted since it began; those that were handed out and
    /// came back unsent ([`Queue::requeue`]) do not count. Less than before takes nothing back.
    /// [`Queue::dispatch`] acts upon it.
    pub fn allow(&self, deliveries: u64) {
        self.allowed.store(deliveries, SeqCst);
    }

    /// It takes what it wants itself.
    pub fn chooses(&self) -> bool {
        self.request.supply == Supply::Choice
    }

    /// From which order on there is something new since this was last asked, or came back; `None`:
    /// there is not.
    pub fn fresh(&self) -> Option<u64> {
        let order = self.fresh.swap(NOTHING_FRESH, SeqCst);
        (order != NOTHING_FRESH).then_some(order)
    }

    pub(crate) fn is_fresh(&self, order: u64) {
        if self.fresh.fetch_min(order, SeqCst) == NOTHING_FRESH {
            self.mailbox().nudge();
        }
    }

    /// Takes room for one delivery that it chose itself.
    pub(crate) fn reserve(&self, size_bytes: usize) {
        let taken = Taken { messages: 1, bytes: size_bytes, shared: 0 };
        Room { taken, ..Room::default() }.commit(self);
    }

    /// It goes on with a delivery that another consumer of its queue had, who is gone.
    pub fn adopt(&self, from: Option<&Consumer>, size_bytes: usize) {
        self.reserve(size_bytes);
        self.taken(1, size_bytes);
        if let Some(from) = from {
            from.give_back(1);
        }
    }

    /// Some that were handed to it went back and were not sent.
    pub(crate) fn not_sent(&self, count: usize) {
        self.handed.fetch_sub(count as u64, SeqCst);
    }

    /// The next [`Consumer::taken`] tells the queue.
    pub(crate) fn stall(&self) {
        self.stalled.store(true, SeqCst);
    }

    /// Takes room for one delivery, or says that there is none. Only the queue calls it, under
    /// its lock.
    pub(crate) fn try_reserve(&self, size_bytes: usize) -> bool {
        let mut room = Room::default();
        let has_room = room.take(self, size_bytes);
        room.commit(self);
        has_room
    }

    /// The room there is, of which nothing is taken yet.
    fn look(&self) -> Room {
        let mut messages = usize::MAX;
        if !self.request.no_ack {
            let prefetch = self.prefetch.load(SeqCst);
            if prefetch != 0 {
                messages = prefetch.saturating_sub(self.unacked.load(SeqCst)) as usize;
            }
        }
        let credit = self.allowed.load(SeqCst).saturating_sub(self.handed.load(SeqCst));
        messages = messages.min(usize::try_from(credit).unwrap_or(usize::MAX));
        if messages > 0 && self.outbox_is_full() {
            // Announce first, look again after: `taken` may have run in between.
            self.stalled.store(true, SeqCst);
            if self.outbox_is_full() {
                return Room::default();
            }
            self.stalled.store(false, SeqCst);
        }
        let outbox = OUTBOX_MESSAGES_MAX.saturating_sub(self.outbox_messages.load(SeqCst));
        let bytes = OUTBOX_BYTES_MAX.saturating_sub(self.outbox_bytes.load(SeqCst));
        Room { messages: messages.min(outbox), bytes, ..Room::default() }
    }

    fn outbox_is_full(&self) -> bool {
        self.outbox_messages.load(SeqCst) >= OUTBOX_MESSAGES_MAX
            || self.outbox_bytes.load(SeqCst) >= OUTBOX_BYTES_MAX
    }

    /// Gives back what acknowledged or requeued deliveries took.
    pub(crate) fn give_back(&self, count: usize) {
        if !self.request.no_ack {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.unacked.fetch_sub(count, SeqCst);
            self.request.shared_limit.give_back(count);
        }
    }
}

/// No order is as high.
const NOTHING_FRESH: u64 = u64::MAX;

/// Room for deliveries, looked at once for many of them. Only a consumer's queue adds to what the
/// consumer has, under its lock; others only take away. So what was seen stays true meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Left of what was seen.
    messages: usize,
    bytes: usize,
    taken: Taken,
}

/// What was taken and is not counted yet where others see it.
#[derive(Debug, Default)]
struct Taken {
    messages: usize,
    bytes: usize,
    /// Of the messages, those that the shared limit has counted.
    shared: u32,
}

impl Room {
    /// Takes room for one delivery, or says that there is none.
    pub(crate) fn take(&mut self, consumer: &Consumer, size_bytes: usize) -> bool {
        if self.messages == 0 || self.bytes == 0 {
            self.commit(consumer);
            *self = consumer.look();
            if self.messages == 0 || self.bytes == 0 {
                return false;
            }
        }
        let request = &consumer.request;
        if !request.no_ack && request.shared_limit.is_set() {
            // Others take from it at the same time.
            if !request.shared_limit.try_take() {
                return false;
            }
            self.taken.shared += 1;
        }
        self.messages -= 1;
        self.bytes = self.bytes.saturating_sub(size_bytes);
        self.taken.messages += 1;
        self.taken.bytes += size_bytes;
        true
    }

    /// Counts what was taken, before anybody gets it.
    pub(crate) fn commit(&mut self, consumer: &Consumer) {
        let Room { taken: Taken { messages, bytes, shared }, .. } = std::mem::take(self);
        if messages == 0 {
            return;
        }
        consumer.handed.fetch_add(messages as u64, SeqCst);
        consumer.outbox_messages.fetch_add(messages, SeqCst);
        consumer.outbox_bytes.fetch_add(bytes, SeqCst);
        if !consumer.request.no_ack {
            let messages = u32::try_from(messages).unwrap_or(u32::MAX);
            consumer.unacked.fetch_add(messages, SeqCst);
            consumer.request.shared_limit.add(messages - shared);
        }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("tag", self.tag())
            .field("queue", self.queue.name())
            .field("unacked", &self.unacked)
            .finish_non_exhaustive()
    }
}
