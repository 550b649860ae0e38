//! The disk as the journal sees it: one directory of files, and the few operations that matter for
//! durability. Each is one the medium may refuse, and each test disk may make fail.
//!
//! What the journal assumes of a disk is written in `docs/storage.md`; above all: what
//! [`DiskFile::sync`] confirmed stays, and a rename is seen whole or not at all.

use std::io;
use std::sync::Arc;

/// A directory that holds a journal. Names are plain file names, chosen by the journal alone.
pub trait Disk: Send + Sync {
    /// The names of everything in the directory, in any order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens an existing file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes an empty file, or empties the one of that name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name in the same directory, at once and whole, instead of a file that
    /// has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Gives a file one more name in the same directory. An error where the file system cannot.
    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let _ = (from, to);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Puts the directory itself on the medium: creations, renames and removals so far survive
    /// power loss once this returned.
    fn sync_dir(&self) -> io::Result<()>;

    /// Bytes that are free on the medium; `None` where nobody can say.
    fn free_bytes(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

/// One open file of a [`Disk`].
pub trait DiskFile: Send + Sync {
    /// The file's size in bytes, with what was reserved.
    fn size(&self) -> io::Result<u64>;

    /// Reads at `offset` into `into`; returns how many bytes came. Fewer than asked for is allowed
    /// anywhere, 0 means the end of the file.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`. After an error any part of them may be there.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Reserves space so that the file has `bytes` bytes, zeros where nothing was written. `false`
    /// where the file system cannot do it; the file then grows as it is written.
    fn reserve(&self, bytes: u64) -> io::Result<bool>;

    /// Gives back what is behind so many bytes, which is zeros. Nobody counts on it: where that
    /// cannot be done, nothing happens.
    fn shrink(&self, bytes: u64) -> io::Result<()> {
        let _ = bytes;
        Ok(())
    }

    /// Puts the file's data and size on the medium (fdatasync): they survive power loss once this
    /// returned. After an error nothing is known about what was written since the last success, and
    /// trying again proves nothing.
    fn sync(&self) -> io::Result<()>;
}

/// Reads until `into` is full or the file ends; returns how many bytes came.
pub(crate) fn read_full(file: &dyn DiskFile, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..)
        && !rest.is_empty()
    {
        match file.read_at(rest, offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
