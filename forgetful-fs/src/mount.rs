//! The mounted file system, as the test that mounted it holds it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fuser::{BackgroundSession, Config, MountOption};
use rustix::{
    mount::{UnmountFlags, unmount},
    process::{getgid, getuid},
};

use crate::{Loss, Lost, medium::Medium, operations::Operations};

/// A mounted file system. Dropped, it is unmounted, and all in it is gone.
#[derive(Debug)]
pub struct ForgetfulFs {
    path: PathBuf,
    medium: Arc<Mutex<Medium>>,
    _session: BackgroundSession,
}

impl ForgetfulFs {
    /// Mounts an empty one on a directory. Asks the kernel itself, without fusermount, so the
    /// caller must be root, and there must be a `/dev/fuse`.
    ///
    /// # Errors
    /// The kernel does not let us.
    pub fn mount(path: impl AsRef<Path>) -> io::Result<ForgetfulFs> {
        let path = path.as_ref().to_path_buf();
        let owner = (getuid().as_raw(), getgid().as_raw());
        let medium = Arc::new(Mutex::new(Medium::new(owner)));
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("forgetful".to_owned()),
            MountOption::DefaultPermissions,
            MountOption::NoDev,
            MountOption::NoSuid,
        ];
        let session = fuser::spawn_mount(Operations(Arc::clone(&medium)), &path, &config)?;
        Ok(ForgetfulFs { path, medium, _session: session })
    }

    /// The directory it is mounted on.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many operations there were that change something: makings, writes, changes of size,
    /// renames, removals, syncs.
    pub fn operations(&self) -> u64 {
        self.medium().faults.operations
    }

    /// Lets the power fail at the operation so many operations from now (1 is the next): it no
    /// longer happens, the process that asks for it is killed, and nothing works any more until
    /// [`ForgetfulFs::lose_power`].
    pub fn fail_power_at(&self, ahead: u64) {
        self.medium().faults.fail_power_at(ahead);
    }

    /// Lets the sync so many syncs from now (1 is the next) fail with `EIO`. As on Linux, the cache
    /// shows what was written and holds it for clean: a sync after it succeeds and saves none of
    /// it.
    pub fn fail_sync_at(&self, ahead: u64) {
        self.medium().faults.fail_sync_at(ahead);
    }

    /// Whether from now on syncs return success and do nothing.
    pub fn lie(&self, lie: bool) {
        self.medium().faults.lie = lie;
    }

    /// Whether the power has failed as [`ForgetfulFs::fail_power_at`] asked for.
    pub fn is_off(&self) -> bool {
        self.medium().faults.off
    }

    /// The power fails and comes back. The program that works on the file system must have ended:
    /// what it has open is what no longer exists. The same seed after the same operations loses the
    /// same.
    pub fn lose_power(&self, loss: Loss, seed: u64) -> Lost {
        self.medium().lose_power(loss, seed)
    }

    fn medium(&self) -> MutexGuard<'_, Medium> {
        self.medium.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ForgetfulFs {
    fn drop(&mut self) {
        // Whoever still has a file open there keeps it, and nobody waits for them. If it fails, it
        // was unmounted by somebody else.
        let _ = unmount(&self.path, UnmountFlags::DETACH);
    }
}
