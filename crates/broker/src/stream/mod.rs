//! A stream: messages that stay when they are consumed, numbered from 0 on (RabbitMQ:
//! `x-queue-type=stream`). A retained stretch of the journal: each message is there once, with its
//! number, and goes when the stream is too large or the message too old.
//!
//! A number once seen is never another message's: who publishes holds the journal's append lock
//! until the stream has what was appended, so the two have one order; and nobody is shown what is
//! not committed. Each consumer has a cursor of its own.

mod filter;
mod log;
mod reader;
mod reading;
mod retention;
mod row;
mod stretch;
mod upkeep;

use std::sync::{
    Arc, Mutex, RwLock,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
};

pub(crate) use self::{filter::FilterMark, row::StreamRow, stretch::Stretch};
pub use self::{filter::StreamFilter, reading::ReadFrom, reading::Reading};
use self::{
    log::{Held, Log, Stock},
    reader::{Cursor, Reader},
    retention::Retention,
};
use journal::ReadAhead;

use crate::{
    Consumer, Entry, Error, Letter, Message, Position, QueueCounts, QueueId, Timestamp,
    counters::{ExchangeCounters, QueueCounters},
    incoming::Sources,
    limits::STREAM_STRETCH,
    policy::QueueType,
    queue::NewEntry,
    record::InStream,
    store::Store,
    sync::{lock, read, write},
};

/// What a queue of the type `stream` holds.
#[derive(Debug)]
pub(crate) struct Stream {
    id: QueueId,
    store: Arc<Store>,
    /// The number for the next message that is appended to the journal.
    next: AtomicU64,
    log: Mutex<Log>,
    retention: Mutex<Retention>,
    readers: RwLock<Vec<Arc<Reader>>>,
    unacknowledged: AtomicUsize,
    published: AtomicU64,
    delivered: AtomicU64,
    settled: AtomicU64,
    /// It is on the list of those to be looked at after the next commit.
    awaits_commit: AtomicBool,
}

impl Stream {
    pub(crate) fn new(id: QueueId, store: Arc<Store>) -> Stream {
        let log = Log::new(store.backlog().chunk.min(STREAM_STRETCH));
        Stream {
            id,
            store,
            next: AtomicU64::new(0),
            log: Mutex::new(log),
            retention: Mutex::default(),
            readers: RwLock::default(),
            unacknowledged: AtomicUsize::new(0),
            published: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            awaits_commit: AtomicBool::new(false),
        }
    }

    /// How many messages and consumers it has.
    pub(crate) fn counts(&self) -> QueueCounts {
        QueueCounts {
            ready: usize::try_from(lock(&self.log).len()).unwrap_or(usize::MAX),
            unacknowledged: self.unacknowledged.load(SeqCst),
            consumers: read(&self.readers).len(),
        }
    }

    /// Bytes of the bodies of all its messages, and of the memory that some of them hold.
    pub(crate) fn bytes(&self) -> (u64, usize) {
        let log = lock(&self.log);
        (log.bytes(), log.hot_bytes())
    }

    /// What happened in it.
    pub(crate) fn counters(&self) -> QueueCounters {
        QueueCounters {
            publish: self.published.load(SeqCst),
            deliver: self.delivered.load(SeqCst),
            ack: self.settled.load(SeqCst),
            ..QueueCounters::default()
        }
    }

    /// How many came from which exchange.
    pub(crate) fn incoming(&self, each: &mut impl FnMut(&Arc<ExchangeCounters>, u64)) {
        lock(&self.log).incoming.iter().for_each(|(exchange, messages)| each(exchange, messages));
    }

    /// A number for a message. The caller holds the journal's append lock until the message is in
    /// the stream.
    pub(crate) fn allocate(&self) -> u64 {
        self.next.fetch_add(1, SeqCst)
    }

    /// Appends messages in order. Without a journal they are to be seen at once, else after the
    /// commit ([`Stream::committed`]).
    pub(crate) fn push(&self, entries: impl Iterator<Item = NewEntry>, from: Sources<'_>) {
        let (mut held, mut count, mut unused) = (0, 0, Vec::new());
        {
            let mut log = lock(&self.log);
            log.incoming.add(&from);
            for new in entries {
                if log.deleted {
                    unused.extend(new.position);
                    continue;
                }
                held += new.share as usize;
                count += 1;
                let in_stream = new.in_stream.unwrap_or_else(|| {
                    let headers = self.store.properties().headers(&new.message.label);
                    InStream { offset: self.allocate(), filter: FilterMark::of(&*headers) }
                });
                log.push(Held {
                    offset: in_stream.offset,
                    position: new.position,
                    size: u32::try_from(new.message.body_len()).unwrap_or(u32::MAX),
                    filter: in_stream.filter,
                    published_at: new.message.published_at,
                    message: Some(new.message),
                    share: new.share,
                });
            }
            let freed = log.cool_some(|position| self.has(position));
            self.published.fetch_add(count, SeqCst);
            self.store.hold(held);
            self.store.let_go(freed);
        }
        self.store.release(&unused);
    }

    /// Hands out what has been committed since; whether there is more to come.
    pub(crate) fn committed(&self) -> bool {
        // Asked first: what another commit makes visible while this hands out is not handed out.
        let is_more = lock(&self.log).tail.back().is_some_and(|newest| !self.is_visible(newest));
        self.dispatch();
        is_more
    }

    /// Whether it is to be put on the list of those to be looked at after the next commit.
    pub(crate) fn begins_to_await(&self) -> bool {
        !self.awaits_commit.swap(true, SeqCst)
    }

    /// It is taken off that list.
    pub(crate) fn awaits_no_more(&self) {
        self.awaits_commit.store(false, SeqCst);
    }

    fn has(&self, position: Position) -> bool {
        self.store.journal().is_none_or(|journal| journal.is_committed(position))
    }

    fn is_visible(&self, held: &Held) -> bool {
        held.position.is_none_or(|position| self.has(position))
    }

    /// Adds a reader for a consumer; `false` when the stream ended.
    pub(crate) fn read(&self, consumer: Arc<Consumer>, reading: &Reading) -> bool {
        // Held until it is among the others: who ends the stream tells all that are.
        let log = lock(&self.log);
        if log.deleted {
            return false;
        }
        let cursor = match reading.from {
            ReadFrom::First => Cursor::at(log.first()),
            ReadFrom::Next => Cursor::at(log.next),
            ReadFrom::Offset(offset) => Cursor::at(offset),
            ReadFrom::Time(since) => Cursor::since(&log, since),
            ReadFrom::Ago(milliseconds) => {
                let since = self.store.now().0.saturating_sub(milliseconds);
                Cursor::since(&log, Timestamp(since))
            }
            ReadFrom::Last => {
                let last = log.last(|held| self.is_visible(held));
                Cursor::at(last.unwrap_or(log.next))
            }
        };
        write(&self.readers).push(Reader::new(consumer, reading.filter.clone(), cursor));
        true
    }

    /// Takes a consumer away. `true` when it was there.
    pub(crate) fn cancel(&self, consumer: &Consumer) -> bool {
        let mut readers = write(&self.readers);
        let before = readers.len();
        readers.retain(|reader| !std::ptr::eq(&*reader.consumer, consumer));
        readers.len() < before
    }

    /// Lets go of the readers, without a word.
    pub(crate) fn drop_readers(&self) {
        write(&self.readers).clear();
    }

    /// The consumers there are.
    pub(crate) fn consumers(&self) -> Vec<Arc<Consumer>> {
        read(&self.readers).iter().map(|reader| reader.consumer.clone()).collect()
    }

    /// Hands out to all what they have room for.
    pub(crate) fn dispatch(&self) {
        let readers = read(&self.readers).clone();
        readers.iter().for_each(|reader| reader.dispatch(self));
    }

    /// Hands out to one consumer, whose room grew.
    pub(crate) fn dispatch_to(&self, consumer: &Consumer) {
        let readers = read(&self.readers);
        let reader = readers.iter().find(|it| std::ptr::eq(&*it.consumer, consumer)).cloned();
        drop(readers);
        if let Some(reader) = reader {
            reader.dispatch(self);
        }
    }

    fn stock(&self, offset: u64, max: usize) -> Stock {
        lock(&self.log).stock(offset, max, |held| self.is_visible(held))
    }

    /// The rows of a stretch; `None` when the stream has it no more. An error says whether it is
    /// damaged, and was reported.
    fn rows(&self, stretch: &Stretch) -> Result<Option<Arc<[StreamRow]>>, bool> {
        let Some(chunks) = self.store.chunks() else { return Ok(None) };
        stretch.rows(chunks).map_err(|unreadable| {
            self.store.report(unreadable.error);
            unreadable.is_damaged
        })
    }

    fn note_delivered(&self, count: usize) {
        self.unacknowledged.fetch_add(count, SeqCst);
        self.delivered.fetch_add(count as u64, SeqCst);
    }

    /// Deliveries are done with, whatever the consumer thought of them (RabbitMQ: all settlements
    /// give credit). The stream keeps its messages.
    pub(crate) fn settle(&self, count: usize, consumer: Option<&Consumer>) {
        self.unacknowledged.fetch_sub(count, SeqCst);
        self.settled.fetch_add(count as u64, SeqCst);
        if let Some(consumer) = consumer {
            consumer.give_back(count);
            self.dispatch_to(consumer);
        }
    }

    /// The message of a delivery.
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`] when the journal cannot give it back.
    pub(crate) fn message(
        &self,
        entry: &Entry,
        ahead: &mut ReadAhead,
    ) -> Result<Arc<Message>, Error> {
        if let Some(message) = &entry.message {
            return Ok(message.clone());
        }
        let Some(position) = entry.position else { return Err(Error::without_message()) };
        match self.store.load(position, ahead) {
            // It moved before it was read.
            Err(error) => match self.position_of(entry.order) {
                Some(now) if now != position => self.store.load(now, ahead),
                _ => Err(error),
            },
            loaded => loaded,
        }
    }

    fn position_of(&self, offset: u64) -> Option<Position> {
        match self.stock(offset, 1) {
            Stock::Nothing => None,
            Stock::Held(held) => {
                held.first().filter(|held| held.offset == offset).and_then(|held| held.position)
            }
            Stock::Stretch(stretch) => {
                let rows = self.rows(&stretch).ok()??;
                let at = usize::try_from(offset.checked_sub(stretch.first())?).ok()?;
                rows.get(at).map(|row| row.position)
            }
        }
    }

    /// Whether the message was trimmed away since it was handed out.
    pub(crate) fn has_trimmed(&self, entry: &Entry) -> bool {
        entry.order < lock(&self.log).first()
    }

    /// Ends it; returns how many messages it had. `None` when it ended before or `allowed` refuses.
    pub(crate) fn delete(
        &self,
        allowed: impl FnOnce(&QueueCounts) -> Result<(), Error>,
    ) -> Result<Option<usize>, Error> {
        let counts = self.counts();
        let mut ended = {
            let mut log = lock(&self.log);
            if log.deleted {
                return Ok(None);
            }
            allowed(&counts)?;
            log.end()
        };
        self.store.totals().queue_deleted(QueueType::Stream, &self.counters());
        let count = ended.len();
        self.store.let_go(ended.cool(0, |_| true));
        self.release_all(ended);
        let readers = std::mem::take(&mut *write(&self.readers));
        for reader in readers {
            let consumer = reader.consumer.clone();
            reader.consumer.mailbox().put(Letter::Cancelled { consumer });
        }
        Ok(Some(usize::try_from(count).unwrap_or(usize::MAX)))
    }
}
