//! Zeros are written beside the commits: nobody who commits waits for them, until the file is
//! needed.

use std::io;
use std::sync::{
    Arc, Barrier,
    atomic::{AtomicBool, Ordering::SeqCst},
};
use std::thread;

use journal::{Disk, DiskFile, Journal, Options};
use sim::SimDisk;

/// A disk that, once it is armed, takes one sync of an unfinished file as long as it is told.
struct SlowDisk {
    disk: SimDisk,
    gate: Arc<Gate>,
}

struct Gate {
    is_armed: AtomicBool,
    /// Met when the sync has begun, and when it is to end.
    barrier: Barrier,
}

struct SlowFile {
    file: Arc<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl SlowDisk {
    fn slow(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(SlowFile { file, gate: Arc::clone(&self.gate) })
    }
}

impl Disk for SlowDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.share().list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.share().open(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.slow(self.disk.share().create(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.share().rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.share().remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.share().sync_dir()
    }
}

impl DiskFile for SlowFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(into, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn reserve(&self, bytes: u64) -> io::Result<bool> {
        self.file.reserve(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        if self.gate.is_armed.swap(false, SeqCst) {
            self.gate.barrier.wait();
            self.gate.barrier.wait();
        }
        self.file.sync()
    }
}

#[test]
fn commits_go_on_while_the_next_file_is_filled_and_no_zero_goes_over_a_record() {
    let gate = Arc::new(Gate { is_armed: AtomicBool::new(false), barrier: Barrier::new(2) });
    let disk = SimDisk::new();
    let slow = Arc::new(SlowDisk { disk: disk.clone(), gate: Arc::clone(&gate) });
    let options = Options { segment_bytes: 4096, ..Options::default() };
    let (journal, _) = Journal::open(slow, options.clone(), &mut |_| ()).unwrap();
    journal.append(1, &[&[7; 2500]]).unwrap();
    journal.commit().unwrap();
    assert!(journal.prepare_next().unwrap());
    gate.is_armed.store(true, SeqCst);
    thread::scope(|scope| {
        let filling = scope.spawn(|| journal.fill_next().unwrap());
        gate.barrier.wait();
        // The zeros are being synced. None of this waits for them, or the test would not end.
        assert!(!journal.prepare_next().unwrap());
        journal.append(1, &[&[8; 100]]).unwrap();
        assert!(journal.commit().unwrap());
        // What needs the file does.
        journal.append(1, &[&[9; 2000]]).unwrap();
        let committing = scope.spawn(|| journal.commit().unwrap());
        gate.barrier.wait();
        assert!(!filling.join().unwrap(), "it is smaller than one part");
        assert!(committing.join().unwrap());
    });
    assert!(!journal.fill_next().unwrap(), "there is nothing made ahead any more");
    drop(journal);
    let mut found = Vec::new();
    let mut visit = |record: journal::Record<'_>| found.push(record.payload.to_vec());
    let (_, recovery) = Journal::open(disk.share(), options, &mut visit).unwrap();
    assert_eq!(found, [vec![7; 2500], vec![8; 100], vec![9; 2000]]);
    assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
}
