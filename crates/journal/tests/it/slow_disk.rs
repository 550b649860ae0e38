//! A disk that is slow when a test wants it to be.

use std::io;
use std::sync::{
    Arc, Barrier,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use journal::{Disk, DiskFile};
use sim::SimDisk;

/// A disk that, once it is armed, takes one sync of a file as long as it is told.
pub(crate) struct SlowDisk {
    disk: SimDisk,
    gate: Arc<Gate>,
}

pub(crate) struct Gate {
    is_armed: AtomicBool,
    /// Met when the sync has begun, and when it is to end.
    barrier: Barrier,
}

impl Gate {
    pub(crate) fn open() -> Arc<Gate> {
        Arc::new(Gate { is_armed: AtomicBool::new(false), barrier: Barrier::new(2) })
    }

    /// The next sync is one that waits.
    pub(crate) fn arm(&self) {
        self.is_armed.store(true, SeqCst);
    }

    /// Waits until it has begun, and the second time lets it end.
    pub(crate) fn meet(&self) {
        self.barrier.wait();
    }
}

struct SlowFile {
    file: Arc<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl SlowDisk {
    pub(crate) fn new(disk: &SimDisk, gate: &Arc<Gate>) -> Arc<SlowDisk> {
        Arc::new(SlowDisk { disk: disk.clone(), gate: Arc::clone(gate) })
    }

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
            self.gate.meet();
            self.gate.meet();
        }
        self.file.sync()
    }
}
