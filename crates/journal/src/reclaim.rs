//! Space comes back: the oldest segments in which nothing is alive are deleted.
//!
//! Only from the front, one after another, each removal synced before the next: a record that
//! settles another always stands behind it, so what was settled can never come back without its
//! settlement.

use std::sync::Arc;

use crate::Journal;
use crate::error::Error;
use crate::group_commit::{WriteFault, failed};
use crate::segment::Segment;
use crate::segment_header::{segment_name, set_aside_name};

impl Journal {
    /// Deletes the oldest segments in which every retained record was released, up to the first
    /// with something alive and never the one in use; returns how many. A segment that recovery
    /// found damaged is renamed to `….damaged` instead of being deleted, so that it can be looked
    /// into.
    ///
    /// A journal whose owner retains nothing, as a small one kept by [`Journal::rewrite`], must not
    /// be reclaimed.
    ///
    /// # Errors
    /// [`Error::Failed`]; [`Error::Io`] if a file could not be removed, and then it is tried again
    /// by the next call.
    pub fn reclaim(&self) -> Result<usize, Error> {
        let _committer = self.lock_committer()?;
        let mut reclaimed = 0;
        for segment in self.reclaimable() {
            self.drop_segment(&segment)?;
            reclaimed += 1;
            if let Err(WriteFault::Broken(reason)) = self.sync_removal(&segment) {
                return Err(self.fail(reason));
            }
        }
        if reclaimed > 0 {
            // A commit that found no space may find some now.
            self.wake();
        }
        Ok(reclaimed)
    }

    fn reclaimable(&self) -> Vec<Arc<Segment>> {
        // Under the appenders' lock, so that a record just appended is retained before it is looked
        // at.
        let pending = self.lock_pending();
        let durable = self.durable().segment();
        let in_use = pending.tail.open.as_ref().map_or(durable, |(tail, _)| tail.id.min(durable));
        let mut before = self.segments.before(in_use);
        let alive = before.iter().position(|segment| !segment.is_released());
        before.truncate(alive.unwrap_or(before.len()));
        before
    }

    /// Removes a segment's file, or sets it aside if it is damaged, and forgets the segment.
    pub(crate) fn drop_segment(&self, segment: &Segment) -> Result<(), Error> {
        let name = segment_name(segment.id);
        if segment.missing {
            // There is no file to remove.
        } else if segment.damaged {
            let aside = set_aside_name(segment.id);
            self.disk.rename(&name, &aside).map_err(Error::io("set aside", &name))?;
        } else {
            self.disk.remove(&name).map_err(Error::io("remove", &name))?;
        }
        self.segments.forget(segment.id);
        Ok(())
    }

    pub(crate) fn sync_removal(&self, segment: &Segment) -> Result<(), WriteFault> {
        let name = segment_name(segment.id);
        self.disk.sync_dir().map_err(failed("sync the directory after removing", &name))
    }
}
