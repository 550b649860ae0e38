//! How a journal is kept.

use std::time::Duration;

#[cfg(doc)]
use crate::Journal;
use crate::error::Error;
use crate::limits::{
    OPEN_FILES_MAX_DEFAULT, PENDING_BYTES_MAX_DEFAULT, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN,
};

/// How a journal is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// The size of a segment file in bytes, reserved when it is made. Default
    /// [`SEGMENT_BYTES_DEFAULT`]; from [`SEGMENT_BYTES_MIN`] to [`SEGMENT_BYTES_MAX`]. A record
    /// that is larger gets a segment of its own size.
    pub segment_bytes: u32,
    /// Bytes that may be pending before [`Journal::appender`] waits for a commit. Default
    /// [`PENDING_BYTES_MAX_DEFAULT`]; at least 1. One batch may go over it.
    pub pending_bytes_max: usize,
    /// Segment files held open for reading. Default [`OPEN_FILES_MAX_DEFAULT`]; at least 1.
    pub open_files_max: usize,
    /// The sequence of the first record of a new journal. Default none: a number nobody outside can
    /// guess, so that a payload made to look like records cannot pass for some where damage makes
    /// recovery search for the next record. Set it only where bytes must be repeatable.
    pub first_sequence: Option<u64>,
    /// What [`crate::Journal::write`] promises. Default [`Sync::Always`].
    pub sync: Sync,
}

/// When what is written is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// At once: a record counts as committed when it is on the medium.
    #[default]
    Always,
    /// Later: a record counts as committed when it is in its file, and whoever drives the journal
    /// calls [`crate::Journal::commit`] at least this often. The process may die at any moment and
    /// nothing is lost; if the machine dies, what was committed in the last interval is.
    Interval(Duration),
}

impl Default for Options {
    fn default() -> Options {
        Options {
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            pending_bytes_max: PENDING_BYTES_MAX_DEFAULT,
            open_files_max: OPEN_FILES_MAX_DEFAULT,
            first_sequence: None,
            sync: Sync::Always,
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let within = |option, found: u64, min: u64, max: u64| match found {
            found if (min..=max).contains(&found) => Ok(()),
            found => Err(Error::Option { option, found, min, max }),
        };
        let (min, max) = (SEGMENT_BYTES_MIN.into(), SEGMENT_BYTES_MAX.into());
        within("segment_bytes", self.segment_bytes.into(), min, max)?;
        within("pending_bytes_max", self.pending_bytes_max as u64, 1, u64::MAX)?;
        within("open_files_max", self.open_files_max as u64, 1, u64::MAX)?;
        let half = u64::MAX / 2;
        within("first_sequence", self.first_sequence.unwrap_or(1), 1, half)
    }
}
