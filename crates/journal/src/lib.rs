//! The durable log: segments, group commit, recovery, reclaim. Knows bytes and positions, no AMQP.
//!
//! # Fault model
//!
//! - The process may die between any two instructions; the machine may lose power at any moment.
//!   What was written and not synced is then there, not there, or there in part, sector by sector,
//!   in any order. What a sync confirmed is there.
//! - Any operation of the disk may fail. A failed write or sync stops the journal for ever: after a
//!   failed fdatasync the kernel may hold the page as clean, so a second one proves nothing.
//! - The medium may change, lose, or misplace what it confirmed. That is always noticed, costs the
//!   records hit and no others, is reported with file and offset, and deletes nothing.
//!
//! # Model
//!
//! A journal is a row of records, each a kind and a payload, at growing positions.
//! [`Journal::append`] copies into memory and gives the position; [`Journal::commit`] puts
//! everything that is pending on disk with one write and one fdatasync, while appends go on.
//! [`Journal::is_durable`] says whether a record is there. Whoever keeps a record alive counts it
//! with [`Journal::retain`]; the oldest segments in which nothing is alive go with
//! [`Journal::reclaim`]. Opening reads everything again.
//!
//! An owner with a long backlog makes checkpoints of [`Journal::end`], [`Journal::live`] and what
//! it knows of the records so far. [`Journal::open_from`] then reads only what came later, and
//! [`Journal::reclaim_before`] gives back any segment in which nothing is alive. [`survey`] looks
//! at a journal and touches nothing.
//!
//! Synchronous: no threads, no runtime, no clock. Who commits, and when, is the owner's choice.
//!
//! ```
//! use std::sync::Arc;
//! use journal::{FileDisk, Journal, Options};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path();
//! let disk = Arc::new(FileDisk::open(path)?);
//! let (journal, _) = Journal::open(disk.clone(), Options::default(), &mut |_| {})?;
//! let position = journal.append(1, &[b"hello, ", b"world"])?;
//! assert!(!journal.is_durable(position));
//! journal.commit()?;
//! assert!(journal.is_durable(position));
//! assert_eq!(journal.read(position)?, "hello, world");
//! drop(journal);
//!
//! let mut found = Vec::new();
//! let (_, recovery) = Journal::open(disk, Options::default(), &mut |record| {
//!     found.push((record.position, record.payload.to_vec()));
//! })?;
//! assert_eq!(found, [(position, b"hello, world".to_vec())]);
//! assert!(recovery.damaged.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod appender;
mod attachment;
mod damage;
mod directory;
mod disk;
mod error;
mod file_disk;
mod group_commit;
mod journal;
mod limits;
mod options;
mod pending;
mod position;
mod prepare;
mod read;
mod reading;
mod reclaim;
mod reclaimed;
mod record;
mod recovery;
mod resume;
mod rewrite;
mod scan;
mod segment;
mod segment_header;
mod survey;
mod withdraw;

pub use appender::Appender;
pub use attachment::{Attachment, AttachmentReader, AttachmentWriter};
pub use damage::{Damage, Reason, Recovery, Torn};
pub use disk::{Disk, DiskFile};
pub use error::Error;
pub use file_disk::FileDisk;
pub use journal::Journal;
pub use limits::{
    OPEN_FILES_MAX_DEFAULT, PAYLOAD_BYTES_MAX, PENDING_BYTES_MAX_DEFAULT, SEGMENT_BYTES_DEFAULT,
    SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN,
};
pub use options::{Options, Sync};
pub use position::Position;
pub use read::ReadAhead;
pub use record::Record;
pub use segment::SegmentUse;
pub use survey::{SegmentSurvey, Survey, survey};
