//! A file system that forgets, when the power fails, what was not synced. It is mounted with FUSE,
//! so that an unmodified program runs on it; the test that mounted it says when the power fails.
//!
//! The model: everything a program does goes to a cache, where every program sees it at once. A
//! sync of a file brings its bytes and its size to the medium; a sync of a directory brings the
//! names in it. When the power fails, the cache is gone, except for what of it reached the medium
//! by chance: [`Loss`] says what chance does. Both cache and medium are memory of this process.
//!
//! It is harsher than most file systems: a synced file is lost if the directory was not synced, and
//! unsynced names and sectors may arrive in any order. It cannot do links, and renames only within
//! a directory.
//!
//! ```no_run
//! use forgetful_fs::{ForgetfulFs, Loss};
//!
//! # fn main() -> std::io::Result<()> {
//! let fs = ForgetfulFs::mount("/mnt/forgetful")?;
//! std::fs::write("/mnt/forgetful/file", "never synced")?;
//! fs.lose_power(Loss::Everything, 1);
//! assert!(!std::fs::exists("/mnt/forgetful/file")?);
//! # Ok(())
//! # }
//! ```

mod content;
mod directory;
mod faults;
mod file;
mod medium;
mod mount;
mod operations;

pub use mount::ForgetfulFs;

/// What becomes of unsynced writes and names when the power fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// None of it reached the medium.
    Everything,
    /// Of each file any of its changed sectors of 512 bytes, of each directory any of its changes.
    Subset,
    /// Writes reached the medium in order, and the last one up to a multiple of so many bytes; of
    /// each directory the changes up to some one.
    Torn {
        /// 512 for sectors, 4096 for pages.
        unit: u64,
    },
    /// All of it: as if only the program had been killed.
    Nothing,
}

/// How much was lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lost {
    /// Changed sectors of 512 bytes that did not reach the medium.
    pub sectors: u64,
    /// Changes of directories that did not.
    pub names: u64,
    /// Changed sectors and changes of directories that did, though nobody had synced them.
    pub kept: u64,
}
