//! The records of the messages' journal, byte by byte: `docs/storage.md` tells the same.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use bytestring::ByteString;
use journal::Position;

use smallvec::SmallVec;

use crate::{
    Deaths, Encoding, Error, Group, Label, Made, Marks, Message, Properties, Queue, Timestamp,
    error::Kind, queue::QueueId, stream::FilterMark,
};

/// A message with the durable queues that took it:
/// `u16 count, u64 queue id × count, u8 length + exchange, u8 length + key,
/// u32 length + properties, body`. Little endian.
///
/// Behind the queues stands what the broker itself has to know: `u8 flags`, and for bit 0
/// `u64 published at`, for bit 1 `u8 priority`, for bit 2 `u64 ttl`, for bit 3
/// `u32 length + deaths as JSON`, for bit 4 what streams say of it: `u32 filter mark, u16 count,
/// (u64 queue id, u64 offset) × count`, for bit 5 `u16 count, (u32 length + key) × count`, the keys
/// in `BCC`, for bit 6 `u8 encoding` of properties and body, for bit 7 `u64` bytes of the body that
/// are in the record's attachment.
pub(crate) const MESSAGE: u8 = 4;
/// As earlier versions wrote it: without the flags.
pub(crate) const PLAIN_MESSAGE: u8 = 1;
/// Messages that a queue is done with: `u64 queue id, u64 position × n`. Little endian.
pub(crate) const SETTLE: u8 = 2;
/// A message that compaction wrote again further on: a [`Moved`], then a [`MESSAGE`].
pub(crate) const MOVED: u8 = 3;
/// A stream has lost what is before an offset: `u64 queue id, u64 offset`. Little endian.
pub(crate) const TRIM: u8 = 5;
/// One of the records of a transaction: a [`Part`], then the record's own payload.
pub(crate) const PART: u8 = 6;

/// Which part of which transaction a record is: `u64 transaction, u32 index, u32 count, u8 kind`.
/// Little endian. All parts stand side by side in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// Where the journal ended before it: no other transaction has the same.
    pub(crate) transaction: u64,
    /// Which one it is, from 0 on.
    pub(crate) index: u32,
    /// How many there are.
    pub(crate) count: u32,
    /// What the record is by itself: [`MESSAGE`] or [`SETTLE`].
    pub(crate) kind: u8,
}

impl Part {
    /// Bytes before the record's own payload.
    pub(crate) const BYTES: usize = 17;

    pub(crate) fn encode(&self) -> [u8; Part::BYTES] {
        let mut out = [0; Part::BYTES];
        let mut rest = &mut out[..];
        rest.put_u64_le(self.transaction);
        rest.put_u32_le(self.index);
        rest.put_u32_le(self.count);
        rest.put_u8(self.kind);
        out
    }

    pub(crate) fn decode(payload: &mut impl Buf) -> Option<Part> {
        Some(Part {
            transaction: payload.try_get_u64_le().ok()?,
            index: payload.try_get_u32_le().ok()?,
            count: payload.try_get_u32_le().ok()?,
            kind: payload.try_get_u8().ok()?,
        })
    }

    /// What a record is by itself, with its own payload left; whether or not it is a part.
    pub(crate) fn within(kind: u8, payload: &mut impl Buf) -> Option<u8> {
        match kind {
            PART => Part::decode(payload).map(|part| part.kind),
            kind => Some(kind),
        }
    }
}

/// What one stream says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InStream {
    /// Its number.
    pub(crate) offset: u64,
    pub(crate) filter: FilterMark,
}

/// What streams say of a message.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct InStreams {
    pub(crate) filter: FilterMark,
    /// The number it has in each.
    pub(crate) offsets: SmallVec<[(QueueId, u64); 1]>,
}

impl InStreams {
    /// Of a message that is being appended: the next number in each stream of its routes. The
    /// caller holds the journal's append lock until they have it.
    pub(crate) fn allocate(
        message: &Message,
        routes: &[Arc<Queue>],
        properties: &dyn Properties,
    ) -> InStreams {
        let streams = routes.iter().filter_map(|queue| Some((queue.id(), queue.stream()?)));
        let offsets: SmallVec<_> = streams.map(|(id, stream)| (id, stream.allocate())).collect();
        let filter = match offsets.is_empty() {
            true => FilterMark::NONE,
            false => FilterMark::of(&*properties.headers(&message.label)),
        };
        InStreams { filter, offsets }
    }

    /// What is said of it in that stream.
    pub(crate) fn of(&self, id: QueueId) -> Option<InStream> {
        let offset = self.offsets.iter().find(|(queue, _)| *queue == id).map(|(_, offset)| *offset);
        offset.map(|offset| InStream { offset, filter: self.filter })
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        out.put_u32_le(self.filter.0);
        out.put_u16_le(
            u16::try_from(self.offsets.len()).map_err(|_| too_many(self.offsets.len()))?,
        );
        for (queue, offset) in &self.offsets {
            out.put_u64_le(queue.0);
            out.put_u64_le(*offset);
        }
        Ok(())
    }

    fn decode(payload: &mut impl Buf) -> Option<InStreams> {
        let filter = FilterMark(payload.try_get_u32_le().ok()?);
        let one = |payload: &mut _| -> Option<(QueueId, u64)> {
            let payload: &mut dyn Buf = payload;
            Some((QueueId(payload.try_get_u64_le().ok()?), payload.try_get_u64_le().ok()?))
        };
        let count = payload.try_get_u16_le().ok()?;
        let offsets: Option<_> = (0..count).map(|_| one(payload)).collect();
        Some(InStreams { filter, offsets: offsets? })
    }
}

/// What a queue has to know of a message's record, without the message.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) published_at: Timestamp,
    pub(crate) priority: u8,
    pub(crate) ttl: Option<u64>,
    /// Bytes of the body.
    pub(crate) size: u32,
    pub(crate) in_streams: InStreams,
    pub(crate) group: Option<Group>,
}

impl Head {
    /// Of what stands behind a record's queues.
    pub(crate) fn decode(
        mut payload: &[u8],
        is_plain: bool,
        reader: &dyn Properties,
    ) -> Option<Head> {
        let told = decode_told(&mut payload, is_plain)?;
        for _ in 0..2 {
            let length = payload.try_get_u8().ok()?.into();
            payload = payload.get(length..)?;
        }
        let length = payload.try_get_u32_le().ok()? as usize;
        let size = payload.len().checked_sub(length)? as u64;
        let size = u32::try_from(size.saturating_add(told.attached)).unwrap_or(u32::MAX);
        let Told { published_at, marks: Marks { ttl, priority, .. }, in_streams, .. } = told;
        let properties = payload.get(..length)?;
        let group = reader.group(properties, told.encoding);
        Some(Head { published_at, priority, ttl, size, in_streams, group })
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
    /// Bytes before the message.
    pub(crate) const BYTES: usize = 16;

    pub(crate) fn decode(payload: &mut impl Buf) -> Option<Moved> {
        let origin = Position::from_bits(payload.try_get_u64_le().ok()?);
        let from = Position::from_bits(payload.try_get_u64_le().ok()?);
        Some(Moved { origin, from, queues: decode_queues(payload)? })
    }

    /// Passes over what comes before the message, and returns where it was first written.
    pub(crate) fn skip(payload: &mut impl Buf) -> Option<Position> {
        let origin = Position::from_bits(payload.try_get_u64_le().ok()?);
        payload.try_get_u64_le().ok()?;
        Some(origin)
    }
}

/// What stands before a message's properties and body.
pub(crate) fn encode_head(
    message: &Message,
    queues: &[QueueId],
    in_streams: &InStreams,
    head: &mut Vec<u8>,
) -> Result<(), Error> {
    put_queues(head, queues)?;
    let attached = message.rest.as_ref().map_or(0, |rest| rest.bytes());
    put_told(head, message.published_at, message, in_streams, attached)?;
    for name in [&message.exchange, &message.routing_key] {
        head.put_u8(u8::try_from(name.len()).map_err(|_| too_long(name))?);
        head.put_slice(name.as_bytes());
    }
    head.put_u32_le(message.properties.len() as u32);
    Ok(())
}

/// What stands before the rest of a message that moves: all of it but its queues.
pub(crate) fn encode_moved(
    origin: Position,
    from: Position,
    queues: &[QueueId],
    is_plain: bool,
) -> Result<Vec<u8>, Error> {
    let mut head = Vec::with_capacity(19 + queues.len() * 8);
    head.put_u64_le(origin.to_bits());
    head.put_u64_le(from.to_bits());
    put_queues(&mut head, queues)?;
    if is_plain {
        head.put_u8(0);
    }
    Ok(head)
}

/// A message as its record has it.
pub(crate) struct Decoded {
    pub(crate) message: Message,
    /// The rest of its body is in the record's attachment.
    pub(crate) is_attached: bool,
}

/// The message of a record; `None` when it is not what [`MESSAGE`] says.
pub(crate) fn decode_message(mut payload: Bytes, is_plain: bool) -> Option<Decoded> {
    decode_queues(&mut payload)?;
    let told = decode_told(&mut payload, is_plain)?;
    let Told { published_at, marks, encoding, attached, .. } = told;
    let exchange = short_string(&mut payload)?;
    let routing_key = short_string(&mut payload)?;
    let length = payload.try_get_u32_le().ok()? as usize;
    if payload.len() < length {
        return None;
    }
    let properties = payload.split_to(length);
    let body = smallvec::smallvec![payload];
    let label = Label {
        exchange,
        routing_key,
        properties,
        encoding,
        persistent: true,
        marks,
        made: Made::default(),
    };
    let message = Message { published_at, ..Message::new(label, body) };
    Some(Decoded { message, is_attached: attached > 0 })
}

/// What the broker itself says of a message.
#[derive(Default)]
struct Told {
    published_at: Timestamp,
    marks: Marks,
    encoding: Encoding,
    in_streams: InStreams,
    /// Bytes of the body that are in the attachment.
    attached: u64,
}

fn put_told(
    out: &mut Vec<u8>,
    published_at: Timestamp,
    label: &Label,
    in_streams: &InStreams,
    attached: u64,
) -> Result<(), Error> {
    // The group is the publisher's to say, in the properties.
    let Marks { ttl, priority, deaths, bcc, group: _ } = &label.marks;
    let is_other = label.encoding != Encoding::default();
    let flags = u8::from(published_at.0 > 0)
        | u8::from(*priority > 0) << 1
        | u8::from(ttl.is_some()) << 2
        | u8::from(deaths.is_some()) << 3
        | u8::from(!in_streams.offsets.is_empty()) << 4
        | u8::from(bcc.is_some()) << 5
        | u8::from(is_other) << 6
        | u8::from(attached > 0) << 7;
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
    if !in_streams.offsets.is_empty() {
        in_streams.encode(out)?;
    }
    if let Some(keys) = bcc {
        put_keys(out, keys)?;
    }
    if is_other {
        out.put_u8(label.encoding.0);
    }
    if attached > 0 {
        out.put_u64_le(attached);
    }
    Ok(())
}

fn put_keys(out: &mut Vec<u8>, keys: &[ByteString]) -> Result<(), Error> {
    let count = u16::try_from(keys.len())
        .map_err(|_| Error::precondition(format!("{} keys in BCC, more than 65535", keys.len())))?;
    out.put_u16_le(count);
    for key in keys {
        out.put_u32_le(key.len() as u32);
        out.put_slice(key.as_bytes());
    }
    Ok(())
}

fn decode_keys(payload: &mut impl Buf) -> Option<Vec<ByteString>> {
    let count = payload.try_get_u16_le().ok()?;
    let mut keys = Vec::new();
    for _ in 0..count {
        let length = payload.try_get_u32_le().ok()? as usize;
        if payload.remaining() < length {
            return None;
        }
        keys.push(ByteString::try_from(payload.copy_to_bytes(length)).ok()?);
    }
    Some(keys)
}

fn decode_told(payload: &mut impl Buf, is_plain: bool) -> Option<Told> {
    let flags = if is_plain { 0 } else { payload.try_get_u8().ok()? };
    let has = |bit: u8| flags & (1 << bit) != 0;
    let (mut published_at, mut marks) = (Timestamp::default(), Marks::default());
    if has(0) {
        published_at = Timestamp(payload.try_get_u64_le().ok()?);
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
    let in_streams = if has(4) { InStreams::decode(payload)? } else { InStreams::default() };
    if has(5) {
        marks.bcc = Some(Arc::new(decode_keys(payload)?));
    }
    let encoding = if has(6) { Encoding(payload.try_get_u8().ok()?) } else { Encoding::default() };
    let attached = if has(7) { payload.try_get_u64_le().ok()? } else { 0 };
    Some(Told { published_at, marks, encoding, in_streams, attached })
}

/// The queues of a message's record, and nothing else of it.
pub(crate) fn decode_queues(payload: &mut impl Buf) -> Option<Vec<QueueId>> {
    let count = payload.try_get_u16_le().ok()?;
    (0..count).map(|_| payload.try_get_u64_le().ok().map(QueueId)).collect()
}

/// The stream and the first offset that it kept.
pub(crate) fn decode_trim(mut payload: &[u8]) -> Option<(QueueId, u64)> {
    let queue = QueueId(payload.try_get_u64_le().ok()?);
    let first = payload.try_get_u64_le().ok()?;
    payload.is_empty().then_some((queue, first))
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

pub(crate) fn no_message(position: Position) -> Error {
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
            ttl: Some(9),
            priority: 3,
            deaths: Some(Arc::new(deaths)),
            bcc: Some(Arc::new(vec!["hidden".into(), "".into()])),
            group: None,
        };
        let in_streams = InStreams {
            filter: FilterMark(9),
            offsets: smallvec::smallvec![(QueueId(7), 5), (QueueId(8), 6)],
        };
        let encoding = Encoding(1);
        let label = Label { marks, encoding, ..Label::default() };
        put_told(&mut record, Timestamp(5), &label, &in_streams, 0).unwrap();
        record.put_slice(b"\x01x\x03a.b");
        record.put_u32_le(2);
        record.put_slice(b"ppbody");
        let queues = decode_queues(&mut &*record).unwrap();
        let Decoded { message, .. } = decode_message(record.clone().into(), false).unwrap();
        assert_eq!((queues, &*message.routing_key), (vec![QueueId(7)], "a.b"));
        assert_eq!((&message.marks, &message.body[0][..]), (&label.marks, &b"body"[..]));
        assert_eq!(message.encoding, encoding);
        let head = Head::decode(&record[10..], false, &crate::properties::Opaque).unwrap();
        assert_eq!((head.priority, head.ttl, head.size), (3, Some(9), 4));
        assert_eq!(head.in_streams, in_streams);
        assert_eq!(in_streams.of(QueueId(8)).map(|it| it.offset), Some(6));
        for cut in 0..record.len() - 4 {
            assert!(decode_message(record[..cut].to_vec().into(), false).is_none(), "cut at {cut}");
        }
    }
}
