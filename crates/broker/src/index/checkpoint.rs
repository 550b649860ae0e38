//! Where a restart begins: the queues as they stood at a position of the journal. What comes
//! behind that position is read from the journal.
//!
//! `"TPCK", u32 version, u64 position, u64 next queue id, u32 queues, (queue)×, u32 crc32c`, each
//! queue `u64 id, u32 parts, (part)×`, each part `0, u32 count, (slot)×` or `1, chunk`; of a stream
//! `2, stretch` or `3, u64 first offset, u32 count, (row)×`. Little endian.

use std::sync::Arc;

use bytes::{Buf, BufMut};
use journal::Position;

use super::{Chunk, Row, Slot, chunk::ROW_BYTES, chunks::checked};
use crate::{
    queue::QueueId,
    stream::{StreamRow, Stretch},
};

/// A checkpoint as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Everything before it is accounted for.
    pub(crate) from: Position,
    /// Queue numbers below this one have been given out.
    pub(crate) next_queue_id: u64,
    pub(crate) queues: Vec<QueueCheckpoint>,
}

/// Why a checkpoint cannot be begun with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it does not match its checksum")]
    Damaged,
    #[error("it is of version {0}, newer than this program knows; start the version that wrote it")]
    Newer(u32),
}

/// One queue in a checkpoint.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct QueueCheckpoint {
    pub(crate) id: QueueId,
    /// Its unsettled messages, in order.
    pub(crate) parts: Vec<CheckpointPart>,
}

/// A stretch of a queue: named one by one, or by the file that names them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CheckpointPart {
    Slots(Vec<Slot>),
    Chunk(Chunk),
    /// Of a stream: consecutive offsets in a file.
    Stretch(Arc<Stretch>),
    /// Of a stream: consecutive offsets from `first` on.
    Rows {
        first: u64,
        rows: Vec<StreamRow>,
    },
}

impl Checkpoint {
    pub(crate) const NAME: &str = "checkpoint";

    /// Begins a checkpoint; [`Checkpoint::finish`] ends it.
    pub(crate) fn start(from: Position, next_queue_id: u64, queues: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(4096);
        out.put_slice(MAGIC);
        out.put_u32_le(VERSION);
        out.put_u64_le(from.to_bits());
        out.put_u64_le(next_queue_id);
        out.put_u32_le(queues as u32);
        out
    }

    pub(crate) fn finish(out: &mut Vec<u8>) {
        let sum = crc32c::crc32c(out);
        out.put_u32_le(sum);
    }

    /// Reads what [`Checkpoint::finish`] ended.
    ///
    /// # Errors
    /// It is not whole, or of a newer version.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Checkpoint, Unusable> {
        let mut bytes =
            checked(bytes).and_then(|it| it.strip_prefix(MAGIC)).ok_or(Unusable::Damaged)?;
        match bytes.try_get_u32_le() {
            Ok(OLDEST_VERSION..=VERSION) => {
                Checkpoint::decode_fields(bytes).ok_or(Unusable::Damaged)
            }
            Ok(newer) if newer > VERSION => Err(Unusable::Newer(newer)),
            _ => Err(Unusable::Damaged),
        }
    }

    fn decode_fields(mut bytes: &[u8]) -> Option<Checkpoint> {
        let from = Position::from_bits(bytes.try_get_u64_le().ok()?);
        let next_queue_id = bytes.try_get_u64_le().ok()?;
        let count = bytes.try_get_u32_le().ok()?;
        let queues: Option<Vec<QueueCheckpoint>> =
            (0..count).map(|_| QueueCheckpoint::decode(&mut bytes)).collect();
        bytes.is_empty().then_some(Checkpoint { from, next_queue_id, queues: queues? })
    }

    /// The files it needs.
    pub(crate) fn files(&self) -> impl Iterator<Item = u64> {
        self.queues.iter().flat_map(|queue| &queue.parts).filter_map(|part| match part {
            CheckpointPart::Chunk(chunk) => Some(chunk.file),
            CheckpointPart::Stretch(stretch) => Some(stretch.chunk.file),
            CheckpointPart::Slots(_) | CheckpointPart::Rows { .. } => None,
        })
    }
}

impl QueueCheckpoint {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.id.0);
        out.put_u32_le(self.parts.len() as u32);
        for part in &self.parts {
            match part {
                CheckpointPart::Slots(slots) => {
                    out.put_u8(SLOTS);
                    out.put_u32_le(slots.len() as u32);
                    slots.iter().for_each(|slot| slot.encode(out));
                }
                CheckpointPart::Chunk(chunk) => {
                    out.put_u8(CHUNK);
                    chunk.encode(out);
                }
                CheckpointPart::Stretch(stretch) => {
                    out.put_u8(STRETCH);
                    stretch.encode(out);
                }
                CheckpointPart::Rows { first, rows } => {
                    out.put_u8(ROWS);
                    out.put_u64_le(*first);
                    out.put_u32_le(rows.len() as u32);
                    rows.iter().for_each(|row| row.encode(out));
                }
            }
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<QueueCheckpoint> {
        let id = QueueId(bytes.try_get_u64_le().ok()?);
        let count = bytes.try_get_u32_le().ok()?;
        let parts: Option<_> = (0..count).map(|_| CheckpointPart::decode(bytes)).collect();
        Some(QueueCheckpoint { id, parts: parts? })
    }
}

impl CheckpointPart {
    fn decode(bytes: &mut &[u8]) -> Option<CheckpointPart> {
        match bytes.try_get_u8().ok()? {
            SLOTS => {
                let count = bytes.try_get_u32_le().ok()?;
                Some(CheckpointPart::Slots(decode_rows(count, bytes)?))
            }
            CHUNK => Chunk::decode(bytes).map(CheckpointPart::Chunk),
            STRETCH => Stretch::decode(bytes).map(CheckpointPart::Stretch),
            ROWS => {
                let first = bytes.try_get_u64_le().ok()?;
                let count = bytes.try_get_u32_le().ok()?;
                Some(CheckpointPart::Rows { first, rows: decode_rows(count, bytes)? })
            }
            _ => None,
        }
    }
}

fn decode_rows<R: Row>(count: u32, bytes: &mut &[u8]) -> Option<Vec<R>> {
    // Whatever it says, there are no more than fit into it.
    let mut rows = Vec::with_capacity((count as usize).min(bytes.len() / ROW_BYTES));
    for _ in 0..count {
        rows.push(R::decode(bytes)?);
    }
    Some(rows)
}

const SLOTS: u8 = 0;
const CHUNK: u8 = 1;
const STRETCH: u8 = 2;
const ROWS: u8 = 3;

const MAGIC: &[u8] = b"TPCK";
/// With streams. The one before is the same without.
const VERSION: u32 = 3;
const OLDEST_VERSION: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Timestamp,
        entry::{Flags, Ticket},
        stream::FilterMark,
    };

    fn slot(position: u64) -> Slot {
        let redelivered = position.is_multiple_of(2);
        let expires_at = redelivered.then_some(Timestamp(position * 1000));
        let flags = Flags(u8::from(redelivered) | 9 << 1);
        let ticket = Ticket { size: 7, flags, priority: 3, returns: 2, expires_at };
        Slot { position: Position::from_bits(position), ticket }
    }

    fn row(position: u64) -> StreamRow {
        let (position, published_at) = (Position::from_bits(position), Timestamp(position));
        StreamRow { position, size: 5, filter: FilterMark(3), published_at }
    }

    fn stretch(file: u64, rows: &[StreamRow]) -> Arc<Stretch> {
        let mut written = Vec::new();
        [100, 7, 9].into_iter().for_each(|it: u64| written.put_u64_le(it));
        Chunk::of(file, 100, rows).unwrap().encode(&mut written);
        Stretch::decode(&mut &*written).unwrap()
    }

    #[test]
    fn a_checkpoint_cut_or_flipped_anywhere_is_none() {
        let chunk = Chunk::of(5, 0, &[slot(16), slot(24)]).unwrap();
        let chunk = Chunk { redelivered: true, ..chunk };
        let queue = QueueCheckpoint {
            id: QueueId(3),
            parts: vec![
                CheckpointPart::Slots(vec![slot(8)]),
                CheckpointPart::Chunk(chunk),
                CheckpointPart::Slots(vec![slot(32), slot(40)]),
            ],
        };
        let stream = QueueCheckpoint {
            id: QueueId(2),
            parts: vec![
                CheckpointPart::Rows { first: 90, rows: vec![row(48), row(56)] },
                CheckpointPart::Stretch(stretch(6, &[row(64), row(72)])),
                CheckpointPart::Rows { first: 102, rows: Vec::new() },
            ],
        };
        let mut bytes = Checkpoint::start(Position::from_bits(80), 4, 2);
        [&queue, &stream].into_iter().for_each(|it| it.encode(&mut bytes));
        Checkpoint::finish(&mut bytes);
        let read = Checkpoint::decode(&bytes).unwrap();
        assert_eq!((read.from, read.next_queue_id), (Position::from_bits(80), 4));
        assert_eq!(read.files().collect::<Vec<_>>(), [5, 6]);
        assert_eq!(read.queues, [queue, stream]);
        for at in 0..bytes.len() {
            assert_eq!(Checkpoint::decode(&bytes[..at]), Err(Unusable::Damaged), "cut at {at}");
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert_eq!(Checkpoint::decode(&flipped), Err(Unusable::Damaged), "flipped at {at}");
        }
        let mut newer = bytes[..bytes.len() - 4].to_vec();
        newer[4] += 1;
        Checkpoint::finish(&mut newer);
        assert_eq!(Checkpoint::decode(&newer), Err(Unusable::Newer(VERSION + 1)));
    }
}
