//! The next segment's file, made while there is still room in the one in use, so that nobody waits
//! for it. Until it is filled it is an unfinished segment like any: a start removes it.

use std::sync::Arc;

use crate::Journal;
use crate::disk::DiskFile;
use crate::error::{Error, is_full};
use crate::pending::Full;
use crate::segment_header::{segment_name, unfinished_name};

/// A file under the name of an unfinished segment, with nothing in it.
pub(crate) struct Prepared {
    id: u32,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Bytes reserved; none where the file system cannot do it.
    pub(crate) reserved: Option<u64>,
}

impl Journal {
    /// Makes the next segment's file when the one in use is more than half full, and none was made
    /// yet; returns whether it did. To be called now and then by whoever commits: a commit that
    /// needs a new segment then has less to do. Nothing is synced by it.
    ///
    /// # Errors
    /// [`Error::Full`] if there is no space for it, and [`Error::Io`] if it cannot be made: nothing
    /// has changed, and the commit that needs it will try again. [`Error::Failed`].
    pub fn prepare_next(&self) -> Result<bool, Error> {
        if self.next_wanted().is_none() {
            return Ok(false);
        }
        let _committer = self.lock_committer()?;
        let Some(id) = self.next_wanted() else { return Ok(false) };
        let (name, bytes) = (unfinished_name(id), self.options.segment_bytes.into());
        let refused = |action| {
            let name = name.clone();
            move |error| match is_full(&error) {
                true => Full { file: segment_name(id), bytes }.error(),
                false => Error::io(action, &name)(error),
            }
        };
        let file = self.disk.create(&name).map_err(refused("create"))?;
        let all = file.reserve(bytes).map_err(refused("reserve space for")).inspect_err(|_| {
            // Tidiness only: the commit empties it, or the next start removes it.
            let _ = self.disk.remove(&name);
        })?;
        *self.lock_prepared() = Some(Prepared { id, file, reserved: all.then_some(bytes) });
        Ok(true)
    }

    /// The number of the segment to be made ahead, if it is time.
    fn next_wanted(&self) -> Option<u32> {
        let pending = self.lock_pending();
        let (segment, offset) = pending.tail.open.as_ref()?;
        let wanted = segment.is_made() && *offset > segment.capacity / 2;
        let next = pending.tail.next_id.filter(|_| wanted)?;
        drop(pending);
        self.lock_prepared().is_none().then_some(next)
    }

    /// The file made ahead for the segment with that number. The committer's lock is held.
    pub(crate) fn take_prepared(&self, id: u32) -> Option<Prepared> {
        self.lock_prepared().take_if(|prepared| prepared.id == id)
    }
}
