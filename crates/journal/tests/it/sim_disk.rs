//! A disk in memory that can refuse any operation, and lose power.
//!
//! Three states: what a running program reads (`live`), what survives (`durable`), and the changes
//! in between, in order, that no sync has covered (`pending`). A failed sync drops its file's
//! changes from `pending`: as with Linux, the pages stay readable, look clean, and no later sync
//! writes them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use journal::{Disk, DiskFile};

use crate::random::Random;

/// What is torn is torn at this size.
pub(crate) const SECTOR_BYTES: usize = 512;

/// The contents of a directory.
#[derive(Clone, Default)]
pub(crate) struct Image {
    names: BTreeMap<String, u64>,
    files: BTreeMap<u64, Vec<u8>>,
}

impl PartialEq for Image {
    fn eq(&self, other: &Image) -> bool {
        let names = self.names.keys().eq(other.names.keys());
        names && self.names.keys().all(|name| self.file(name) == other.file(name))
    }
}

impl Image {
    pub(crate) fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    pub(crate) fn file(&self, name: &str) -> &Vec<u8> {
        &self.files[&self.names[name]]
    }

    pub(crate) fn file_mut(&mut self, name: &str) -> &mut Vec<u8> {
        self.files.get_mut(&self.names[name]).unwrap()
    }

    pub(crate) fn put(&mut self, name: &str, bytes: Vec<u8>) {
        let id = self.files.keys().max().map_or(1, |id| id + 1);
        self.names.insert(name.to_owned(), id);
        self.files.insert(id, bytes);
    }

    pub(crate) fn remove(&mut self, name: &str) -> Vec<u8> {
        let id = self.names.remove(name).unwrap();
        self.files.remove(&id).unwrap()
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Size { file, bytes } => {
                let file = self.files.entry(*file).or_default();
                if file.len() < *bytes {
                    file.resize(*bytes, 0);
                }
            }
            Change::Write { file, offset, bytes } => {
                let file = self.files.entry(*file).or_default();
                if file.len() < offset + bytes.len() {
                    file.resize(offset + bytes.len(), 0);
                }
                file[*offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Change::Empty { file } => self.files.entry(*file).or_default().clear(),
            Change::Link { name, file } => {
                self.names.insert(name.clone(), *file);
                self.files.entry(*file).or_default();
            }
            Change::Rename { from, to, file } => {
                self.names.remove(from);
                self.names.insert(to.clone(), *file);
                self.files.entry(*file).or_default();
            }
            Change::Unlink { name } => {
                self.names.remove(name);
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Change {
    Empty { file: u64 },
    Size { file: u64, bytes: usize },
    Write { file: u64, offset: usize, bytes: Vec<u8> },
    Link { name: String, file: u64 },
    Rename { from: String, to: String, file: u64 },
    Unlink { name: String },
}

impl Change {
    fn file(&self) -> Option<u64> {
        match self {
            Change::Empty { file } | Change::Size { file, .. } | Change::Write { file, .. } => {
                Some(*file)
            }
            _ => None,
        }
    }
}

/// Which operations are refused, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// Counted from 1; only operations that `hits` counts.
    pub(crate) from: u64,
    pub(crate) for_ever: bool,
    pub(crate) kind: io::ErrorKind,
    pub(crate) hits: Hits,
}

/// Operations that a fault counts and refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hits {
    All,
    Syncs,
    Reads,
    Growing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Look,
    Read,
    Create,
    Reserve,
    Write,
    Sync,
    Rename,
    Remove,
}

struct State {
    live: Image,
    durable: Image,
    pending: Vec<Change>,
    next_file: u64,
    fault: Option<Fault>,
    counted: u64,
    refused: u64,
    syncs: u64,
    reserves: bool,
    lies: bool,
    /// The most a read returns at once.
    read_bytes_max: usize,
    random_read_faults: Option<(Random, u64)>,
}

/// Shared by a test and a journal.
#[derive(Clone)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    pub(crate) fn new() -> SimDisk {
        SimDisk::from_image(Image::default())
    }

    pub(crate) fn from_image(image: Image) -> SimDisk {
        SimDisk(Arc::new(Mutex::new(State {
            next_file: image.files.keys().max().map_or(1, |id| id + 1),
            live: image.clone(),
            durable: image,
            pending: Vec::new(),
            fault: None,
            counted: 0,
            refused: 0,
            syncs: 0,
            reserves: true,
            lies: false,
            read_bytes_max: usize::MAX,
            random_read_faults: None,
        })))
    }

    /// The same disk for a journal.
    pub(crate) fn share(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        let mut state = self.lock();
        (state.fault, state.counted, state.refused) = (fault, 0, 0);
    }

    /// The file system does not reserve space: files grow.
    pub(crate) fn grow_only(self) -> SimDisk {
        self.lock().reserves = false;
        self
    }

    /// Syncs succeed and do nothing.
    pub(crate) fn lie_about_syncs(self) -> SimDisk {
        self.lock().lies = true;
        self
    }

    /// Every read returns at most this much.
    pub(crate) fn short_reads(self, bytes: usize) -> SimDisk {
        self.lock().read_bytes_max = bytes;
        self
    }

    /// One read in `one_in` fails.
    pub(crate) fn random_read_faults(self, seed: u64, one_in: u64) -> SimDisk {
        self.lock().random_read_faults = Some((Random::new(seed), one_in));
        self
    }

    /// Operations the fault refused.
    pub(crate) fn refused(&self) -> u64 {
        self.lock().refused
    }

    /// Syncs tried, of files and of the directory.
    pub(crate) fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// What a program that starts after `kill -9` finds.
    pub(crate) fn live(&self) -> Image {
        self.lock().live.clone()
    }

    /// What a machine may find after a power loss now: what is durable, and of the rest any part.
    /// All parts if they are few, else nothing, everything, and `samples` random parts.
    pub(crate) fn after_power_loss(&self, random: &mut Random, samples: usize) -> Vec<Image> {
        let state = self.lock();
        let pieces: Vec<Change> = state.pending.iter().flat_map(tear).collect();
        let choices: Vec<u64> = match pieces.len() {
            few if few <= 6 => (0..1 << few).collect(),
            _ => Vec::new(),
        };
        let image = |chosen: &mut dyn FnMut(usize) -> bool| {
            let mut image = state.durable.clone();
            pieces.iter().enumerate().filter(|(i, _)| chosen(*i)).for_each(|(_, p)| image.apply(p));
            image
        };
        if !choices.is_empty() {
            return choices.iter().map(|mask| image(&mut |i| mask >> i & 1 == 1)).collect();
        }
        let mut images = vec![image(&mut |_| false), image(&mut |_| true)];
        for _ in 0..samples {
            let one_in = 2 + random.below(4);
            let missing = random.below(2) == 0;
            images.push(image(&mut |_| (random.below(one_in) == 0) != missing));
        }
        images
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

/// The parts of a change that reach the medium each for itself.
fn tear(change: &Change) -> Vec<Change> {
    let Change::Write { file, offset, bytes } = change else { return vec![change.clone()] };
    let mut parts = Vec::new();
    let (mut at, end) = (*offset, offset + bytes.len());
    while at < end {
        let next = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
        let bytes = bytes[at - offset..next - offset].to_vec();
        parts.push(Change::Write { file: *file, offset: at, bytes });
        at = next;
    }
    parts
}

impl State {
    fn change(&mut self, change: Change) {
        self.live.apply(&change);
        self.pending.push(change);
    }

    fn operate(&mut self, operation: Operation) -> io::Result<()> {
        self.syncs += u64::from(operation == Operation::Sync);
        if operation == Operation::Read
            && let Some((random, one_in)) = &mut self.random_read_faults
            && random.below(*one_in) == 0
        {
            return Err(io::Error::other("injected: unreadable"));
        }
        let Some(fault) = self.fault else {
            self.counted += 1;
            return Ok(());
        };
        let hit = match fault.hits {
            Hits::All => true,
            Hits::Syncs => operation == Operation::Sync,
            Hits::Reads => operation == Operation::Read,
            Hits::Growing => matches!(operation, Operation::Create | Operation::Reserve),
        };
        self.counted += u64::from(hit);
        let refuse = self.counted == fault.from || fault.for_ever && self.counted > fault.from;
        if hit && refuse {
            self.refused += 1;
            return Err(fault.kind.into());
        }
        Ok(())
    }

    fn find(&self, name: &str) -> io::Result<u64> {
        self.live.names.get(name).copied().ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.lock();
        state.operate(Operation::Look)?;
        Ok(state.live.names())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.operate(Operation::Look)?;
        let file = state.find(name)?;
        Ok(Arc::new(SimFile { disk: self.clone(), file }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.operate(Operation::Create)?;
        let file = match state.find(name) {
            Ok(file) => file,
            Err(_) => {
                let file = state.next_file;
                state.next_file += 1;
                state.change(Change::Link { name: name.to_owned(), file });
                file
            }
        };
        state.change(Change::Empty { file });
        Ok(Arc::new(SimFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.operate(Operation::Rename)?;
        let file = state.find(from)?;
        // Only a list is replaced.
        assert!(state.find(to).is_err() || to == "reclaimed", "{from} is renamed over {to}");
        state.change(Change::Rename { from: from.to_owned(), to: to.to_owned(), file });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.operate(Operation::Remove)?;
        state.find(name)?;
        state.change(Change::Unlink { name: name.to_owned() });
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.operate(Operation::Sync)?;
        if state.lies {
            return Ok(());
        }
        let pending = std::mem::take(&mut state.pending);
        for change in pending {
            match change.file() {
                None => state.durable.apply(&change),
                Some(_) => state.pending.push(change),
            }
        }
        Ok(())
    }
}

struct SimFile {
    disk: SimDisk,
    file: u64,
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        let mut state = self.disk.lock();
        state.operate(Operation::Look)?;
        Ok(state.live.files[&self.file].len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.lock();
        state.operate(Operation::Read)?;
        let file = &state.live.files[&self.file];
        let rest = file.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(into.len()).min(state.read_bytes_max);
        into[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let (file, offset) = (self.file, offset as usize);
        if let Err(error) = state.operate(Operation::Write) {
            // A write that fails has written a part.
            let bytes = bytes[..bytes.len() / 2].to_vec();
            state.change(Change::Write { file, offset, bytes });
            return Err(error);
        }
        state.change(Change::Write { file, offset, bytes: bytes.to_vec() });
        Ok(())
    }

    fn reserve(&self, bytes: u64) -> io::Result<bool> {
        let mut state = self.disk.lock();
        state.operate(Operation::Reserve)?;
        if state.reserves {
            state.change(Change::Size { file: self.file, bytes: bytes as usize });
        }
        Ok(state.reserves)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let outcome = state.operate(Operation::Sync);
        if state.lies {
            return outcome;
        }
        let pending = std::mem::take(&mut state.pending);
        for change in pending {
            match change.file() == Some(self.file) {
                true if outcome.is_ok() => state.durable.apply(&change),
                true => {}
                false => state.pending.push(change),
            }
        }
        outcome
    }
}
