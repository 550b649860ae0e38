//! Replacing everything at once, for small journals that hold a state rather than a history.

use crate::error::Error;
use crate::group_commit::WriteFault;
use crate::limits::PAYLOAD_BYTES_MAX;
use crate::pending::{Pending, payload_size};
use crate::record::{
    FIRST_OF_BATCH, REWRITE, RecordHeader, encode_record, payload_crc, record_bytes,
};
use crate::segment::Segment;
use crate::segment_header::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::{Journal, Position};

impl Journal {
    /// Replaces the journal's contents by exactly `records` (kind and payload), durably. A crash
    /// leaves either the old contents or the new, never a mix: the new segment appears by one
    /// rename after it was synced, and its header voids every older segment.
    ///
    /// Appends wait meanwhile; what was appended before is replaced too, so the owner must know
    /// that `records` covers it. Memory for all records is taken at once. Positions of before no
    /// longer exist, and with them their retain counts.
    ///
    /// # Errors
    /// [`Error::Failed`]; [`Error::Full`] and [`Error::TooLarge`] with the old contents in force;
    /// [`Error::Io`] if an old segment could not be removed: the new contents are in force then.
    pub fn rewrite(&self, records: &[(u8, &[u8])]) -> Result<(), Error> {
        let bytes = rewritten_bytes(records)?;
        let _committer = self.lock_committer()?;
        let mut pending = self.lock_pending();
        match self.rewrite_locked(&mut pending, records, bytes) {
            Ok(id) => {
                drop(pending);
                self.notify_room();
                self.drop_older(id)
            }
            Err(Fault::Write(WriteFault::Broken(reason))) => {
                drop(pending);
                Err(self.fail(reason))
            }
            Err(Fault::Write(WriteFault::Full(full))) => Err(full.error()),
            Err(Fault::Other(error)) => Err(error),
        }
    }

    /// Writes what is pending where it was to go, so that its positions become durable, and then
    /// the new segment. Returns its number.
    fn rewrite_locked(
        &self,
        pending: &mut Pending,
        records: &[(u8, &[u8])],
        bytes: u32,
    ) -> Result<u32, Fault> {
        let mut chunks = pending.take();
        while let Some(mut chunk) = chunks.pop_front() {
            if let Err(fault) = self.write_chunk(&mut chunk, true) {
                chunks.push_front(chunk);
                pending.put_back(chunks);
                return Err(fault.into());
            }
            pending.written(chunk);
        }
        pending.seal();
        let header = pending.next_header(true)?;
        let encoded = encode_all(&header, records, bytes);
        let end = SEGMENT_HEADER_BYTES + bytes;
        let capacity = self.options.segment_bytes.max(end);
        let segment = self.segments.add(Segment::new(header, capacity, 0, false));
        if let Err(fault) = self.make_segment(&segment, &encoded) {
            // Its number may serve again: without a rename, no file has it.
            self.segments.forget(segment.id);
            return Err(fault.into());
        }
        segment.advance(end);
        self.advance_written(segment.id, end);
        self.advance_durable(Position::new(segment.id, end));
        pending.tail.next_sequence += records.len() as u64;
        pending.begun(&segment, end);
        Ok(segment.id)
    }

    fn drop_older(&self, id: u32) -> Result<(), Error> {
        // Their order does not matter and a removal that a crash undoes does no harm: they are
        // void.
        let older = self.segments.before(id);
        for segment in &older {
            self.drop_segment(segment)?;
            self.drop_attachment(segment);
        }
        drop(self.take_nameless());
        older.last().map_or(Ok(()), |last| self.sync_removal(last))
    }
}

fn encode_all(segment: &SegmentHeader, records: &[(u8, &[u8])], bytes: u32) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes as usize);
    for (index, (kind, payload)) in records.iter().enumerate() {
        let header = RecordHeader {
            kind: *kind,
            flags: REWRITE | if index == 0 { FIRST_OF_BATCH } else { 0 },
            payload_bytes: payload.len() as u32,
            segment: segment.id,
            sequence: segment.first_sequence + index as u64,
            payload_crc: payload_crc(&[payload]),
        };
        encode_record(&mut encoded, &header, &[payload]);
    }
    assert_eq!(encoded.len(), bytes as usize, "the records are as long as they were counted");
    encoded
}

/// What the records take on disk together, in bytes; they must fit one segment.
fn rewritten_bytes(records: &[(u8, &[u8])]) -> Result<u32, Error> {
    let mut bytes = 0;
    for (_, payload) in records {
        bytes += record_bytes(payload_size(&[payload])? as usize);
    }
    match u32::try_from(bytes) {
        Ok(fits) if bytes <= PAYLOAD_BYTES_MAX as u64 => Ok(fits),
        _ => Err(Error::TooLarge { bytes, max: PAYLOAD_BYTES_MAX as u64 }),
    }
}

/// Why a rewrite did not happen.
enum Fault {
    Write(WriteFault),
    Other(Error),
}

impl From<WriteFault> for Fault {
    fn from(fault: WriteFault) -> Fault {
        Fault::Write(fault)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Other(error)
    }
}
