//! Putting what is pending on the medium: one write and one fdatasync for everybody who appended
//! since the last one began. The durable mark moves after the sync returned, never before.
//!
//! A new segment is made under a name of its own, filled, synced, and only then renamed to what
//! recovery looks for: a segment is there whole or not at all.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::disk::DiskFile;
use crate::error::{Error, is_full};
use crate::journal::Syncer;
use crate::options::Sync;
use crate::pending::{Chunk, Full};
use crate::prepare::Prepared;
use crate::segment::Segment;
use crate::segment_header::{SEGMENT_HEADER_BYTES, segment_name, unfinished_name};
use crate::{Journal, Position};

/// How a chunk did not get to the medium.
pub(crate) enum WriteFault {
    /// No space for the segment it begins: nothing was written, it may be tried again.
    Full(Full),
    /// Anything else. What the medium holds is not known any more.
    Broken(String),
}

impl Journal {
    /// Puts everything that was appended before the call on the medium: one write and one fdatasync
    /// for each segment it lies in, and that is one in nearly all cases. Appends go on meanwhile.
    /// Returns `false` if there was nothing to do. Commits of several threads follow one another.
    ///
    /// # Errors
    /// [`Error::Failed`], for ever, as soon as one write or sync failed: nothing of that batch
    /// counts as durable and no further sync is tried. [`Error::Full`] if there is no space for
    /// another segment: records before it may have become durable ([`Journal::is_durable`] says
    /// which), the rest stays pending.
    pub fn commit(&self) -> Result<bool, Error> {
        let committer = self.lock_committer()?;
        let written = self.write_pending(self.options.sync == Sync::Always)?;
        let Some(end) = self.unsynced() else { return Ok(written) };
        let syncer = self.lock_syncer()?;
        // With an interval nobody who writes waits for the medium.
        drop(committer);
        let synced = self.sync_up_to(end, &syncer);
        drop(syncer);
        synced.map_err(|fault| self.broken(fault))?;
        Ok(true)
    }

    /// Keeps the promise of [`crate::Options::sync`] for everything that was appended before the
    /// call. With [`Sync::Always`] that is [`Journal::commit`]; with [`Sync::Interval`] it is
    /// written, and to be synced by a commit within the interval. Returns `false` if nothing was
    /// pending.
    ///
    /// # Errors
    /// As [`Journal::commit`].
    pub fn write(&self) -> Result<bool, Error> {
        let _committer = self.lock_committer()?;
        self.write_pending(self.options.sync == Sync::Always)
    }

    /// Writes what is pending, and syncs it or leaves that to a later call. The committer's lock is
    /// held.
    fn write_pending(&self, sync: bool) -> Result<bool, Error> {
        let mut chunks = self.lock_pending().take();
        let any = !chunks.is_empty();
        while let Some(mut chunk) = chunks.pop_front() {
            match self.write_chunk(&mut chunk, sync) {
                Ok(()) => self.written(chunk),
                Err(WriteFault::Full(full)) => {
                    chunks.push_front(chunk);
                    return Err(self.put_back(chunks, full));
                }
                Err(fault) => return Err(self.broken(fault)),
            }
        }
        Ok(any)
    }

    pub(crate) fn broken(&self, fault: WriteFault) -> Error {
        match fault {
            WriteFault::Broken(reason) => self.fail(reason),
            WriteFault::Full(full) => full.error(),
        }
    }

    fn written(&self, chunk: Chunk) {
        let mut pending = self.lock_pending();
        pending.written(chunk);
        let appenders_wait = pending.appenders_wait > 0;
        drop(pending);
        if appenders_wait {
            self.notify_room();
        }
    }

    fn put_back(&self, chunks: VecDeque<Chunk>, full: Full) -> Error {
        let error = full.error();
        let mut pending = self.lock_pending();
        pending.put_back(chunks);
        pending.full = Some(full);
        drop(pending);
        // Whoever waits for room learns that there is none to come.
        self.notify_room();
        error
    }

    /// Writes one chunk, syncs it if told to, and moves the marks behind it. The committer's lock
    /// is held.
    pub(crate) fn write_chunk(&self, chunk: &mut Chunk, sync: bool) -> Result<(), WriteFault> {
        let segment = Arc::clone(&chunk.segment);
        let mut synced = sync;
        if segment.is_made() {
            assert_eq!(segment.end(), chunk.offset, "a commit continues where the last one ended");
            if self.unsynced().is_some() {
                chunk.continue_batch();
            }
            let name = segment_name(segment.id);
            let file = self.segments.file(&segment).map_err(broken)?;
            file.write_at(&chunk.bytes, chunk.offset.into()).map_err(failed("write", &name))?;
            if sync {
                let syncer = self.lock_syncer().map_err(broken)?;
                self.sync_records(&*file, &name, &syncer)?;
            }
        } else {
            assert_eq!(chunk.offset, SEGMENT_HEADER_BYTES, "a segment begins with its header");
            self.make_segment(&segment, &chunk.bytes)?;
            synced = true;
        }
        segment.advance(chunk.end());
        self.advance_written(segment.id, chunk.end());
        if synced {
            self.advance_durable(Position::new(segment.id, chunk.end()));
        }
        Ok(())
    }

    /// Syncs what was written and not synced. The committer's lock is held.
    fn sync_written(&self) -> Result<(), WriteFault> {
        let Some(end) = self.unsynced() else { return Ok(()) };
        let syncer = self.lock_syncer().map_err(broken)?;
        self.sync_up_to(end, &syncer)
    }

    /// Syncs what was written up to there and not synced; it lies in one segment.
    fn sync_up_to(&self, end: Position, syncer: &Syncer<'_>) -> Result<(), WriteFault> {
        let name = segment_name(end.segment());
        let segment = self.segments.get(end.segment());
        let segment = segment.expect("what was written and not synced is not deleted");
        let file = self.segments.file(&segment).map_err(broken)?;
        self.sync_records(&*file, &name, syncer)?;
        self.advance_durable(end);
        Ok(())
    }

    pub(crate) fn sync_records(
        &self,
        file: &dyn DiskFile,
        name: &str,
        _syncer: &Syncer<'_>,
    ) -> Result<(), WriteFault> {
        file.sync().map_err(failed("sync", name)).inspect_err(|fault| {
            if let WriteFault::Broken(reason) = fault {
                // While the syncer's lock is held: whoever waits for it must not try again.
                self.note_failed(reason);
            }
        })
    }

    /// Makes a segment's file, with its first records in it, durably and all at once. All before it
    /// is durable by then: its header says so.
    pub(crate) fn make_segment(
        &self,
        segment: &Arc<Segment>,
        records: &[u8],
    ) -> Result<(), WriteFault> {
        self.sync_written()?;
        // What they take may be what this needs.
        drop(self.take_nameless());
        let (name, unfinished) = (segment_name(segment.id), unfinished_name(segment.id));
        let file = self.fill_segment(segment, &unfinished, records).inspect_err(|fault| {
            if let WriteFault::Full(_) = fault {
                // Tidiness only: what is left of it is emptied by the next try or removed by the
                // next start, and it holds nothing.
                let _ = self.disk.remove(&unfinished);
            }
        })?;
        file.sync().map_err(failed("sync", &unfinished))?;
        if let Some(attachment) = segment.attachment() {
            // First, and lastingly: where there is the record, there is what belongs to it.
            attachment.settle(segment.id).map_err(failed("rename the attachment of", &name))?;
            self.disk.sync_dir().map_err(failed("sync the directory of", &name))?;
            self.shrink(segment.header.previous.id);
        }
        self.disk.rename(&unfinished, &name).map_err(failed("rename", &unfinished))?;
        self.disk.sync_dir().map_err(failed("sync the directory of", &name))?;
        self.segments.set_file(segment, file);
        Ok(())
    }

    /// Gives back the space that was reserved for more records in a segment that gets none.
    fn shrink(&self, sealed: u32) {
        if let Some(segment) = self.segments.get(sealed).filter(|it| it.is_made() && !it.missing)
            && let Ok(file) = self.segments.file(&segment)
        {
            // Tidiness only.
            let _ = file.shrink(segment.end().into());
        }
    }

    fn fill_segment(
        &self,
        segment: &Segment,
        name: &str,
        records: &[u8],
    ) -> Result<Arc<dyn DiskFile>, WriteFault> {
        let bytes = u64::from(segment.capacity);
        let no_space = |action| {
            move |error| match is_full(&error) {
                true => WriteFault::Full(Full { file: segment_name(segment.id), bytes }),
                false => failed(action, name)(error),
            }
        };
        if segment.header.attached {
            self.pass_on_prepared(segment.id)
                .map_err(failed("rename", &unfinished_name(segment.id)))?;
        }
        let (file, reserved) = match self.take_prepared(segment.id) {
            Some((Prepared { file, reserved, .. }, filled))
                if reserved.is_none_or(|had| had >= bytes) =>
            {
                segment.fill(u32::try_from(filled).unwrap_or(0).min(segment.capacity));
                (file, reserved.is_some())
            }
            // None was made ahead, or a large record needs a larger one.
            prepared => {
                let file = match prepared {
                    Some((prepared, _)) => prepared.file,
                    None => self.disk.create(name).map_err(no_space("create"))?,
                };
                let reserved = file.reserve(bytes).map_err(no_space("reserve space for"))?;
                (file, reserved)
            }
        };
        for (part, offset) in [(&segment.header.encode()[..], 0), (records, SEGMENT_HEADER_BYTES)] {
            file.write_at(part, offset.into()).map_err(|error| match reserved {
                true => failed("write", name)(error),
                // Where nothing can be reserved, the first write is what finds the disk full. The
                // file is not part of the journal yet, so nothing was harmed.
                false => no_space("write")(error),
            })?;
        }
        Ok(file)
    }
}

pub(crate) fn failed(
    action: &'static str,
    file: &str,
) -> impl FnOnce(std::io::Error) -> WriteFault {
    let error = Error::io(action, file);
    move |source| broken(error(source))
}

fn broken(error: Error) -> WriteFault {
    WriteFault::Broken(error.to_string())
}
