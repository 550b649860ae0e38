//! All that happened to a disk, in order, so that power can be lost at every moment of one run.

use crate::change::{Change, CoveredBy};
use crate::image::Image;
use crate::power_loss::{Losses, images};
use crate::random::Random;
use crate::sim_disk::settle;

/// The changes and syncs of a disk since [`crate::SimDisk::logged`].
#[derive(Debug, Clone)]
pub struct WriteLog {
    begin: Image,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Changed(Change),
    FileSynced { file: u64, succeeded: bool },
    DirectorySynced { directory: String },
}

impl Entry {
    pub(crate) fn synced(what: CoveredBy<'_>, succeeded: bool) -> Entry {
        match what {
            CoveredBy::File(file) => Entry::FileSynced { file, succeeded },
            CoveredBy::Directory(name) => Entry::DirectorySynced { directory: name.to_owned() },
        }
    }
}

impl WriteLog {
    pub(crate) fn new(begin: Image) -> WriteLog {
        WriteLog { begin, entries: Vec::new() }
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Changes and syncs in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The disk as it was when the log began, to be moved on step by step.
    pub fn replay(&self) -> PowerLoss<'_> {
        PowerLoss { log: self, at: 0, durable: self.begin.clone(), pending: Vec::new() }
    }
}

/// A disk at one moment of its log, about to lose power.
#[derive(Debug)]
pub struct PowerLoss<'a> {
    log: &'a WriteLog,
    at: usize,
    durable: Image,
    pending: Vec<Change>,
}

impl PowerLoss<'_> {
    /// The moment, as [`crate::SimDisk::moment`] counts: so many changes and syncs have happened.
    pub fn moment(&self) -> usize {
        self.at
    }

    /// Lets one more change or sync happen; `false` at the end of the log.
    pub fn advance(&mut self) -> bool {
        let Some(entry) = self.log.entries.get(self.at) else { return false };
        match entry {
            Entry::Changed(change) => self.pending.push(change.clone()),
            Entry::FileSynced { file, succeeded } => {
                self.settle(CoveredBy::File(*file), *succeeded)
            }
            Entry::DirectorySynced { directory } => {
                self.settle(CoveredBy::Directory(directory), true);
            }
        }
        self.at += 1;
        true
    }

    fn settle(&mut self, what: CoveredBy<'_>, succeeded: bool) {
        settle(&mut self.durable, &mut self.pending, what, succeeded);
    }

    /// What the machine may find when power comes back.
    pub fn images(&self, random: &mut Random, losses: Losses) -> Vec<Image> {
        images(&self.durable, &self.pending, random, losses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SimDisk;

    #[test]
    fn a_replayed_log_loses_at_each_moment_what_the_disk_would_have_lost() {
        let disk = SimDisk::new().logged();
        let directory = disk.directory("d");
        let mut expected: Vec<(usize, Vec<Image>)> = Vec::new();
        let mut look = || {
            expected.push((disk.moment(), disk.after_power_loss(&mut Random::new(3), 5)));
        };
        let file = directory.create("f").unwrap();
        look();
        for round in 0..6_u8 {
            file.write_at(&[round; 700], u64::from(round) * 600).unwrap();
            look();
            if round % 2 == 1 {
                file.sync().unwrap();
                look();
            }
            if round == 2 {
                directory.sync_dir().unwrap();
                look();
            }
        }
        directory.remove("f").unwrap();
        look();
        let log = disk.log();
        let mut replay = log.replay();
        for (moment, images) in expected {
            while replay.moment() < moment {
                assert!(replay.advance());
            }
            let losses = Losses { samples: 5, ..Losses::default() };
            assert!(replay.images(&mut Random::new(3), losses) == images, "moment {moment}");
        }
        assert!(!replay.advance());
    }
}
