//! A file: its bytes in the cache, its bytes on the medium, and what lies between.

use std::{collections::BTreeSet, ops::Range};

use fastrand::Rng;

use crate::{
    Loss, Lost,
    content::{Content, PAGE, SECTOR},
};

/// A file.
#[derive(Debug, Default)]
pub(crate) struct File {
    cached: Content,
    medium: Content,
    /// Pages changed since the last sync.
    dirty: BTreeSet<u64>,
    last_write: Option<Write>,
}

/// A write that was not synced.
#[derive(Debug, Clone)]
struct Write {
    /// Which one it was of all writes to the file system.
    order: u64,
    range: Range<u64>,
}

impl File {
    /// What programs see.
    pub(crate) fn cached(&self) -> &Content {
        &self.cached
    }

    /// Writes to the cache; `order` is the number of this write among all.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8], order: u64) {
        let range = offset..offset + bytes.len() as u64;
        self.cached.write(offset, bytes);
        self.dirty.extend(pages(&range));
        self.last_write = Some(Write { order, range });
    }

    /// Changes the size in the cache.
    pub(crate) fn set_size(&mut self, size: u64) {
        self.dirty.extend(pages(&(size..self.cached.size())));
        self.cached.set_size(size);
    }

    /// Brings bytes and size to the medium.
    pub(crate) fn sync(&mut self) {
        for page in std::mem::take(&mut self.dirty) {
            self.medium.take_page(page, &self.cached);
        }
        self.medium.set_size(self.cached.size());
        self.last_write = None;
    }

    /// A sync that fails, as Linux does it: nothing reached the medium, and the cache holds its
    /// pages for clean, so that the next sync has nothing to do and succeeds.
    pub(crate) fn fail_sync(&mut self) {
        self.dirty.clear();
        self.last_write = None;
    }

    /// The number of its last unsynced write.
    pub(crate) fn last_order(&self) -> Option<u64> {
        self.last_write.as_ref().map(|write| write.order)
    }

    /// The power fails. `last` is the number of the last write that was under way anywhere.
    pub(crate) fn lose(&mut self, loss: Loss, last: Option<u64>, rng: &mut Rng, lost: &mut Lost) {
        let cached = std::mem::take(&mut self.cached);
        let mut kept = self.medium.clone();
        let grown = match loss {
            Loss::Everything => false,
            Loss::Subset => rng.bool(),
            Loss::Torn { .. } | Loss::Nothing => true,
        };
        if grown {
            kept.set_size(cached.size());
        }
        let torn = match (loss, &self.last_write) {
            (Loss::Torn { unit }, Some(write)) if Some(write.order) == last => {
                torn_off(&write.range, unit, rng)
            }
            _ => 0..0,
        };
        for page in std::mem::take(&mut self.dirty) {
            for start in (page * PAGE..(page + 1) * PAGE).step_by(SECTOR as usize) {
                let sector = start..start + SECTOR;
                if cached.has_same_range(sector.clone(), &self.medium) {
                    continue;
                }
                let keeps = match loss {
                    Loss::Everything => false,
                    Loss::Subset => rng.bool(),
                    Loss::Torn { .. } => !(torn.start <= start && start < torn.end),
                    Loss::Nothing => true,
                };
                if keeps {
                    kept.take_range(sector, &cached);
                    lost.kept += 1;
                } else {
                    lost.sectors += 1;
                }
            }
        }
        // What reached the medium behind the end of the file is not in it.
        kept.set_size(kept.size());
        self.medium = kept;
        self.cached = self.medium.clone();
        self.last_write = None;
    }
}

/// The part of a write behind the place where it was torn.
fn torn_off(write: &Range<u64>, unit: u64, rng: &mut Rng) -> Range<u64> {
    let (first, end) = (write.start / unit, write.end.div_ceil(unit));
    rng.u64(first..=end) * unit..end * unit
}

fn pages(range: &Range<u64>) -> Range<u64> {
    if range.is_empty() { 0..0 } else { range.start / PAGE..range.end.div_ceil(PAGE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synced_then_written(old: u8, new: u8) -> File {
        let mut file = File::default();
        file.write(0, &[old; 10_000], 1);
        file.sync();
        file.write(1000, &[new; 8000], 2);
        file
    }

    fn after(mut file: File, loss: Loss, seed: u64) -> (Vec<u8>, Lost) {
        let mut lost = Lost::default();
        file.lose(loss, Some(2), &mut Rng::with_seed(seed), &mut lost);
        (file.cached().read(0, 20_000), lost)
    }

    #[test]
    fn what_was_synced_stays_and_what_was_not_is_gone() {
        let (bytes, lost) = after(synced_then_written(1, 2), Loss::Everything, 1);
        assert_eq!(bytes, [1; 10_000]);
        assert_eq!((lost.kept, lost.sectors), (0, 17));
    }

    #[test]
    fn a_subset_keeps_some_whole_sectors_and_is_another_with_another_seed() {
        let (bytes, lost) = after(synced_then_written(1, 2), Loss::Subset, 1);
        assert!(lost.kept > 0 && lost.sectors > 0, "{lost:?}");
        for sector in bytes.chunks(512).skip(2).take(15) {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector is whole");
        }
        let (other, _) = after(synced_then_written(1, 2), Loss::Subset, 2);
        assert_ne!(bytes, other);
        assert_eq!(bytes, after(synced_then_written(1, 2), Loss::Subset, 1).0);
    }

    #[test]
    fn a_torn_write_is_there_up_to_one_place() {
        let mut places = BTreeSet::new();
        for seed in 0..50 {
            let (bytes, _) = after(synced_then_written(1, 2), Loss::Torn { unit: 4096 }, seed);
            let written = bytes.iter().filter(|byte| **byte == 2).count();
            assert!(bytes[1000..1000 + written].iter().all(|byte| *byte == 2));
            places.insert(written);
        }
        assert_eq!(places.into_iter().collect::<Vec<_>>(), [0, 3096, 7192, 8000]);
    }

    #[test]
    fn a_file_that_was_never_synced_is_empty_and_one_that_grew_has_its_old_size() {
        let mut file = File::default();
        file.set_size(1 << 20);
        file.write(0, b"header", 2);
        assert_eq!(after(file, Loss::Everything, 1).0, b"");
        let mut file = File::default();
        file.write(0, b"short", 1);
        file.sync();
        file.write(5, b" and long", 2);
        assert_eq!(after(file, Loss::Everything, 1).0, b"short");
    }

    #[test]
    fn after_a_failed_sync_the_next_one_succeeds_and_saves_nothing() {
        let mut file = synced_then_written(1, 2);
        file.fail_sync();
        assert_eq!(file.cached().read(1000, 1), [2], "the cache still has it");
        file.sync();
        assert_eq!(after(file, Loss::Everything, 1).0, [1; 10_000]);
    }
}
