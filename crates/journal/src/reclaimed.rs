//! Which segments were deleted on purpose, in a file of their own: a hole in the row of segments
//! that it explains is no damage. `docs/storage.md` shows its bytes.
//!
//! It names a segment before that one is deleted, so a file that is listed and still there, or
//! there again after a power loss, holds nothing.

use std::sync::Arc;

use crc32c::crc32c;

use crate::damage::{Damage, Reason, Recovery};
use crate::disk::{Disk, read_full};
use crate::error::{Error, is_full};
use crate::limits::RECLAIMED_LIST_BYTES_MAX;
use crate::record::{u32_at, u64_at};
use crate::segment::Segment;
use crate::segment_header::{FORMAT_VERSION, Previous, RECLAIMED_NAME, RECLAIMED_UNFINISHED_NAME};

/// Segments that were deleted and stood side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hole {
    /// What the first of them said of the segment before it.
    pub(crate) previous: Previous,
    /// The sequence of the first record in the first of them.
    pub(crate) first_sequence: u64,
    /// The last of them.
    pub(crate) last: u32,
}

impl Hole {
    fn of(segment: &Segment) -> Hole {
        let mut previous = segment.header.previous;
        if !segment.header.is_known() {
            previous = Previous { id: segment.id.saturating_sub(1), end: 0, proven: 0 };
        }
        Hole { previous, first_sequence: segment.header.first_sequence, last: segment.id }
    }

    fn covers(&self, id: u32) -> bool {
        self.previous.id < id && id <= self.last
    }
}

/// All holes, in order; at most one more than there are segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reclaimed {
    holes: Vec<Hole>,
}

impl Reclaimed {
    pub(crate) fn covers(&self, id: u32) -> bool {
        self.holes.iter().any(|hole| hole.covers(id))
    }

    pub(crate) fn holes(&self) -> &[Hole] {
        &self.holes
    }

    /// The hole that begins behind a segment, if it says where that one ends.
    pub(crate) fn behind(&self, id: u32) -> Option<&Hole> {
        self.holes.iter().find(|hole| hole.previous.id == id && hole.previous.end > 0)
    }

    /// The highest number in it.
    pub(crate) fn highest_id(&self) -> u32 {
        self.holes.last().map_or(0, |hole| hole.last)
    }

    /// Forgets holes that lie wholly before a segment.
    pub(crate) fn forget_before(&mut self, id: u32) {
        self.holes.retain(|hole| hole.last > id);
    }

    /// The first list of a journal: what stood before its oldest segment has gone without one.
    pub(crate) fn begin(&mut self, oldest: &Segment) {
        let last = Hole::of(oldest).previous.id;
        if self.holes.is_empty() && last > 0 {
            let previous = Previous::default();
            self.holes.push(Hole { previous, first_sequence: 0, last });
        }
    }

    pub(crate) fn add(&mut self, segment: &Segment) {
        if self.covers(segment.id) {
            return;
        }
        let at = self.holes.partition_point(|hole| hole.last < segment.id);
        self.holes.insert(at, Hole::of(segment));
        self.join(at + 1);
        self.join(at);
    }

    /// Makes one of the hole at `at` and the one before it, if nothing lies between.
    fn join(&mut self, at: usize) {
        let Some(before) = at.checked_sub(1).and_then(|before| self.holes.get(before)).copied()
        else {
            return;
        };
        if let Some(hole) = self.holes.get_mut(at).filter(|hole| hole.previous.id == before.last) {
            *hole = Hole { last: hole.last, ..before };
            self.holes.remove(at - 1);
        }
    }

    fn encode(&self, journal: u64) -> Vec<u8> {
        let mut out = vec![0; HEADER_BYTES];
        for hole in &self.holes {
            for field in [hole.previous.id, hole.previous.end, hole.previous.proven, hole.last] {
                out.extend_from_slice(&field.to_le_bytes());
            }
            out.extend_from_slice(&hole.first_sequence.to_le_bytes());
        }
        let (header, list) = out.split_at_mut(HEADER_BYTES);
        header[0..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        header[12..16].copy_from_slice(&(self.holes.len() as u32).to_le_bytes());
        header[16..24].copy_from_slice(&journal.to_le_bytes());
        // 24..56 is reserved: written as zero, not looked at when read.
        header[56..60].copy_from_slice(&crc32c(list).to_le_bytes());
        let crc = crc32c(&header[..60]);
        header[60..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// None if it is damaged; the error is the version of a newer format.
    fn decode(bytes: &[u8]) -> Option<Result<(u64, Reclaimed), u32>> {
        let (header, list) = bytes.split_at_checked(HEADER_BYTES)?;
        if *header.first_chunk()? != MAGIC || u32_at(header, 60)? != crc32c(header.get(..60)?) {
            return None;
        }
        let found = u32_at(header, 8)?;
        if found > FORMAT_VERSION {
            return Some(Err(found));
        }
        let whole = list.len() == (u32_at(header, 12)? as usize).checked_mul(HOLE_BYTES)?;
        if !whole || u32_at(header, 56)? != crc32c(list) {
            return None;
        }
        let mut holes = Vec::with_capacity(list.len() / HOLE_BYTES);
        for hole in list.chunks(HOLE_BYTES) {
            let previous =
                Previous { id: u32_at(hole, 0)?, end: u32_at(hole, 4)?, proven: u32_at(hole, 8)? };
            let (last, first_sequence) = (u32_at(hole, 12)?, u64_at(hole, 16)?);
            holes.push(Hole { previous, first_sequence, last });
        }
        Some(Ok((u64_at(header, 16)?, Reclaimed { holes })))
    }
}

/// Reads the list, if there is one, and which journal it is of. What cannot be used is reported.
pub(crate) fn read_list(
    disk: &dyn Disk,
    report: &mut Recovery,
) -> Result<Option<(u64, Reclaimed)>, Error> {
    let file = disk.open(RECLAIMED_NAME).map_err(Error::io("open", RECLAIMED_NAME))?;
    let size = file.size().map_err(Error::io("look at", RECLAIMED_NAME))?;
    let damage =
        |reason| Damage { file: RECLAIMED_NAME.to_owned(), offset: 0, bytes: size, reason };
    let mut bytes = vec![0; size.min(RECLAIMED_LIST_BYTES_MAX) as usize];
    let read = read_full(&*file, &mut bytes, 0).or_else(|_| read_full(&*file, &mut bytes, 0));
    let reason = match read.ok().map(|read| Reclaimed::decode(bytes.get(..read)?)) {
        None => Reason::Unreadable,
        Some(None) => Reason::ReclaimedList,
        Some(Some(Err(found))) => {
            let file = RECLAIMED_NAME.to_owned();
            return Err(Error::NewerFormat { file, found, known: FORMAT_VERSION });
        }
        Some(Some(Ok(list))) => return Ok(Some(list)),
    };
    report.damaged.push(damage(reason));
    Ok(None)
}

/// How the list did not get to the medium.
pub(crate) enum ListFault {
    /// No space; nothing has changed.
    Full,
    /// The old list or the new one is in force, both right.
    Refused(Error),
    /// A sync failed.
    Broken(Error),
}

/// Puts the list on the medium, whole, instead of the one before.
pub(crate) fn write_list(
    disk: &dyn Disk,
    journal: u64,
    reclaimed: &Reclaimed,
) -> Result<(), ListFault> {
    let name = RECLAIMED_UNFINISHED_NAME;
    let refused = |action| {
        move |error| match is_full(&error) {
            true => ListFault::Full,
            false => ListFault::Refused(Error::io(action, name)(error)),
        }
    };
    let broken = |action| move |error| ListFault::Broken(Error::io(action, name)(error));
    let fill = || {
        let file = disk.create(name).map_err(refused("create"))?;
        file.write_at(&reclaimed.encode(journal), 0).map_err(refused("write"))?;
        Ok(file)
    };
    let file: Arc<_> = fill().inspect_err(|_| {
        // Tidiness only: it is emptied by the next try, or removed by the next start.
        let _ = disk.remove(name);
    })?;
    file.sync().map_err(broken("sync"))?;
    disk.rename(name, RECLAIMED_NAME).map_err(refused("rename"))?;
    disk.sync_dir().map_err(broken("sync the directory of"))
}

const MAGIC: [u8; 8] = *b"TPJRECLM";
const HEADER_BYTES: usize = 64;
const HOLE_BYTES: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment_header::SegmentHeader;

    fn segment(id: u32, previous: u32) -> Segment {
        let previous = Previous { id: previous, end: 100 + id, proven: 90 };
        let (journal, first_sequence) = (5, u64::from(id) * 10);
        let header = SegmentHeader {
            id,
            rewrite: false,
            attached: false,
            journal,
            first_sequence,
            previous,
        };
        Segment::new(header, 1000, 500, false)
    }

    fn spans(reclaimed: &Reclaimed) -> Vec<(u32, u32)> {
        reclaimed.holes.iter().map(|hole| (hole.previous.id, hole.last)).collect()
    }

    #[test]
    fn neighbours_become_one_hole_in_whatever_order_they_go() {
        let chain = [(1, 0), (2, 1), (3, 2), (6, 3), (7, 6), (8, 7)];
        let mut reclaimed = Reclaimed::default();
        for (id, expected) in [
            (2, vec![(1, 2)]),
            (7, vec![(1, 2), (6, 7)]),
            (2, vec![(1, 2), (6, 7)]),
            // 4 and 5 were never segments.
            (6, vec![(1, 2), (3, 7)]),
            (1, vec![(0, 2), (3, 7)]),
            (3, vec![(0, 7)]),
        ] {
            let previous = chain.iter().find(|it| it.0 == id).unwrap().1;
            reclaimed.add(&segment(id, previous));
            assert_eq!(spans(&reclaimed), expected, "with {id}");
        }
        assert!(reclaimed.covers(5) && !reclaimed.covers(8) && !reclaimed.covers(0));
        assert_eq!(reclaimed.holes[0].first_sequence, 10);
        assert_eq!(reclaimed.highest_id(), 7);
    }

    #[test]
    fn a_list_comes_back_as_it_was_and_no_flipped_bit_goes_unseen() {
        let mut reclaimed = Reclaimed::default();
        [segment(2, 1), segment(9, 8)].iter().for_each(|segment| reclaimed.add(segment));
        let bytes = reclaimed.encode(77);
        assert_eq!(bytes.len(), 64 + 2 * 24);
        assert_eq!(Reclaimed::decode(&bytes), Some(Ok((77, reclaimed))));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Reclaimed::decode(&flipped), None, "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert_eq!(Reclaimed::decode(&bytes[..cut]), None, "cut at {cut}");
        }
    }
}
