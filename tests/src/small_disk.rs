//! A disk that is soon full: a tmpfs of a few megabytes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rustix::{
    fs::statvfs,
    mount::{MountFlags, UnmountFlags, mount, unmount},
};

/// The mounted disk. Dropped, it is unmounted.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one on a directory, which is made; none where this may not mount.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn mount(path: &Path, megabytes: u64) -> Result<Option<SmallDisk>> {
        fs::create_dir_all(path).with_context(|| path.display().to_string())?;
        let options = std::ffi::CString::new(format!("size={megabytes}m"))?;
        let flags = MountFlags::NODEV | MountFlags::NOSUID;
        match mount("tubepost-test", path, "tmpfs", flags, options.as_c_str()) {
            Ok(()) => Ok(Some(SmallDisk(path.to_path_buf()))),
            Err(error) => {
                println!("skipped: a tmpfs cannot be mounted here (root needed): {error}");
                Ok(None)
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Bytes that are left on it.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn free_bytes(&self) -> Result<u64> {
        free_bytes(&self.0)
    }
}

/// Bytes that are left on the disk where this is.
///
/// # Errors
/// The kernel does not say.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let stat = statvfs(path)?;
    Ok(stat.f_bavail * stat.f_frsize)
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(error) = unmount(&self.0, UnmountFlags::DETACH) {
            println!("{} cannot be unmounted: {error}", self.0.display());
        }
    }
}
