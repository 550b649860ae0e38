//! The next segment's file, made while there is still room in the one in use, so that nobody waits
//! for it. Until it is filled it is an unfinished segment like any: a start removes it.
//!
//! And zeros, written ahead of the records. Reserved space that was never written has to be entered
//! as written by the sync of whoever writes there first, which takes as long again as the sync
//! itself; space that was written once has not. To a reader both are zeros.

use std::sync::{Arc, Mutex, PoisonError};

use crate::Journal;
use crate::disk::DiskFile;
use crate::error::{Error, is_full};
use crate::pending::{Full, Pending};
use crate::segment::Segment;
use crate::segment_header::{segment_name, unfinished_name};

/// A file under the name of an unfinished segment, with nothing in it.
pub(crate) struct Prepared {
    id: u32,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Bytes reserved; none where the file system cannot do it.
    pub(crate) reserved: Option<u64>,
    /// How far it is filled. Apart from the rest, so that who only looks whether there is a file
    /// made ahead does not wait for the medium.
    filling: Arc<Mutex<Filling>>,
}

/// How far a file made ahead is filled.
#[derive(Default)]
struct Filling {
    /// Bytes that were written once and synced.
    filled: u64,
    /// It is a segment now: zeros would go over its records.
    is_taken: bool,
}

impl Prepared {
    /// Takes it for a segment: nothing more is filled. Waits for the part that is being written.
    /// Returns how many bytes of it were written once.
    fn take(&self) -> u64 {
        let mut filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        filling.is_taken = true;
        filling.filled
    }
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
        let (reserved, filling) = (all.then_some(bytes), Arc::default());
        *self.lock_prepared() = Some(Prepared { id, file, reserved, filling });
        Ok(true)
    }

    /// Writes a part of the file made ahead with zeros, and syncs it. Returns whether there is more
    /// to do. To be called by anybody but whoever commits, again and again; a commit that needs the
    /// file waits for the part.
    ///
    /// # Errors
    /// [`Error::Failed`]: a write or sync failed, now or before.
    pub fn fill_next(&self) -> Result<bool, Error> {
        self.check_failed()?;
        self.give_back_nameless();
        let (id, file, reserved, filling) = match &*self.lock_prepared() {
            Some(Prepared { id, file, reserved: Some(reserved), filling }) => {
                (*id, Arc::clone(file), *reserved, Arc::clone(filling))
            }
            _ => return Ok(false),
        };
        let mut filling = filling.lock().unwrap_or_else(PoisonError::into_inner);
        let fill = self.fill();
        let part = (reserved - filling.filled).min(fill.bytes as u64);
        if part == 0 || filling.is_taken {
            return Ok(false);
        }
        let name = unfinished_name(id);
        let refused = |action| {
            let name = &name;
            move |error| self.fail(Error::io(action, name)(error).to_string())
        };
        let is_filled = write_zeros(&*file, filling.filled, part as usize, fill.at_once)
            .map_err(refused("write zeros to"))?;
        if is_filled {
            file.sync().map_err(refused("sync"))?;
        }
        filling.filled = if is_filled { filling.filled + part } else { reserved };
        Ok(filling.filled < reserved)
    }

    /// Writes zeros ahead of the records of the segment in use, when nothing is pending and there
    /// are few left. For the quiet: who writes much finds the segment filled by
    /// [`Journal::fill_next`], but for the first after a start. To be called by whoever commits.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub fn fill_ahead(&self) -> Result<(), Error> {
        self.check_failed()?;
        let wanted = |pending: &Pending| {
            let (segment, offset) = pending.tail.open.as_ref()?;
            let filled = segment.filled();
            let is_time = segment.is_made()
                && segment.end() == *offset
                && filled < segment.capacity
                && filled - offset < FILL_MARGIN;
            is_time.then(|| Arc::clone(segment))
        };
        if wanted(&self.lock_pending()).is_none() {
            return Ok(());
        }
        let committer = self.lock_committer()?;
        let Some(segment) = wanted(&self.lock_pending()) else { return Ok(()) };
        let (file, name) = (self.segments.file(&segment)?, segment_name(segment.id));
        let from = segment.filled();
        let reserved = file.size().map_err(Error::io("look at", &name))?;
        let to = u64::from(segment.capacity).min(reserved);
        let fill = Fill::of(&segment);
        let part = to.saturating_sub(from.into()).min(fill.bytes as u64);
        let refused = |error| self.fail(Error::io("write zeros to", &name)(error).to_string());
        let is_filled = part > 0
            && write_zeros(&*file, from.into(), part as usize, fill.at_once).map_err(refused)?;
        // Where that cannot be done it is not tried again.
        segment.fill(if is_filled { from + part as u32 } else { segment.capacity });
        if !is_filled {
            return Ok(());
        }
        let syncer = self.lock_syncer()?;
        // With an interval nobody who writes waits for the medium.
        drop(committer);
        self.sync_records(&*file, &name, &syncer).map_err(|fault| self.broken(fault))
    }

    /// For records like those of the segment in use.
    fn fill(&self) -> Fill {
        let pending = self.lock_pending();
        pending.tail.open.as_ref().map_or(Fill::LARGE, |(segment, _)| Fill::of(segment))
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

    /// The file made ahead for the segment with that number is for the next one: this one is small.
    /// The committer's lock is held.
    pub(crate) fn pass_on_prepared(&self, id: u32) -> std::io::Result<()> {
        let mut prepared = self.lock_prepared();
        let of_this = prepared.as_mut().filter(|prepared| prepared.id == id);
        if let (Some(prepared), Some(next)) = (of_this, id.checked_add(1)) {
            self.disk.rename(&unfinished_name(id), &unfinished_name(next))?;
            prepared.id = next;
        }
        Ok(())
    }

    /// The file made ahead for the segment with that number. The committer's lock is held.
    /// And how many bytes of it were written once.
    pub(crate) fn take_prepared(&self, id: u32) -> Option<(Prepared, u64)> {
        let prepared = self.lock_prepared().take_if(|prepared| prepared.id == id)?;
        let filled = prepared.take();
        Some((prepared, filled))
    }
}

/// How zeros are written where records are to stand.
///
/// The page cache keeps what is written at once as one folio, and ext4 visits every block of it for
/// each write into it, and for each sync: in one of 1 MiB a small record takes 6 µs to write and
/// 135 to sync, in one of 16 KiB it takes 2 and 105 (Linux 6.18). Records that come in large
/// batches gain from large folios, a tenth. And who waits for the sync of a small record should not
/// wait for that of a megabyte of zeros first.
struct Fill {
    /// Before a sync.
    bytes: usize,
    at_once: usize,
}

impl Fill {
    const LARGE: Fill = Fill { bytes: ZEROS.len(), at_once: ZEROS.len() };
    const SMALL: Fill = Fill { bytes: 128 << 10, at_once: 16 << 10 };

    /// For records like those of this segment.
    fn of(segment: &Segment) -> Fill {
        if segment.mean_write_bytes() < SMALL_WRITE_BYTES { Fill::SMALL } else { Fill::LARGE }
    }
}

/// Writes zeros, so many at once. `false` where there is no space for what was reserved
/// (copy-on-write file systems): then nothing is gained by it either.
fn write_zeros(
    file: &dyn DiskFile,
    mut offset: u64,
    bytes: usize,
    at_once: usize,
) -> std::io::Result<bool> {
    for part in ZEROS.get(..bytes).unwrap_or_default().chunks(at_once) {
        match file.write_at(part, offset) {
            Err(error) if is_full(&error) => return Ok(false),
            written => written?,
        }
        offset += part.len() as u64;
    }
    Ok(true)
}

static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

/// Where less than this is written at once, records are small.
const SMALL_WRITE_BYTES: u32 = 32 << 10;

/// With less written ahead of the records, it is time for more.
const FILL_MARGIN: u32 = 256 << 10;
