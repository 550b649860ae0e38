//! The directory of chunk files: writes them, reads them back, and removes them when no checkpoint
//! names them any more.

use std::{
    collections::HashSet,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use journal::{Disk, DiskFile};

use super::{Checkpoint, Chunk, Row, chunk::ROW_BYTES};
use crate::{Error, error::Kind, sync::lock};

/// A chunk that cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) error: Error,
    /// For good: it is no use to try again.
    pub(crate) is_damaged: bool,
}

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
    pub(crate) fn write(&self, first_order: u64, rows: &[impl Row]) -> io::Result<Option<Chunk>> {
        let file = self.next_file.fetch_add(1, Relaxed);
        let Some(chunk) = Chunk::of(file, first_order, rows) else { return Ok(None) };
        let mut bytes = Vec::with_capacity(rows.len() * ROW_BYTES + 4);
        rows.iter().for_each(|row| row.encode(&mut bytes));
        let sum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        let written = self.disk.create(&name(file))?;
        written.write_at(&bytes, 0).inspect_err(|_| {
            // Tidiness only: the next start removes it.
            self.disk.remove(&name(file)).ok();
        })?;
        lock(&self.state).unsynced.push((file, written));
        Ok(Some(chunk))
    }

    /// Puts a chunk's entries, changed, into a new file instead of its own.
    ///
    /// # Errors
    /// It cannot be written; the old one is still good.
    pub(crate) fn rewrite(&self, old: &Chunk, rows: &[impl Row]) -> io::Result<Chunk> {
        let chunk = self.write(old.first_order, rows)?.ok_or(io::ErrorKind::InvalidInput)?;
        self.discard(old);
        Ok(Chunk { redelivered: old.redelivered, level: old.level, ..chunk })
    }

    /// Reads a chunk's entries.
    ///
    /// # Errors
    /// The medium cannot read it now, or the file is not what was written. Its messages are still
    /// in the journal: then the checkpoint is given up, so that the next start finds them there.
    pub(crate) fn read<R: Row>(&self, chunk: &Chunk) -> Result<Vec<R>, Unreadable> {
        let file = name(chunk.file);
        let unreadable = |is_damaged, text: String| {
            let error = Error::new(Kind::Internal, format!("index file {file}: {text}"));
            Unreadable { error, is_damaged }
        };
        let damaged = |reason: String| {
            self.is_broken.store(true, Relaxed);
            self.disk.remove(Checkpoint::NAME).ok();
            let count = chunk.count;
            let mend =
                format!("its {count} messages are in the journal and are found again by a restart");
            unreadable(true, format!("{reason}; {mend}"))
        };
        let bytes = read_whole(&*self.disk, &file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => damaged(error.to_string()),
            _ => unreadable(false, error.to_string()),
        })?;
        let mut rows =
            checked(&bytes).ok_or_else(|| damaged("its checksum is wrong".to_owned()))?;
        let decoded: Vec<R> = std::iter::from_fn(|| R::decode(&mut rows)).collect();
        match decoded.len() == chunk.count as usize && rows.is_empty() {
            true => Ok(decoded),
            false => Err(damaged(format!("it has {} entries", decoded.len()))),
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
    /// longer names. On a full disk it takes the space that is held in reserve for it: without a
    /// checkpoint the journal could give none back.
    ///
    /// # Errors
    /// The disk refuses; the checkpoint before it is still good.
    pub(crate) fn commit(&self, checkpoint: &[u8], discarded: &[u64]) -> io::Result<()> {
        if self.is_broken.load(Relaxed) {
            return self.give_up();
        }
        let unsynced = std::mem::take(&mut lock(&self.state).unsynced);
        let mut is_new = false;
        let mut named = unsynced.iter().filter(|(file, _)| !discarded.contains(file));
        let synced = named.try_for_each(|(file, written)| {
            is_new = true;
            written.sync().map_err(said("sync", &name(*file)))
        });
        // The files are there before a checkpoint that names them is.
        let synced = synced.and_then(|()| match is_new {
            true => self.disk.sync_dir().map_err(said("sync the directory of", "index files")),
            false => Ok(()),
        });
        let done = synced.and_then(|()| self.with_reserve(|| self.replace(checkpoint)));
        if let Err(error) = done {
            let mut state = lock(&self.state);
            state.unsynced.extend(unsynced);
            state.discarded.extend_from_slice(discarded);
            return Err(error);
        }
        for &file in discarded {
            self.disk.remove(&name(file))?;
        }
        Ok(())
    }

    /// Writes something that must not fail for want of space: on a full disk it is tried once more
    /// in the space that is held in reserve.
    ///
    /// # Errors
    /// The disk refuses all the same.
    pub(crate) fn with_reserve<T>(&self, write: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match write() {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                match self.disk.remove(RESERVE) {
                    // It was taken before, and there was no space to make it again.
                    Err(gone) if gone.kind() == io::ErrorKind::NotFound => Err(error),
                    removed => removed.and_then(|()| write()),
                }
            }
            done => done,
        }
    }

    /// Removes the checkpoint for good: after a loss of power it must not be there again, when the
    /// journal has given back what it needs.
    fn give_up(&self) -> io::Result<()> {
        match self.disk.remove(Checkpoint::NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.map_err(said("remove", Checkpoint::NAME))?,
        }
        self.disk.sync_dir().map_err(said("sync the directory after removing", Checkpoint::NAME))
    }

    fn replace(&self, checkpoint: &[u8]) -> io::Result<()> {
        let new = self.disk.create(NEW_CHECKPOINT).map_err(said("create", NEW_CHECKPOINT))?;
        new.write_at(checkpoint, 0).map_err(said("write", NEW_CHECKPOINT))?;
        new.sync().map_err(said("sync", NEW_CHECKPOINT))?;
        let renamed = self.disk.rename(NEW_CHECKPOINT, Checkpoint::NAME);
        renamed.map_err(said("rename", NEW_CHECKPOINT))?;
        self.disk.sync_dir().map_err(said("sync the directory after renaming", NEW_CHECKPOINT))
    }

    /// Holds space for a checkpoint twice as large as the last. Where there is none, the next one
    /// tries again.
    pub(crate) fn keep_reserve(&self, checkpoint_bytes: usize) {
        let bytes = RESERVE_BYTES_MIN.max(checkpoint_bytes as u64 * 2);
        let file = self.disk.open(RESERVE).or_else(|_| self.disk.create(RESERVE));
        file.and_then(|file| match file.size()? < bytes {
            true => file.reserve(bytes).map(drop),
            false => Ok(()),
        })
        .ok();
    }

    /// The checkpoint's bytes, if there is one.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn load_checkpoint(&self) -> io::Result<Option<Vec<u8>>> {
        match read_whole(&*self.disk, Checkpoint::NAME) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins with the files that a checkpoint names; all others are left over and go. `false` if
    /// one that it names is not there.
    ///
    /// # Errors
    /// The directory cannot be read, or what is left over not be removed.
    pub(crate) fn begin(&self, named: impl Iterator<Item = u64>) -> io::Result<bool> {
        let named: HashSet<u64> = named.collect();
        let names = self.disk.list()?;
        let number = |name: &String| name.strip_suffix(SUFFIX)?.parse().ok();
        let found: Vec<u64> = names.iter().filter_map(number).collect();
        let next = found.iter().max().map_or(1, |last| last + 1);
        self.next_file.store(next, Relaxed);
        let left_over = found.iter().filter(|file| !named.contains(file));
        left_over.clone().try_for_each(|file| self.disk.remove(&name(*file)))?;
        self.keep_reserve(0);
        Ok(found.len() - left_over.count() == named.len())
    }

    /// Begins without a checkpoint, and with no file of one.
    ///
    /// # Errors
    /// What is there cannot be removed.
    pub(crate) fn begin_anew(&self) -> io::Result<()> {
        match self.disk.remove(Checkpoint::NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // It is gone for good before anything it names goes.
            removed => removed.and_then(|()| self.disk.sync_dir())?,
        }
        self.begin(std::iter::empty()).map(drop)
    }
}

impl std::fmt::Debug for Chunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunks").field("next_file", &self.next_file).finish_non_exhaustive()
    }
}

/// What was tried, on which file.
fn said(action: &str, name: &str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{action} {name}: {error}"))
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
const RESERVE: &str = "reserve";

/// Space held for a checkpoint at the least.
const RESERVE_BYTES_MIN: u64 = 256 * 1024;

/// No file of an index is larger; one that is was not written here.
const FILE_BYTES_MAX: u64 = 4 << 30;

#[cfg(test)]
mod tests {
    use journal::Position;
    use sim::{Random, SimDisk};

    use super::*;
    use crate::{entry::Ticket, index::Slot};

    #[test]
    fn a_checkpoint_given_up_for_a_damaged_chunk_does_not_come_back_with_the_power() {
        let disk = SimDisk::new();
        let chunks = Chunks::new(disk.directory("index"));
        let slot = Slot { position: Position::from_bits(1 << 32), ticket: Ticket::default() };
        let chunk = chunks.write(0, &[slot]).unwrap().unwrap();
        chunks.commit(b"a checkpoint", &[]).unwrap();
        disk.directory("index").open(&name(chunk.file)).unwrap().write_at(&[1], 0).unwrap();
        assert!(chunks.read::<Slot>(&chunk).unwrap_err().is_damaged);
        // The broker gives back what the next checkpoint allows it to.
        chunks.commit(b"the next one", &[]).unwrap();
        for image in disk.after_power_loss(&mut Random::new(1), 8) {
            assert!(!image.names().contains(&"index/checkpoint".to_owned()));
        }
    }
}
