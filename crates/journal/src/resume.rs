//! Going on at a checkpoint in the middle of a segment: the record that ends there is found by
//! looking back from it, so that sequences are checked as if all before had been read.

use crc32c::crc32c;

use crate::disk::{DiskFile, read_full};
use crate::limits::LOOK_BACK_BYTES_MAX;
use crate::record::{ALIGN, HEADER_BYTES, RecordHeader};
use crate::scan::Expected;

/// The sequence of the record that ends exactly at `from`. None if there is none, or it is too
/// large to be looked for: then the segment has to be read from its beginning.
pub(crate) fn sequence_before(file: &dyn DiskFile, within: &Expected, from: u64) -> Option<u64> {
    if !from.is_multiple_of(ALIGN) || from > within.file_bytes.next_multiple_of(ALIGN) {
        return None;
    }
    let mut look_back = FIRST_LOOK_BACK_BYTES;
    loop {
        let start = from.saturating_sub(look_back).max(within.start);
        let mut bytes = vec![0; usize::try_from(from.checked_sub(start)?).ok()?];
        let read = read_full(file, &mut bytes, start).ok()?;
        // Only the last record's padding may be missing from a file that was cut.
        if (read as u64) + ALIGN <= bytes.len() as u64 {
            return None;
        }
        let found = (0..bytes.len() / ALIGN as usize).rev().find_map(|word| {
            let at = word * ALIGN as usize;
            ends_the(bytes.get(at..)?, within, start + at as u64)
        });
        if found.is_some() || start == within.start || look_back >= LOOK_BACK_BYTES_MAX {
            return found;
        }
        look_back *= 16;
    }
}

/// The sequence of the record that `bytes`, which stand at `offset`, are exactly.
fn ends_the(bytes: &[u8], within: &Expected, offset: u64) -> Option<u64> {
    let header = RecordHeader::decode(bytes)?;
    let payload = bytes.get(HEADER_BYTES..HEADER_BYTES + header.payload_bytes as usize)?;
    let records_before = (offset - within.start) / HEADER_BYTES as u64;
    let first = within.sequence_before.saturating_add(1);
    let last = match within.exact {
        true => first.saturating_add(records_before),
        false => u64::MAX,
    };
    let fits = header.segment == within.segment
        && header.record_bytes() == bytes.len() as u64
        && (first..=last).contains(&header.sequence);
    (fits && crc32c(payload) == header.payload_crc).then_some(header.sequence)
}

/// Most records are smaller than this.
const FIRST_LOOK_BACK_BYTES: u64 = 8 << 10;
