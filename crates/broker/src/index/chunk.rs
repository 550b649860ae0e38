//! A stretch of a queue that lives on disk: 24 bytes for each entry.

use bytes::{Buf, BufMut};
use journal::Position;

use crate::{
    Timestamp,
    entry::{Flags, Ticket},
};

/// What a chunk file has of one entry, in [`ROW_BYTES`].
pub(crate) trait Row: Copy {
    /// Where the entry's message is.
    fn position(&self) -> Position;

    /// Bytes of its body.
    fn size(&self) -> u32;

    /// It may expire where it lies.
    fn expires(&self) -> bool;

    fn encode(&self, out: &mut Vec<u8>);

    /// Takes one off the front.
    fn decode(bytes: &mut &[u8]) -> Option<Self>;
}

/// Of one entry in a file.
pub(crate) const ROW_BYTES: usize = 24;

/// What is kept of an entry: where its message is, and what the queue has to know before that is
/// read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) position: Position,
    pub(crate) ticket: Ticket,
}

impl Row for Slot {
    fn position(&self) -> Position {
        self.position
    }

    fn size(&self) -> u32 {
        self.ticket.size
    }

    fn expires(&self) -> bool {
        self.ticket.expires_at.is_some()
    }

    /// `u64 position, u32 size, u8 flags, u8 priority, u16 returns, u64 expires at`. Flags: bit 0,
    /// redelivered; bits 1 to 7, the group or 0. Milliseconds since 1970, 0 for never. Little
    /// endian.
    fn encode(&self, out: &mut Vec<u8>) {
        let Ticket { size, flags, priority, returns, expires_at } = self.ticket;
        out.put_u64_le(self.position.to_bits());
        out.put_u32_le(size);
        out.put_u8(flags.0);
        out.put_u8(priority);
        out.put_u16_le(returns);
        out.put_u64_le(expires_at.map_or(0, |at| at.0));
    }

    fn decode(bytes: &mut &[u8]) -> Option<Slot> {
        let position = Position::from_bits(bytes.try_get_u64_le().ok()?);
        let size = bytes.try_get_u32_le().ok()?;
        let flags = Flags(bytes.try_get_u8().ok()?);
        let priority = bytes.try_get_u8().ok()?;
        let returns = bytes.try_get_u16_le().ok()?;
        let expires_at = Some(Timestamp(bytes.try_get_u64_le().ok()?)).filter(|at| at.0 > 0);
        let ticket = Ticket { size, flags, priority, returns, expires_at };
        Some(Slot { position, ticket })
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
    /// The priority of them all; 0 in a queue without priorities.
    pub(crate) level: u8,
    /// Bytes of all bodies.
    pub(crate) bytes: u64,
    /// Some of them expire.
    pub(crate) expires: bool,
    /// The range of positions in it.
    pub(crate) lowest: Position,
    pub(crate) highest: Position,
    /// How many entries lie in each segment of the journal.
    pub(crate) segments: Vec<(u32, u32)>,
}

impl Chunk {
    /// The chunk that these entries make. `None` for no entries.
    pub(crate) fn of(file: u64, first_order: u64, rows: &[impl Row]) -> Option<Chunk> {
        let lowest = rows.iter().map(Row::position).min()?;
        let highest = rows.iter().map(Row::position).max()?;
        let mut segments: Vec<(u32, u32)> = Vec::new();
        for row in rows {
            let segment = row.position().segment();
            // Neighbours mostly lie in one segment.
            match segments.iter_mut().rev().find(|(id, _)| *id == segment) {
                Some((_, count)) => *count += 1,
                None => segments.push((segment, 1)),
            }
        }
        let count = u32::try_from(rows.len()).ok()?;
        let bytes = rows.iter().map(|row| u64::from(row.size())).sum();
        let expires = rows.iter().any(Row::expires);
        let (level, redelivered) = (0, false);
        Some(Chunk {
            file,
            count,
            first_order,
            redelivered,
            level,
            bytes,
            expires,
            lowest,
            highest,
            segments,
        })
    }

    /// Whether some of its entries lie in that segment of the journal.
    pub(crate) fn is_in(&self, segment: u32) -> bool {
        self.segments.iter().any(|(id, _)| *id == segment)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.file);
        out.put_u32_le(self.count);
        out.put_u8(self.level);
        out.put_u8(self.expires.into());
        out.put_u64_le(self.bytes);
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
        let level = bytes.try_get_u8().ok()?;
        let expires = bytes.try_get_u8().ok()? == 1;
        let body_bytes = bytes.try_get_u64_le().ok()?;
        let lowest = Position::from_bits(bytes.try_get_u64_le().ok()?);
        let highest = Position::from_bits(bytes.try_get_u64_le().ok()?);
        let mut segments = Vec::new();
        for _ in 0..bytes.try_get_u32_le().ok()? {
            segments.push((bytes.try_get_u32_le().ok()?, bytes.try_get_u32_le().ok()?));
        }
        let (first_order, redelivered) = (0, true);
        Some(Chunk {
            file,
            count,
            first_order,
            redelivered,
            level,
            bytes: body_bytes,
            expires,
            lowest,
            highest,
            segments,
        })
    }
}
