//! What recovery has to say about what it found.

use std::fmt;
use std::ops::Range;

use crate::Position;

/// What opening a journal found in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Records handed out.
    pub records: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Segments before the checkpoint, of which only the headers were read.
    pub passed: u64,
    /// Bytes behind the last record that are no record: the write that a crash cut short. They are
    /// left where they are, and the next record goes to a new segment.
    pub torn_bytes: u64,
    /// Where those bytes begin.
    pub torn: Option<Torn>,
    /// Stretches of what was once written that cannot be served. None was removed or changed.
    pub damaged: Vec<Damage>,
    /// Names of files in the directory that are not the journal's. They are left alone.
    pub foreign: Vec<String>,
    /// Names of damaged segments that were set aside earlier, for somebody to look into and remove.
    pub set_aside: Vec<String>,
    /// Names of files that were removed: segments never finished, those that a rewrite voided, and
    /// those that had been deleted before.
    pub removed: Vec<String>,
    /// Numbers of segments that the checkpoint retains and that were deleted after it was made,
    /// because everything in them was released by then: its owner is done with those records, even
    /// if what said so was not on the medium yet. They are still to be released.
    pub reclaimed: Vec<u32>,
    /// Stretches of which nothing says that they were synced: commits that a crash may have cut
    /// short.
    unproven: Vec<Range<Position>>,
}

impl Recovery {
    /// Whether a record that stands there had been synced with all of its commit. Of the newest
    /// commit that is not known, nor of one that was the newest at an earlier start and was found
    /// incomplete.
    pub fn is_proven(&self, position: Position) -> bool {
        !self.unproven.iter().any(|range| range.contains(&position))
    }

    /// Of that stretch of a segment nothing says that it was synced.
    pub(crate) fn unproven(&mut self, segment: u32, offsets: Range<u32>) {
        if !offsets.is_empty() {
            let Range { start, end } = offsets;
            self.unproven.push(Position::new(segment, start)..Position::new(segment, end));
        }
    }
}

/// Where a torn tail begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The segment file.
    pub file: String,
    /// Its first byte's offset.
    pub offset: u64,
}

/// A stretch of a file that cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// The segment file.
    pub file: String,
    /// Where the stretch begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// What is wrong.
    pub reason: Reason,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { file, offset, bytes, reason } = self;
        write!(f, "{file} at offset {offset}, {bytes} bytes: {reason}")
    }
}

/// What is wrong with a stretch of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// The segment's own header does not check. Its records are served all the same.
    SegmentHeader,
    /// No record header that checks stands where records were written.
    Record,
    /// A record's header is whole and its payload does not match its checksum.
    Payload,
    /// The medium does not read it.
    Unreadable,
    /// The file is shorter than what was written to it.
    CutShort,
    /// It lies in the last commit that was written before a crash, and later parts of that commit
    /// are there: most likely a write cut short by power loss, of which nothing had been confirmed.
    TornBatch,
    /// The whole segment is gone.
    Missing,
    /// The file is a copy of another segment, the one with this number.
    Misplaced(u32),
    /// The file belongs to another journal.
    Foreign,
    /// The segment does not continue the one before it: one of the two is an old copy.
    OutOfOrder,
    /// The list of deleted segments does not match its checksum.
    ReclaimedList,
    /// What stands at the end of an attachment does not match its checksum, or its size.
    AttachmentEnd,
    /// The checkpoint names this place, and neither does a record end there nor is it damaged: the
    /// checkpoint, or the file, is of another time.
    NoBoundary,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::SegmentHeader => {
                f.write_str("the segment's header does not match its checksum")
            }
            Reason::Record => f.write_str("no intact record stands there"),
            Reason::Payload => f.write_str("the record's payload does not match its checksum"),
            Reason::Unreadable => f.write_str("the disk cannot read it"),
            Reason::CutShort => f.write_str("the file is shorter than what was written to it"),
            Reason::TornBatch => f.write_str("the last write before a crash is there only in part"),
            Reason::Missing => f.write_str("the segment is missing"),
            Reason::Misplaced(id) => write!(f, "the file is a copy of segment {id}"),
            Reason::Foreign => f.write_str("the segment belongs to another journal"),
            Reason::ReclaimedList => {
                f.write_str("the list of deleted segments does not match its checksum")
            }
            Reason::AttachmentEnd => f.write_str("the attachment does not end as it was written"),
            Reason::NoBoundary => {
                f.write_str("the checkpoint says that a record ends there, and none does")
            }
            Reason::OutOfOrder => f.write_str("the segment does not continue the one before it"),
        }
    }
}
