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
        if !self.is_committed(position) {
            return Err(Error::NotDurable(position));
        }
        let segment = self.segments.get(position.segment()).ok_or(Error::NoRecord(position))?;
        self.read_in(&segment, position).inspect_err(|error| {
            if let Error::Damaged { .. } = error {
                segment.note_damage();
            }
        })
    }

    fn read_in(&self, segment: &Arc<Segment>, position: Position) -> Result<(u8, Bytes), Error> {
        let name = segment_name(segment.id);
        if segment.missing {
            let reason = Reason::Missing;
            return Err(Error::Damaged { file: name, offset: position.offset().into(), reason });
        }
        let room = segment.end().saturating_sub(position.offset()) as usize;
        let offset = position.offset();
        let aligned = u64::from(offset).is_multiple_of(ALIGN);
        if offset < SEGMENT_HEADER_BYTES || !aligned || room < HEADER_BYTES {
            return Err(Error::NoRecord(position));
        }
        let file = self.segments.file(segment)?;
        let mut record = vec![0; room.min(FIRST_READ_BYTES)];
        let read =
            read_full(&*file, &mut record, offset.into()).map_err(Error::io("read", &name))?;
        record.truncate(read);
        let damaged = |reason| Error::Damaged { file: name.clone(), offset: offset.into(), reason };
        let header = RecordHeader::decode(&record).ok_or_else(|| damaged(Reason::Record))?;
        let payload_end = HEADER_BYTES + header.payload_bytes as usize;
        if header.segment != segment.id || payload_end > room {
            return Err(damaged(Reason::Record));
        }
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
        // A small payload gets memory of its own size, not the first read's.
        if payload.len() < record.len() / 2 {
            return Ok((header.kind, Bytes::copy_from_slice(payload)));
        }
        Ok((header.kind, Bytes::from(record).slice(HEADER_BYTES..payload_end)))
    }
}
