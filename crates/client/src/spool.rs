//! Events on disk, until the bus has them.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime},
};

use event::Event;
use rustix::fs::{Access, CWD, RenameFlags};
use tracing::{error, warn};

use crate::{
    Error,
    batch::{self, BatchName, Unreadable},
    limits::{ABANDONED_AFTER, SIZE_KNOWN_FOR},
};

/// A directory of handed-over batches, one file a batch, in fedora-messaging's dump format.
/// Any number of processes may hand over; one at a time delivers (a lock file says who).
///
/// Beside the batches: `tmp/` (being written), `damaged/` (unreadable) and `refused/` (the bus
/// does not take them; beside each the reason). A file moved from there back into the directory
/// is tried again. All of it counts into the bound.
#[derive(Debug, Clone)]
pub struct Spool {
    directory: PathBuf,
    size_bytes_max: u64,
    size: Arc<Mutex<KnownSize>>,
}

/// What a spool holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Batches that wait for delivery.
    pub batches: u64,
    /// Batches set aside as damaged.
    pub damaged: u64,
    /// Batches set aside because the bus refused them.
    pub refused: u64,
    /// All of it, in bytes.
    pub size_bytes: u64,
}

/// What the spool held when this process last looked, and what it handed over since.
#[derive(Debug, Default)]
struct KnownSize {
    size_bytes: u64,
    looked: Option<Instant>,
}

impl Spool {
    /// Opens or creates the directory. `size_bytes_max` bounds what it may hold; processes that
    /// hand over in the same moment may pass it by a batch each.
    ///
    /// # Errors
    /// [`Error::Spool`]: the directory cannot be made or written, with its path.
    pub fn open(directory: impl Into<PathBuf>, size_bytes_max: u64) -> Result<Spool, Error> {
        let directory = directory.into();
        let tmp = directory.join(TMP);
        make_directory(&tmp)?;
        for path in [&directory, &tmp] {
            rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|errno| Error::spool(path, "write into", errno.into()))?;
        }
        Ok(Spool { directory, size_bytes_max, size: Arc::default() })
    }

    /// Hands over a batch: on return it is on disk (synced), whole or not at all. Waits for the
    /// disk, so not for an async task that must not wait.
    ///
    /// # Errors
    /// [`Error::SpoolFull`], or [`Error::Spool`] when the disk refuses.
    pub fn hand_over(&self, events: &[Event]) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        let lines = batch::encode(events);
        let wanted_bytes = lines.len() as u64;
        self.admit(wanted_bytes)?;
        let name = BatchName::next(wanted_bytes);
        let tmp = self.directory.join(TMP).join(name.to_string());
        let outcome = batch::write_new(&tmp, &lines)
            .map_err(|error| Error::spool(&tmp, "write", error))
            .and_then(|()| {
                let path = self.path(&name);
                rename_new(&tmp, &path).map_err(|error| Error::spool(&path, "create", error))
            });
        if let Err(error) = outcome {
            // Not handed over; what was written of it is of no use.
            let _ = fs::remove_file(&tmp);
            return Err(error);
        }
        batch::sync_directory(&self.directory).map_err(|error| {
            // Not on disk for sure, so not handed over; an agent may have been faster than this.
            let _ = fs::remove_file(self.path(&name));
            Error::spool(&self.directory, "sync", error)
        })
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it may hold, in bytes.
    pub(crate) fn size_bytes_max(&self) -> u64 {
        self.size_bytes_max
    }

    /// What waits in it, and what was set aside.
    ///
    /// # Errors
    /// [`Error::Spool`]: the directory cannot be read.
    pub fn backlog(&self) -> Result<Backlog, Error> {
        let waiting = self.batches()?;
        let (tmp, tmp_bytes) = files(&self.directory.join(TMP))?;
        let (damaged, damaged_bytes) = files(&self.directory.join(DAMAGED))?;
        let (refused, refused_bytes) = files(&self.directory.join(REFUSED))?;
        self.remove_abandoned(&tmp);
        let is_batch = |path: &&PathBuf| !path.to_string_lossy().ends_with(REASON_SUFFIX);
        Ok(Backlog {
            batches: waiting.len() as u64,
            damaged: damaged.iter().filter(is_batch).count() as u64,
            refused: refused.iter().filter(is_batch).count() as u64,
            size_bytes: waiting.iter().map(BatchName::size_bytes).sum::<u64>()
                + tmp_bytes
                + damaged_bytes
                + refused_bytes,
        })
    }

    /// Makes room for a batch, or says that there is none.
    fn admit(&self, wanted_bytes: u64) -> Result<(), Error> {
        let mut known = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |size_bytes: u64| size_bytes.saturating_add(wanted_bytes) <= self.size_bytes_max;
        let fresh = known.looked.is_some_and(|looked| looked.elapsed() < SIZE_KNOWN_FOR);
        if !fresh || !fits(known.size_bytes) {
            known.size_bytes = self.backlog()?.size_bytes;
            known.looked = Some(Instant::now());
        }
        if !fits(known.size_bytes) {
            return Err(Error::SpoolFull {
                directory: self.directory.clone(),
                size_bytes: known.size_bytes,
                size_bytes_max: self.size_bytes_max,
                wanted_bytes,
            });
        }
        known.size_bytes += wanted_bytes;
        Ok(())
    }

    /// The batches in the order in which they are to be delivered.
    pub(crate) fn batches(&self) -> Result<Vec<BatchName>, Error> {
        let fault = |error| Error::spool(&self.directory, "read", error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(fault)? {
            let name = entry.map_err(fault)?.file_name();
            names.extend(name.to_str().and_then(BatchName::parse));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The events of a batch. A damaged one is set aside and gives none.
    pub(crate) fn read(&self, name: &BatchName) -> Result<Option<Vec<Event>>, Error> {
        match batch::read(&self.path(name), name) {
            Ok(events) => Ok(Some(events)),
            Err(Unreadable::Gone) => Ok(None),
            Err(Unreadable::Damaged(reason)) => {
                let path = self.path(name);
                self.set_aside(name, DAMAGED, &reason)?;
                error!(file = %path.display(), %reason, "damaged batch set aside under damaged/");
                Ok(None)
            }
        }
    }

    /// Keeps what the bus refused, with the reason.
    pub(crate) fn refuse(&self, refused: &[Event], reason: &str) -> Result<(), Error> {
        let directory = self.directory.join(REFUSED);
        make_directory(&directory)?;
        let lines = batch::encode(refused);
        let kept = BatchName::next(lines.len() as u64).to_string();
        for (path, content) in [
            (directory.join(format!("{kept}{REASON_SUFFIX}")), format!("{reason}\n").as_bytes()),
            (directory.join(&kept), lines.as_slice()),
        ] {
            batch::write_new(&path, content)
                .map_err(|error| Error::spool(&path, "write", error))?;
        }
        batch::sync_directory(&directory)
            .map_err(|error| Error::spool(&directory, "sync", error))?;
        error!(
            file = %directory.join(&kept).display(), events = refused.len(), %reason,
            "the bus refuses events for good; set aside under refused/, move the file back to try again"
        );
        Ok(())
    }

    /// Takes a delivered batch away.
    pub(crate) fn remove(&self, name: &BatchName) -> Result<(), Error> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::spool(path, "remove", error))
            }
            _ => Ok(()),
        }
    }

    fn set_aside(&self, name: &BatchName, under: &str, reason: &str) -> Result<(), Error> {
        let directory = self.directory.join(under);
        make_directory(&directory)?;
        let to = directory.join(name.to_string());
        rename_new(&self.path(name), &to).map_err(|error| Error::spool(&to, "create", error))?;
        let note = directory.join(format!("{name}{REASON_SUFFIX}"));
        if let Err(error) = batch::write_new(&note, format!("{reason}\n").as_bytes()) {
            warn!(file = %note.display(), %error, "cannot write the reason beside a batch");
        }
        batch::sync_directory(&self.directory)
            .map_err(|error| Error::spool(&self.directory, "sync", error))
    }

    /// A writer that died in the middle told nobody that it had handed over.
    fn remove_abandoned(&self, tmp: &[PathBuf]) {
        for path in tmp {
            let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
            let age = modified
                .map(|modified| SystemTime::now().duration_since(modified).unwrap_or_default());
            if age.is_ok_and(|age| age > ABANDONED_AFTER) && fs::remove_file(path).is_ok() {
                warn!(file = %path.display(), "removed a batch whose writer died before it was done");
            }
        }
    }

    fn path(&self, name: &BatchName) -> PathBuf {
        self.directory.join(name.to_string())
    }
}

/// Only its owner may look into a directory that we make; one that is there keeps its rights.
pub(crate) fn make_directory(path: &Path) -> Result<(), Error> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Error::spool(path, "create", error))
}

/// Renames to a name that is free: two hosts or containers with one spool may choose the same.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system without the flag: the name's time, pid and counter have to do.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::rename(from, to),
        outcome => Ok(outcome?),
    }
}

/// The files of a directory that may not be there, and their size in bytes.
fn files(directory: &Path) -> Result<(Vec<PathBuf>, u64), Error> {
    let fault = |error| Error::spool(directory, "read", error);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(fault(error)),
    };
    let (mut paths, mut size_bytes) = (Vec::new(), 0);
    for entry in entries {
        let entry = entry.map_err(fault)?;
        // A file that goes in between takes no room.
        size_bytes += entry.metadata().map_or(0, |metadata| metadata.len());
        paths.push(entry.path());
    }
    Ok((paths, size_bytes))
}

const TMP: &str = "tmp";
const DAMAGED: &str = "damaged";
const REFUSED: &str = "refused";
const REASON_SUFFIX: &str = ".reason";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    fn event(n: usize) -> Event {
        Event::new("test.spool".parse().unwrap(), json!({"n": n})).unwrap()
    }

    fn spool(size_bytes_max: u64) -> (tempfile::TempDir, Spool) {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::open(directory.path().join("spool"), size_bytes_max).unwrap();
        (directory, spool)
    }

    fn all(spool: &Spool) -> Vec<Event> {
        let names = spool.batches().unwrap();
        names.iter().flat_map(|name| spool.read(name).unwrap().unwrap_or_default()).collect()
    }

    #[test]
    fn what_is_handed_over_is_read_back_in_order() {
        let (_directory, spool) = spool(u64::MAX);
        let events: Vec<Event> = (0..50).map(event).collect();
        for batch in events.chunks(7) {
            spool.hand_over(batch).unwrap();
        }
        spool.hand_over(&[]).unwrap();
        let ids = |events: &[Event]| events.iter().map(|e| e.id.clone()).collect::<Vec<_>>();
        let read = all(&Spool::open(spool.directory(), u64::MAX).unwrap());
        assert_eq!(ids(&read), ids(&events));
        assert!(read.iter().zip(&events).all(|(read, event)| read.body == event.body));
        assert_eq!(spool.backlog().unwrap().batches, 8);
    }

    #[test]
    fn only_its_owner_may_read_it() {
        let (_directory, spool) = spool(u64::MAX);
        spool.hand_over(&[event(1)]).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(spool.directory()), 0o700);
        assert_eq!(mode(&spool.path(&spool.batches().unwrap()[0])), 0o600);
    }

    #[test]
    fn a_full_spool_says_so_and_keeps_nothing_of_the_batch() {
        let size = batch::encode(&[event(1)]).len() as u64;
        let (_directory, spool) = spool(size * 2 + size / 2);
        spool.hand_over(&[event(1)]).unwrap();
        spool.hand_over(&[event(2)]).unwrap();
        let error = spool.hand_over(&[event(3)]).unwrap_err();
        assert!(matches!(error, Error::SpoolFull { .. }), "{error:?}");
        assert!(error.to_string().contains(spool.directory().to_str().unwrap()), "{error}");
        assert_eq!(all(&spool).len(), 2);
        assert_eq!(fs::read_dir(spool.directory().join(TMP)).unwrap().count(), 0);

        // Another process took one away; this one's knowledge of the size must not stand in the
        // way.
        fs::remove_file(spool.path(&spool.batches().unwrap()[0])).unwrap();
        spool.hand_over(&[event(3)]).unwrap();
    }

    #[test]
    fn what_others_hand_over_counts() {
        let size = batch::encode(&[event(1)]).len() as u64;
        let (_directory, spool) = spool(size * 2 + size / 2);
        spool.hand_over(&[event(1)]).unwrap();
        Spool::open(spool.directory(), u64::MAX).unwrap().hand_over(&[event(2)]).unwrap();
        // The first hand-over of another process looks at the disk.
        let late = Spool::open(spool.directory(), spool.size_bytes_max).unwrap();
        assert!(matches!(late.hand_over(&[event(3)]), Err(Error::SpoolFull { .. })));
    }

    #[test]
    fn a_damaged_batch_is_set_aside_with_its_reason_and_blocks_nobody() {
        let (_directory, spool) = spool(u64::MAX);
        let damages: [&dyn Fn(&Path); 4] = [
            &|path| fs::write(path, b"").unwrap(),
            &|path| {
                let text = fs::read(path).unwrap();
                fs::write(path, &text[..text.len() - 5]).unwrap();
            },
            &|path| {
                let mut text = fs::read(path).unwrap();
                text[0] = b'x';
                fs::write(path, text).unwrap();
            },
            &|path| {
                let mut text = fs::read(path).unwrap();
                text[5] = 0xff;
                fs::write(path, text).unwrap();
            },
        ];
        for damage in damages {
            spool.hand_over(&[event(1)]).unwrap();
            damage(&spool.path(spool.batches().unwrap().last().unwrap()));
        }
        spool.hand_over(&[event(2)]).unwrap();
        assert_eq!(all(&spool).len(), 1);
        let backlog = spool.backlog().unwrap();
        assert_eq!((backlog.batches, backlog.damaged), (1, damages.len() as u64));
        let notes = fs::read_dir(spool.directory().join(DAMAGED)).unwrap();
        let notes = notes.filter(|e| e.as_ref().unwrap().path().extension().unwrap() == "reason");
        assert_eq!(notes.count(), damages.len());
    }

    #[test]
    fn refused_events_are_kept_with_the_reason_and_can_be_tried_again() {
        let (_directory, spool) = spool(u64::MAX);
        let events = [event(1), event(2)];
        spool.hand_over(&events).unwrap();
        let name = spool.batches().unwrap().remove(0);
        spool.refuse(&events[1..], "406 no").unwrap();
        spool.remove(&name).unwrap();
        assert_eq!(spool.backlog().unwrap().refused, 1);
        assert!(spool.batches().unwrap().is_empty());

        let refused = spool.directory().join(REFUSED);
        let mut kept = fs::read_dir(&refused).unwrap().map(|entry| entry.unwrap().path());
        let kept = kept.find(|path| path.extension().unwrap() == "events").unwrap();
        let note = format!("{}{REASON_SUFFIX}", kept.display());
        assert_eq!(fs::read_to_string(note).unwrap(), "406 no\n");
        fs::rename(&kept, spool.directory().join(kept.file_name().unwrap())).unwrap();
        assert_eq!(all(&spool).iter().map(|e| &e.id).collect::<Vec<_>>(), [&events[1].id]);
    }

    #[test]
    fn a_batch_whose_writer_died_is_not_delivered_and_goes_after_a_while() {
        let (_directory, spool) = spool(u64::MAX);
        let abandoned = spool.directory().join(TMP).join(BatchName::next(9).to_string());
        fs::write(&abandoned, b"{\"body\": ").unwrap();
        assert!(all(&spool).is_empty());
        spool.backlog().unwrap();
        assert!(abandoned.exists(), "its writer may still be at it");
        let file = fs::File::options().write(true).open(&abandoned).unwrap();
        file.set_modified(SystemTime::now() - ABANDONED_AFTER * 2).unwrap();
        spool.backlog().unwrap();
        assert!(!abandoned.exists());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Spool::open(file.path().join("spool"), 1).unwrap_err().to_string();
        assert!(error.contains(file.path().to_str().unwrap()), "{error}");
    }

    #[test]
    fn many_threads_hand_over_at_once_and_nothing_is_overwritten() {
        let (_directory, spool) = spool(u64::MAX);
        std::thread::scope(|scope| {
            for n in 0..4 {
                let spool = &spool;
                scope.spawn(move || {
                    (0..50).for_each(|m| spool.hand_over(&[event(n * 50 + m)]).unwrap())
                });
            }
        });
        let mut seen: Vec<String> = all(&spool).iter().map(|e| e.id.clone()).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 200);
    }
}
