//! A git repository on this machine: where it is, what it is called, and its `git` processes.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use crate::Error;

/// A repository, bare or with a work tree.
#[derive(Debug, Clone)]
pub struct Repository {
    git_dir: PathBuf,
    path: PathBuf,
}

impl Repository {
    /// The repository whose git directory this is: what git puts in `GIT_DIR` for a hook.
    /// A bare repository's directory, or the `.git` of one with a work tree.
    ///
    /// # Errors
    /// [`Error::File`] when the directory is not there.
    pub fn open(git_dir: &Path) -> Result<Repository, Error> {
        let found = |source| Error::File { path: git_dir.to_owned(), doing: "open it", source };
        let git_dir = fs::canonicalize(git_dir).map_err(found)?;
        let shared = shared_git_dir(&git_dir);
        let path = match shared.file_name() == Some(OsStr::new(".git")) {
            true => shared.parent().map(Path::to_owned),
            false => None,
        };
        Ok(Repository { git_dir, path: path.unwrap_or(shared) })
    }

    /// What git processes get as `GIT_DIR`.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The bare repository's directory, or the main work tree.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last part of the path, without `.git`.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        name.strip_suffix(".git").unwrap_or(&name).to_owned()
    }
}

// A linked work tree's git directory names the one it shares in `commondir` (gitrepository-layout).
fn shared_git_dir(git_dir: &Path) -> PathBuf {
    fs::read_to_string(git_dir.join("commondir"))
        .ok()
        .and_then(|common| fs::canonicalize(git_dir.join(common.trim_end())).ok())
        .unwrap_or_else(|| git_dir.to_owned())
}
