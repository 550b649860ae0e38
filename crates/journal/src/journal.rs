//! The journal itself: its state, its one-way way to failure, and waiting.
//!
//! Locks are taken in this order: `committer`, `pending`, `syncer`, then what [`Segments`] holds
//! inside.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

#[cfg(doc)]
use crate::Sync;
use crate::damage::Recovery;
use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::pending::Pending;
use crate::prepare::Prepared;
use crate::reading::Start;
use crate::reclaim::Listed;
use crate::record::Record;
use crate::recovery::recover;
use crate::segment::{SegmentUse, Segments};
use crate::{Appender, Options, Position};

/// A durable log in one directory. Shared by reference between threads; see the crate's model.
pub struct Journal {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) segments: Segments,
    /// Held by whoever writes, syncs, renames or removes: commit, rewrite, reclaim.
    committer: Mutex<()>,
    /// Held by whoever syncs records: one at a time, as a system tells of a failure but once.
    syncer: Mutex<()>,
    pending: Mutex<Pending>,
    work: Condvar,
    room: Condvar,
    /// Every record at a position below this is on the medium.
    durable: AtomicU64,
    /// Every record at a position below this is in its file. Never below `durable`.
    written: AtomicU64,
    /// The next segment's file, if it was made ahead. Locked with the committer's lock held.
    prepared: Mutex<Option<Prepared>>,
    /// Files that were removed and are still open. To close one gives back its space, 20 ms for a
    /// segment, and whoever commits is not to wait for that.
    nameless: Mutex<Vec<Arc<dyn DiskFile>>>,
    failed: OnceLock<String>,
    /// Which segments were deleted. Locked with the committer's lock held, and for no longer.
    reclaimed: Mutex<Listed>,
    /// The number for the next attachment's name.
    attachments: AtomicU32,
}

impl Journal {
    /// Opens the journal in `disk`, begins one where there is none, and hands every record in it to
    /// `visit`, in order. Nothing is written before all of it was read; then the last commit is
    /// written again and synced, because the sync that failed before a restart may have left pages
    /// that only look clean.
    ///
    /// Damage does not make opening fail: it is in the [`Recovery`]. Call [`Journal::retain`] for
    /// what is alive before the first [`Journal::reclaim`].
    ///
    /// # Errors
    /// [`Error::NewerFormat`] with nothing touched; [`Error::Io`] if the disk cannot be listed, a
    /// segment cannot be opened, or what was found cannot be synced; [`Error::Option`].
    pub fn open(
        disk: Arc<dyn Disk>,
        options: Options,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<(Journal, Recovery), Error> {
        Journal::start(disk, options, Start::ALL, visit)
    }

    /// Opens the journal from a checkpoint: hands out only the records at or behind `from`, which
    /// [`Journal::end`] gave, and believes `retained`, which [`Journal::live`] gave, of what is
    /// alive before it. Of segments before that of `from` only the headers are read, so that
    /// opening takes as long as what was appended since, however long the backlog.
    ///
    /// Otherwise as [`Journal::open`]. Besides the damage that it reports:
    /// - a segment of `retained` that is gone, or cannot be used. Its records read as damaged, and
    ///   are to be released as all others;
    /// - records before `from` that are gone from the end. What is appended now still stands behind
    ///   `from`, so the same checkpoint goes on to be right;
    /// - that no record ends at `from`. Its segment is then read whole.
    ///
    /// Damage inside the segments that were not read shows when their records are read.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_from(
        disk: Arc<dyn Disk>,
        options: Options,
        from: Position,
        retained: &[(u32, u64)],
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<(Journal, Recovery), Error> {
        Journal::start(disk, options, Start { from, retained }, visit)
    }

    fn start(
        disk: Arc<dyn Disk>,
        options: Options,
        start: Start<'_>,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<(Journal, Recovery), Error> {
        options.check()?;
        let found = recover(&*disk, &options, start, visit)?;
        let segments = Segments::new(Arc::clone(&disk), options.open_files_max, found.segments);
        let tail = found.tail.resolve(&segments);
        let journal = Journal {
            disk,
            options,
            segments,
            committer: Mutex::new(()),
            syncer: Mutex::new(()),
            pending: Mutex::new(Pending::new(tail)),
            work: Condvar::new(),
            room: Condvar::new(),
            durable: AtomicU64::new(found.durable.to_bits()),
            written: AtomicU64::new(found.durable.to_bits()),
            prepared: Mutex::new(None),
            nameless: Mutex::new(found.nameless),
            failed: OnceLock::new(),
            reclaimed: Mutex::new(Listed { list: found.reclaimed, is_written: true }),
            attachments: AtomicU32::new(1),
        };
        Ok((journal, found.recovery))
    }

    /// Takes the pending buffer's lock, for a batch of appends that no other append gets between.
    /// Waits while more than `pending_bytes_max` bytes are pending, so some other thread must
    /// commit.
    ///
    /// # Errors
    /// [`Error::Failed`]; [`Error::Full`] instead of waiting when the last commit found no space.
    pub fn appender(&self) -> Result<Appender<'_>, Error> {
        let mut pending = self.lock_pending();
        loop {
            self.check_failed()?;
            if pending.bytes < self.options.pending_bytes_max {
                return Ok(Appender::new(self, pending));
            }
            if let Some(full) = &pending.full {
                return Err(full.error());
            }
            pending.is_urgent = true;
            self.notify_work();
            pending.appenders_wait += 1;
            pending = self.room.wait(pending).unwrap_or_else(|poison| self.poisoned(poison));
            pending.appenders_wait -= 1;
        }
    }

    /// Appends one record; its payload is `parts` one after the other, copied once.
    ///
    /// # Errors
    /// Those of [`Journal::appender`] and [`Appender::append`].
    pub fn append(&self, kind: u8, parts: &[&[u8]]) -> Result<Position, Error> {
        self.appender()?.append(kind, parts)
    }

    /// As [`Journal::append`], of what nobody waits for: it does not end a
    /// [`Journal::wait_pending`] before its time, unless much has come together. So it goes to the
    /// medium with what comes next, and costs no write and no sync of its own.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn append_lazily(&self, kind: u8, parts: &[&[u8]]) -> Result<Position, Error> {
        self.appender()?.lazily().append(kind, parts)
    }

    /// Somebody waits for all that was appended until now, lazily or not.
    pub fn hurry(&self) {
        let mut pending = self.lock_pending();
        if pending.is_empty() || pending.is_urgent {
            return;
        }
        pending.is_urgent = true;
        let writer_waits = pending.writers_wait > 0;
        drop(pending);
        if writer_waits {
            self.notify_work();
        }
    }

    /// Whether the record at `position` is on the medium, and stays there whatever happens to the
    /// machine. Takes no lock.
    pub fn is_durable(&self, position: Position) -> bool {
        position.to_bits() < self.durable.load(Ordering::Acquire)
    }

    /// Whether the promise of [`Options::sync`] is kept for the record at `position`: it is on the
    /// medium, or, with [`Sync::Interval`], in its file. Takes no lock.
    pub fn is_committed(&self, position: Position) -> bool {
        position.to_bits() < self.written.load(Ordering::Acquire)
    }

    /// Everything before it is [committed](Journal::is_committed).
    pub(crate) fn committed(&self) -> Position {
        Position::from_bits(self.written.load(Ordering::Acquire))
    }

    /// How this journal is kept.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Waits until there is something to commit that somebody waits for ([`Journal::append`],
    /// [`Journal::hurry`]), [`Journal::wake`] is called, or `timeout` passed.
    /// Returns whether [`Journal::commit`] has something to do or to say. After a commit found no
    /// space, only waking and the timeout end the wait, so that a writer's loop does not spin.
    pub fn wait_pending(&self, timeout: Duration) -> bool {
        let mut pending = self.lock_pending();
        pending.writers_wait += 1;
        let idle = |pending: &mut Pending| {
            let nothing = !pending.is_urgent || pending.full.is_some();
            nothing && !pending.woken && self.failed.get().is_none()
        };
        let waited = self.work.wait_timeout_while(pending, timeout, idle);
        let mut pending = match waited {
            Ok((pending, _)) => pending,
            Err(poison) => {
                self.note_panic();
                poison.into_inner().0
            }
        };
        pending.writers_wait -= 1;
        pending.woken = false;
        !pending.is_empty() || self.failed.get().is_some()
    }

    /// Ends a [`Journal::wait_pending`], now or the next one.
    pub fn wake(&self) {
        self.lock_pending().woken = true;
        self.work.notify_all();
    }

    /// Counts the record at `position` as alive: its segment is not reclaimed. Call it with the
    /// [`Appender`] that appended the record still in hand, or during start before any reclaim.
    ///
    /// # Panics
    /// If no segment holds that position: a record that has been reclaimed cannot be kept.
    pub fn retain(&self, position: Position) {
        self.retain_all([position]);
    }

    /// The same, of each of them: neighbours in one segment are counted together.
    ///
    /// # Panics
    /// As [`Journal::retain`].
    pub fn retain_all(&self, positions: impl IntoIterator<Item = Position>) {
        for (first, records) in by_segment(positions) {
            let found = self.segments.with(first.segment(), |segment| segment.retain(records));
            assert!(found.is_some(), "retained the record at {first}, and its segment is gone");
        }
    }

    /// Takes back one [`Journal::retain`] of the record at `position`.
    ///
    /// # Panics
    /// If more is released in a segment than was retained.
    pub fn release(&self, position: Position) {
        self.release_all([position]);
    }

    /// The same, of each of them.
    ///
    /// # Panics
    /// As [`Journal::release`].
    pub fn release_all(&self, positions: impl IntoIterator<Item = Position>) {
        for (first, records) in by_segment(positions) {
            let found = self.segments.with(first.segment(), |segment| segment.release(records));
            assert!(found.is_some(), "released the record at {first}, and its segment is gone");
        }
    }

    /// The place behind everything appended so far: every record has a position before it, every
    /// later one has it or one behind it. With [`Journal::live`] it makes a checkpoint, for
    /// [`Journal::open_from`].
    ///
    /// To make one: let nobody append, retain or release; take both, and what the owner knows of
    /// the records so far; let them go on. Then [`Journal::commit`], and only when that returned
    /// make the checkpoint durable: it must never be there without what is before it.
    pub fn end(&self) -> Position {
        self.lock_pending().tail.end()
    }

    /// The place behind everything that is on the medium. What stands before it stays whatever
    /// happens to the machine.
    pub fn durable_end(&self) -> Position {
        self.durable()
    }

    /// The numbers of the segments in which records are retained, and how many, in order.
    pub fn live(&self) -> Vec<(u32, u64)> {
        self.segments.live()
    }

    /// How much each segment takes and how much is retained in it, in order.
    pub fn segments(&self) -> Vec<SegmentUse> {
        self.segments.uses()
    }

    /// Whether there are segments in which nothing is retained any more, besides the one in use.
    pub fn has_dead_segments(&self) -> bool {
        let in_use = self.end().segment();
        self.segments.before(in_use).iter().any(|segment| segment.is_released())
    }

    /// Bytes of records on disk: headers and padding counted, reserved space not.
    pub fn size_bytes(&self) -> u64 {
        self.segments.record_bytes()
    }

    /// Bytes that are free on the medium; `None` where nobody can say.
    pub fn free_bytes(&self) -> Option<u64> {
        self.disk.free_bytes().unwrap_or_default()
    }

    /// A number that no attachment on its way has: they do not last for so many.
    pub(crate) fn next_attachment(&self) -> u32 {
        self.attachments.fetch_add(1, Ordering::Relaxed).max(1)
    }

    /// Stops the journal for ever: its owner found that the disk cannot be trusted. Returns the
    /// error that everybody gets from now on.
    pub fn stop(&self, reason: &str) -> Error {
        self.fail(reason.to_owned())
    }

    /// Why the journal stopped accepting, if it did.
    pub fn failed(&self) -> Option<String> {
        self.failed.get().cloned()
    }

    pub(crate) fn check_failed(&self) -> Result<(), Error> {
        match self.failed.get() {
            Some(reason) => Err(Error::Failed(reason.clone())),
            None => Ok(()),
        }
    }

    /// Stops the journal for ever and wakes everybody who waits. The pending lock must not be held.
    pub(crate) fn fail(&self, reason: String) -> Error {
        let reason = self.note_failed(&reason).to_owned();
        drop(self.lock_pending());
        self.work.notify_all();
        self.room.notify_all();
        Error::Failed(reason)
    }

    /// Remembers why the journal stopped, and wakes nobody yet: [`Journal::fail`] is to follow.
    /// Returns the first reason.
    pub(crate) fn note_failed(&self, reason: &str) -> &str {
        self.failed.get_or_init(|| reason.to_owned())
    }

    /// Moves the written mark: everything below `segment`:`end` is in its file.
    pub(crate) fn advance_written(&self, segment: u32, end: u32) {
        let mark = Position::new(segment, end).to_bits();
        let before = self.written.swap(mark, Ordering::AcqRel);
        assert!(before < mark, "the written mark went back from {before:#x} to {mark:#x}");
    }

    /// Moves the durable mark: everything below `end` was written, and then synced.
    pub(crate) fn advance_durable(&self, end: Position) {
        let before = self.durable.swap(end.to_bits(), Ordering::AcqRel);
        assert!(before <= end.to_bits(), "the durable mark went back from {before:#x} to {end}");
    }

    /// The end of what is in files, if that is not all on the medium.
    pub(crate) fn unsynced(&self) -> Option<Position> {
        let written = self.written.load(Ordering::Acquire);
        (self.durable.load(Ordering::Acquire) < written).then(|| Position::from_bits(written))
    }

    pub(crate) fn durable(&self) -> Position {
        Position::from_bits(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn lock_committer(&self) -> Result<Committer<'_>, Error> {
        let guard = self.committer.lock().unwrap_or_else(|poison| self.poisoned(poison));
        let committer = Committer { journal: self, _guard: guard };
        self.check_failed()?;
        Ok(committer)
    }

    /// For a sync, and until the durable mark was moved. Fails once one has failed: no further sync
    /// is tried.
    pub(crate) fn lock_syncer(&self) -> Result<Syncer<'_>, Error> {
        let syncer = self.syncer.lock().unwrap_or_else(|poison| self.poisoned(poison));
        self.check_failed()?;
        Ok(syncer)
    }

    pub(crate) fn lock_reclaimed(&self) -> MutexGuard<'_, Listed> {
        self.reclaimed.lock().unwrap_or_else(|poison| self.poisoned(poison))
    }

    pub(crate) fn keep_nameless(&self, file: Option<Arc<dyn DiskFile>>) {
        // Poisoned, it is not kept: it is closed here and now.
        let _ = self.nameless.lock().map(|mut files| files.extend(file));
    }

    /// Gives back the space of what was removed, a piece at a time: where the file system tells the
    /// device of each (`discard`), a sync that comes meanwhile waits for the piece, and for 64 MiB
    /// at once that is 17 ms. To be called without the committer's lock.
    pub(crate) fn give_back_nameless(&self) {
        for file in self.take_nameless() {
            // Whoever reads it still is its last owner: nobody else can come by it.
            let is_read = Arc::strong_count(&file) > 1;
            let mut left = if is_read { 0 } else { file.size().unwrap_or(0) };
            while left > GIVEN_BACK_BYTES {
                left -= GIVEN_BACK_BYTES;
                if file.shrink(left).is_err() {
                    break;
                }
                std::thread::sleep(GIVING_BACK_PAUSE);
            }
        }
    }

    /// The files that have no name any more. Dropped, they give back their space at once.
    pub(crate) fn take_nameless(&self) -> Vec<Arc<dyn DiskFile>> {
        // Poisoned, it has nothing that is worth more than its space.
        self.nameless.lock().map(|mut files| std::mem::take(&mut *files)).unwrap_or_default()
    }

    pub(crate) fn lock_prepared(&self) -> MutexGuard<'_, Option<Prepared>> {
        self.prepared.lock().unwrap_or_else(|poison| self.poisoned(poison))
    }

    pub(crate) fn lock_pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(|poison| self.poisoned(poison))
    }

    fn poisoned<T>(&self, poison: PoisonError<T>) -> T {
        self.note_panic();
        poison.into_inner()
    }

    /// A panic under a lock may have left half a record in the buffer: nothing more is written.
    fn note_panic(&self) {
        self.note_failed(PANICKED);
    }

    pub(crate) fn notify_work(&self) {
        self.work.notify_all();
    }

    pub(crate) fn notify_room(&self) {
        self.room.notify_all();
    }
}

/// The syncer's lock.
pub(crate) type Syncer<'a> = MutexGuard<'a, ()>;

/// The committer's lock. A panic under it stops the journal and wakes everybody who waits for it.
pub(crate) struct Committer<'a> {
    journal: &'a Journal,
    _guard: MutexGuard<'a, ()>,
}

impl Drop for Committer<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.journal.fail(PANICKED.to_owned());
        }
    }
}

const PANICKED: &str = "a thread panicked in the middle of a change";

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("options", &self.options)
            .field("durable", &self.durable())
            .field("failed", &self.failed.get())
            .finish_non_exhaustive()
    }
}

/// Neighbours of one segment together: the first, and how many.
fn by_segment(
    positions: impl IntoIterator<Item = Position>,
) -> impl Iterator<Item = (Position, u64)> {
    let mut positions = positions.into_iter().peekable();
    std::iter::from_fn(move || {
        let first = positions.next()?;
        let is_near = |next: &Position| next.segment() == first.segment();
        let mut records = 1;
        while positions.next_if(is_near).is_some() {
            records += 1;
        }
        Some((first, records))
    })
}

/// Space that is given back at once.
const GIVEN_BACK_BYTES: u64 = 1 << 20;

/// For those who sync, between two such pieces.
const GIVING_BACK_PAUSE: Duration = Duration::from_micros(200);
