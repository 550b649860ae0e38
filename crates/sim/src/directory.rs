//! One directory of a [`SimDisk`], and its files, as the journal sees them.

use std::io;
use std::sync::Arc;

use journal::{Disk, DiskFile};

use crate::SimDisk;
use crate::change::{Change, CoveredBy};
use crate::fault::Operation;

pub(crate) struct Directory {
    disk: SimDisk,
    name: String,
}

impl Directory {
    pub(crate) fn new(disk: SimDisk, name: &str) -> Directory {
        Directory { disk, name: name.to_owned() }
    }

    fn path(&self, name: &str) -> String {
        match self.name.as_str() {
            "" => name.to_owned(),
            directory => format!("{directory}/{name}"),
        }
    }
}

impl Disk for Directory {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.disk.lock();
        state.operate(Operation::Look)?;
        Ok(state.live.names_in(&self.name))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.disk.lock();
        state.operate(Operation::Look)?;
        let file = state.find(&self.path(name))?;
        Ok(Arc::new(SimFile { disk: self.disk.clone(), file }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.disk.lock();
        state.operate(Operation::Create)?;
        let name = self.path(name);
        let file = match state.live.find(&name) {
            Some(file) => file,
            None => {
                let file = state.new_file();
                state.change(Change::Link { name, file });
                file
            }
        };
        state.change(Change::Empty { file });
        Ok(Arc::new(SimFile { disk: self.disk.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.operate(Operation::Rename)?;
        let (from, to) = (self.path(from), self.path(to));
        let file = state.find(&from)?;
        // A file of that name is replaced, as POSIX has it; a segment of a journal never may be.
        let replaces = state.find(&to).is_ok() && to.ends_with(".log");
        assert!(!replaces, "{from} is renamed over the segment {to}");
        state.change(Change::Rename { from, to, file });
        Ok(())
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.operate(Operation::Create)?;
        let (from, name) = (self.path(from), self.path(to));
        let file = state.find(&from)?;
        assert!(state.find(&name).is_err(), "{from} is linked over {name}");
        state.change(Change::Link { name, file });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.operate(Operation::Remove)?;
        let name = self.path(name);
        state.find(&name)?;
        state.change(Change::Unlink { name });
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.lock().sync(CoveredBy::Directory(&self.name))
    }
}

/// The disk's own directory.
impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.share().list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.share().open(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.share().create(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.share().rename(from, to)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.share().link(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.share().remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.share().sync_dir()
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
        Ok(state.live.bytes_of(self.file).len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.lock();
        state.operate(Operation::Read)?;
        let file = state.live.bytes_of(self.file);
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
        self.disk.lock().sync(CoveredBy::File(self.file))
    }
}
