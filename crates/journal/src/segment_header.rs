//! The first 64 bytes of a segment file, and the names of files. Little endian; `docs/storage.md`.
//!
//! Every later format keeps magic, version and checksum where they are, so that an older program
//! can tell a newer journal from a damaged one.

use crc32c::crc32c;

use crate::record::{u32_at, u64_at};

/// The size of a segment's header in bytes; the first record stands behind it.
pub(crate) const SEGMENT_HEADER_BYTES: u32 = 64;
/// The format this program writes, and the newest it reads.
pub(crate) const FORMAT_VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"TPJSEGMT";
const FLAG_REWRITE: u32 = 1;
const FLAG_ATTACHED: u32 = 2;
const CRC_AT: usize = 60;

/// What a segment says of itself and of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) id: u32,
    /// Everything in segments before this one is void.
    pub(crate) rewrite: bool,
    /// Its one record has an attachment.
    pub(crate) attached: bool,
    /// Which journal it belongs to: the sequence its very first record had, which is a number
    /// nobody can guess. Keeps a file of another journal out, above all one that would void this
    /// one.
    pub(crate) journal: u64,
    /// The sequence of the first record that stands, or will stand, in it.
    pub(crate) first_sequence: u64,
    pub(crate) previous: Previous,
}

/// Where the segment before ended when this one was made. All 0 where there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Previous {
    pub(crate) id: u32,
    /// Bytes of it that count. What stands behind was cut by a recovery.
    pub(crate) end: u32,
    /// Damage before this offset hit what had been synced; behind it, it may be a write that a
    /// crash cut short. Equal to `end` but after such a crash.
    pub(crate) proven: u32,
}

/// Why 64 bytes are no header that this program can use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Damaged,
    Newer { found: u32 },
}

impl SegmentHeader {
    /// Of a segment whose header is not to be trusted.
    pub(crate) fn unknown(id: u32) -> SegmentHeader {
        let previous = Previous::default();
        let (rewrite, attached, journal, first_sequence) = Default::default();
        SegmentHeader { id, rewrite, attached, journal, first_sequence, previous }
    }

    /// Whether it is one that was read, or written.
    pub(crate) fn is_known(&self) -> bool {
        self.journal != 0
    }

    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES as usize] {
        let mut out = [0; SEGMENT_HEADER_BYTES as usize];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        let flags = if self.rewrite { FLAG_REWRITE } else { 0 }
            | if self.attached { FLAG_ATTACHED } else { 0 };
        out[12..16].copy_from_slice(&flags.to_le_bytes());
        out[16..24].copy_from_slice(&u64::from(self.id).to_le_bytes());
        out[24..32].copy_from_slice(&self.first_sequence.to_le_bytes());
        out[32..40].copy_from_slice(&u64::from(self.previous.id).to_le_bytes());
        out[40..44].copy_from_slice(&self.previous.end.to_le_bytes());
        out[44..48].copy_from_slice(&self.previous.proven.to_le_bytes());
        out[48..56].copy_from_slice(&self.journal.to_le_bytes());
        // 56..60 is reserved: written as zero, not looked at when read.
        let crc = crc32c(&out[..CRC_AT]);
        out[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<SegmentHeader, HeaderFault> {
        Self::parse(bytes).unwrap_or(Err(HeaderFault::Damaged))
    }

    fn parse(bytes: &[u8]) -> Option<Result<SegmentHeader, HeaderFault>> {
        let bytes = bytes.get(..SEGMENT_HEADER_BYTES as usize)?;
        if bytes.get(..8)? != MAGIC || u32_at(bytes, CRC_AT)? != crc32c(bytes.get(..CRC_AT)?) {
            return None;
        }
        let found = u32_at(bytes, 8)?;
        if found > FORMAT_VERSION {
            return Some(Err(HeaderFault::Newer { found }));
        }
        Some(Ok(SegmentHeader {
            id: u32::try_from(u64_at(bytes, 16)?).ok()?,
            rewrite: u32_at(bytes, 12)? & FLAG_REWRITE != 0,
            attached: u32_at(bytes, 12)? & FLAG_ATTACHED != 0,
            journal: u64_at(bytes, 48)?,
            first_sequence: u64_at(bytes, 24)?,
            previous: Previous {
                id: u32::try_from(u64_at(bytes, 32)?).ok()?,
                end: u32_at(bytes, 40)?,
                proven: u32_at(bytes, 44)?,
            },
        }))
    }
}

/// What a file in the journal's directory is, by its name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileName {
    Segment(u32),
    /// A segment, a list or an attachment that was never finished, so nothing in it was ever
    /// confirmed.
    Unfinished,
    /// What belongs to the record of the segment with that number.
    Attachment(u32),
    /// A segment that held damage when its last live record was released.
    SetAside(u32),
    /// The list of segments that were deleted.
    Reclaimed,
    /// Not ours.
    Foreign,
}

impl FileName {
    pub(crate) fn parse(name: &str) -> FileName {
        match name {
            RECLAIMED_NAME => return FileName::Reclaimed,
            RECLAIMED_UNFINISHED_NAME => return FileName::Unfinished,
            _ => {}
        }
        let Some((digits, suffix)) = name.split_once('.') else { return FileName::Foreign };
        let id = digits.parse::<u32>().ok().filter(|id| *id > 0 && format!("{id:020}") == digits);
        match (id, suffix) {
            (Some(id), "log") => FileName::Segment(id),
            (Some(_), "new" | "attaching") => FileName::Unfinished,
            (Some(id), "attached") => FileName::Attachment(id),
            (Some(id), "damaged") => FileName::SetAside(id),
            _ => FileName::Foreign,
        }
    }
}

/// The list of segments that were deleted.
pub(crate) const RECLAIMED_NAME: &str = "reclaimed";
/// The name a list has until all of it is on the medium.
pub(crate) const RECLAIMED_UNFINISHED_NAME: &str = "reclaimed.new";

/// The name of a segment's file.
pub(crate) fn segment_name(id: u32) -> String {
    format!("{id:020}.log")
}

/// The name a segment has until all of it is on the medium.
pub(crate) fn unfinished_name(id: u32) -> String {
    format!("{id:020}.new")
}

/// The name of what belongs to a segment's record.
pub(crate) fn attachment_name(id: u32) -> String {
    format!("{id:020}.attached")
}

/// The name an attachment has until it belongs to a record; the number is any that is free.
pub(crate) fn attaching_name(number: u32) -> String {
    format!("{number:020}.attaching")
}

/// The name a damaged segment gets instead of being deleted.
pub(crate) fn set_aside_name(id: u32) -> String {
    format!("{id:020}.damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            id: 2,
            rewrite: true,
            attached: true,
            journal: 5,
            first_sequence: 17,
            previous: Previous { id: 1, end: 640, proven: 600 },
        }
    }

    #[test]
    fn a_header_comes_back_as_it_was_and_no_flipped_bit_goes_unseen() {
        let bytes = header().encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header()));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let found = SegmentHeader::decode(&flipped);
            assert_eq!(found, Err(HeaderFault::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let mut bytes = header().encode();
        bytes[8] = 2;
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Damaged));
        let crc = crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Newer { found: 2 }));
    }

    #[test]
    fn only_names_that_the_journal_gives_are_its_own() {
        assert_eq!(FileName::parse(&segment_name(1)), FileName::Segment(1));
        assert_eq!(FileName::parse(&segment_name(u32::MAX)), FileName::Segment(u32::MAX));
        assert_eq!(FileName::parse(&unfinished_name(3)), FileName::Unfinished);
        assert_eq!(FileName::parse(&set_aside_name(3)), FileName::SetAside(3));
        assert_eq!(FileName::parse(&attachment_name(3)), FileName::Attachment(3));
        assert_eq!(FileName::parse(&attaching_name(3)), FileName::Unfinished);
        assert_eq!(FileName::parse("reclaimed"), FileName::Reclaimed);
        assert_eq!(FileName::parse("reclaimed.new"), FileName::Unfinished);
        for foreign in [
            "1.log",
            "00000000000000000000.log",
            "00000000004294967296.log",
            "+0000000000000000001.log",
            "00000000000000000001.log~",
            "00000000000000000001",
            "",
        ] {
            assert_eq!(FileName::parse(foreign), FileName::Foreign, "{foreign}");
        }
    }
}
