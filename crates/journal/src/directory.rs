//! What is in the directory: every segment's header, read before anything is touched.

use std::collections::HashMap;

use crate::damage::{Damage, Reason, Recovery};
use crate::disk::{Disk, DiskFile, read_full};
use crate::error::Error;
use crate::reclaimed::{Reclaimed, read_list};
use crate::record::REWRITE;
use crate::scan::{Expected, scan};
use crate::segment_header::{
    FORMAT_VERSION, FileName, HeaderFault, RECLAIMED_NAME, SEGMENT_HEADER_BYTES, SegmentHeader,
    attachment_name,
};

/// A segment file, before its records are read.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(crate) id: u32,
    pub(crate) name: String,
    /// The file's size in bytes, as far as positions reach.
    pub(crate) bytes: u64,
    /// What it says of itself, or why that is not to be trusted.
    pub(crate) header: Result<SegmentHeader, Reason>,
}

impl SegmentFile {
    /// Whether it is, or may be, a part of this journal.
    pub(crate) fn belongs(&self) -> bool {
        !matches!(self.header, Err(Reason::Misplaced(_) | Reason::Foreign))
    }

    /// Whether it voids what was before it.
    fn rewrites(&self, disk: &dyn Disk) -> Result<bool, Error> {
        match &self.header {
            Ok(header) => Ok(header.rewrite),
            Err(_) if !self.belongs() => Ok(false),
            Err(_) => {
                let file = disk.open(&self.name).map_err(Error::io("open", &self.name))?;
                let mut rewrites = false;
                scan(&*file, Expected::unknown(self.id, self.bytes, 0), &mut |record, _, _| {
                    rewrites |= record.flags & REWRITE != 0;
                });
                Ok(rewrites)
            }
        }
    }
}

/// The directory of a journal.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Segments to be read, oldest first.
    pub(crate) segments: Vec<SegmentFile>,
    /// Segments that a rewrite voided, or that had been deleted and are there again.
    pub(crate) void: Vec<String>,
    /// Segments that were never finished, and attachments of none.
    pub(crate) unfinished: Vec<String>,
    /// Attachments, by the numbers of their segments.
    pub(crate) attachments: Vec<u32>,
    /// Which journal it is, if a header says so.
    pub(crate) journal: Option<u64>,
    /// The highest number any file has, or had.
    pub(crate) highest_id: u32,
    /// The numbers of segments that were set aside.
    set_aside: Vec<u32>,
    /// Which segments were deleted.
    pub(crate) reclaimed: Reclaimed,
}

impl Directory {
    /// Whether a segment file has that number, whatever is in it.
    pub(crate) fn has(&self, id: u32) -> bool {
        self.segments.iter().any(|file| file.id == id)
    }

    /// Whether there is nothing amiss if no segment has that number.
    pub(crate) fn explains(&self, id: u32) -> bool {
        self.reclaimed.covers(id) || self.set_aside.contains(&id)
    }

    /// The segment at `index` voids everything before it.
    fn rewritten_at(&mut self, index: usize) {
        if let Some(segment) = self.segments.get(index) {
            self.reclaimed.forget_before(segment.id);
        }
        // A file that is no part of this journal is not voided by it.
        let void = self.segments.drain(..index).filter(SegmentFile::belongs);
        self.void.extend(void.map(|segment| segment.name));
    }

    /// Finds attachments of no segment, and segments whose attachment is gone.
    fn match_attachments(&mut self, recovery: &mut Recovery) {
        let mut attachments = std::mem::take(&mut self.attachments);
        let kept = |id: &mut u32| self.has(*id) || self.set_aside.contains(id);
        let orphans: Vec<u32> = attachments.extract_if(.., |id| !kept(id)).collect();
        self.unfinished.extend(orphans.into_iter().map(attachment_name));
        let attached = self.segments.iter().filter(|it| it.header.is_ok_and(|it| it.attached));
        for segment in attached.filter(|it| !attachments.contains(&it.id)) {
            let (file, reason) = (attachment_name(segment.id), Reason::Missing);
            recovery.damaged.push(Damage { file, offset: 0, bytes: 0, reason });
        }
        self.attachments = attachments;
    }

    /// Uses the list of deleted segments, if it is of this journal.
    fn take_list(&mut self, list: (u64, Reclaimed), recovery: &mut Recovery) {
        let (journal, reclaimed) = list;
        if self.journal.is_some_and(|known| known != journal) {
            let (file, offset, bytes) = (RECLAIMED_NAME.to_owned(), 0, 0);
            recovery.damaged.push(Damage { file, offset, bytes, reason: Reason::Foreign });
            return;
        }
        self.journal = Some(journal);
        self.highest_id = self.highest_id.max(reclaimed.highest_id());
        let back = |file: &mut SegmentFile| file.belongs() && reclaimed.covers(file.id);
        self.void.extend(self.segments.extract_if(.., back).map(|file| file.name));
        self.reclaimed = reclaimed;
    }
}

/// Lists the directory and reads all headers. Touches nothing.
pub(crate) fn read_directory(disk: &dyn Disk, recovery: &mut Recovery) -> Result<Directory, Error> {
    let mut names = disk.list().map_err(Error::io("list", "the journal's directory"))?;
    names.sort();
    let mut directory = Directory::default();
    let mut list = None;
    for name in names {
        match FileName::parse(&name) {
            FileName::Segment(id) => directory.segments.push(look_at(disk, id, name)?),
            FileName::Unfinished => directory.unfinished.push(name),
            FileName::Attachment(id) => directory.attachments.push(id),
            FileName::SetAside(id) => {
                directory.highest_id = directory.highest_id.max(id);
                directory.set_aside.push(id);
                recovery.set_aside.push(name);
            }
            FileName::Reclaimed => list = read_list(disk, recovery)?,
            FileName::Foreign => recovery.foreign.push(name),
        }
    }
    let last = directory.segments.last().map_or(0, |last| last.id);
    directory.highest_id = directory.highest_id.max(last);
    directory.journal = journal_of(&directory.segments);
    for segment in &mut directory.segments {
        if segment.header.is_ok_and(|header| Some(header.journal) != directory.journal) {
            segment.header = Err(Reason::Foreign);
        }
    }
    if let Some(list) = list {
        directory.take_list(list, recovery);
    }
    for index in (0..directory.segments.len()).rev() {
        if directory.segments.get(index).map_or(Ok(false), |segment| segment.rewrites(disk))? {
            directory.rewritten_at(index);
            break;
        }
    }
    directory.match_attachments(recovery);
    Ok(directory)
}

/// The journal that most segments belong to; of several, that of the oldest.
fn journal_of(segments: &[SegmentFile]) -> Option<u64> {
    let named = || segments.iter().filter_map(|segment| segment.header.ok());
    let mut counts = HashMap::new();
    named().for_each(|header| *counts.entry(header.journal).or_insert(0) += 1);
    let most = counts.values().max().copied();
    named().map(|header| header.journal).find(|journal| counts.get(journal).copied() == most)
}

fn look_at(disk: &dyn Disk, id: u32, name: String) -> Result<SegmentFile, Error> {
    let file = disk.open(&name).map_err(Error::io("open", &name))?;
    let bytes = file.size().map_err(Error::io("look at", &name))?.min((u32::MAX - 7).into());
    let header = match read_header(&*file) {
        None => Err(Reason::Unreadable),
        Some(Err(HeaderFault::Damaged)) => Err(Reason::SegmentHeader),
        Some(Err(HeaderFault::Newer { found })) => {
            return Err(Error::NewerFormat { file: name, found, known: FORMAT_VERSION });
        }
        Some(Ok(header)) if header.id != id => Err(Reason::Misplaced(header.id)),
        Some(Ok(header)) => Ok(header),
    };
    Ok(SegmentFile { id, name, bytes, header })
}

/// None if the medium does not read it, not even the second time.
fn read_header(file: &dyn DiskFile) -> Option<Result<SegmentHeader, HeaderFault>> {
    let mut header = [0; SEGMENT_HEADER_BYTES as usize];
    let read = read_full(file, &mut header, 0).or_else(|_| read_full(file, &mut header, 0)).ok()?;
    Some(SegmentHeader::decode(header.get(..read).unwrap_or_default()))
}
