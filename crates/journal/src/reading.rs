//! Reading segments in order, and judging each when it is known what follows it.
//!
//! From a checkpoint on, segments before it are not read at all: their headers say that they are
//! there and in order, and whoever made the checkpoint knows what is alive in them.

use std::ops::Range;

use crate::Position;
use crate::damage::{Damage, Reason, Recovery};
use crate::directory::{Directory, SegmentFile};
use crate::disk::Disk;
use crate::error::Error;
use crate::record::{FIRST_OF_BATCH, Record};
use crate::resume::sequence_before;
use crate::scan::{Bad, Expected, Scanned, scan};
use crate::segment::Segment;
use crate::segment_header::{
    FORMAT_VERSION, Previous, SEGMENT_HEADER_BYTES, SegmentHeader, segment_name,
};
use crate::survey::SegmentSurvey;

/// Where reading begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    /// Records before it are not handed out, and segments before its own are not read.
    pub(crate) from: Position,
    /// How many records are alive in which segment.
    pub(crate) retained: &'a [(u32, u64)],
}

impl Start<'_> {
    /// Everything, and the owner finds out what is alive.
    pub(crate) const ALL: Start<'static> = Start { from: Position::from_bits(0), retained: &[] };
}

/// The state of reading.
pub(crate) struct Reading<'a> {
    disk: &'a dyn Disk,
    pub(crate) directory: &'a Directory,
    pub(crate) start: Start<'a>,
    /// The size a segment grows to where none could be reserved.
    segment_bytes: u32,
    pub(crate) report: Recovery,
    pub(crate) segments: Vec<Segment>,
    /// What each segment that was read has, for whoever only looks.
    pub(crate) seen: Vec<SegmentSurvey>,
    /// The last segment that was read; judged by what follows.
    pub(crate) held: Option<Held>,
    /// The last segment that was passed over, as a place in the directory's list, and the sequence
    /// it begins with.
    passed: Option<(usize, u64)>,
    /// The sequence of the last record that was handed out.
    handed_out: Option<u64>,
}

/// The last segment that was read.
pub(crate) struct Held {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) header: Option<SegmentHeader>,
    pub(crate) scanned: Scanned,
    /// Where what follows says that it ends.
    link: Option<Previous>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(
        disk: &'a dyn Disk,
        directory: &'a Directory,
        start: Start<'a>,
        segment_bytes: u32,
        report: Recovery,
    ) -> Reading<'a> {
        Reading {
            disk,
            directory,
            start,
            segment_bytes,
            report,
            segments: Vec::new(),
            seen: Vec::new(),
            held: None,
            passed: None,
            handed_out: None,
        }
    }

    /// Reads all segments from the start on; the last one is held, not judged.
    pub(crate) fn run(&mut self, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), Error> {
        for (index, file) in self.directory.segments.iter().enumerate() {
            match file.id < self.start.from.segment() {
                true => self.pass(index, file),
                false => self.read(file, self.link(index), visit)?,
            }
        }
        self.directory.reclaimed.holes().iter().for_each(|hole| self.miss(hole.previous));
        // With nothing at the checkpoint or behind it, the newest segment before it says where
        // records go on.
        if self.held.is_none()
            && let Some((index, _)) = self.passed
            && let Some(file) = self.directory.segments.get(index)
        {
            self.segments.pop();
            self.report.passed -= 1;
            let known = self.report.damaged.len();
            self.read(file, None, visit)?;
            // What its header suffers from was reported when it was passed.
            let again = self.report.damaged.split_off(known);
            let new = again.into_iter().filter(|damage| !self.report.damaged.contains(damage));
            let new: Vec<_> = new.collect();
            self.report.damaged.extend(new);
        }
        Ok(())
    }

    /// What the segment behind the one at `index` says of it: where it ends, and the sequence that
    /// follows.
    fn link(&self, index: usize) -> Option<(Previous, u64)> {
        let id = self.directory.segments.get(index)?.id;
        let behind = self.directory.segments.get(index + 1..)?;
        let next = behind.iter().find_map(|next| next.header.as_ref().ok());
        let next = next.map(|next| (next.previous, next.first_sequence));
        let hole = self.directory.reclaimed.behind(id);
        let hole = hole.map(|hole| (hole.previous, hole.first_sequence));
        next.filter(|(previous, _)| previous.id == id).or(hole)
    }

    /// Takes a segment before the checkpoint as its header describes it.
    fn pass(&mut self, index: usize, file: &SegmentFile) {
        let before = self.passed.map_or(0, |(_, sequence)| sequence);
        let first_sequence = match &file.header {
            Err(reason) if !file.belongs() => {
                return self.damage(&file.name, 0, file.bytes, *reason);
            }
            Err(reason) => {
                self.damage(&file.name, 0, SEGMENT_HEADER_BYTES.into(), *reason);
                before
            }
            Ok(header) if header.first_sequence < before => {
                return self.damage(&file.name, 0, file.bytes, Reason::OutOfOrder);
            }
            Ok(header) => header.first_sequence,
        };
        let mut end = file.bytes;
        let mut damaged = file.header.is_err();
        if let Some((link, _)) = self.link(index) {
            let cut = u64::from(link.end).saturating_sub(end);
            if cut > 0 {
                self.damage(&file.name, end, cut, Reason::CutShort);
                damaged = true;
            }
            end = end.min(link.end.into());
        }
        let header = file.header.as_ref().ok().copied();
        let header = header.unwrap_or(SegmentHeader::unknown(file.id));
        let bytes = file.bytes as u32;
        self.segments.push(Segment::new(header, bytes, end as u32, damaged));
        self.report.passed += 1;
        self.passed = Some((index, first_sequence));
    }

    fn read(
        &mut self,
        file: &SegmentFile,
        link: Option<(Previous, u64)>,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<(), Error> {
        if let Some(reason) = self.refused(file) {
            self.damage(&file.name, 0, file.bytes, reason);
            return Ok(());
        }
        let mut expected = match &file.header {
            Ok(header) => Expected::after(header, file.bytes),
            Err(_) => {
                let before = match &self.held {
                    Some(held) => held.scanned.last_sequence,
                    None => self.passed.map_or(0, |(_, first)| first.saturating_sub(1)),
                };
                Expected::unknown(file.id, file.bytes, before)
            }
        };
        expected.link = link.map(|(previous, first)| (previous.end.into(), first));
        self.seal_held();
        if let Ok(header) = &file.header
            && !header.rewrite
        {
            self.miss(header.previous);
        }
        if let Err(reason) = file.header {
            self.damage(&file.name, 0, SEGMENT_HEADER_BYTES.into(), reason);
        }
        let cut_short = link.map_or(0..0, |(previous, _)| previous.proven..previous.end);
        let scanned = self.scan(file, expected, cut_short, visit)?;
        self.report.segments += 1;
        let (name, header) = (file.name.clone(), file.header.as_ref().ok().copied());
        let link = link.map(|(previous, _)| previous);
        self.held = Some(Held { id: file.id, name, bytes: file.bytes, header, scanned, link });
        Ok(())
    }

    /// Reads a segment's records, from the checkpoint on if it lies in it.
    fn scan(
        &mut self,
        file: &SegmentFile,
        mut expected: Expected,
        cut_short: Range<u32>,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<Scanned, Error> {
        let open = self.disk.open(&file.name).map_err(Error::io("open", &file.name))?;
        let from = self.start.from;
        let within = from.segment() == file.id && from.offset() > SEGMENT_HEADER_BYTES;
        let resumed = match within {
            true => sequence_before(&*open, &expected, from.offset().into()),
            false => None,
        };
        if let Some(sequence) = resumed {
            expected = expected.resumed(from.offset().into(), sequence);
        }
        let mut visited = 0;
        let mut before = self.handed_out;
        let mut boundary = !within || resumed.is_some();
        let scanned = scan(&*open, expected, &mut |header, offset, payload| {
            boundary |= offset + header.record_bytes() == from.offset().into();
            let position = Position::new(file.id, offset as u32);
            if position >= from {
                visited += 1;
                let follows = before.is_some_and(|before| header.sequence == before + 1);
                before = Some(header.sequence);
                let begins_commit = header.flags & FIRST_OF_BATCH != 0;
                let cut_short = cut_short.contains(&position.offset());
                let kind = header.kind;
                visit(Record { position, kind, payload, follows, begins_commit, cut_short });
            }
        });
        self.handed_out = before;
        self.report.records += visited;
        let at = u64::from(from.offset());
        let hit = |bad: &Bad| bad.range.start < at && at <= bad.range.end;
        if !boundary && scanned.end >= at && !scanned.bad.iter().any(hit) {
            self.damage(&file.name, at, 0, Reason::NoBoundary);
        }
        Ok(scanned)
    }

    /// Why a file is no part of this journal, if it is none.
    fn refused(&self, file: &SegmentFile) -> Option<Reason> {
        let header = match &file.header {
            Err(reason) if !file.belongs() => return Some(*reason),
            Err(_) => return None,
            Ok(header) => header,
        };
        let Some(held) = self.held.as_ref() else {
            let before = self.passed.map_or(0, |(_, sequence)| sequence);
            return (header.first_sequence < before).then_some(Reason::OutOfOrder);
        };
        let next = held.scanned.last_sequence.saturating_add(1);
        let follows = header.previous.id == held.id
            && u64::from(header.previous.end) == held.scanned.end
            && held.scanned.exact;
        let fits = match follows {
            true => header.first_sequence == next,
            false => header.first_sequence >= next,
        };
        if fits { None } else { Some(Reason::OutOfOrder) }
    }

    /// Judges the segment read before, now that another comes after it.
    fn seal_held(&mut self) {
        let Some(held) = self.held.take() else { return };
        let end = held.scanned.end;
        let link = held.link.filter(|link| end <= u64::from(link.end));
        let mut damage = Vec::new();
        match link {
            None => damage.extend(held.scanned.bad.iter().cloned()),
            Some(link) => {
                let proven = u64::from(link.proven);
                self.report.unproven(held.id, link.proven..link.end);
                let inside = held.scanned.bad.iter().filter(|bad| bad.range.start < end);
                damage.extend(inside.cloned().map(|bad| torn_behind(proven, bad)));
                if end < link.end.into() {
                    let cut = held.bytes < link.end.into();
                    let behind = held.scanned.bad.iter().find(|bad| bad.range.start >= end);
                    let found = behind.map_or(Reason::Record, |bad| bad.reason);
                    let reason = if cut { Reason::CutShort } else { found };
                    damage.push(Bad { range: end..link.end.into(), reason });
                }
            }
        }
        self.keep(&held, damage);
    }

    /// Notes that a segment was there once. If it is not there now, and was not deleted on purpose,
    /// that is damage; unless nothing is older and there is no list, as the oldest may go without.
    fn miss(&mut self, gone: Previous) {
        let (id, from) = (gone.id, self.start.from.segment());
        let older = from > 0
            || self.held.as_ref().is_some_and(|held| held.id < id)
            || self.segments.iter().any(|segment| segment.id < id)
            || !self.directory.reclaimed.holes().is_empty();
        let there = self.directory.has(id) || self.directory.explains(id);
        if id > 0 && id >= from && older && !there {
            let bytes = gone.end.saturating_sub(SEGMENT_HEADER_BYTES).into();
            let offset = SEGMENT_HEADER_BYTES.into();
            let file = segment_name(id);
            let damage = Damage { file, offset, bytes, reason: Reason::Missing };
            if !self.report.damaged.contains(&damage) {
                self.report.damaged.push(damage);
            }
        }
    }

    /// Reports a segment's damage and keeps it for reading.
    pub(crate) fn keep(&mut self, held: &Held, damage: Vec<Bad>) {
        let certain = damage.iter().any(|bad| bad.reason != Reason::TornBatch);
        for bad in damage {
            let bytes = bad.range.end - bad.range.start;
            self.damage(&held.name, bad.range.start, bytes, bad.reason);
        }
        let end = held.scanned.end as u32;
        // What was reserved is used up; where nothing could be reserved, the file may grow.
        let reserved = held.bytes > held.scanned.end;
        let capacity = if reserved { held.bytes as u32 } else { self.segment_bytes };
        let header = held.header.unwrap_or(SegmentHeader::unknown(held.id));
        let damaged = certain || held.header.is_none();
        self.seen.push(SegmentSurvey {
            file: held.name.clone(),
            segment: held.id,
            format: held.header.map(|_| FORMAT_VERSION),
            file_bytes: held.bytes,
            records: held.scanned.records,
            record_bytes: held.scanned.record_bytes,
        });
        self.segments.push(Segment::new(header, capacity, end, damaged));
    }

    /// Takes what the owner of the checkpoint says is alive. What has gone with its segment is
    /// damage, and can be released all the same.
    pub(crate) fn retain(&mut self) {
        for &(id, count) in self.start.retained.iter().filter(|(_, count)| *count > 0) {
            if let Some(segment) = self.segments.iter().find(|segment| segment.id == id) {
                segment.retain(count);
                continue;
            }
            let name = segment_name(id);
            if self.directory.reclaimed.covers(id) {
                self.report.reclaimed.push(id);
            } else if !self.directory.has(id)
                && !self.report.damaged.iter().any(|it| it.file == name)
            {
                self.damage(&name, 0, 0, Reason::Missing);
            }
            let missing = Segment::missing(id);
            missing.retain(count);
            self.segments.push(missing);
        }
    }

    /// The highest number that some segment has, or is said to have had.
    pub(crate) fn highest_id(&self) -> u32 {
        let retained = self.start.retained.iter().map(|(id, _)| *id).max().unwrap_or(0);
        self.directory.highest_id.max(retained)
    }

    pub(crate) fn damage(&mut self, file: &str, offset: u64, bytes: u64, reason: Reason) {
        self.report.damaged.push(Damage { file: file.to_owned(), offset, bytes, reason });
    }
}

/// Damage behind `proven` may be a write that was cut short.
pub(crate) fn torn_behind(proven: u64, bad: Bad) -> Bad {
    let torn = bad.range.start >= proven && bad.reason != Reason::Unreadable;
    Bad { reason: if torn { Reason::TornBatch } else { bad.reason }, ..bad }
}
