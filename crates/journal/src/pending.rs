//! What was appended and is not on disk yet, and where the next record goes.
//!
//! Positions are given here, at once, so a segment is chosen before its file exists; the commit
//! makes the file. Records lie in the buffer exactly as they will lie in the file: one chunk is one
//! write.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::attachment::Attachment;
use crate::error::Error;
use crate::limits::{PAYLOAD_BYTES_MAX, SPARE_BUFFER_BYTES_MAX};
use crate::record::{FIRST_OF_BATCH, RecordHeader, encode_record, payload_crc, record_bytes};
use crate::segment::{Segment, Segments};
use crate::segment_header::{Previous, SEGMENT_HEADER_BYTES, SegmentHeader, segment_name};
use crate::{Options, Position};

/// Records of one segment that lie side by side, to be written at `offset` and synced.
pub(crate) struct Chunk {
    pub(crate) segment: Arc<Segment>,
    pub(crate) offset: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Chunk {
    /// Says that what was written before was not synced: its first record proves nothing of it.
    pub(crate) fn continue_batch(&mut self) {
        if let Some(header) = RecordHeader::decode(&self.bytes) {
            let flags = header.flags & !FIRST_OF_BATCH;
            let header = RecordHeader { flags, ..header }.encode();
            self.bytes.splice(..header.len(), header);
        }
    }

    /// The offset behind its last record.
    pub(crate) fn end(&self) -> u32 {
        // A segment's end fits: its size is bounded where the record was placed.
        self.offset + self.bytes.len() as u32
    }
}

/// Where the next record goes.
pub(crate) struct Tail {
    /// The segment in use and the offset in it; none if a new one has to be begun.
    pub(crate) open: Option<(Arc<Segment>, u32)>,
    /// The number of the segment to begin next. Not always one more than that of the last one: a
    /// file that is no part of this journal may have that name.
    pub(crate) next_id: Option<u32>,
    /// What the segment to begin next follows; filled in when the one in use is sealed.
    pub(crate) previous: Previous,
    /// Which journal this is; see [`SegmentHeader`].
    pub(crate) journal: u64,
    /// The sequence of the next record.
    pub(crate) next_sequence: u64,
}

impl Tail {
    /// Every record so far stands before it, every later one at it or behind it.
    pub(crate) fn end(&self) -> Position {
        match (&self.open, self.next_id) {
            (Some((segment, offset)), _) => Position::new(segment.id, *offset),
            (None, Some(next)) => Position::new(next, SEGMENT_HEADER_BYTES),
            (None, None) => Position::new(u32::MAX, u32::MAX),
        }
    }
}

/// The segment there was no space for.
pub(crate) struct Full {
    pub(crate) file: String,
    pub(crate) bytes: u64,
}

impl Full {
    pub(crate) fn error(&self) -> Error {
        Error::Full { file: self.file.clone(), bytes: self.bytes }
    }
}

/// The state behind the appenders' lock.
pub(crate) struct Pending {
    chunks: VecDeque<Chunk>,
    /// Bytes appended and not durable, those that are being written included.
    pub(crate) bytes: usize,
    pub(crate) tail: Tail,
    spare: Vec<u8>,
    /// The last commit found no space for a segment.
    pub(crate) full: Option<Full>,
    /// Somebody waits for some of it, or there is much of it.
    pub(crate) is_urgent: bool,
    /// `Journal::wake` was called since the writer last looked.
    pub(crate) woken: bool,
    pub(crate) writers_wait: usize,
    pub(crate) appenders_wait: usize,
}

impl Pending {
    pub(crate) fn new(tail: Tail) -> Pending {
        Pending {
            chunks: VecDeque::new(),
            bytes: 0,
            tail,
            spare: Vec::new(),
            full: None,
            is_urgent: false,
            woken: false,
            writers_wait: 0,
            appenders_wait: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Everything to be committed; appends go on into an empty buffer.
    pub(crate) fn take(&mut self) -> VecDeque<Chunk> {
        self.is_urgent = false;
        std::mem::take(&mut self.chunks)
    }

    /// Gives back, in order, what was taken and not written.
    pub(crate) fn put_back(&mut self, mut chunks: VecDeque<Chunk>) {
        chunks.append(&mut self.chunks);
        self.chunks = chunks;
        self.is_urgent = true;
    }

    /// `chunk` is durable: its bytes no longer count and its buffer serves again.
    pub(crate) fn written(&mut self, chunk: Chunk) {
        assert!(self.bytes >= chunk.bytes.len(), "more bytes became durable than were appended");
        self.bytes -= chunk.bytes.len();
        self.full = None;
        let mut buffer = chunk.bytes;
        if buffer.capacity() <= SPARE_BUFFER_BYTES_MAX && buffer.capacity() > self.spare.capacity()
        {
            buffer.clear();
            self.spare = buffer;
        }
    }

    /// Takes back all that waits to be written, as if it had never been appended. Returns the
    /// numbers of segments that were begun for it and have no file yet.
    pub(crate) fn withdraw(&mut self) -> Vec<u32> {
        let chunks = self.take();
        let Some(first) = chunks.front() else { return Vec::new() };
        let begun = chunks.iter().map(|chunk| &chunk.segment).filter(|segment| !segment.is_made());
        let begun: Vec<u32> = begun.map(|segment| segment.id).collect();
        let header = RecordHeader::decode(&first.bytes);
        self.tail.next_sequence = header.expect("a chunk begins with a record").sequence;
        self.tail.open = match first.segment.is_made() {
            true => Some((Arc::clone(&first.segment), first.offset)),
            false => {
                self.tail.previous = first.segment.header.previous;
                None
            }
        };
        if let Some(id) = begun.first() {
            self.tail.next_id = Some(*id);
        }
        let bytes: usize = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        assert!(self.bytes >= bytes, "more bytes were withdrawn than were appended");
        self.bytes -= bytes;
        self.full = None;
        begun
    }

    /// Copies a record into the buffer and gives it its position.
    pub(crate) fn append(
        &mut self,
        segments: &Segments,
        options: &Options,
        kind: u8,
        parts: &[&[u8]],
    ) -> Result<Position, Error> {
        let payload_bytes = payload_size(parts)?;
        let record_bytes = record_bytes(payload_bytes as usize) as u32;
        let (segment, offset) = self.place(segments, options, record_bytes)?;
        let fits = self.chunks.back().filter(|last| last.segment.id == segment.id);
        let begins_batch = fits.is_none();
        if begins_batch {
            let bytes = std::mem::take(&mut self.spare);
            self.chunks.push_back(Chunk { segment: Arc::clone(&segment), offset, bytes });
        }
        let chunk = self.chunks.back_mut().expect("a chunk was there or was just added");
        assert_eq!(chunk.end(), offset, "records of segment {} lie side by side", segment.id);
        let header = RecordHeader {
            kind,
            flags: if begins_batch { FIRST_OF_BATCH } else { 0 },
            payload_bytes,
            segment: segment.id,
            sequence: self.tail.next_sequence,
            payload_crc: payload_crc(parts),
        };
        encode_record(&mut chunk.bytes, &header, parts);
        let position = Position::new(segment.id, offset);
        self.bytes += record_bytes as usize;
        self.tail.next_sequence += 1;
        self.tail.open = Some((segment, offset + record_bytes));
        Ok(position)
    }

    /// Begins a segment that has room for one record of that size, to which the attachment belongs.
    pub(crate) fn place_attached(
        &mut self,
        segments: &Segments,
        record_bytes: u32,
        attachment: Arc<Attachment>,
    ) -> Result<(), Error> {
        self.seal();
        let header = SegmentHeader { attached: true, ..self.next_header(false)? };
        let capacity = SEGMENT_HEADER_BYTES + record_bytes;
        let segment = Segment::new(header, capacity, 0, false).with_attachment(attachment);
        let segment = segments.add(segment);
        self.begun(&segment, SEGMENT_HEADER_BYTES);
        Ok(())
    }

    /// The segment and offset for a record of that size; begins another segment if it does not fit.
    pub(crate) fn place(
        &mut self,
        segments: &Segments,
        options: &Options,
        record_bytes: u32,
    ) -> Result<(Arc<Segment>, u32), Error> {
        if let Some((segment, offset)) = &self.tail.open {
            // Cannot overflow: a segment is at most 2 GiB or one record, a record a little over 1
            // GiB.
            if u64::from(*offset) + u64::from(record_bytes) <= u64::from(segment.capacity) {
                return Ok((Arc::clone(segment), *offset));
            }
        }
        self.seal();
        let header = self.next_header(false)?;
        let capacity = options.segment_bytes.max(SEGMENT_HEADER_BYTES + record_bytes);
        let segment = segments.add(Segment::new(header, capacity, 0, false));
        self.begun(&segment, SEGMENT_HEADER_BYTES);
        Ok((segment, SEGMENT_HEADER_BYTES))
    }

    /// Ends the segment in use; the next record begins another.
    pub(crate) fn seal(&mut self) {
        if let Some((segment, offset)) = self.tail.open.take() {
            self.tail.previous = Previous { id: segment.id, end: offset, proven: offset };
        }
    }

    /// Goes on in a segment that was just begun.
    pub(crate) fn begun(&mut self, segment: &Arc<Segment>, offset: u32) {
        self.tail.next_id = segment.id.checked_add(1);
        self.tail.open = Some((Arc::clone(segment), offset));
    }

    /// The header of the segment to begin; the one in use must have been sealed.
    pub(crate) fn next_header(&self, rewrite: bool) -> Result<SegmentHeader, Error> {
        assert!(self.tail.open.is_none(), "a segment is sealed before the next one begins");
        let id = self.tail.next_id.ok_or_else(|| Error::SegmentsUsedUp(segment_name(u32::MAX)))?;
        let Tail { journal, previous, next_sequence: first_sequence, .. } = self.tail;
        Ok(SegmentHeader { id, rewrite, attached: false, journal, first_sequence, previous })
    }
}

/// The size of a payload given in parts, in bytes, if a record may have it.
pub(crate) fn payload_size(parts: &[&[u8]]) -> Result<u32, Error> {
    let bytes = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.len() as u64));
    if bytes > PAYLOAD_BYTES_MAX as u64 {
        return Err(Error::TooLarge { bytes, max: PAYLOAD_BYTES_MAX as u64 });
    }
    Ok(bytes as u32)
}
