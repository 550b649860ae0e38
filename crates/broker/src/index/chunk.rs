//! A stretch of a queue that lives on disk: sixteen bytes for each entry.

use bytes::{Buf, BufMut};
use journal::Position;

/// What is kept of an entry: where its message is, and what a delivery needs to know before that
/// is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) position: Position,
    /// Bytes of the message, for outbox room.
    pub(crate) size: u32,
    pub(crate) redelivered: bool,
}

impl Slot {
    /// `u64 position, u32 size, u32 flags` (bit 0: redelivered). Little endian.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.position.to_bits());
        out.put_u32_le(self.size);
        out.put_u32_le(self.redelivered.into());
    }

    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<Slot> {
        let position = Position::from_bits(bytes.try_get_u64_le().ok()?);
        let size = bytes.try_get_u32_le().ok()?;
        let redelivered = bytes.try_get_u32_le().ok()? & 1 == 1;
        Some(Slot { position, size, redelivered })
    }
}

/// Entries of one queue in a file of their own; the file never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// The file's number.
    pub(crate) file: u64,
    /// How many entries are in it.
    pub(crate) count: u32,
    /// The order of its first entry; those that follow count on.
    pub(crate) first_order: u64,
    /// A restart lies behind it: any of its entries may have been delivered before.
    pub(crate) redelivered: bool,
    /// The range of positions in it.
    pub(crate) lowest: Position,
    pub(crate) highest: Position,
    /// How many entries lie in each segment of the journal.
    pub(crate) segments: Vec<(u32, u32)>,
}

impl Chunk {
    /// The chunk that these entries make. `None` for no entries.
    pub(crate) fn of(file: u64, first_order: u64, slots: &[Slot]) -> Option<Chunk> {
        let lowest = slots.iter().map(|slot| slot.position).min()?;
        let highest = slots.iter().map(|slot| slot.position).max()?;
        let mut segments: Vec<(u32, u32)> = Vec::new();
        for slot in slots {
            let segment = slot.position.segment();
            // Neighbours mostly lie in one segment.
            match segments.iter_mut().rev().find(|(id, _)| *id == segment) {
                Some((_, count)) => *count += 1,
                None => segments.push((segment, 1)),
            }
        }
        let count = u32::try_from(slots.len()).ok()?;
        Some(Chunk { file, count, first_order, redelivered: false, lowest, highest, segments })
    }

    /// Whether some of its entries lie in that segment of the journal.
    pub(crate) fn is_in(&self, segment: u32) -> bool {
        self.segments.iter().any(|(id, _)| *id == segment)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.file);
        out.put_u32_le(self.count);
        out.put_u64_le(self.lowest.to_bits());
        out.put_u64_le(self.highest.to_bits());
        out.put_u32_le(self.segments.len() as u32);
        for (segment, count) in &self.segments {
            out.put_u32_le(*segment);
            out.put_u32_le(*count);
        }
    }

    /// A chunk that a checkpoint names.
    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<Chunk> {
        let file = bytes.try_get_u64_le().ok()?;
        let count = bytes.try_get_u32_le().ok()?;
        let lowest = Position::from_bits(bytes.try_get_u64_le().ok()?);
        let highest = Position::from_bits(bytes.try_get_u64_le().ok()?);
        let mut segments = Vec::new();
        for _ in 0..bytes.try_get_u32_le().ok()? {
            segments.push((bytes.try_get_u32_le().ok()?, bytes.try_get_u32_le().ok()?));
        }
        Some(Chunk { file, count, first_order: 0, redelivered: true, lowest, highest, segments })
    }
}
