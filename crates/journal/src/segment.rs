//! The segments that are there, how many live records each holds, and their open files.
//!
//! At most `open_files_max` files are held open, however long the backlog: the oldest opened is
//! closed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::attachment::Attachment;
use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::segment_header::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_name};

/// How much a segment takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentUse {
    /// Its number.
    pub id: u32,
    /// How often records in it are retained.
    pub retained: u64,
    /// Bytes of its records on the medium, alive or not.
    pub record_bytes: u64,
    /// It has one record, with an attachment.
    pub attached: bool,
}

/// One segment, from the moment a position in it is given out.
pub(crate) struct Segment {
    pub(crate) id: u32,
    /// What its file starts with; needed until the file is made.
    pub(crate) header: SegmentHeader,
    /// The size its file is made with, in bytes.
    pub(crate) capacity: u32,
    /// A checkpoint says that records in it are alive, and its file is gone.
    pub(crate) missing: bool,
    /// Damage was found in it, so its file is kept.
    damaged: AtomicBool,
    /// Bytes of it that are on the medium; 0 until its file is made.
    end: AtomicU32,
    /// Space up to here was written once.
    filled: AtomicU32,
    /// Where it ended when this process began with it, and how often it wrote records since.
    found_end: u32,
    writes: AtomicU32,
    live: AtomicU64,
    /// What belongs to its record, until its file is made.
    attachment: Option<Arc<Attachment>>,
    file: Mutex<Option<Arc<dyn DiskFile>>>,
}

impl Segment {
    pub(crate) fn new(header: SegmentHeader, capacity: u32, end: u32, damaged: bool) -> Segment {
        Segment {
            id: header.id,
            header,
            capacity,
            damaged: AtomicBool::new(damaged),
            missing: false,
            end: AtomicU32::new(end),
            filled: AtomicU32::new(end),
            found_end: end,
            writes: AtomicU32::new(0),
            live: AtomicU64::new(0),
            attachment: None,
            file: Mutex::new(None),
        }
    }

    /// One that is to be made, with what belongs to its record.
    pub(crate) fn with_attachment(self, attachment: Arc<Attachment>) -> Segment {
        Segment { attachment: Some(attachment), ..self }
    }

    pub(crate) fn attachment(&self) -> Option<&Attachment> {
        self.attachment.as_deref()
    }

    /// One of which nothing is left but the counting of what was alive in it.
    pub(crate) fn missing(id: u32) -> Segment {
        Segment { missing: true, ..Segment::new(SegmentHeader::unknown(id), 0, 0, false) }
    }

    pub(crate) fn end(&self) -> u32 {
        self.end.load(Ordering::Acquire)
    }

    /// More of it is in its file now.
    pub(crate) fn advance(&self, end: u32) {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let before = self.end.swap(end, Ordering::AcqRel);
        assert!(before <= end, "segment {}: its end went back from {before} to {end}", self.id);
    }

    /// How many bytes of records are written to it at once; 0 before the first.
    pub(crate) fn mean_write_bytes(&self) -> u32 {
        (self.end() - self.found_end) / self.writes.load(Ordering::Relaxed).max(1)
    }

    /// Up to where its space was written once: with records, or with zeros ahead of them.
    pub(crate) fn filled(&self) -> u32 {
        self.filled.load(Ordering::Acquire).max(self.end())
    }

    pub(crate) fn fill(&self, to: u32) {
        self.filled.fetch_max(to, Ordering::AcqRel);
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
    }

    /// Its file is kept from now on.
    pub(crate) fn note_damage(&self) {
        self.damaged.store(true, Ordering::Release);
    }

    pub(crate) fn is_made(&self) -> bool {
        self.end() > 0
    }

    /// Bytes of records on the medium.
    pub(crate) fn record_bytes(&self) -> u64 {
        u64::from(self.end().saturating_sub(SEGMENT_HEADER_BYTES))
    }

    /// How many of its records are alive.
    pub(crate) fn live(&self) -> u64 {
        self.live.load(Ordering::Acquire)
    }

    pub(crate) fn is_released(&self) -> bool {
        self.live() == 0
    }

    pub(crate) fn retain(&self, records: u64) {
        self.live.fetch_add(records, Ordering::AcqRel);
    }

    pub(crate) fn release(&self, records: u64) {
        let before = self.live.fetch_sub(records, Ordering::AcqRel);
        assert!(before >= records, "segment {}: more records released than retained", self.id);
    }

    fn lock_file(&self) -> MutexGuard<'_, Option<Arc<dyn DiskFile>>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All segments in order.
pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    open_files_max: usize,
    by_id: RwLock<BTreeMap<u32, Arc<Segment>>>,
    opened: Mutex<VecDeque<Arc<Segment>>>,
}

impl Segments {
    pub(crate) fn new(disk: Arc<dyn Disk>, open_files_max: usize, found: Vec<Segment>) -> Segments {
        let by_id = found.into_iter().map(|segment| (segment.id, Arc::new(segment))).collect();
        Segments {
            disk,
            open_files_max,
            by_id: RwLock::new(by_id),
            opened: Mutex::new(VecDeque::new()),
        }
    }

    pub(crate) fn get(&self, id: u32) -> Option<Arc<Segment>> {
        self.map().get(&id).cloned()
    }

    /// Calls `then` with the segment, without taking a share in it. `None` if there is none.
    pub(crate) fn with<T>(&self, id: u32, then: impl FnOnce(&Segment) -> T) -> Option<T> {
        self.map().get(&id).map(|segment| then(segment))
    }

    pub(crate) fn add(&self, segment: Segment) -> Arc<Segment> {
        let segment = Arc::new(segment);
        let replaced = self.map_mut().insert(segment.id, Arc::clone(&segment));
        assert!(replaced.is_none(), "segment {} was made twice", segment.id);
        segment
    }

    /// Forgets a segment, so that it is no longer read; its file stays.
    pub(crate) fn forget(&self, id: u32) {
        self.map_mut().remove(&id);
        self.opened().retain(|segment| segment.id != id);
    }

    /// The oldest segment of which there is a file.
    pub(crate) fn oldest(&self) -> Option<Arc<Segment>> {
        self.map().values().find(|segment| !segment.missing).cloned()
    }

    /// The segments before `id`, oldest first.
    pub(crate) fn before(&self, id: u32) -> Vec<Arc<Segment>> {
        self.map().range(..id).map(|(_, segment)| Arc::clone(segment)).collect()
    }

    /// The segments in which something is alive, and how much.
    pub(crate) fn live(&self) -> Vec<(u32, u64)> {
        let map = self.map();
        map.values().map(|it| (it.id, it.live())).filter(|(_, live)| *live > 0).collect()
    }

    /// How much each segment on the medium takes and how much is retained in it.
    pub(crate) fn uses(&self) -> Vec<SegmentUse> {
        let map = self.map();
        let there = map.values().filter(|segment| !segment.missing);
        there
            .map(|it| SegmentUse {
                id: it.id,
                retained: it.live(),
                record_bytes: it.record_bytes(),
                attached: it.header.attached,
            })
            .collect()
    }

    pub(crate) fn record_bytes(&self) -> u64 {
        self.map().values().map(|segment| segment.record_bytes()).sum()
    }

    /// The segment's open file; opens it if need be.
    pub(crate) fn file(&self, segment: &Arc<Segment>) -> Result<Arc<dyn DiskFile>, Error> {
        let mut slot = segment.lock_file();
        if let Some(file) = slot.as_ref() {
            return Ok(Arc::clone(file));
        }
        let name = segment_name(segment.id);
        let file = self.disk.open(&name).map_err(Error::io("open", &name))?;
        *slot = Some(Arc::clone(&file));
        drop(slot);
        self.note_open(segment);
        Ok(file)
    }

    /// Hands over the file of a segment just made.
    pub(crate) fn set_file(&self, segment: &Arc<Segment>, file: Arc<dyn DiskFile>) {
        *segment.lock_file() = Some(file);
        self.note_open(segment);
    }

    fn note_open(&self, segment: &Arc<Segment>) {
        let mut opened = self.opened();
        opened.push_back(Arc::clone(segment));
        let closed = if opened.len() > self.open_files_max { opened.pop_front() } else { None };
        drop(opened);
        if let Some(closed) = closed {
            *closed.lock_file() = None;
        }
    }

    // Poisoned locks are entered: every change made under them is one step, so none is half done.

    fn map(&self) -> RwLockReadGuard<'_, BTreeMap<u32, Arc<Segment>>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn map_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<u32, Arc<Segment>>> {
        self.by_id.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self) -> MutexGuard<'_, VecDeque<Arc<Segment>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
