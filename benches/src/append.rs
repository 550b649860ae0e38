//! A record into the journal, with all that it computes and copies, and no disk.

use std::{
    collections::BTreeMap,
    hint::black_box,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use journal::{Disk, DiskFile, Journal, Options};

/// Keeps nothing but how long its files are.
#[derive(Default)]
struct NullDisk(Mutex<BTreeMap<String, Arc<NullFile>>>);

#[derive(Default)]
struct NullFile {
    bytes: AtomicU64,
}

impl NullDisk {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Arc<NullFile>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for NullDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files().keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.files().get(name).cloned();
        file.map(|it| it as Arc<dyn DiskFile>).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = Arc::<NullFile>::default();
        self.files().insert(name.to_owned(), file.clone());
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.files().remove(from);
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        self.files().insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files().remove(name);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for NullFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.bytes.load(Relaxed))
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.bytes.load(Relaxed).saturating_sub(offset);
        let count = into.len().min(left as usize);
        into[..count].fill(0);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.bytes.fetch_max(offset + bytes.len() as u64, Relaxed);
        Ok(())
    }

    fn reserve(&self, bytes: u64) -> io::Result<bool> {
        self.bytes.fetch_max(bytes, Relaxed);
        Ok(true)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn records(messages: u64) {
    let disk = Arc::new(NullDisk::default());
    // The same octets in every run.
    let options = Options { first_sequence: Some(1), ..Options::default() };
    let (journal, _) = Journal::open(disk, options, &mut |_| {}).expect("the disk refuses nothing");
    let payload = [b'x'; 1024];
    let mut left = messages;
    while left > 0 {
        let batch = left.min(64);
        let mut appender = journal.appender().expect("it is open");
        for _ in 0..batch {
            appender.append(1, &[black_box(&payload)]).expect("there is room");
        }
        drop(appender);
        journal.commit().expect("the disk refuses nothing");
        journal.reclaim().expect("the disk refuses nothing");
        left -= batch;
    }
}
