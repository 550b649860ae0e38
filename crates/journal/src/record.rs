//! The bytes of a record: a 32-byte header, the payload, zeros up to the next multiple of 8.
//! Little endian. `docs/storage.md` shows the layout; a golden test holds it still.
//!
//! The header's checksum covers the payload's checksum, so a payload that checks is the one this
//! header was written for; segment and sequence say that both stand where they were meant to stand.

use crc32c::{crc32c, crc32c_append};

/// The size of a record's header in bytes.
pub(crate) const HEADER_BYTES: usize = 32;
/// Records begin at multiples of this.
pub(crate) const ALIGN: u64 = 8;
/// The first bytes of every record.
pub(crate) const MAGIC: [u8; 4] = *b"TPJ1";

/// Flag: the first record of a commit. Every record before it had been synced before it was
/// written.
pub(crate) const FIRST_OF_BATCH: u8 = 1;
/// Flag: the record belongs to a rewrite, as its segment's header says too. Should that header be
/// damaged, this still says that older segments are void.
pub(crate) const REWRITE: u8 = 2;

/// One record as recovery hands it out.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Where it stands; what [`crate::Journal::read`] takes.
    pub position: crate::Position,
    /// What it is, in the words of who appended it.
    pub kind: u8,
    /// What was appended, with its checksum verified.
    pub payload: &'a [u8],
    /// It was appended right behind the record that was handed out before it: none is missing in
    /// between.
    pub follows: bool,
    /// It is the first of its commit: all before it had been synced, but for what is `cut_short`.
    pub begins_commit: bool,
    /// It lies in a commit that an earlier start found cut short.
    pub cut_short: bool,
}

/// A record's header as it stands in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) payload_bytes: u32,
    pub(crate) segment: u32,
    pub(crate) sequence: u64,
    pub(crate) payload_crc: u32,
}

impl RecordHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..4].copy_from_slice(&MAGIC);
        out[4] = self.kind;
        out[5] = self.flags;
        // 6..8 is reserved: written as zero, not looked at when read.
        out[8..12].copy_from_slice(&self.payload_bytes.to_le_bytes());
        out[12..16].copy_from_slice(&self.segment.to_le_bytes());
        out[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        out[24..28].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32c(&out[..28]);
        out[28..32].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The header at the start of `bytes`; none if it is cut short, or magic or checksum are wrong.
    pub(crate) fn decode(bytes: &[u8]) -> Option<RecordHeader> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let crc = u32::from_le_bytes(*bytes.last_chunk()?);
        if *bytes.first_chunk()? != MAGIC || crc != crc32c(bytes.get(..28)?) {
            return None;
        }
        Some(RecordHeader {
            kind: bytes[4],
            flags: bytes[5],
            payload_bytes: u32_at(bytes, 8)?,
            segment: u32_at(bytes, 12)?,
            sequence: u64_at(bytes, 16)?,
            payload_crc: u32_at(bytes, 24)?,
        })
    }

    /// Whether a record with it may stand in a segment that has so many bytes from there on.
    pub(crate) fn fits(&self, segment: u32, room: usize) -> bool {
        self.segment == segment && HEADER_BYTES + self.payload_bytes as usize <= room
    }

    /// What the record takes on disk: header, payload and padding, in bytes.
    pub(crate) fn record_bytes(&self) -> u64 {
        record_bytes(self.payload_bytes as usize)
    }
}

/// What a record with that payload takes on disk, in bytes.
pub(crate) fn record_bytes(payload_bytes: usize) -> u64 {
    (HEADER_BYTES as u64 + payload_bytes as u64).next_multiple_of(ALIGN)
}

/// The checksum of a payload given in parts.
pub(crate) fn payload_crc(parts: &[&[u8]]) -> u32 {
    parts.iter().fold(0, |crc, part| crc32c_append(crc, part))
}

/// Adds a whole record to `out`. The payload's size must be that of `parts`.
pub(crate) fn encode_record(out: &mut Vec<u8>, header: &RecordHeader, parts: &[&[u8]]) {
    let start = out.len();
    out.extend_from_slice(&header.encode());
    parts.iter().for_each(|part| out.extend_from_slice(part));
    let bytes = header.record_bytes() as usize;
    let padding = bytes - (out.len() - start);
    assert!(padding < ALIGN as usize, "the payload is as long as its header says");
    out.resize(start + bytes, 0);
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> RecordHeader {
        RecordHeader {
            kind: 7,
            flags: FIRST_OF_BATCH,
            payload_bytes: 5,
            segment: 3,
            sequence: 0x0102_0304_0506_0708,
            payload_crc: payload_crc(&[b"he", b"llo"]),
        }
    }

    #[test]
    fn a_record_has_the_documented_bytes() {
        let mut bytes = Vec::new();
        encode_record(&mut bytes, &header(), &[b"he", b"llo"]);
        let before_crc: [u8; 28] = [
            b'T', b'P', b'J', b'1', 7, 1, 0, 0, // magic, kind, flags, reserved
            5, 0, 0, 0, 3, 0, 0, 0, // payload bytes, segment
            8, 7, 6, 5, 4, 3, 2, 1, // sequence
            0x4c, 0xbb, 0x71, 0x9a, // CRC32C of "hello"
        ];
        assert_eq!(bytes[..28], before_crc);
        assert_eq!(bytes[28..32], crc32c(&before_crc).to_le_bytes());
        assert_eq!(&bytes[32..], b"hello\0\0\0");
        assert_eq!(RecordHeader::decode(&bytes), Some(header()));
    }

    #[test]
    fn no_flipped_bit_of_a_header_goes_unseen() {
        let bytes = header().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::decode(&flipped), None, "bit {bit}");
        }
        assert_eq!(RecordHeader::decode(&bytes[..31]), None);
    }
}
