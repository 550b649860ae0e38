//! Where a record stands in the journal. Positions grow with every append. That of a durable record
//! is never given again; one that a crash took before its commit may be.

use std::fmt;

/// The place of a record: its segment's number and its offset in that segment's file.
///
/// Ordered as the records are. Stable for the life of the record, so that it may be kept on disk
/// ([`Position::to_bits`]). No record has the position 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// The position of what stands at `offset` (bytes) of the segment with the number `segment`.
    pub(crate) const fn new(segment: u32, offset: u32) -> Position {
        Position((segment as u64) << 32 | offset as u64)
    }

    /// As one number: segment in the upper 32 bits, offset in bytes in the lower 32.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The reverse of [`Position::to_bits`]. Whether a record stands there is known only by
    /// reading.
    pub const fn from_bits(bits: u64) -> Position {
        Position(bits)
    }

    /// The number of the segment.
    pub const fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The offset in the segment's file, in bytes.
    pub const fn offset(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment(), self.offset())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_order_by_segment_and_then_by_offset() {
        let order = [Position::new(1, 64), Position::new(1, 96), Position::new(2, 64)];
        assert!(order.is_sorted());
        assert_eq!(order[2].to_bits(), 0x2_0000_0040);
        assert_eq!(Position::from_bits(order[1].to_bits()), order[1]);
        assert_eq!((order[2].segment(), order[2].offset()), (2, 64));
        assert_eq!(order[1].to_string(), "1:96");
    }
}
