//! Opening a journal: reading it, finding where it goes on, and making sure that what was read
//! stays.
//!
//! Damage is passed over and reported, never removed. What tells damage from a write that a crash
//! cut short: a record that begins a commit proves that all before it had been synced. Only what no
//! such record follows may be torn.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use crate::damage::{Reason, Recovery, Torn};
use crate::directory::{Directory, read_directory};
use crate::disk::{Disk, DiskFile, read_full};
use crate::error::Error;
use crate::limits::READ_BLOCK_BYTES;
use crate::pending::Tail;
use crate::reading::{Held, Reading, Start, torn_behind};
use crate::reclaimed::Reclaimed;
use crate::record::{HEADER_BYTES, Record};
use crate::scan::Bad;
use crate::segment::{Segment, Segments};
use crate::segment_header::{Previous, SEGMENT_HEADER_BYTES, segment_name};
use crate::{Options, Position};

/// A journal that was read.
pub(crate) struct Recovered {
    pub(crate) recovery: Recovery,
    pub(crate) segments: Vec<Segment>,
    pub(crate) tail: RecoveredTail,
    /// Everything below is on the medium.
    pub(crate) durable: Position,
    pub(crate) reclaimed: Reclaimed,
    /// Files that have no name any more, and whose space is given back when they are dropped.
    pub(crate) nameless: Vec<Arc<dyn DiskFile>>,
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

    /// `bytes` before the checkpoint at `from` are gone. The next segment says so in its header,
    /// and leaves out as many sequences as may have been there.
    fn lost(&mut self, from: Position, bytes: u64) {
        let (id, end) = (from.segment(), from.offset());
        self.previous = Previous { id, end, proven: end };
        self.next_sequence = self.next_sequence.saturating_add(bytes / HEADER_BYTES as u64);
    }
}

/// Reads everything from the start on, then makes sure that what was read stays.
pub(crate) fn recover(
    disk: &dyn Disk,
    options: &Options,
    start: Start<'_>,
    visit: &mut dyn FnMut(Record<'_>),
) -> Result<Recovered, Error> {
    let mut report = Recovery::default();
    let directory = read_directory(disk, &mut report)?;
    let mut reading = Reading::new(disk, &directory, start, options.segment_bytes, report);
    reading.run(visit)?;
    let held = reading.held.take();
    let begin = options.first_sequence.unwrap_or_else(unguessable);
    let mut tail = judge_last(&mut reading, held.as_ref(), directory.journal.unwrap_or(begin));
    let mut durable = Position::from_bits(0);
    if let Some(held) = &held {
        durable = Position::new(held.id, held.scanned.end as u32);
        write_again(disk, held)?;
    }
    reach_checkpoint(&mut reading, &mut tail, durable);
    reading.retain();
    let Reading { mut report, segments, .. } = reading;
    let nameless = tidy(disk, &directory, &mut report)?;
    report.damaged.sort();
    let reclaimed = directory.reclaimed;
    Ok(Recovered { recovery: report, segments, tail, durable, reclaimed, nameless })
}

/// Judges the last segment, and decides whether records go on in it.
pub(crate) fn judge_last(
    reading: &mut Reading<'_>,
    held: Option<&Held>,
    journal: u64,
) -> RecoveredTail {
    let previous = Previous::default();
    let mut tail =
        RecoveredTail { open: None, next_id: None, journal, previous, next_sequence: journal };
    let Some(held) = held else { return tail };
    let end = held.scanned.end;
    // All before a checkpoint in it had been synced.
    let from = reading.start.from;
    let checkpoint = if from.segment() == held.id { from.offset().into() } else { 0 };
    let proven = held.scanned.last_batch.max(checkpoint).min(end);
    reading.report.unproven(held.id, proven as u32..end as u32);
    let bad = held.scanned.bad.iter().cloned();
    let (inside, behind): (Vec<Bad>, Vec<Bad>) = bad.partition(|bad| bad.range.start < end);
    let mut damage: Vec<_> = inside.into_iter().map(|bad| torn_behind(proven, bad)).collect();
    let torn_batch = damage.iter().any(|bad| bad.reason == Reason::TornBatch);
    let clean = behind.is_empty() && !torn_batch && held.header.is_some() && checkpoint <= end;
    let mut lost = Reason::Record;
    for bad in behind {
        match bad.reason {
            reason if bad.range.start < checkpoint => lost = reason,
            Reason::Unreadable => damage.push(bad),
            _ => torn(&mut reading.report, &held.name, &bad),
        }
    }
    let proven = if torn_batch { proven } else { end } as u32;
    tail.previous = Previous { id: held.id, end: end as u32, proven };
    if held.scanned.last_sequence > 0 {
        tail.next_sequence = held.scanned.last_sequence.saturating_add(1);
    }
    if end < checkpoint {
        let reason = if held.bytes < checkpoint { Reason::CutShort } else { lost };
        damage.push(Bad { range: end..checkpoint, reason });
        tail.lost(from, checkpoint - end);
    }
    reading.keep(held, damage);
    // A record with an attachment has its segment for itself.
    let takes_more = clean && held.header.is_some_and(|header| !header.attached);
    tail.open = takes_more.then_some((held.id, end as u32));
    tail
}

fn torn(report: &mut Recovery, file: &str, bad: &Bad) {
    report.torn_bytes += bad.range.end - bad.range.start;
    report.torn.get_or_insert(Torn { file: file.to_owned(), offset: bad.range.start });
}

/// Whatever is missing at the end, nothing new may stand at a position that the checkpoint has
/// passed: the next start from it would not see it.
fn reach_checkpoint(reading: &mut Reading<'_>, tail: &mut RecoveredTail, end: Position) {
    let (from, highest) = (reading.start.from, reading.highest_id());
    tail.next_id = highest.max(from.segment()).checked_add(1);
    if end.segment() >= from.segment() {
        return;
    }
    tail.open = None;
    if from.offset() <= SEGMENT_HEADER_BYTES {
        // Nothing of that segment had been written: it need not be there.
        if highest < from.segment() {
            tail.next_id = Some(from.segment());
        }
        return;
    }
    let bytes = u64::from(from.offset() - SEGMENT_HEADER_BYTES);
    let directory = reading.directory;
    if !directory.has(from.segment()) && !directory.explains(from.segment()) {
        let name = segment_name(from.segment());
        reading.damage(&name, SEGMENT_HEADER_BYTES.into(), bytes, Reason::Missing);
    }
    tail.lost(from, bytes);
}

/// Writes the last commit once more and syncs it. It may have been read from pages that a
/// failed sync left in memory, marked clean: the records would be delivered now and gone after
/// a power loss. The same bytes go to the same place, so that a crash meanwhile changes
/// nothing.
fn write_again(disk: &dyn Disk, held: &Held) -> Result<(), Error> {
    let file = disk.open(&held.name).map_err(Error::io("open", &held.name))?;
    let longest = held.scanned.unproven.iter().map(|range| range.end - range.start).max();
    let mut block = vec![0; longest.unwrap_or(0).min(READ_BLOCK_BYTES as u64) as usize];
    for range in &held.scanned.unproven {
        let mut at = range.start;
        while at < range.end {
            let bytes = (range.end - at).min(block.len() as u64) as usize;
            let part = block.get_mut(..bytes).unwrap_or_default();
            let read = read_full(&*file, part, at).map_err(Error::io("read again", &held.name))?;
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
///
/// What was never finished is removed last, and that is not waited for: to find it again after a
/// power loss costs nothing, to sync a directory that was just changed costs the start ten times
/// what it costs to sync one that was not. Nor for its space: to give back the pages of a segment
/// that was filled ahead takes 10 ms, so the files are returned, open.
fn tidy(
    disk: &dyn Disk,
    directory: &Directory,
    report: &mut Recovery,
) -> Result<Vec<Arc<dyn DiskFile>>, Error> {
    let mut remove = |name: &String| {
        report.removed.push(name.clone());
        disk.remove(name).map_err(Error::io("remove", name))
    };
    directory.void.iter().try_for_each(&mut remove)?;
    if !directory.segments.is_empty() || !directory.void.is_empty() {
        disk.sync_dir().map_err(Error::io("sync", "the journal's directory"))?;
    }
    let nameless = directory.unfinished.iter().filter_map(|name| disk.open(name).ok()).collect();
    directory.unfinished.iter().try_for_each(&mut remove)?;
    Ok(nameless)
}

/// A first sequence that nobody can guess, with room for 2⁶² records behind it. The hasher's keys
/// come from the operating system.
fn unguessable() -> u64 {
    (RandomState::new().build_hasher().finish() >> 2).max(1)
}
