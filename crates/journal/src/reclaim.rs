//! Space comes back: segments in which nothing is alive are deleted.
//!
//! Without a checkpoint, only from the front, one after another, each removal synced before the
//! next: a record that settles another always stands behind it, so what was settled can never come
//! back without its settlement. With one, wherever they stand: nothing before it is read again.

use std::sync::Arc;

use crate::error::Error;
use crate::group_commit::{WriteFault, failed};
use crate::reclaimed::{ListFault, Reclaimed, write_list};
use crate::segment::Segment;
use crate::segment_header::{attachment_name, segment_name, set_aside_name};
use crate::{Journal, Position};

/// The list of deleted segments as it is in memory.
pub(crate) struct Listed {
    pub(crate) list: Reclaimed,
    /// Whether the medium has it, too.
    pub(crate) is_written: bool,
}

impl Journal {
    /// Deletes the oldest segments in which every retained record was released, up to the first
    /// with something alive and never the one in use; returns how many. A segment that recovery
    /// found damaged is renamed to `….damaged` instead of being deleted, so that it can be looked
    /// into.
    ///
    /// For a journal that is opened with [`Journal::open`]. One with checkpoints uses
    /// [`Journal::reclaim_before`], as a checkpoint may retain what this deletes. A journal whose
    /// owner retains nothing, as a small one kept by [`Journal::rewrite`], must not be reclaimed.
    ///
    /// # Errors
    /// [`Error::Failed`]; [`Error::Io`] if a file could not be removed, and then it is tried again
    /// by the next call.
    pub fn reclaim(&self) -> Result<usize, Error> {
        let reclaimed = self.reclaim_front();
        self.give_back_nameless();
        reclaimed
    }

    fn reclaim_front(&self) -> Result<usize, Error> {
        let _committer = self.lock_committer()?;
        let mut dead = self.before_use(u32::MAX);
        let alive = dead.iter().position(|segment| !segment.is_released());
        dead.truncate(alive.unwrap_or(dead.len()));
        // Only a journal that has had holes keeps a list.
        if !self.lock_reclaimed().list.holes().is_empty() {
            self.list(&dead)?;
        }
        for segment in &dead {
            self.drop_segment(segment)?;
            self.sync_removal(segment)?;
            self.drop_attachment(segment);
        }
        self.reclaimed(dead.len());
        Ok(dead.len())
    }

    /// Deletes every segment before that of `position` in which every retained record was released,
    /// wherever it stands, and never the one in use; returns how many. `position` is that of a
    /// checkpoint which is durable: nothing before it is read again. Damaged segments are set aside
    /// as by [`Journal::reclaim`].
    ///
    /// The segments are first listed on the medium as deleted, so that they are not missed later,
    /// nor come back by a power loss. Should there be no space for the list, those at the front go
    /// without, and make some: others would be missed.
    ///
    /// # Errors
    /// [`Error::Failed`]; [`Error::Io`] if the list could not be written or a file not be removed,
    /// and then it is tried again by the next call.
    pub fn reclaim_before(&self, position: Position) -> Result<usize, Error> {
        let reclaimed = self.reclaim_anywhere_before(position);
        self.give_back_nameless();
        reclaimed
    }

    fn reclaim_anywhere_before(&self, position: Position) -> Result<usize, Error> {
        let _committer = self.lock_committer()?;
        let mut dead = self.before_use(position.segment());
        dead.retain(|segment| segment.is_released());
        let count = dead.iter().filter(|segment| !segment.missing).count();
        self.set_aside_damaged(&mut dead)?;
        while !self.list(&dead)? {
            if !self.is_front(dead.first()) {
                let left = dead.len();
                self.reclaimed(count - left);
                return Ok(count - left);
            }
            let oldest = dead.remove(0);
            self.drop_segment(&oldest)?;
            self.sync_removal(&oldest)?;
            self.drop_attachment(&oldest);
        }
        // A power loss may undo these: they are listed, and the next start removes them.
        dead.iter().try_for_each(|segment| {
            self.drop_segment(segment)?;
            self.drop_attachment(segment);
            Ok(())
        })?;
        self.reclaimed(count);
        Ok(count)
    }

    /// The segments before `id` and before the one in use, oldest first.
    fn before_use(&self, id: u32) -> Vec<Arc<Segment>> {
        // Under the appenders' lock, so that a record just appended is retained before it is looked
        // at.
        let pending = self.lock_pending();
        let durable = self.durable().segment();
        let in_use = pending.tail.open.as_ref().map_or(durable, |(tail, _)| tail.id.min(durable));
        self.segments.before(in_use.min(id))
    }

    /// Takes the damaged and the missing out of `dead`: what has been set aside needs no list.
    fn set_aside_damaged(&self, dead: &mut Vec<Arc<Segment>>) -> Result<(), Error> {
        let mut last = None;
        for segment in dead.extract_if(.., |it| it.is_damaged() || it.missing) {
            self.drop_segment(&segment)?;
            last = last.or((!segment.missing).then_some(segment));
        }
        last.map_or(Ok(()), |segment| self.sync_removal(&segment))
    }

    /// Whether there is no file of a segment before this one.
    fn is_front(&self, segment: Option<&Arc<Segment>>) -> bool {
        let oldest = self.segments.oldest().map(|oldest| oldest.id);
        segment.is_some_and(|segment| oldest == Some(segment.id))
    }

    /// Lists segments as deleted, durably. `false` if there is no space for it.
    fn list(&self, dead: &[Arc<Segment>]) -> Result<bool, Error> {
        let journal = self.lock_pending().tail.journal;
        let mut listed = self.lock_reclaimed();
        let mut list = listed.list.clone();
        if let Some(oldest) = dead.first().and_then(|_| self.segments.oldest()) {
            list.begin(&oldest);
        }
        let base = list.clone();
        dead.iter().for_each(|segment| list.add(segment));
        if listed.is_written && listed.list == list {
            return Ok(true);
        }
        match write_list(&*self.disk, journal, &list) {
            Ok(()) => {
                *listed = Listed { list, is_written: true };
                Ok(true)
            }
            Err(ListFault::Full) => {
                // One of them goes without being listed, and is listed when there is space.
                if let Some(oldest) = dead.first().filter(|it| self.is_front(Some(it))) {
                    listed.list = base;
                    listed.list.add(oldest);
                    listed.is_written = false;
                }
                Ok(false)
            }
            Err(ListFault::Refused(error)) => Err(error),
            Err(ListFault::Broken(error)) => {
                drop(listed);
                Err(self.fail(error.to_string()))
            }
        }
    }

    fn reclaimed(&self, count: usize) {
        if count > 0 {
            // A commit that found no space may find some now.
            self.wake();
        }
    }

    /// Removes a segment's file, or sets it aside if it is damaged, and forgets the segment.
    pub(crate) fn drop_segment(&self, segment: &Arc<Segment>) -> Result<(), Error> {
        let name = segment_name(segment.id);
        if segment.missing {
            // There is no file to remove.
        } else if segment.is_damaged() {
            let aside = set_aside_name(segment.id);
            self.disk.rename(&name, &aside).map_err(Error::io("set aside", &name))?;
        } else {
            let file = self.segments.file(segment).ok();
            self.disk.remove(&name).map_err(Error::io("remove", &name))?;
            self.keep_nameless(file);
        }
        self.segments.forget(segment.id);
        Ok(())
    }

    /// Removes what belonged to the record of a segment that is gone for good: an attachment that
    /// is missing is damage. One that stays for whatever reason, the next start removes.
    pub(crate) fn drop_attachment(&self, segment: &Segment) {
        if segment.header.attached && !segment.is_damaged() {
            let _ = self.disk.remove(&attachment_name(segment.id));
        }
    }

    /// Makes a removal last. A failed sync ends the journal.
    pub(crate) fn sync_removal(&self, segment: &Segment) -> Result<(), Error> {
        let name = segment_name(segment.id);
        match self.disk.sync_dir().map_err(failed("sync the directory after removing", &name)) {
            Err(WriteFault::Broken(reason)) => Err(self.fail(reason)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::read_full;
    use crate::{FileDisk, Options};

    #[test]
    fn what_is_deleted_while_it_is_read_is_read_to_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let disk = FileDisk::open(directory.path()).unwrap();
        let options = Options { segment_bytes: 4 << 20, ..Options::default() };
        let (journal, _) = Journal::open(Arc::new(disk), options, &mut |_| {}).unwrap();
        let append = || {
            let position = journal.appender().unwrap().append(1, &[&[7; 1 << 20]]).unwrap();
            journal.retain(position);
            journal.commit().unwrap();
            position
        };
        let kept: Vec<Position> = (0..12).map(|_| append()).collect();
        let open = |position: &Position| {
            let segment = journal.segments.get(position.segment()).unwrap();
            journal.segments.file(&segment).unwrap()
        };
        let (read, in_use) = (open(&kept[0]), kept[kept.len() - 1].segment());
        assert!(in_use > 2);
        let bytes = read.size().unwrap();
        journal.release_all(kept);
        assert_eq!(journal.reclaim().unwrap(), in_use as usize - 1);
        let mut all = vec![0; bytes as usize];
        assert_eq!(read_full(&*read, &mut all, 0).unwrap() as u64, bytes);
        assert!(all.iter().filter(|byte| **byte == 7).count() > 1 << 20);
        assert!(journal.take_nameless().is_empty());
    }
}
