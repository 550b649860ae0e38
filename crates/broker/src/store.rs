//! Messages on disk: written once for all their queues, settled, read back, moved; and the count of
//! bytes that messages hold in memory.

use std::{
    sync::{
        Arc, Mutex, RwLock, RwLockReadGuard, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::BufMut;
use journal::{Appender, AttachmentWriter, Journal, Position, ReadAhead};

use crate::{
    Clock, Error, Message, Options, Properties, Queue, Timestamp,
    alarm::Alarm,
    backlog::BacklogSizes,
    counters::Totals,
    error::Kind,
    index::{Chunks, QueueCheckpoint},
    ledger,
    limits::SETTLE_RECORD_MAX,
    queue::QueueId,
    record::{
        Decoded, InStreams, MESSAGE, MOVED, Moved, PLAIN_MESSAGE, Part, SETTLE, TRIM,
        decode_message, decode_queues, encode_head, encode_moved, no_message,
    },
    sync::{lock, read, write},
    transaction::Leaving,
};

/// The journal of messages, or none for a broker that lives in memory only.
#[derive(Debug)]
pub(crate) struct Store {
    journal: Option<Arc<Journal>>,
    chunks: Option<Chunks>,
    memory: AtomicUsize,
    paged_min: usize,
    memory_max: usize,
    disk_free_min: u64,
    /// When the next delayed message is due.
    alarm: Alarm,
    /// Called when messages begin to hold more than they should.
    crowded: Alarm,
    backlog: BacklogSizes,
    clock: Arc<dyn Clock>,
    properties: Arc<dyn Properties>,
    /// Held for reading from a message's append until its queues have it, and while entries of a
    /// queue go to disk; for writing while a checkpoint looks at journal and queues.
    publishing: RwLock<()>,
    reports: Mutex<Vec<Error>>,
    /// Messages of queues that the ledger has lost: kept, and not served.
    lost: Vec<QueueCheckpoint>,
    /// Messages that could not be read back.
    damaged: AtomicU64,
    /// Queues that the clock looks at: with many queues, few of all.
    ticking: Mutex<Vec<Weak<Queue>>>,
    /// Streams with messages that are not committed yet.
    awaiting: Mutex<Vec<Arc<Queue>>>,
    /// What transactions settled that are not committed yet.
    leaving: Mutex<Vec<Leaving>>,
    totals: Totals,
}

impl Store {
    pub(crate) fn new(
        journal: Option<Arc<Journal>>,
        chunks: Option<Chunks>,
        options: &Options,
    ) -> Store {
        Store {
            journal,
            chunks,
            memory: AtomicUsize::new(0),
            paged_min: options.paged_bytes_min,
            memory_max: options.memory_bytes_max,
            disk_free_min: options.disk_free_bytes_min,
            alarm: Alarm::default(),
            crowded: Alarm::default(),
            backlog: options.backlog.checked(),
            clock: options.clock.clone(),
            properties: options.properties.clone(),
            publishing: RwLock::default(),
            reports: Mutex::default(),
            lost: Vec::new(),
            damaged: AtomicU64::new(0),
            ticking: Mutex::default(),
            awaiting: Mutex::default(),
            leaving: Mutex::default(),
            totals: Totals::default(),
        }
    }

    /// Keeps what belongs to queues that the ledger has lost.
    pub(crate) fn with_lost(self, lost: Vec<QueueCheckpoint>) -> Store {
        Store { lost, ..self }
    }

    pub(crate) fn lost(&self) -> &[QueueCheckpoint] {
        &self.lost
    }

    /// What is counted of all queues.
    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Counts a message that could not be read back.
    pub(crate) fn note_damaged(&self) {
        self.damaged.fetch_add(1, Relaxed);
    }

    pub(crate) fn damaged(&self) -> u64 {
        self.damaged.load(Relaxed)
    }

    pub(crate) fn journal(&self) -> Option<&Arc<Journal>> {
        self.journal.as_ref()
    }

    /// An error if the messages' journal failed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        ledger::check(self.journal.as_deref())
    }

    pub(crate) fn chunks(&self) -> Option<&Chunks> {
        self.chunks.as_ref()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How to read and change a message's properties.
    pub(crate) fn properties(&self) -> &dyn Properties {
        &*self.properties
    }

    pub(crate) fn backlog(&self) -> BacklogSizes {
        self.backlog
    }

    /// From a message's append until its queues have it, and while a queue's entries go to disk.
    pub(crate) fn publishing(&self) -> RwLockReadGuard<'_, ()> {
        read(&self.publishing)
    }

    /// Looks at journal and queues while nothing is on its way from one to the other.
    pub(crate) fn between_publishes<T>(&self, look: impl FnOnce() -> T) -> T {
        let _nobody = write(&self.publishing);
        look()
    }

    /// Keeps a fault for the log that nobody can be told of.
    pub(crate) fn report(&self, error: Error) {
        lock(&self.reports).push(error);
    }

    pub(crate) fn reports(&self) -> Vec<Error> {
        std::mem::take(&mut lock(&self.reports))
    }

    pub(crate) fn hold(&self, bytes: usize) {
        let before = self.memory.fetch_add(bytes, Relaxed);
        // At half a gigabyte a second, what comes until somebody looks by itself is megabytes.
        if before <= self.paged_min && before + bytes > self.paged_min {
            self.crowded.call();
        }
    }

    /// Waits until messages that the journal has should be let go of, or the time is over; whether
    /// they should.
    pub(crate) fn wait_over_budget(&self, timeout: Duration) -> bool {
        if !self.is_over_budget() {
            self.crowded.wait(&*self.clock, timeout);
        }
        self.is_over_budget()
    }

    /// Ends waits for what is due and for the budget, those that go on or the next ones.
    pub(crate) fn wake(&self) {
        self.alarm.call();
        self.crowded.call();
    }

    pub(crate) fn let_go(&self, bytes: usize) {
        self.memory.fetch_sub(bytes, Relaxed);
    }

    /// Bytes that queued messages hold in memory.
    pub(crate) fn held_bytes(&self) -> usize {
        self.memory.load(Relaxed)
    }

    pub(crate) fn memory_bytes_max(&self) -> usize {
        self.memory_max
    }

    pub(crate) fn disk_free_bytes_min(&self) -> u64 {
        self.disk_free_min
    }

    /// Whether messages that the journal has should be let go of.
    pub(crate) fn is_over_budget(&self) -> bool {
        self.held_bytes() > self.paged_min
    }

    /// Whether there is less space on the disk than there has to be.
    pub(crate) fn is_disk_low(&self) -> bool {
        let free = self.journal.as_ref().and_then(|journal| journal.free_bytes());
        free.is_some_and(|free| free < self.disk_free_min)
    }

    /// Whether publishers have to wait.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.held_bytes() > self.memory_max
    }

    /// As [`Broker::attach`](crate::Broker::attach).
    pub(crate) fn attach(&self) -> Result<AttachmentWriter, Error> {
        match &self.journal {
            Some(journal) => Ok(journal.attach()?),
            None => Err(Error::new(Kind::Internal, "a broker in memory has no disk to write to")),
        }
    }

    /// Sees to it that what of the message is on disk is not another's, with which it would go.
    pub(crate) fn detach(&self, message: &mut Message) -> Result<(), Error> {
        if let (Some(rest), Some(journal)) = (&mut message.rest, &self.journal) {
            *rest = journal.attach_again(rest)?;
        }
        Ok(())
    }

    /// Appends a message once for all `queues`, and keeps it for each of them.
    pub(crate) fn append(
        &self,
        appender: &mut Appender<'_>,
        message: &Message,
        queues: &[QueueId],
        in_streams: &InStreams,
        head: &mut Vec<u8>,
    ) -> Result<Position, Error> {
        head.clear();
        encode_head(message, queues, in_streams, head)?;
        let mut parts: smallvec::SmallVec<[&[u8]; 4]> =
            smallvec::smallvec![head.as_slice(), &*message.properties];
        parts.extend(message.body.iter().map(|slice| &**slice));
        append_whole(appender, MESSAGE, &parts, message)
    }

    /// Says that `queue` is done with these messages, and no longer keeps them. Nobody waits for
    /// that to be on disk: it goes there with what comes next, or when the committer looks.
    pub(crate) fn settle(&self, queue: QueueId, positions: &[Position]) -> Result<(), Error> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let mut payload = Vec::with_capacity(8 + positions.len().min(SETTLE_RECORD_MAX) * 8);
        for chunk in positions.chunks(SETTLE_RECORD_MAX) {
            payload.clear();
            payload.put_u64_le(queue.0);
            chunk.iter().for_each(|position| payload.put_u64_le(position.to_bits()));
            match journal.append_lazily(SETTLE, &[&payload]) {
                // On a full disk a settlement is given up rather than refused: the message may
                // come again after a restart, marked; and what it held can be reclaimed now.
                Ok(_) | Err(journal::Error::Full { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.release(positions);
        Ok(())
    }

    /// Says that a stream has nothing before `first` any more.
    ///
    /// # Errors
    /// The journal failed. On a full disk it is not said: then it is trimmed again after a restart.
    pub(crate) fn trim(&self, stream: QueueId, first: u64) -> Result<(), Error> {
        let Some(journal) = &self.journal else { return Ok(()) };
        match journal.append_lazily(TRIM, &[&stream.0.to_le_bytes(), &first.to_le_bytes()]) {
            Ok(_) | Err(journal::Error::Full { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// No longer keeps so many messages of each of these segments.
    pub(crate) fn release_counts(&self, segments: &[(u32, u32)]) {
        if let Some(journal) = &self.journal {
            for &(segment, count) in segments {
                let anywhere = Position::from_bits(u64::from(segment) << 32);
                journal.release_all((0..count).map(|_| anywhere));
            }
        }
    }

    /// The clock has something to do with that queue.
    pub(crate) fn look_at_by_clock(&self, queue: Weak<Queue>) {
        lock(&self.ticking).push(queue);
    }

    /// The queues that the clock has something to do with.
    pub(crate) fn ticking(&self) -> Vec<Arc<Queue>> {
        let mut queues = Vec::new();
        lock(&self.ticking).retain(|queue| {
            let ticking = queue.upgrade().filter(|queue| queue.goes_on_ticking());
            queues.extend(ticking.iter().cloned());
            ticking.is_some()
        });
        queues
    }

    /// Looks at that stream after the next commit.
    pub(crate) fn await_commit(&self, stream: Arc<Queue>) {
        lock(&self.awaiting).push(stream);
    }

    /// The streams to be looked at.
    pub(crate) fn take_awaiting(&self) -> Vec<Arc<Queue>> {
        std::mem::take(&mut lock(&self.awaiting))
    }

    /// What a transaction settled stays until the transaction is on disk.
    pub(crate) fn keep_leaving(&self, leaving: Vec<Leaving>) {
        lock(&self.leaving).extend(leaving);
    }

    /// Lets go of what transactions settled that stand before `end`, which is on disk.
    pub(crate) fn depart(&self, end: Position) {
        let gone: Vec<Leaving> = lock(&self.leaving).extract_if(.., |it| it.at < end).collect();
        gone.into_iter().for_each(|Leaving { queue, orders, .. }| queue.departed(&orders));
    }

    /// Forgets them: nobody will see to them any more.
    pub(crate) fn forget_leaving(&self) {
        lock(&self.leaving).clear();
    }

    /// No longer keeps these messages, for a reason that is on disk already.
    pub(crate) fn release(&self, positions: &[Position]) {
        if let Some(journal) = &self.journal {
            journal.release_all(positions.iter().copied());
        }
    }

    /// Reads a message back.
    pub(crate) fn load(
        &self,
        position: Position,
        ahead: &mut ReadAhead,
    ) -> Result<Arc<Message>, Error> {
        let Some(journal) = &self.journal else {
            return Err(Error::new(Kind::Internal, "a broker in memory has no journal to read"));
        };
        let (kind, mut payload) = journal.read_record_ahead(position, ahead)?;
        let kind = Part::within(kind, &mut payload).ok_or_else(|| no_message(position))?;
        let moved = kind != MOVED || Moved::skip(&mut payload).is_some();
        let message = moved.then(|| decode_message(payload, kind == PLAIN_MESSAGE)).flatten();
        let Decoded { mut message, is_attached } = message.ok_or_else(|| no_message(position))?;
        if is_attached {
            message.rest = Some(Arc::new(journal.attachment(position)?));
        }
        Ok(Arc::new(message))
    }

    /// Writes a message again behind everything else, for those `queues` that have it still, and
    /// keeps it for each of them. It stays where it is until they say otherwise. And the bytes that
    /// were written.
    pub(crate) fn copy(
        &self,
        from: Position,
        queues: &[QueueId],
        ahead: &mut ReadAhead,
    ) -> Result<(Position, u64), Error> {
        let Some(journal) = &self.journal else { return Err(no_message(from)) };
        let (kind, mut payload) = journal.read_record_ahead(from, ahead)?;
        let kind = Part::within(kind, &mut payload).ok_or_else(|| no_message(from))?;
        let origin = origin_of(from, kind, &mut payload)?;
        decode_queues(&mut payload).ok_or_else(|| no_message(from))?;
        let head = encode_moved(origin, from, queues, kind == PLAIN_MESSAGE)?;
        let mut appender = journal.appender()?;
        let position = appender.append(MOVED, &[&head, &payload])?;
        journal.retain_all(queues.iter().map(|_| position));
        Ok((position, (head.len() + payload.len()) as u64))
    }

    /// Writes another message in the place of one, for one queue only, and keeps it for that; the
    /// other stays where it is until the queue says otherwise. When this returns, it is on disk.
    pub(crate) fn replace(
        &self,
        from: Position,
        queue: QueueId,
        message: &Message,
    ) -> Result<Position, Error> {
        let Some(journal) = &self.journal else { return Err(no_message(from)) };
        let (kind, mut payload) = journal.read_record(from)?;
        let kind = Part::within(kind, &mut payload).ok_or_else(|| no_message(from))?;
        let origin = origin_of(from, kind, &mut payload)?;
        let mut head = encode_moved(origin, from, &[], false)?;
        // The queues are in what follows.
        head.truncate(Moved::BYTES);
        encode_head(message, &[queue], &InStreams::default(), &mut head)?;
        let mut parts = vec![head.as_slice(), &*message.properties];
        parts.extend(message.body.iter().map(|slice| &**slice));
        let position = {
            let mut appender = journal.appender()?;
            let position = append_whole(&mut appender, MOVED, &parts, message)?;
            journal.retain(position);
            position
        };
        journal.commit().inspect_err(|_| journal.release(position))?;
        Ok(position)
    }
}

/// Appends the parts of a message's record, with what of it is on disk already.
fn append_whole(
    appender: &mut Appender<'_>,
    kind: u8,
    parts: &[&[u8]],
    message: &Message,
) -> Result<Position, Error> {
    Ok(match &message.rest {
        None => appender.append(kind, parts)?,
        Some(rest) => appender.append_attached(kind, parts, rest)?,
    })
}

/// Where a message was first written, of a record that is one or a copy.
fn origin_of(from: Position, kind: u8, payload: &mut bytes::Bytes) -> Result<Position, Error> {
    match kind {
        MOVED => Moved::skip(payload).ok_or_else(|| no_message(from)),
        _ => Ok(from),
    }
}
