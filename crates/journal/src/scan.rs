//! Reading one segment from front to back, through a bounded buffer, whatever its bytes are.
//!
//! A record counts if its header checks, it is of this segment, its sequence fits its place, and
//! its payload checks. Behind damage the scan goes on at the next place where such a header stands.
//! "Fits its place" is what tells a record from an old one, a misplaced one, or a payload that
//! looks like one: side by side, sequences grow by 1; behind a gap they grow by at least 2, as
//! something was lost in the gap, and by at most 1 plus as many headers as fit the gap.

use std::ops::Range;

use crc32c::crc32c;

use crate::damage::Reason;
use crate::disk::{DiskFile, read_full};
use crate::limits::{READ_BLOCK_BYTES, UNREADABLE_BLOCK_BYTES};
use crate::record::{ALIGN, FIRST_OF_BATCH, HEADER_BYTES, MAGIC, RecordHeader};
use crate::segment_header::{SEGMENT_HEADER_BYTES, SegmentHeader};

/// What is known of a segment before it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) segment: u32,
    /// The file's size in bytes.
    pub(crate) file_bytes: u64,
    /// Where the first record stands.
    pub(crate) start: u64,
    /// The sequence before the first record's.
    pub(crate) sequence_before: u64,
    /// Whether the first record's must be the next one, or just a later one.
    pub(crate) exact: bool,
    /// Where the next segment says that this one ends, and the sequence it says it goes on with.
    pub(crate) link: Option<(u64, u64)>,
}

impl Expected {
    /// A segment that says what it begins with.
    pub(crate) fn after(header: &SegmentHeader, file_bytes: u64) -> Expected {
        let sequence_before = header.first_sequence.saturating_sub(1);
        Expected { sequence_before, exact: true, ..Expected::unknown(header.id, file_bytes, 0) }
    }

    /// A segment of which nothing is known but what was in those before it.
    pub(crate) fn unknown(segment: u32, file_bytes: u64, sequence_before: u64) -> Expected {
        let start = SEGMENT_HEADER_BYTES.into();
        Expected { segment, file_bytes, start, sequence_before, exact: false, link: None }
    }

    /// The same segment, read from `offset` on, where the record with that sequence ends.
    pub(crate) fn resumed(self, offset: u64, sequence: u64) -> Expected {
        Expected { start: offset, sequence_before: sequence, exact: true, ..self }
    }
}

/// A stretch that holds no record that may be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) range: Range<u64>,
    pub(crate) reason: Reason,
}

/// What a scan found, records aside.
#[derive(Debug)]
pub(crate) struct Scanned {
    /// Bad stretches in order, those behind the last record included.
    pub(crate) bad: Vec<Bad>,
    /// The offset behind the last record.
    pub(crate) end: u64,
    /// The sequence of the last record, or what was given as the one before the first.
    pub(crate) last_sequence: u64,
    /// Whether `last_sequence` is known to be the last one written up to `end`.
    pub(crate) exact: bool,
    pub(crate) records: u64,
    /// What the records take, headers and padding counted.
    pub(crate) record_bytes: u64,
    /// Where the last commit begins of which the first record is there: all before it was synced.
    pub(crate) last_batch: u64,
    /// Where records of the last commit lie.
    pub(crate) unproven: Vec<Range<u64>>,
}

/// Reads a segment and hands out its records with their offsets.
pub(crate) fn scan(
    file: &dyn DiskFile,
    expected: Expected,
    visit: &mut dyn FnMut(&RecordHeader, u64, &[u8]),
) -> Scanned {
    let mut scan = Scan {
        window: Window::new(file, expected.file_bytes),
        expected,
        found: Scanned {
            bad: Vec::new(),
            end: expected.start,
            last_sequence: expected.sequence_before,
            exact: expected.exact,
            records: 0,
            record_bytes: 0,
            last_batch: expected.start,
            unproven: Vec::new(),
        },
    };
    scan.run(visit);
    scan.found
}

struct Scan<'a> {
    window: Window<'a>,
    expected: Expected,
    found: Scanned,
}

/// What stands at an offset.
enum Here {
    Record(RecordHeader),
    /// The header checks and fits, so it is known where the next record stands.
    BadPayload {
        bytes: u64,
    },
    Nothing,
}

impl Scan<'_> {
    fn run(&mut self, visit: &mut dyn FnMut(&RecordHeader, u64, &[u8])) {
        let mut offset = self.expected.start;
        let mut gap_from = None;
        while offset < self.window.file_bytes && !self.ends_at(offset) {
            match self.look(offset) {
                Here::Record(header) => {
                    self.close_gap(&mut gap_from, offset);
                    let payload_at = offset + HEADER_BYTES as u64;
                    let payload = self.window.at(payload_at, header.payload_bytes as usize);
                    visit(&header, offset, payload);
                    self.note_record(&header, offset);
                    offset += header.record_bytes();
                }
                Here::BadPayload { bytes } => {
                    self.close_gap(&mut gap_from, offset);
                    self.note_bad(offset..offset + bytes, Reason::Payload);
                    offset += bytes;
                }
                Here::Nothing => {
                    gap_from.get_or_insert(offset);
                    self.window.note_word(offset);
                    offset = self.window.next_magic(offset + ALIGN);
                }
            }
        }
        if let Some(from) = gap_from
            && let Some(last) = self.window.last_nonzero.filter(|last| *last >= from)
        {
            self.note_bad(from..last + 1, Reason::Record);
        }
        // What the medium would not read is damage even where no record is missed.
        for range in self.window.unreadable.clone() {
            let known = |bad: &Bad| bad.range.start <= range.start && range.end <= bad.range.end;
            if !self.found.bad.iter().any(known) {
                self.found.bad.push(Bad { range, reason: Reason::Unreadable });
            }
        }
        self.found.bad.sort_by_key(|bad| bad.range.start);
    }

    /// Whether the next segment's header, and the records so far, agree that this one ends here.
    fn ends_at(&self, offset: u64) -> bool {
        let here = self.found.end == offset && self.found.exact;
        here && self.expected.link == Some((offset, self.found.last_sequence.wrapping_add(1)))
    }

    fn look(&mut self, offset: u64) -> Here {
        let Some(header) = RecordHeader::decode(self.window.at(offset, HEADER_BYTES)) else {
            return Here::Nothing;
        };
        let end = offset + header.record_bytes();
        if header.segment != self.expected.segment || !self.fits(header.sequence, offset) {
            return Here::Nothing;
        }
        // Only the padding may be missing from a file that was cut.
        let payload_end = offset + HEADER_BYTES as u64 + u64::from(header.payload_bytes);
        if payload_end > self.window.file_bytes {
            return Here::Nothing;
        }
        let payload_at = offset + HEADER_BYTES as u64;
        let payload = self.window.at(payload_at, header.payload_bytes as usize);
        match payload.len() == header.payload_bytes as usize
            && crc32c(payload) == header.payload_crc
        {
            true => Here::Record(header),
            false => Here::BadPayload { bytes: end - offset },
        }
    }

    fn fits(&self, sequence: u64, offset: u64) -> bool {
        let Some(step) = sequence.checked_sub(self.found.last_sequence) else { return false };
        let gap = offset - self.found.end;
        match (self.found.exact, gap) {
            (false, _) => step >= 1,
            (true, 0) => step == 1,
            (true, gap) => step >= 2 && step <= 1 + gap / HEADER_BYTES as u64,
        }
    }

    fn note_record(&mut self, header: &RecordHeader, offset: u64) {
        let end = offset + header.record_bytes();
        let found = &mut self.found;
        if header.flags & FIRST_OF_BATCH != 0 {
            found.last_batch = offset;
            found.unproven.clear();
        }
        match found.unproven.last_mut().filter(|range| range.end == offset) {
            Some(range) => range.end = end,
            None => found.unproven.push(offset..end),
        }
        found.end = end;
        found.last_sequence = header.sequence;
        found.exact = true;
        found.records += 1;
        found.record_bytes += end - offset;
    }

    fn close_gap(&mut self, gap_from: &mut Option<u64>, to: u64) {
        if let Some(from) = gap_from.take() {
            self.note_bad(from..to, Reason::Record);
        }
    }

    fn note_bad(&mut self, range: Range<u64>, reason: Reason) {
        let hit = |bad: &Range<u64>| bad.start < range.end && range.start < bad.end;
        let unreadable = self.window.unreadable.iter().any(hit);
        let reason = if unreadable { Reason::Unreadable } else { reason };
        self.found.bad.push(Bad { range, reason });
    }
}

/// A stretch of a file in memory. Grows to the size of the record looked at, no further.
struct Window<'a> {
    file: &'a dyn DiskFile,
    file_bytes: u64,
    start: u64,
    bytes: Vec<u8>,
    /// Blocks the medium would not read; they appear as bytes that are no record and not zero.
    unreadable: Vec<Range<u64>>,
    /// The last byte that the search for records passed and that is not zero.
    last_nonzero: Option<u64>,
}

impl<'a> Window<'a> {
    fn new(file: &'a dyn DiskFile, file_bytes: u64) -> Window<'a> {
        let (start, bytes, unreadable, last_nonzero) = (0, Vec::new(), Vec::new(), None);
        Window { file, file_bytes, start, bytes, unreadable, last_nonzero }
    }

    /// The `bytes` bytes at `offset`; fewer only where the file ends.
    fn at(&mut self, offset: u64, bytes: usize) -> &[u8] {
        let bytes = (self.file_bytes.saturating_sub(offset)).min(bytes as u64) as usize;
        let inside =
            offset >= self.start && offset + bytes as u64 <= self.start + self.bytes.len() as u64;
        if !inside {
            self.load(offset, bytes.max(READ_BLOCK_BYTES));
        }
        let from = (offset - self.start) as usize;
        let held = self.bytes.get(from..).unwrap_or_default();
        held.get(..bytes).unwrap_or(held)
    }

    fn load(&mut self, offset: u64, bytes: usize) {
        let bytes = (self.file_bytes.saturating_sub(offset)).min(bytes as u64) as usize;
        self.start = offset;
        self.bytes.resize(bytes, 0);
        self.bytes.shrink_to(READ_BLOCK_BYTES.max(bytes));
        match read_full(self.file, &mut self.bytes, offset) {
            // Shorter than it said it was: what is missing is no record.
            Ok(read) => self.bytes.truncate(read),
            Err(_) => self.load_block_by_block(),
        }
        if self.bytes.len() < bytes {
            self.file_bytes = self.file_bytes.min(offset + self.bytes.len() as u64);
        }
    }

    /// Reads again what could not be read at once, and gives up only the blocks that really fail.
    fn load_block_by_block(&mut self) {
        let mut at = self.start;
        let end = self.start + self.bytes.len() as u64;
        while at < end {
            let next = (at + 1).next_multiple_of(UNREADABLE_BLOCK_BYTES as u64).min(end);
            let range = (at - self.start) as usize..(next - self.start) as usize;
            let Some(block) = self.bytes.get_mut(range.clone()) else { return };
            match read_full(self.file, block, at) {
                Ok(read) if read < block.len() => {
                    self.bytes.truncate(range.start + read);
                    return;
                }
                Ok(_) => {}
                Err(_) => {
                    block.fill(0xff);
                    self.note_unreadable(at..next);
                }
            }
            at = next;
        }
    }

    fn note_unreadable(&mut self, range: Range<u64>) {
        match self.unreadable.last_mut() {
            Some(last) if last.start <= range.start && range.end <= last.end => {}
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.unreadable.push(range),
        }
    }

    /// What is in memory from `offset` on, loaded if that is less than one [`ALIGN`]; empty only at
    /// the end of the file.
    fn some(&mut self, offset: u64) -> &[u8] {
        let held = (self.start + self.bytes.len() as u64).saturating_sub(offset);
        if offset < self.start || held < ALIGN {
            return self.at(offset, READ_BLOCK_BYTES);
        }
        self.bytes.get((offset - self.start) as usize..).unwrap_or_default()
    }

    /// The next offset from `from` on, a multiple of [`ALIGN`], where a record could begin; the end
    /// of the file if there is none.
    fn next_magic(&mut self, from: u64) -> u64 {
        let mut at = from;
        while at < self.file_bytes {
            let block = self.some(at);
            // A word cut by the window's end is looked at again when more is loaded.
            let step = (block.len() as u64 / ALIGN * ALIGN).max(ALIGN);
            if !is_zero(block) {
                let words = block.chunks(ALIGN as usize);
                if let Some(found) = words.clone().position(|word| word.starts_with(&MAGIC)) {
                    return at + found as u64 * ALIGN;
                }
                let last = block.iter().rposition(|byte| *byte != 0);
                self.last_nonzero = last.map(|last| at + last as u64);
            }
            at += step;
        }
        at.max(from)
    }

    /// The search passes the word at `offset`.
    fn note_word(&mut self, offset: u64) {
        let last = self.at(offset, ALIGN as usize).iter().rposition(|byte| *byte != 0);
        self.last_nonzero = last.map(|last| offset + last as u64).or(self.last_nonzero);
    }
}

/// Compared as memory, which is quick even for the 64 MiB of an empty segment.
fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROS.len()).all(|chunk| ZEROS.starts_with(chunk))
}
