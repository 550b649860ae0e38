//! A disk in memory that can refuse any operation, and lose power.
//!
//! Three states: what a running program reads (`live`), what survives (`durable`), and the changes
//! in between, in order, that no sync has covered (`pending`). A failed sync drops its file's
//! changes from `pending`: as with Linux, the pages stay readable, look clean, and no later sync
//! writes them.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use journal::Disk;

use crate::change::{Change, CoveredBy};
use crate::directory::Directory;
use crate::fault::{Fault, Operation};
use crate::image::Image;
use crate::power_loss::{Losses, images};
use crate::random::Random;
use crate::write_log::{Entry, WriteLog};

/// A disk, shared by a test and what it tests.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

pub(crate) struct State {
    pub(crate) live: Image,
    durable: Image,
    pending: Vec<Change>,
    next_file: u64,
    fault: Option<Fault>,
    counted: u64,
    refused: u64,
    syncs: u64,
    log: Option<WriteLog>,
    pub(crate) reserves: bool,
    lies: bool,
    /// The most a read returns at once.
    pub(crate) read_bytes_max: usize,
    random_read_faults: Option<(Random, u64)>,
}

impl Default for SimDisk {
    fn default() -> SimDisk {
        SimDisk::new()
    }
}

impl SimDisk {
    /// An empty disk that does all it is asked.
    pub fn new() -> SimDisk {
        SimDisk::from_image(Image::default())
    }

    /// A disk that holds this.
    pub fn from_image(image: Image) -> SimDisk {
        SimDisk(Arc::new(Mutex::new(State {
            next_file: image.next_file(),
            live: image.clone(),
            durable: image,
            pending: Vec::new(),
            fault: None,
            counted: 0,
            refused: 0,
            syncs: 0,
            log: None,
            reserves: true,
            lies: false,
            read_bytes_max: usize::MAX,
            random_read_faults: None,
        })))
    }

    /// A directory of the disk, as a journal sees it. It need not be made first, and no power loss
    /// takes it away. All directories share the disk's faults and its moments of power loss.
    pub fn directory(&self, name: &str) -> Arc<dyn Disk> {
        Arc::new(Directory::new(self.clone(), name))
    }

    /// The disk's own directory, for a test that needs only one.
    pub fn share(&self) -> Arc<dyn Disk> {
        self.directory("")
    }

    /// Refuses operations from now on, or none; counting begins anew.
    pub fn set_fault(&self, fault: Option<Fault>) {
        let mut state = self.lock();
        (state.fault, state.counted, state.refused) = (fault, 0, 0);
    }

    /// The file system does not reserve space: files grow.
    #[must_use]
    pub fn grow_only(self) -> SimDisk {
        self.lock().reserves = false;
        self
    }

    /// Syncs succeed and do nothing: the control of every test of power loss.
    #[must_use]
    pub fn lie_about_syncs(self) -> SimDisk {
        self.lock().lies = true;
        self
    }

    /// Every read returns at most this much.
    #[must_use]
    pub fn short_reads(self, bytes: usize) -> SimDisk {
        self.lock().read_bytes_max = bytes;
        self
    }

    /// One read in `one_in` fails.
    #[must_use]
    pub fn random_read_faults(self, seed: u64, one_in: u64) -> SimDisk {
        self.lock().random_read_faults = Some((Random::new(seed), one_in));
        self
    }

    /// Keeps a log of all changes and syncs from now on; see [`SimDisk::log`].
    #[must_use]
    pub fn logged(self) -> SimDisk {
        let mut state = self.lock();
        state.log = Some(WriteLog::new(state.live.clone()));
        drop(state);
        self
    }

    /// How long the log is: a moment in the life of the disk. 0 without a log.
    pub fn moment(&self) -> usize {
        self.lock().log.as_ref().map_or(0, WriteLog::len)
    }

    /// Takes the log; nothing is logged any more. Empty without one.
    pub fn log(&self) -> WriteLog {
        let mut state = self.lock();
        state.log.take().unwrap_or_else(|| WriteLog::new(Image::default()))
    }

    /// Operations that the fault counted so far, refused or not.
    pub fn counted(&self) -> u64 {
        self.lock().counted
    }

    /// Operations the fault refused.
    pub fn refused(&self) -> u64 {
        self.lock().refused
    }

    /// Syncs tried, of files and of directories.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// What a program that starts after `kill -9` finds.
    pub fn live(&self) -> Image {
        self.lock().live.clone()
    }

    /// What a machine finds at the least after a power loss now: nothing but what was synced.
    pub fn durable(&self) -> Image {
        self.lock().durable.clone()
    }

    /// What a machine may find after a power loss now: what is durable, and of the rest any part.
    /// All parts if they are few, else nothing, everything, and `samples` random parts.
    pub fn after_power_loss(&self, random: &mut Random, samples: usize) -> Vec<Image> {
        let state = self.lock();
        images(&state.durable, &state.pending, random, Losses { samples, ..Losses::default() })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn change(&mut self, change: Change) {
        self.live.apply(&change);
        if let Some(log) = &mut self.log {
            log.push(Entry::Changed(change.clone()));
        }
        self.pending.push(change);
    }

    /// Counts an operation, and refuses it if that is its turn.
    pub(crate) fn operate(&mut self, operation: Operation) -> io::Result<()> {
        self.syncs += u64::from(operation == Operation::Sync);
        if operation == Operation::Read
            && let Some((random, one_in)) = &mut self.random_read_faults
            && random.one_in(*one_in)
        {
            return Err(io::Error::other("injected: unreadable"));
        }
        let Some(fault) = self.fault else {
            self.counted += 1;
            return Ok(());
        };
        let hit = fault.hits.hits(operation);
        self.counted += u64::from(hit);
        let refuse = self.counted == fault.from || fault.for_ever && self.counted > fault.from;
        if hit && refuse {
            self.refused += 1;
            return Err(fault.kind.into());
        }
        Ok(())
    }

    pub(crate) fn sync(&mut self, what: CoveredBy<'_>) -> io::Result<()> {
        let outcome = self.operate(Operation::Sync);
        // A directory that could not be synced is only not synced: a later sync may cover it.
        let forgets = matches!(what, CoveredBy::File(_));
        if self.lies || (outcome.is_err() && !forgets) {
            return outcome;
        }
        let succeeded = outcome.is_ok();
        if let Some(log) = &mut self.log {
            log.push(Entry::synced(what, succeeded));
        }
        settle(&mut self.durable, &mut self.pending, what, succeeded);
        outcome
    }

    pub(crate) fn new_file(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file - 1
    }

    pub(crate) fn find(&self, name: &str) -> io::Result<u64> {
        self.live.find(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// What a sync of `what` does: its changes are durable, or, if it failed, forgotten.
pub(crate) fn settle(
    durable: &mut Image,
    pending: &mut Vec<Change>,
    what: CoveredBy<'_>,
    succeeded: bool,
) {
    pending.retain(|change| {
        let covered = change.covered_by() == what;
        if covered && succeeded {
            durable.apply(change);
        }
        !covered
    });
}
