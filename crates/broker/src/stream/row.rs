//! What an index keeps of one message of a stream.

use bytes::{Buf, BufMut};
use journal::Position;

use super::FilterMark;
use crate::{Timestamp, index::Row};

/// Where a message of a stream is, and what is asked of it before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamRow {
    pub(crate) position: Position,
    /// Bytes of the body.
    pub(crate) size: u32,
    pub(crate) filter: FilterMark,
    pub(crate) published_at: Timestamp,
}

impl Row for StreamRow {
    fn position(&self) -> Position {
        self.position
    }

    fn size(&self) -> u32 {
        self.size
    }

    /// What a stream keeps for how long is its own affair, and may change.
    fn expires(&self) -> bool {
        false
    }

    /// `u64 position, u32 size, u32 filter, u64 published at`. Little endian.
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.position.to_bits());
        out.put_u32_le(self.size);
        out.put_u32_le(self.filter.0);
        out.put_u64_le(self.published_at.0);
    }

    fn decode(bytes: &mut &[u8]) -> Option<StreamRow> {
        let position = Position::from_bits(bytes.try_get_u64_le().ok()?);
        let size = bytes.try_get_u32_le().ok()?;
        let filter = FilterMark(bytes.try_get_u32_le().ok()?);
        let published_at = Timestamp(bytes.try_get_u64_le().ok()?);
        Some(StreamRow { position, size, filter, published_at })
    }
}
