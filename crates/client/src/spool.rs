//! Events on disk, until the bus has them.

use std::path::{Path, PathBuf};

use event::Event;

use crate::Error;

/// A directory of handed-over batches, one file a batch, in fedora-messaging's dump format.
/// Any number of processes may hand over; one at a time delivers (a lock file says who).
#[derive(Debug, Clone)]
pub struct Spool {}

impl Spool {
    /// Opens or creates the directory. `size_bytes_max` bounds what it may hold.
    ///
    /// # Errors
    /// The directory cannot be made or written, with its path.
    pub fn open(_directory: impl Into<PathBuf>, _size_bytes_max: u64) -> Result<Spool, Error> {
        todo!()
    }

    /// Hands over a batch: on return it is on disk (synced), whole or not at all.
    ///
    /// # Errors
    /// The spool is full, or the disk refuses.
    pub fn hand_over(&self, _events: &[Event]) -> Result<(), Error> {
        todo!()
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        todo!()
    }
}
