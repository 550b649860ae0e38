//! Reading one record back, with everything in it checked.

use std::sync::Arc;

use bytes::Bytes;
use crc32c::crc32c;

use crate::damage::Reason;
use crate::disk::read_full;
use crate::error::Error;
use crate::limits::FIRST_READ_BYTES;
use crate::record::{ALIGN, HEADER_BYTES, RecordHeader};
use crate::segment::Segment;
use crate::segment_header::{SEGMENT_HEADER_BYTES, segment_name};
use crate::{Journal, Position};

impl Journal {
    /// The payload of the record at `position`, which must be committed. Its checksum is verified.
    /// Works on a journal that stopped accepting, too.
    ///
    /// # Errors
    /// [`Error::NotDurable`], [`Error::NoRecord`], [`Error::Damaged`], [`Error::Io`]; none of them
    /// says anything about other records.
    pub fn read(&self, position: Position) -> Result<Bytes, Error> {
        self.read_record(position).map(|(_, payload)| payload)
    }

    /// The kind and the payload of the record at `position`.
    ///
    /// # Errors
    /// As [`Journal::read`].
    pub fn read_record(&self, position: Position) -> Result<(u8, Bytes), Error> {
        self.read_record_ahead(position, &mut ReadAhead::default())
    }

    /// The same, by somebody who reads one record after the other: what `ahead` has of the file is
    /// not read again.
    ///
    /// # Errors
    /// As [`Journal::read`].
    pub fn read_record_ahead(
        &self,
        position: Position,
        ahead: &mut ReadAhead,
    ) -> Result<(u8, Bytes), Error> {
        let committed = self.committed();
        if position >= committed {
            return Err(Error::NotDurable(position));
        }
        if let Some(found) = ahead.record(position) {
            return Ok(found);
        }
        let segment = self.segments.get(position.segment()).ok_or(Error::NoRecord(position))?;
        self.read_in(&segment, position, committed, ahead).inspect_err(|error| {
            if let Error::Damaged { .. } = error {
                segment.note_damage();
            }
        })
    }

    /// How many bytes the record at `position`, which must be committed, takes on disk. Only its
    /// header is read and verified.
    ///
    /// # Errors
    /// As [`Journal::read`].
    pub fn record_bytes(&self, position: Position) -> Result<u64, Error> {
        if position >= self.committed() {
            return Err(Error::NotDurable(position));
        }
        let segment = self.segments.get(position.segment()).ok_or(Error::NoRecord(position))?;
        let room = segment.room_at(position)?;
        let (name, offset) = (segment_name(segment.id), u64::from(position.offset()));
        let mut header = [0; HEADER_BYTES];
        let file = self.segments.file(&segment)?;
        read_full(&*file, &mut header, offset).map_err(Error::io("read", &name))?;
        match RecordHeader::decode(&header).filter(|it| it.fits(segment.id, room)) {
            Some(header) => Ok(header.record_bytes()),
            None => Err(Error::Damaged { file: name, offset, reason: Reason::Record }),
        }
    }

    fn read_in(
        &self,
        segment: &Arc<Segment>,
        position: Position,
        committed: Position,
        ahead: &mut ReadAhead,
    ) -> Result<(u8, Bytes), Error> {
        let name = segment_name(segment.id);
        let (offset, room) = (position.offset(), segment.room_at(position)?);
        // What is behind the mark may be written while it is read.
        let is_written = match committed.segment() == segment.id {
            true => (committed.offset() - offset) as usize,
            false => room,
        };
        let file = self.segments.file(segment)?;
        let mut record = vec![0; ahead.size(position).min(is_written).min(room)];
        let read =
            read_full(&*file, &mut record, offset.into()).map_err(Error::io("read", &name))?;
        record.truncate(read);
        let damaged = |reason| Error::Damaged { file: name.clone(), offset: offset.into(), reason };
        let header = RecordHeader::decode(&record).filter(|it| it.fits(segment.id, room));
        let header = header.ok_or_else(|| damaged(Reason::Record))?;
        let payload_end = HEADER_BYTES + header.payload_bytes as usize;
        if let Some(missing) = payload_end.checked_sub(record.len()) {
            let have = record.len();
            record.resize(have + missing, 0);
            let rest = record.get_mut(have..).unwrap_or_default();
            let read = read_full(&*file, rest, u64::from(offset) + have as u64)
                .map_err(Error::io("read", &name))?;
            if read < missing {
                return Err(damaged(Reason::CutShort));
            }
        }
        let payload = record.get(HEADER_BYTES..payload_end).unwrap_or_default();
        if crc32c(payload) != header.payload_crc {
            return Err(damaged(Reason::Payload));
        }
        // A lonely small payload gets memory of its own size, not the read's.
        let is_lonely = !ahead.keeps(record.len());
        if is_lonely && payload.len() < record.len() / 2 {
            ahead.passed(position, header.record_bytes());
            return Ok((header.kind, Bytes::copy_from_slice(payload)));
        }
        let octets = Bytes::from(record);
        ahead.keep(position, octets.clone(), header.record_bytes());
        Ok((header.kind, octets.slice(HEADER_BYTES..payload_end)))
    }
}

impl Segment {
    /// How many bytes of records there are from `position` on, if one can stand there.
    fn room_at(&self, position: Position) -> Result<usize, Error> {
        let offset = position.offset();
        if self.missing {
            let (file, reason) = (segment_name(self.id), Reason::Missing);
            return Err(Error::Damaged { file, offset: offset.into(), reason });
        }
        let room = self.end().saturating_sub(offset) as usize;
        let aligned = u64::from(offset).is_multiple_of(ALIGN);
        match offset >= SEGMENT_HEADER_BYTES && aligned && room >= HEADER_BYTES {
            true => Ok(room),
            false => Err(Error::NoRecord(position)),
        }
    }
}

/// What somebody read of a segment beyond the record that was asked for, because the next one is
/// mostly there. It reads more the longer that goes on. To be dropped when the reader rests: it
/// keeps memory.
#[derive(Debug, Default)]
pub struct ReadAhead {
    segment: u32,
    /// Where `octets` begin.
    offset: u32,
    octets: Bytes,
    /// Where the last record ended.
    end: u32,
    /// Records in a row.
    run: u32,
}

impl ReadAhead {
    /// The record there, if all of it was read and nothing is wrong with it: else it is read again,
    /// and that says what.
    fn record(&mut self, position: Position) -> Option<(u8, Bytes)> {
        if self.octets.is_empty() || position.segment() != self.segment {
            return None;
        }
        let at = position.offset().checked_sub(self.offset)? as usize;
        let record = self.octets.get(at..)?;
        let header = RecordHeader::decode(record)?;
        let payload = record.get(HEADER_BYTES..)?.get(..header.payload_bytes as usize)?;
        if header.segment != self.segment || crc32c(payload) != header.payload_crc {
            return None;
        }
        let payload = self.octets.slice_ref(payload);
        self.passed(position, header.record_bytes());
        Some((header.kind, payload))
    }

    /// How much to read from there.
    fn size(&mut self, position: Position) -> usize {
        let follows = self.run > 0
            && position.segment() == self.segment
            && position.offset() >= self.end
            && position.offset() - self.end <= GAP_BYTES_MAX;
        if !follows {
            self.run = 0;
        }
        match self.run {
            0 => FIRST_READ_BYTES,
            1..16 => AHEAD_BYTES_MIN,
            _ => AHEAD_BYTES_MAX,
        }
    }

    /// Whether what was read is worth keeping for the records behind.
    fn keeps(&self, read: usize) -> bool {
        self.run > 0 && read > FIRST_READ_BYTES
    }

    fn keep(&mut self, position: Position, octets: Bytes, record_bytes: u64) {
        self.passed(position, record_bytes);
        self.offset = position.offset();
        self.octets = octets;
    }

    fn passed(&mut self, position: Position, record_bytes: u64) {
        if position.segment() != self.segment {
            self.octets = Bytes::new();
        }
        self.segment = position.segment();
        self.end = position.offset().saturating_add(record_bytes as u32);
        self.run = self.run.saturating_add(1);
    }
}

/// Records of others between two that somebody reads one after the other.
const GAP_BYTES_MAX: u32 = 64 * 1024;

const AHEAD_BYTES_MIN: usize = 64 * 1024;
const AHEAD_BYTES_MAX: usize = 256 * 1024;
