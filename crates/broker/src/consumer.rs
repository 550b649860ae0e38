//! A consumer: who takes from a queue, and how much it may have at once.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
};

use bytestring::ByteString;

use crate::{
    Entry, Mailbox, Queue,
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

    fn give_back(&self, count: u32) {
        self.unacked.fetch_sub(count, SeqCst);
    }
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
    unacked: AtomicU32,
    outbox_messages: AtomicUsize,
    outbox_bytes: AtomicUsize,
    /// The queue found the outbox full: the next [`Consumer::taken`] has to tell it.
    stalled: AtomicBool,
}

impl Consumer {
    pub(crate) fn new(request: ConsumerRequest, queue: Arc<Queue>) -> Consumer {
        let prefetch = AtomicU32::new(request.prefetch);
        Consumer {
            request,
            queue,
            prefetch,
            unacked: AtomicU32::new(0),
            outbox_messages: AtomicUsize::new(0),
            outbox_bytes: AtomicUsize::new(0),
            stalled: AtomicBool::new(false),
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
            self.queue.dispatch();
        }
    }

    /// Takes room for one delivery, or says that there is none. Only the queue calls it, under
    /// its lock.
    pub(crate) fn try_reserve(&self, entry: &Entry) -> bool {
        if !self.request.no_ack {
            let prefetch = self.prefetch.load(SeqCst);
            if prefetch != 0 && self.unacked.load(SeqCst) >= prefetch {
                return false;
            }
        }
        if self.outbox_is_full() {
            // Announce first, look again after: `taken` may have run in between.
            self.stalled.store(true, SeqCst);
            if self.outbox_is_full() {
                return false;
            }
            self.stalled.store(false, SeqCst);
        }
        if !self.request.no_ack {
            if !self.request.shared_limit.try_take() {
                return false;
            }
            self.unacked.fetch_add(1, SeqCst);
        }
        self.outbox_messages.fetch_add(1, SeqCst);
        self.outbox_bytes.fetch_add(entry.size_bytes(), SeqCst);
        true
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

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("tag", self.tag())
            .field("queue", self.queue.name())
            .field("unacked", &self.unacked)
            .finish_non_exhaustive()
    }
}
