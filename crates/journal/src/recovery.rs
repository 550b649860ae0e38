//! Reading a journal from its first record to its last, and finding where it goes on.
//!
//! Damage is passed over and reported, never removed. What tells damage from a write that a crash
//! cut short: a record that begins a commit proves that all before it had been synced. Only what no
//! such record follows may be torn.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use crate::damage::{Damage, Reason, Recovery, Torn};
use crate::disk::{Disk, read_full};
use crate::error::Error;
use crate::limits::READ_BLOCK_BYTES;
use crate::pending::Tail;
use crate::record::Record;
use crate::scan::{Bad, Expected, Scanned, scan};
use crate::segment::{Segment, Segments};
use crate::segment_header::{Previous, SEGMENT_HEADER_BYTES, SegmentHeader, segment_name};
use crate::survey::{SegmentFile, Survey, survey};
use crate::{Options, Position};

/// A journal that was read.
pub(crate) struct Recovered {
    pub(crate) recovery: Recovery,
    pub(crate) segments: Vec<Segment>,
    pub(crate) tail: RecoveredTail,
    /// Everything below is on the medium.
    pub(crate) durable: Position,
}

/// Where the next record goes; as [`Tail`], with the segment's number.
pub(crate) struct RecoveredTail {
    open: Option<(u32, u32)>,
    next_id: Option<u32>,
    journal: u64,
    previous: Previous,
    next_sequence: u64,
}

impl RecoveredTail {
    pub(crate) fn resolve(self, segments: &Segments) -> Tail {
        let open = self.open.and_then(|(id, offset)| Some((segments.get(id)?, offset)));
        let RecoveredTail { next_id, journal, previous, next_sequence, .. } = self;
        Tail { open, next_id, journal, previous, next_sequence }
    }
}

/// Reads everything, then makes sure that what was read stays.
pub(crate) fn recover(
    disk: &dyn Disk,
    options: &Options,
    visit: &mut dyn FnMut(Record<'_>),
) -> Result<Recovered, Error> {
    let mut recovery = Recovery::default();
    let survey = survey(disk, &mut recovery)?;
    let mut reading = Reading { disk, options, recovery, segments: Vec::new(), held: None };
    for (index, file) in survey.segments.iter().enumerate() {
        let link = survey.segments.get(index + 1..).unwrap_or_default();
        let link = link.iter().find_map(|next| next.header.as_ref().ok());
        let link = link.map(|next| (next.previous, next.first_sequence));
        reading.segment(
            file,
            link.filter(|(previous, _)| previous.id == file.id),
            &survey,
            visit,
        )?;
    }
    reading.finish(&survey)
}

/// The state of reading: segments are read in order, and judged when it is known what follows them.
struct Reading<'a> {
    disk: &'a dyn Disk,
    options: &'a Options,
    recovery: Recovery,
    segments: Vec<Segment>,
    held: Option<Held>,
}

/// The last segment that was read.
struct Held {
    id: u32,
    name: String,
    bytes: u64,
    header: Option<SegmentHeader>,
    scanned: Scanned,
}

impl Reading<'_> {
    fn segment(
        &mut self,
        file: &SegmentFile,
        link: Option<(Previous, u64)>,
        survey: &Survey,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<(), Error> {
        if let Some(reason) = self.refused(file) {
            self.damage(&file.name, 0, file.bytes, reason);
            return Ok(());
        }
        let mut expected = match &file.header {
            Ok(header) => Expected::after(header, file.bytes),
            Err(_) => {
                let before = self.held.as_ref().map_or(0, |held| held.scanned.last_sequence);
                Expected::unknown(file.id, file.bytes, before)
            }
        };
        expected.link = link.map(|(previous, first)| (previous.end.into(), first));
        self.seal_held(file.header.as_ref().ok(), survey);
        if let Err(reason) = file.header {
            self.damage(&file.name, 0, SEGMENT_HEADER_BYTES.into(), reason);
        }
        let open = self.disk.open(&file.name).map_err(Error::io("open", &file.name))?;
        let scanned = scan(&*open, expected, &mut |header, offset, payload| {
            let position = Position::new(file.id, offset as u32);
            visit(Record { position, kind: header.kind, payload });
        });
        self.recovery.records += scanned.records;
        self.recovery.segments += 1;
        let (name, header) = (file.name.clone(), file.header.as_ref().ok().copied());
        self.held = Some(Held { id: file.id, name, bytes: file.bytes, header, scanned });
        Ok(())
    }

    /// Why a file is no part of this journal, if it is none.
    fn refused(&self, file: &SegmentFile) -> Option<Reason> {
        let header = match &file.header {
            Err(reason) if !file.belongs() => return Some(*reason),
            Err(_) => return None,
            Ok(header) => header,
        };
        let held = self.held.as_ref()?;
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

    /// Judges the segment read before, now that `next` is known to come after it.
    fn seal_held(&mut self, next: Option<&SegmentHeader>, survey: &Survey) {
        let Some(held) = self.held.take() else { return };
        let end = held.scanned.end;
        let previous = next.map(|next| next.previous);
        let link = previous.filter(|link| link.id == held.id && end <= u64::from(link.end));
        let mut damage = Vec::new();
        match link {
            None => damage.extend(held.scanned.bad.iter().cloned()),
            Some(link) => {
                let proven = u64::from(link.proven);
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
        if let Some(gone) = previous.filter(|previous| previous.id > held.id)
            && !survey.segments.iter().any(|file| file.id == gone.id)
        {
            let bytes = gone.end.saturating_sub(SEGMENT_HEADER_BYTES).into();
            let offset = SEGMENT_HEADER_BYTES.into();
            self.damage(&segment_name(gone.id), offset, bytes, Reason::Missing);
        }
        self.keep(&held, damage);
    }

    /// Reports a segment's damage and keeps it for reading.
    fn keep(&mut self, held: &Held, damage: Vec<Bad>) {
        let certain = damage.iter().any(|bad| bad.reason != Reason::TornBatch);
        for bad in damage {
            let bytes = bad.range.end - bad.range.start;
            self.damage(&held.name, bad.range.start, bytes, bad.reason);
        }
        let end = held.scanned.end as u32;
        // What was reserved is used up; where nothing could be reserved, the file may grow.
        let reserved = held.bytes > held.scanned.end;
        let capacity = if reserved { held.bytes as u32 } else { self.options.segment_bytes };
        let header = held.header.unwrap_or(SegmentHeader {
            id: held.id,
            rewrite: false,
            journal: 0,
            first_sequence: 0,
            previous: Previous::default(),
        });
        let damaged = certain || held.header.is_none();
        self.segments.push(Segment::new(header, capacity, end, damaged));
    }

    fn damage(&mut self, file: &str, offset: u64, bytes: u64, reason: Reason) {
        self.recovery.damaged.push(Damage { file: file.to_owned(), offset, bytes, reason });
    }

    /// Judges the last segment, and decides whether records go on in it.
    fn finish(mut self, survey: &Survey) -> Result<Recovered, Error> {
        let begin = self.options.first_sequence.unwrap_or_else(unguessable);
        let mut tail = RecoveredTail {
            open: None,
            journal: survey.journal.unwrap_or(begin),
            next_id: survey.highest_id.checked_add(1),
            previous: Previous::default(),
            next_sequence: begin,
        };
        let mut durable = Position::from_bits(0);
        if let Some(held) = self.held.take() {
            let Scanned { end, last_sequence, last_batch, .. } = held.scanned;
            let last_batch = last_batch.min(end);
            let bad = held.scanned.bad.iter().cloned();
            let (inside, behind): (Vec<Bad>, Vec<Bad>) = bad.partition(|bad| bad.range.start < end);
            let mut damage: Vec<_> =
                inside.into_iter().map(|bad| torn_behind(last_batch, bad)).collect();
            let torn_batch = damage.iter().any(|bad| bad.reason == Reason::TornBatch);
            let clean = behind.is_empty() && !torn_batch && held.header.is_some();
            for bad in behind {
                match bad.reason {
                    Reason::Unreadable => damage.push(bad),
                    _ => self.torn(&held.name, &bad),
                }
            }
            self.keep(&held, damage);
            let proven = if torn_batch { last_batch } else { end } as u32;
            tail.previous = Previous { id: held.id, end: end as u32, proven };
            tail.open = clean.then_some((held.id, end as u32));
            if last_sequence > 0 {
                tail.next_sequence = last_sequence.saturating_add(1);
            }
            durable = Position::new(held.id, end as u32);
            self.write_again(&held)?;
        }
        self.tidy(survey)?;
        self.recovery.damaged.sort();
        let Reading { recovery, segments, .. } = self;
        Ok(Recovered { recovery, segments, tail, durable })
    }

    fn torn(&mut self, file: &str, bad: &Bad) {
        self.recovery.torn_bytes += bad.range.end - bad.range.start;
        let torn = Torn { file: file.to_owned(), offset: bad.range.start };
        self.recovery.torn.get_or_insert(torn);
    }

    /// Writes the last commit once more and syncs it. It may have been read from pages that a
    /// failed sync left in memory, marked clean: the records would be delivered now and gone after
    /// a power loss. The same bytes go to the same place, so that a crash meanwhile changes
    /// nothing.
    fn write_again(&self, held: &Held) -> Result<(), Error> {
        let file = self.disk.open(&held.name).map_err(Error::io("open", &held.name))?;
        let longest = held.scanned.unproven.iter().map(|range| range.end - range.start).max();
        let mut block = vec![0; longest.unwrap_or(0).min(READ_BLOCK_BYTES as u64) as usize];
        for range in &held.scanned.unproven {
            let mut at = range.start;
            while at < range.end {
                let bytes = (range.end - at).min(block.len() as u64) as usize;
                let part = block.get_mut(..bytes).unwrap_or_default();
                let read =
                    read_full(&*file, part, at).map_err(Error::io("read again", &held.name))?;
                let part = part.get(..read).unwrap_or_default();
                if part.is_empty() {
                    break;
                }
                file.write_at(part, at).map_err(Error::io("write again", &held.name))?;
                at += read as u64;
            }
        }
        file.sync().map_err(Error::io("sync", &held.name))
    }

    /// Removes what certainly holds nothing, and makes sure that what was found is found again.
    fn tidy(&mut self, survey: &Survey) -> Result<(), Error> {
        for name in survey.unfinished.iter().chain(&survey.void) {
            self.disk.remove(name).map_err(Error::io("remove", name))?;
            self.recovery.removed.push(name.clone());
        }
        if survey.segments.is_empty() && self.recovery.removed.is_empty() {
            return Ok(());
        }
        self.disk.sync_dir().map_err(Error::io("sync", "the journal's directory"))
    }
}

/// Damage behind `proven` may be a write that was cut short.
fn torn_behind(proven: u64, bad: Bad) -> Bad {
    let torn = bad.range.start >= proven && bad.reason != Reason::Unreadable;
    Bad { reason: if torn { Reason::TornBatch } else { bad.reason }, ..bad }
}

/// A first sequence that nobody can guess, with room for 2⁶² records behind it. The hasher's keys
/// come from the operating system.
fn unguessable() -> u64 {
    (RandomState::new().build_hasher().finish() >> 2).max(1)
}
