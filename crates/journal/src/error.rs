//! What can go wrong, and what it means for what was confirmed.

use std::io;

use crate::{Position, Reason};

/// Why the journal refused or failed. Only [`Error::Failed`] is for ever.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A write or sync failed earlier, so nothing more is accepted: what the disk holds is known
    /// only by reading it afresh. Nothing of the batch that failed was reported as durable.
    #[error("the journal stopped accepting: {0}; check the disk and start again")]
    Failed(String),

    /// There is no room for another segment, or for an attachment. Nothing that was confirmed is
    /// lost: what is pending stays pending, and a commit works again when space was freed; the
    /// attachment is to be given up.
    #[error(
        "no space for the journal's file {file} ({bytes} bytes): free space on its file system"
    )]
    Full {
        /// The file that could not be made.
        file: String,
        /// Its size in bytes.
        bytes: u64,
    },

    /// A newer program wrote this journal. No file was touched.
    #[error(
        "{file} has the journal format {found}, this program knows up to {known}: use the newer program"
    )]
    NewerFormat {
        /// The segment file.
        file: String,
        /// The format version found in it.
        found: u32,
        /// The newest format version this program reads.
        known: u32,
    },

    /// A record that no segment can hold.
    #[error("a record of {bytes} bytes is over the journal's limit of {max} bytes")]
    TooLarge {
        /// The size of the payload asked for.
        bytes: u64,
        /// The largest payload.
        max: u64,
    },

    /// A value of [`crate::Options`] that does not work.
    #[error("journal option {option} is {found}; it must lie between {min} and {max}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// The value given.
        found: u64,
        /// The smallest value accepted.
        min: u64,
        /// The largest value accepted.
        max: u64,
    },

    /// The disk refused an operation that changes nothing of what was confirmed (a read, a listing,
    /// a removal), or the journal could not be opened.
    #[error("cannot {action} {file}: {source}")]
    Io {
        /// What was tried: `open`, `read`, `remove`, …
        action: &'static str,
        /// The file, or the directory, it was tried on.
        file: String,
        /// What the operating system said.
        source: io::Error,
    },

    /// A record was asked for that no commit has put on disk yet.
    #[error("the record at {0} is not on disk yet: commit first")]
    NotDurable(Position),

    /// No record stands at that position: its segment is gone, or it never was one.
    #[error("no record stands at {0} of the journal")]
    NoRecord(Position),

    /// The record is there and damaged. It is not delivered, and its file is kept.
    #[error("the record in {file} at offset {offset} is damaged: {reason}")]
    Damaged {
        /// The segment file.
        file: String,
        /// The record's offset in it, in bytes.
        offset: u64,
        /// What is wrong with it.
        reason: Reason,
    },

    /// 4,294,967,295 segments were made.
    #[error("the journal's segment numbers are used up: the last one is {0}")]
    SegmentsUsedUp(String),
}

impl Error {
    pub(crate) fn io(action: &'static str, file: &str) -> impl FnOnce(io::Error) -> Error {
        let file = file.to_owned();
        move |source| Error::Io { action, file, source }
    }
}

/// Whether the operating system says that space (or a quota) is used up.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
