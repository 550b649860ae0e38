//! The post-receive hook: put into a repository, chained to the one that was there, taken out.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::OpenOptionsExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::Error;

/// What [`install`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The hook's file.
    pub path: PathBuf,
    /// The hook that was there before, under its new name; ours calls it first.
    pub chained: Option<PathBuf>,
    /// The hooks directory is not the repository's own (`core.hooksPath`): other repositories
    /// that use it have the hook now too.
    pub shared: bool,
}

/// What [`remove`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// There was no hook.
    Nothing,
    /// It is gone.
    Gone(PathBuf),
    /// It is gone and the one from before is back in its place.
    Restored(PathBuf),
}

/// Writes the hook that runs `command` for each push into a bare or plain repository. An existing
/// hook of somebody else is kept and called first. Doing it again changes only the command.
///
/// # Errors
/// [`Error::Git`] when `repository` is none, [`Error::File`] when its hooks cannot be written.
pub fn install(repository: &Path, command: &[OsString]) -> Result<Installed, Error> {
    let hooks = hooks_directory(repository)?;
    let path = hooks.directory.join(HOOK);
    let before = hooks.directory.join(BEFORE);
    fs::create_dir_all(&hooks.directory).map_err(file(&hooks.directory, "make it"))?;

    let written = hooks.directory.join(format!(".{HOOK}.tubepost.{}", std::process::id()));
    write_script(&written, &script(command))?;
    let placed = place(&written, &path, &before);
    if placed.is_err() {
        _ = fs::remove_file(&written);
    }
    placed?;
    let chained = fs::symlink_metadata(&before).is_ok().then_some(before);
    Ok(Installed { path, chained, shared: hooks.shared })
}

/// Takes the hook out; the one from before comes back.
///
/// # Errors
/// As [`install`]; [`Error::Hook`] when the hook there is not ours.
pub fn remove(repository: &Path) -> Result<Removed, Error> {
    let hooks = hooks_directory(repository)?;
    let path = hooks.directory.join(HOOK);
    let before = hooks.directory.join(BEFORE);
    match owner(&path)? {
        Owner::Nobody => Ok(Removed::Nothing),
        Owner::Other => {
            let reason = "was not written by tubepost and was left alone".to_owned();
            Err(Error::Hook { path, reason })
        }
        Owner::Tubepost if fs::symlink_metadata(&before).is_ok() => {
            fs::rename(&before, &path).map_err(file(&before, "rename it"))?;
            Ok(Removed::Restored(path))
        }
        Owner::Tubepost => {
            fs::remove_file(&path).map_err(file(&path, "remove it"))?;
            Ok(Removed::Gone(path))
        }
    }
}

// At every moment there is a hook at `path` when there was one: the foreign one gets a second name
// first, then ours takes its place in one rename.
fn place(written: &Path, path: &Path, before: &Path) -> Result<(), Error> {
    if owner(path)? == Owner::Other {
        if fs::symlink_metadata(before).is_ok() {
            let reason = format!(
                "is in the way and so is {}; remove the one that is not needed",
                before.display()
            );
            return Err(Error::Hook { path: path.to_owned(), reason });
        }
        fs::hard_link(path, before)
            .or_else(|_| fs::rename(path, before))
            .map_err(file(path, "keep it under another name"))?;
    }
    fs::rename(written, path).map_err(file(path, "replace it"))
}

fn write_script(path: &Path, script: &[u8]) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut out = options.write(true).create(true).truncate(true).mode(0o755).open(path)?;
        out.write_all(script)?;
        // A umask may have taken the executable bits, and git ignores a hook without them.
        let mut permissions = out.metadata()?.permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
        out.set_permissions(permissions)?;
        out.sync_all()
    };
    write().map_err(file(path, "write it"))
}

// Git ignores a post-receive hook's status, but not one that reads no input; so the input is read
// once, here, and each of the two hooks gets all of it.
fn script(command: &[OsString]) -> Vec<u8> {
    let quoted: Vec<Vec<u8>> = command.iter().map(|word| quote(word)).collect();
    let program = quoted.first().cloned().unwrap_or_default();
    let mut script = format!("#!/bin/sh\n{MARK}\n").into_bytes();
    script.extend_from_slice(
        b"# Tells the bus what was pushed. Take it out with: tubepost hook git install --remove\n\
          updates=$(cat)\n\
          before=\"${0%/*}/post-receive.before-tubepost\"\n\
          if [ -x \"$before\" ]; then\n\
          \tprintf '%s\\n' \"$updates\" | \"$before\" \"$@\"\n\
          fi\n\
          if [ -x ",
    );
    script.extend_from_slice(&program);
    script.extend_from_slice(b" ]; then\n\tprintf '%s\\n' \"$updates\" | ");
    script.extend_from_slice(&quoted.join(&b' '));
    script.extend_from_slice(b"\nelse\n\techo \"tubepost: nobody was told of this push: \"");
    script.extend_from_slice(&program);
    script
        .extend_from_slice(b"\" is gone; run tubepost hook git install again\" >&2\nfi\nexit 0\n");
    script
}

fn quote(word: &OsStr) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word.as_bytes() {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Nobody,
    Tubepost,
    Other,
}

fn owner(path: &Path) -> Result<Owner, Error> {
    match fs::read(path) {
        Ok(text) if text.split(|byte| *byte == b'\n').nth(1) == Some(MARK.as_bytes()) => {
            Ok(Owner::Tubepost)
        }
        Ok(_) => Ok(Owner::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A dangling link is somebody's too.
            Ok(if fs::symlink_metadata(path).is_ok() { Owner::Other } else { Owner::Nobody })
        }
        Err(source) => Err(file(path, "read it")(source)),
    }
}

struct Hooks {
    directory: PathBuf,
    shared: bool,
}

// Only git knows: `core.hooksPath`, `.git` files, linked work trees.
fn hooks_directory(repository: &Path) -> Result<Hooks, Error> {
    let output = Command::new("git")
        .arg("-C")
        .arg(repository)
        .args(["rev-parse", "--git-path", "hooks", "--git-common-dir"])
        .env("LC_ALL", "C")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(Stdio::null())
        .output()
        .map_err(Error::NoGit)?;
    if !output.status.success() {
        let said =
            String::from_utf8_lossy(&output.stderr).trim().lines().collect::<Vec<_>>().join("; ");
        let command = format!("-C {} rev-parse", repository.display());
        return Err(Error::Git { command, status: output.status.to_string(), said });
    }
    let mut lines = output.stdout.split(|byte| *byte == b'\n');
    let mut next =
        || repository.join(OsString::from_vec(lines.next().unwrap_or_default().to_vec()));
    let (directory, common) = (next(), next());
    // The hooks directory may not be there yet.
    let absolute = |path: &Path| {
        fs::canonicalize(path).or_else(|_| std::path::absolute(path)).map_err(file(path, "find it"))
    };
    let (directory, common) = (absolute(&directory)?, absolute(&common)?);
    let shared = directory != common.join("hooks");
    Ok(Hooks { directory, shared })
}

fn file(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, doing, source }
}

const HOOK: &str = "post-receive";
const BEFORE: &str = "post-receive.before-tubepost";
/// The second line of a hook of ours.
const MARK: &str = "# tubepost hook git, 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quote(OsStr::new("it's here")), b"'it'\\''s here'");
    }
}
