//! What a machine may find after power loss: the durable part, and any part of the rest. A rename
//! is there or not, a new size is there or not, and a write is there sector by sector.

use crate::change::Change;
use crate::image::Image;
use crate::random::Random;

/// The smallest piece of a write that is there or not.
pub const SECTOR_BYTES: usize = 512;

/// The larger one: what today's disks write whole.
const BLOCK_BYTES: usize = 4096;

/// How many of the possible outcomes are made.
#[derive(Debug, Clone, Copy)]
pub struct Losses {
    /// If at most this many pieces are in doubt, every combination of them.
    pub exhaustive_up_to: usize,
    /// Else nothing of them, all of them, and this many random combinations.
    pub samples: usize,
}

impl Default for Losses {
    /// Up to 6 pieces (64 combinations), else 24 samples.
    fn default() -> Losses {
        Losses { exhaustive_up_to: 6, samples: 24 }
    }
}

/// Possible outcomes, each a disk's contents at the next start.
pub(crate) fn images(
    durable: &Image,
    pending: &[Change],
    random: &mut Random,
    losses: Losses,
) -> Vec<Image> {
    let tear = |bytes| pending.iter().flat_map(|change| change.tear(bytes)).collect();
    let sectors: Vec<Change> = tear(SECTOR_BYTES);
    if sectors.len() <= losses.exhaustive_up_to {
        let masks = 0..1_u64 << sectors.len();
        return masks.map(|mask| image(durable, &sectors, |at| mask >> at & 1 == 1)).collect();
    }
    let blocks: Vec<Change> = tear(BLOCK_BYTES);
    let mut images = vec![image(durable, &sectors, |_| false), image(durable, &sectors, |_| true)];
    for _ in 0..losses.samples {
        let pieces = if random.one_in(3) { &blocks } else { &sectors };
        let one_in = 2 + random.below(4);
        let missing = random.one_in(2);
        images.push(image(durable, pieces, |_| random.one_in(one_in) != missing));
    }
    images
}

fn image(durable: &Image, pieces: &[Change], mut chosen: impl FnMut(usize) -> bool) -> Image {
    let mut image = durable.clone();
    for (at, piece) in pieces.iter().enumerate() {
        if chosen(at) {
            image.apply(piece);
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SimDisk;

    #[test]
    fn every_combination_of_few_pieces_is_made_and_what_was_synced_is_in_all() {
        let disk = SimDisk::new();
        let directory = disk.directory("d");
        let file = directory.create("f").unwrap();
        file.write_at(b"old", 0).unwrap();
        file.sync().unwrap();
        directory.sync_dir().unwrap();
        file.write_at(b"new", 0).unwrap();
        directory.rename("f", "g").unwrap();
        let mut found: Vec<(String, Vec<u8>)> = disk
            .after_power_loss(&mut Random::new(1), 0)
            .iter()
            .map(|image| (image.names().concat(), image.file(&image.names().concat()).clone()))
            .collect();
        found.sort();
        let outcome = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
        let all = [("d/f", b"new"), ("d/f", b"old"), ("d/g", b"new"), ("d/g", b"old")];
        assert_eq!(found, all.map(|(name, bytes)| outcome(name, bytes)));
    }

    #[test]
    fn a_large_write_is_torn_at_sectors_and_a_hole_reads_as_zeros() {
        let disk = SimDisk::new().grow_only();
        let file = disk.share().create("f").unwrap();
        disk.share().sync_dir().unwrap();
        file.write_at(&[7; 4 * SECTOR_BYTES], 100).unwrap();
        let mut torn = 0;
        for image in disk.after_power_loss(&mut Random::new(2), 64) {
            let bytes = image.file("f");
            for (at, byte) in bytes.iter().enumerate().skip(100) {
                let first = at / SECTOR_BYTES * SECTOR_BYTES;
                assert_eq!(*byte, bytes[first.max(100)], "a sector is whole or not there");
            }
            torn +=
                usize::from(bytes.contains(&7) && bytes.iter().skip(100).any(|byte| *byte == 0));
        }
        assert!(torn > 10, "{torn} of 66 are torn");
    }

    #[test]
    fn what_a_failed_sync_covered_is_readable_and_never_becomes_durable() {
        use crate::{Fault, Hits};
        let disk = SimDisk::new();
        let file = disk.share().create("f").unwrap();
        disk.share().sync_dir().unwrap();
        file.write_at(b"lost", 0).unwrap();
        let kind = std::io::ErrorKind::Other;
        disk.set_fault(Some(Fault { from: 1, for_ever: false, kind, hits: Hits::Syncs }));
        file.sync().unwrap_err();
        file.sync().unwrap();
        assert_eq!(disk.live().file("f"), b"lost");
        let images = disk.after_power_loss(&mut Random::new(1), 0);
        assert!(images.iter().all(|image| image.file("f").is_empty()));
    }
}
