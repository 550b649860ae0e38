//! The real disk: a directory on a POSIX file system, by `pread`, `pwrite`, `fallocate`,
//! `fdatasync`.
//!
//! Does not lock the directory: that two programs never share a data directory is seen to by
//! whoever owns the directory (the server's lock covers all of it at once).

use std::fs::DirBuilder;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{self, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::disk::{Disk, DiskFile};
use crate::error::Error;

/// A directory of the file system. Files are made readable by their owner only.
#[derive(Debug)]
pub struct FileDisk {
    path: PathBuf,
    dir: OwnedFd,
    /// Nothing is opened for writing, and what would change something is refused.
    read_only: bool,
}

impl FileDisk {
    /// Opens the directory, and makes it (mode 0700) where it is missing. Syncs the directory above
    /// it each time: a program that made this one may have been killed before it had done so.
    pub fn open(path: impl AsRef<Path>) -> Result<FileDisk, Error> {
        let path = path.as_ref().to_path_buf();
        let shown = path.display().to_string();
        if !path.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(Error::io("create directory", &shown))?;
        }
        let above = path.parent().filter(|above| !above.as_os_str().is_empty());
        let above = above.unwrap_or(Path::new("."));
        open_dir(above)
            .and_then(|dir| Ok(fs::fsync(&dir)?))
            .map_err(Error::io("sync directory", &above.display().to_string()))?;
        let dir = open_dir(&path).map_err(Error::io("open directory", &shown))?;
        Ok(FileDisk { path, dir, read_only: false })
    }

    /// Opens a directory, which must be there, for looking only: no file in it is opened for
    /// writing, and whatever would change something is refused. What was looked at does not even
    /// get a new access time, where the system lets that be.
    ///
    /// # Errors
    /// [`Error::Io`] if there is none, or it cannot be read.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<FileDisk, Error> {
        let path = path.as_ref().to_path_buf();
        let shown = path.display().to_string();
        let dir = open_dir(&path).map_err(Error::io("open directory", &shown))?;
        Ok(FileDisk { path, dir, read_only: true })
    }

    /// The directory's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open_file(&self, name: &str, flags: OFlags) -> io::Result<Arc<dyn DiskFile>> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if self.read_only {
            return self.open_to_look(name, flags);
        }
        let flags = flags | OFlags::RDWR;
        let file = retry(|| fs::openat(&self.dir, name, flags, Mode::RUSR | Mode::WUSR))?;
        Ok(Arc::new(OpenFile(file)))
    }

    fn open_to_look(&self, name: &str, flags: OFlags) -> io::Result<Arc<dyn DiskFile>> {
        let open = |flags| retry(|| fs::openat(&self.dir, name, flags, Mode::empty()));
        let file = match open(flags | OFlags::RDONLY | OFlags::NOATIME) {
            // The owner's privilege.
            Err(Errno::PERM) => open(flags | OFlags::RDONLY)?,
            outcome => outcome?,
        };
        Ok(Arc::new(OpenFile(file)))
    }

    fn may_change(&self) -> io::Result<()> {
        if self.read_only { Err(Errno::ROFS.into()) } else { Ok(()) }
    }
}

impl Disk for FileDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&self.dir)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.open_file(name, OFlags::empty())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.may_change()?;
        self.open_file(name, OFlags::CREATE | OFlags::TRUNC)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.may_change()?;
        Ok(fs::renameat(&self.dir, from, &self.dir, to)?)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.may_change()?;
        Ok(fs::linkat(&self.dir, from, &self.dir, to, fs::AtFlags::empty())?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.may_change()?;
        Ok(fs::unlinkat(&self.dir, name, fs::AtFlags::empty())?)
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.dir)?)
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        let of = fs::fstatvfs(&self.dir)?;
        Ok(Some(of.f_bavail.saturating_mul(of.f_frsize)))
    }
}

struct OpenFile(OwnedFd);

impl DiskFile for OpenFile {
    fn size(&self) -> io::Result<u64> {
        let size = fs::fstat(&self.0)?.st_size;
        u64::try_from(size).map_err(|_| io::Error::other("the file's size is negative"))
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(retry(|| rustix::io::pread(&self.0, &mut *into, offset))?)
    }

    fn write_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = retry(|| rustix::io::pwrite(&self.0, bytes, offset))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = bytes.get(written..).unwrap_or_default();
            offset += written as u64;
        }
        Ok(())
    }

    fn reserve(&self, bytes: u64) -> io::Result<bool> {
        match retry(|| fs::fallocate(&self.0, FallocateFlags::empty(), 0, bytes)) {
            Ok(()) => Ok(true),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn shrink(&self, bytes: u64) -> io::Result<()> {
        Ok(retry(|| fs::ftruncate(&self.0, bytes))?)
    }

    // Not retried on EINTR: a sync that did not return success has failed (see `DiskFile::sync`).
    fn sync(&self) -> io::Result<()> {
        Ok(fs::fdatasync(&self.0)?)
    }
}

fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry(|| fs::open(path, flags, Mode::empty()))?)
}

fn retry<T>(call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    rustix::io::retry_on_intr(call)
}
