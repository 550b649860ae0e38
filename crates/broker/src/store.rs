//! Messages on disk: what a message's and a settlement's record in the journal look like, and the
//! count of bytes that messages hold in memory.

use std::sync::{
    Arc, Mutex, RwLock, RwLockReadGuard,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use bytes::{Buf, BufMut, Bytes};
use bytestring::ByteString;
use journal::{Appender, Journal, Position};

use crate::{
    Clock, Deaths, Error, Marks, Message, Options, Properties, Timestamp,
    alarm::Alarm,
    backlog::BacklogSizes,
    error::Kind,
    index::{Chunks, QueueCheckpoint},
    ledger,
    limits::SETTLE_RECORD_MAX,
    queue::QueueId,
    sync::{lock, read, write},
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
    backlog: BacklogSizes,
    clock: Arc<dyn Clock>,
    properties: Arc<dyn Properties>,
    /// Held for reading from a message's append until its queues have it, and for writing while a
    /// checkpoint looks at both.
    publishing: RwLock<()>,
    reports: Mutex<Vec<Error>>,
    /// Messages of queues that the ledger has lost: kept, and not served.
    lost: Vec<QueueCheckpoint>,
    /// Messages that could not be read back.
    damaged: AtomicU64,
}

/// A message with the durable queues that took it:
/// `u16 count, u64 queue id × count, u8 length + exchange, u8 length + key,
/// u32 length + properties, body`. Little endian.
///
/// Behind the queues stands what the broker itself has to know: `u8 flags`, and for bit 0
/// `u64 published at`, for bit 1 `u8 priority`, for bit 2 `u64 ttl`, for bit 3
/// `u32 length + deaths as JSON`.
pub(crate) const MESSAGE: u8 = 4;
/// As earlier versions wrote it: without the flags.
pub(crate) const PLAIN_MESSAGE: u8 = 1;
/// Messages that a queue is done with: `u64 queue id, u64 position × n`. Little endian.
pub(crate) const SETTLE: u8 = 2;
/// A message that compaction wrote again further on: a [`Moved`], then a [`MESSAGE`].
pub(crate) const MOVED: u8 = 3;

/// What a queue has to know of a message's record, without the message.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) published_at: Timestamp,
    pub(crate) priority: u8,
    pub(crate) ttl: Option<u64>,
    /// Bytes of the body.
    pub(crate) size: u32,
}

impl Head {
    /// Of what stands behind a record's queues.
    pub(crate) fn decode(mut payload: &[u8], is_plain: bool) -> Option<Head> {
        let marks = decode_marks(&mut payload, is_plain)?;
        for _ in 0..2 {
            let length = payload.try_get_u8().ok()?.into();
            payload = payload.get(length..)?;
        }
        let length = payload.try_get_u32_le().ok()? as usize;
        let size = u32::try_from(payload.len().checked_sub(length)?).unwrap_or(u32::MAX);
        let Marks { published_at, ttl, priority, .. } = marks;
        Some(Head { published_at, priority, ttl, size })
    }
}

/// Where a message that moved comes from: `u64 origin, u64 from`. Little endian.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Where it was first written: its place in the order.
    pub(crate) origin: Position,
    /// Where it was before this move.
    pub(crate) from: Position,
    /// The queues that had it then.
    pub(crate) queues: Vec<QueueId>,
}

impl Moved {
    pub(crate) fn decode(payload: &mut impl Buf) -> Option<Moved> {
        let origin = Position::from_bits(payload.try_get_u64_le().ok()?);
        let from = Position::from_bits(payload.try_get_u64_le().ok()?);
        Some(Moved { origin, from, queues: decode_queues(payload)? })
    }

    /// Passes over what comes before the message, and returns where it was first written.
    fn skip(payload: &mut impl Buf) -> Option<Position> {
        let origin = Position::from_bits(payload.try_get_u64_le().ok()?);
        payload.try_get_u64_le().ok()?;
        Some(origin)
    }
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
            backlog: options.backlog.checked(),
            clock: options.clock.clone(),
            properties: options.properties.clone(),
            publishing: RwLock::default(),
            reports: Mutex::default(),
            lost: Vec::new(),
            damaged: AtomicU64::new(0),
        }
    }

    /// Keeps what belongs to queues that the ledger has lost.
    pub(crate) fn with_lost(self, lost: Vec<QueueCheckpoint>) -> Store {
        Store { lost, ..self }
    }

    pub(crate) fn lost(&self) -> &[QueueCheckpoint] {
        &self.lost
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

    /// From a message's append until its queues have it.
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
        self.memory.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn let_go(&self, bytes: usize) {
        self.memory.fetch_sub(bytes, Relaxed);
    }

    /// Bytes that queued messages hold in memory.
    pub(crate) fn held_bytes(&self) -> usize {
        self.memory.load(Relaxed)
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

    /// Appends a message once for all `queues`, and keeps it for each of them.
    pub(crate) fn append(
        &self,
        appender: &mut Appender<'_>,
        message: &Message,
        queues: &[QueueId],
    ) -> Result<Position, Error> {
        let mut head = Vec::with_capacity(64 + queues.len() * 8);
        put_queues(&mut head, queues)?;
        put_marks(&mut head, &message.marks)?;
        for name in [&message.exchange, &message.routing_key] {
            head.put_u8(u8::try_from(name.len()).map_err(|_| too_long(name))?);
            head.put_slice(name.as_bytes());
        }
        head.put_u32_le(message.properties.len() as u32);
        let mut parts: smallvec::SmallVec<[&[u8]; 4]> =
            smallvec::smallvec![head.as_slice(), &*message.properties];
        parts.extend(message.body.iter().map(|slice| &**slice));
        Ok(appender.append(MESSAGE, &parts)?)
    }

    /// Says that `queue` is done with these messages, and no longer keeps them.
    pub(crate) fn settle(&self, queue: QueueId, positions: &[Position]) -> Result<(), Error> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let mut payload = Vec::with_capacity(8 + positions.len().min(SETTLE_RECORD_MAX) * 8);
        for chunk in positions.chunks(SETTLE_RECORD_MAX) {
            payload.clear();
            payload.put_u64_le(queue.0);
            chunk.iter().for_each(|position| payload.put_u64_le(position.to_bits()));
            match journal.append(SETTLE, &[&payload]) {
                // On a full disk a settlement is given up rather than refused: the message may
                // come again after a restart, marked; and what it held can be reclaimed now.
                Ok(_) | Err(journal::Error::Full { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.release(positions);
        Ok(())
    }

    /// No longer keeps these messages, for a reason that is on disk already.
    pub(crate) fn release(&self, positions: &[Position]) {
        if let Some(journal) = &self.journal {
            positions.iter().for_each(|&position| journal.release(position));
        }
    }

    /// Reads a message back.
    pub(crate) fn load(&self, position: Position) -> Result<Arc<Message>, Error> {
        let Some(journal) = &self.journal else {
            return Err(Error::new(Kind::Internal, "a broker in memory has no journal to read"));
        };
        let (kind, mut payload) = journal.read_record(position)?;
        let moved = kind != MOVED || Moved::skip(&mut payload).is_some();
        let message = moved.then(|| decode_message(payload, kind == PLAIN_MESSAGE)).flatten();
        let (_, message) = message.ok_or_else(|| no_message(position))?;
        Ok(Arc::new(message))
    }

    /// Writes a message again behind everything else, for those `queues` that have it still, and
    /// keeps it for each of them. It stays where it is until they say otherwise.
    pub(crate) fn copy(&self, from: Position, queues: &[QueueId]) -> Result<Position, Error> {
        let Some(journal) = &self.journal else { return Err(no_message(from)) };
        let (kind, mut payload) = journal.read_record(from)?;
        let origin = match kind {
            MOVED => Moved::skip(&mut payload).ok_or_else(|| no_message(from))?,
            _ => from,
        };
        decode_queues(&mut payload).ok_or_else(|| no_message(from))?;
        let mut head = Vec::with_capacity(18 + queues.len() * 8);
        head.put_u64_le(origin.to_bits());
        head.put_u64_le(from.to_bits());
        put_queues(&mut head, queues)?;
        if kind == PLAIN_MESSAGE {
            head.put_u8(0);
        }
        let mut appender = journal.appender()?;
        let position = appender.append(MOVED, &[&head, &payload])?;
        queues.iter().for_each(|_| journal.retain(position));
        Ok(position)
    }
}

/// The queues and the message of a record; `None` when it is not what [`MESSAGE`] says.
pub(crate) fn decode_message(
    mut payload: Bytes,
    is_plain: bool,
) -> Option<(Vec<QueueId>, Message)> {
    let queues = decode_queues(&mut payload)?;
    let marks = decode_marks(&mut payload, is_plain)?;
    let exchange = short_string(&mut payload)?;
    let routing_key = short_string(&mut payload)?;
    let length = payload.try_get_u32_le().ok()? as usize;
    if payload.len() < length {
        return None;
    }
    let properties = payload.split_to(length);
    let body = smallvec::smallvec![payload];
    Some((queues, Message { exchange, routing_key, properties, body, persistent: true, marks }))
}

fn put_marks(out: &mut Vec<u8>, marks: &Marks) -> Result<(), Error> {
    let Marks { published_at, ttl, priority, deaths } = marks;
    let flags = u8::from(published_at.0 > 0)
        | u8::from(*priority > 0) << 1
        | u8::from(ttl.is_some()) << 2
        | u8::from(deaths.is_some()) << 3;
    out.put_u8(flags);
    if published_at.0 > 0 {
        out.put_u64_le(published_at.0);
    }
    if *priority > 0 {
        out.put_u8(*priority);
    }
    if let Some(ttl) = ttl {
        out.put_u64_le(*ttl);
    }
    if let Some(deaths) = deaths {
        let json = serde_json::to_vec(&**deaths)
            .map_err(|error| Error::new(Kind::Internal, format!("deaths: {error}")))?;
        out.put_u32_le(json.len() as u32);
        out.put_slice(&json);
    }
    Ok(())
}

fn decode_marks(payload: &mut impl Buf, is_plain: bool) -> Option<Marks> {
    let flags = if is_plain { 0 } else { payload.try_get_u8().ok()? };
    let has = |bit: u8| flags & (1 << bit) != 0;
    let mut marks = Marks::default();
    if has(0) {
        marks.published_at = Timestamp(payload.try_get_u64_le().ok()?);
    }
    if has(1) {
        marks.priority = payload.try_get_u8().ok()?;
    }
    if has(2) {
        marks.ttl = Some(payload.try_get_u64_le().ok()?);
    }
    if has(3) {
        let length = payload.try_get_u32_le().ok()? as usize;
        if payload.remaining() < length {
            return None;
        }
        let json = payload.copy_to_bytes(length);
        marks.deaths = Some(Arc::new(serde_json::from_slice::<Deaths>(&json).ok()?));
    }
    Some(marks)
}

/// The queues of a message's record, and nothing else of it.
pub(crate) fn decode_queues(payload: &mut impl Buf) -> Option<Vec<QueueId>> {
    let count = payload.try_get_u16_le().ok()?;
    (0..count).map(|_| payload.try_get_u64_le().ok().map(QueueId)).collect()
}

/// The queue and the positions of a settle record.
pub(crate) fn decode_settle(mut payload: &[u8]) -> Option<(QueueId, Vec<Position>)> {
    let queue = QueueId(payload.try_get_u64_le().ok()?);
    if !payload.len().is_multiple_of(8) {
        return None;
    }
    let mut positions = Vec::with_capacity(payload.len() / 8);
    while let Ok(bits) = payload.try_get_u64_le() {
        positions.push(Position::from_bits(bits));
    }
    Some((queue, positions))
}

fn put_queues(out: &mut Vec<u8>, queues: &[QueueId]) -> Result<(), Error> {
    out.put_u16_le(u16::try_from(queues.len()).map_err(|_| too_many(queues.len()))?);
    queues.iter().for_each(|queue| out.put_u64_le(queue.0));
    Ok(())
}

fn short_string(payload: &mut Bytes) -> Option<ByteString> {
    let length = usize::from(payload.try_get_u8().ok()?);
    if payload.len() < length {
        return None;
    }
    ByteString::try_from(payload.split_to(length)).ok()
}

fn no_message(position: Position) -> Error {
    Error::new(Kind::Internal, format!("the record at {position:?} is no message"))
}

fn too_many(queues: usize) -> Error {
    Error::new(Kind::ResourceError, format!("{queues} queues for one message, more than 65535"))
}

fn too_long(name: &str) -> Error {
    Error::precondition(format!("a name of {} bytes, more than 255", name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_cut_anywhere_is_no_message_and_no_panic() {
        let mut record = Vec::new();
        record.put_u16_le(1);
        record.put_u64_le(7);
        let deaths = Deaths {
            entries: Vec::new(),
            first: ("x".into(), "q".into(), crate::DeathReason::Expired),
        };
        let marks = Marks {
            published_at: Timestamp(5),
            ttl: Some(9),
            priority: 3,
            deaths: Some(Arc::new(deaths)),
        };
        put_marks(&mut record, &marks).unwrap();
        record.put_slice(b"\x01x\x03a.b");
        record.put_u32_le(2);
        record.put_slice(b"ppbody");
        let (queues, message) = decode_message(record.clone().into(), false).unwrap();
        assert_eq!((queues, &*message.routing_key), (vec![QueueId(7)], "a.b"));
        assert_eq!((&message.marks, &message.body[0][..]), (&marks, &b"body"[..]));
        let head = Head::decode(&record[10..], false).unwrap();
        assert_eq!((head.priority, head.ttl, head.size), (3, Some(9), 4));
        for cut in 0..record.len() - 4 {
            assert!(decode_message(record[..cut].to_vec().into(), false).is_none(), "cut at {cut}");
        }
    }
}
