//! The directory of chunk files: writes them, reads them back, and removes them when no checkpoint
//! names them any more.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use journal::{Disk, DiskFile};

use super::{Checkpoint, Chunk, Slot};
use crate::{Error, error::Kind, sync::lock};

/// All chunk files of a broker, and its checkpoint.
pub(crate) struct Chunks {
    disk: Arc<dyn Disk>,
    next_file: AtomicU64,
    state: Mutex<State>,
    /// A chunk could not be read: the next start has to read the whole journal.
    is_broken: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Written since the last checkpoint and not synced.
    unsynced: Vec<(u64, Arc<dyn DiskFile>)>,
    /// No queue needs them; the last checkpoint may name them still.
    discarded: Vec<u64>,
}

impl Chunks {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Chunks {
        Chunks {
            disk,
            next_file: AtomicU64::new(1),
            state: Mutex::default(),
            is_broken: AtomicBool::new(false),
        }
    }

    /// Puts entries into a new file. Not synced: the journal has it all.
    pub(crate) fn write(&self, first_order: u64, slots: &[Slot]) -> io::Result<Option<Chunk>> {
        let file = self.next_file.fetch_add(1, Relaxed);
        let Some(chunk) = Chunk::of(file, first_order, slots) else { return Ok(None) };
        let mut bytes = Vec::with_capacity(slots.len() * 16 + 4);
        slots.iter().for_each(|slot| slot.encode(&mut bytes));
        let sum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        let written = self.disk.create(&name(file))?;
        written.write_at(&bytes, 0)?;
        lock(&self.state).unsynced.push((file, written));
        Ok(Some(chunk))
    }

    /// Reads a chunk's entries.
    ///
    /// # Errors
    /// The file is not what was written. Its messages are still in the journal: the checkpoint is
    /// given up, so that the next start finds them there.
    pub(crate) fn read(&self, chunk: &Chunk) -> Result<Vec<Slot>, Error> {
        self.try_read(chunk).map_err(|reason| {
            self.is_broken.store(true, Relaxed);
            self.disk.remove(Checkpoint::NAME).ok();
            Error::new(
                Kind::Internal,
                format!(
                    "index file {}: {reason}; its {} messages are in the journal and are found \
                     again by a restart",
                    name(chunk.file),
                    chunk.count
                ),
            )
        })
    }

    fn try_read(&self, chunk: &Chunk) -> Result<Vec<Slot>, String> {
        let bytes = read_whole(&*self.disk, &name(chunk.file)).map_err(|it| it.to_string())?;
        let slots = checked(&bytes).ok_or("its checksum is wrong")?;
        let mut slots = slots;
        let decoded: Vec<Slot> = std::iter::from_fn(|| Slot::decode(&mut slots)).collect();
        match decoded.len() == chunk.count as usize && slots.is_empty() {
            true => Ok(decoded),
            false => Err(format!("{} entries instead of {}", decoded.len(), chunk.count)),
        }
    }

    /// No queue needs it any more.
    pub(crate) fn discard(&self, chunk: &Chunk) {
        lock(&self.state).discarded.push(chunk.file);
    }

    /// The files that no queue needs, as of now.
    pub(crate) fn discarded(&self) -> Vec<u64> {
        std::mem::take(&mut lock(&self.state).discarded)
    }

    /// Makes a checkpoint durable with the chunks it names, then removes the files that it no
    /// longer names.
    ///
    /// # Errors
    /// The disk refuses; the checkpoint before it is still good.
    pub(crate) fn commit(&self, checkpoint: &[u8], discarded: &[u64]) -> io::Result<()> {
        if self.is_broken.load(Relaxed) {
            return Ok(());
        }
        let unsynced = std::mem::take(&mut lock(&self.state).unsynced);
        for (file, written) in &unsynced {
            if !discarded.contains(file) {
                written.sync()?;
            }
        }
        let new = self.disk.create(NEW_CHECKPOINT)?;
        new.write_at(checkpoint, 0)?;
        new.sync()?;
        self.disk.rename(NEW_CHECKPOINT, Checkpoint::NAME)?;
        self.disk.sync_dir()?;
        for &file in discarded {
            self.disk.remove(&name(file))?;
        }
        Ok(())
    }

    /// The checkpoint's bytes, if there is one that is whole.
    pub(crate) fn load_checkpoint(&self) -> Option<Vec<u8>> {
        read_whole(&*self.disk, Checkpoint::NAME).ok()
    }

    /// Begins with the files that a checkpoint names; all others are left over and go.
    pub(crate) fn begin(&self, named: impl Iterator<Item = u64>) {
        let named: std::collections::HashSet<u64> = named.collect();
        let found: Vec<u64> = self
            .disk
            .list()
            .unwrap_or_default()
            .iter()
            .filter_map(|file| file.strip_suffix(SUFFIX)?.parse().ok())
            .collect();
        let next = found.iter().max().map_or(1, |last| last + 1);
        self.next_file.store(next, Relaxed);
        for file in found.into_iter().filter(|file| !named.contains(file)) {
            self.disk.remove(&name(file)).ok();
        }
    }
}

impl std::fmt::Debug for Chunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunks").field("next_file", &self.next_file).finish_non_exhaustive()
    }
}

fn name(file: u64) -> String {
    format!("{file:020}{SUFFIX}")
}

/// The bytes before the CRC32C at their end, when it is right.
pub(super) fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (payload, sum) = bytes.split_last_chunk::<4>()?;
    (crc32c::crc32c(payload) == u32::from_le_bytes(*sum)).then_some(payload)
}

fn read_whole(disk: &dyn Disk, name: &str) -> io::Result<Vec<u8>> {
    let file = disk.open(name)?;
    let size = file.size()?;
    if size > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has {size} bytes")));
    }
    let mut bytes = vec![0; size as usize];
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, done as u64)? {
            0 => break,
            read => done += read,
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

const SUFFIX: &str = ".index";
const NEW_CHECKPOINT: &str = "checkpoint.new";

/// No file of an index is larger; one that is was not written here.
const FILE_BYTES_MAX: u64 = 4 << 30;
