//! Schema files as a git revision has them, asked of the `git` program.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::failure::Failure;

/// The files below `directory` that are not in the working tree as `revision` has them: path, and
/// the text there. Those that are new since then are not among them.
///
/// # Errors
/// There is no git, no checkout, or no such revision.
pub(crate) fn changed_since(
    directory: &Path,
    revision: &str,
) -> Result<Vec<(PathBuf, String)>, Failure> {
    let filter = ["diff", "-z", "--name-only", "--no-renames", "--diff-filter=a", "--relative"];
    let names = git(directory, &[&filter[..], &[checked(revision)?, "--", "."]].concat())?;
    let mut files = Vec::new();
    for name in names.split('\0').filter(|name| name.ends_with(".json")) {
        if name.split('/').any(|part| part.starts_with('.')) {
            continue;
        }
        files.push((directory.join(name), file(directory, revision, name)?));
    }
    Ok(files)
}

/// One file of a revision; `path` is relative to `directory`.
///
/// # Errors
/// As [`changed_since`]; or the revision has no such file.
pub(crate) fn file(directory: &Path, revision: &str, path: &str) -> Result<String, Failure> {
    git(directory, &["show", &format!("{}:./{path}", checked(revision)?)])
}

fn checked(revision: &str) -> Result<&str, Failure> {
    match revision.is_empty() || revision.starts_with('-') {
        true => Err(Failure::called_wrongly(format!(
            "'{revision}': neither a directory nor a git revision such as main or HEAD~1"
        ))),
        false => Ok(revision),
    }
}

fn git(directory: &Path, words: &[&str]) -> Result<String, Failure> {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(words)
        .output()
        .map_err(|error| Failure::failed(format!("git: cannot be run: {error}; install it")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or("it gave no reason");
        return Err(Failure::failed(format!(
            "{}: git {} failed: {said}; name a checkout, and a directory or a revision of it",
            directory.display(),
            words.first().unwrap_or(&"")
        )));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Failure::failed(format!("{}: not UTF-8 in git", directory.display())))
}
