//! A directory of schema files: every `*.json` in it and below, but for names that begin with a
//! dot. It may be a git checkout.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// The files of one directory, by name.
///
/// # Errors
/// It cannot be read, or holds more than 10,000 files.
pub(crate) fn files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    gather(directory, 0, &mut found)?;
    found.sort();
    Ok(found)
}

fn gather(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error: io::Error| fault(directory, &error.to_string());
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            if depth >= DEPTH_MAX {
                return Err(fault(&path, &format!("it is more than {DEPTH_MAX} levels deep")));
            }
            gather(&path, depth + 1, found)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            if found.len() >= FILES_MAX {
                return Err(fault(directory, &format!("it has more than {FILES_MAX} files")));
            }
            found.push(path);
        }
    }
    Ok(())
}

/// The text of a file.
///
/// # Errors
/// It cannot be read, or is too large for a schema.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let length = fs::metadata(path).map_err(|error| fault(path, &error.to_string()))?.len();
    if length > FILE_BYTES_MAX {
        return Err(fault(path, &format!("it has {length} bytes, more than {FILE_BYTES_MAX}")));
    }
    fs::read_to_string(path).map_err(|error| fault(path, &error.to_string()))
}

fn fault(path: &Path, reason: &str) -> Failure {
    Failure::failed(format!(
        "{}: schemas cannot be read: {reason}; see event.schemas",
        path.display()
    ))
}

const DEPTH_MAX: usize = 8;
const FILES_MAX: usize = 10_000;
/// As much as a schema file may have.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_below_too_and_hidden_ones_are_not() {
        let home = tempfile::tempdir().unwrap();
        for path in ["b.json", "a/z.json", ".git/x.json", "a/.x.json", "readme.md"] {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        }
        let found = files(home.path()).unwrap();
        let names: Vec<_> = found.iter().map(|it| it.strip_prefix(home.path()).unwrap()).collect();
        assert_eq!(names, [Path::new("a/z.json"), Path::new("b.json")]);
        assert!(files(&home.path().join("missing")).is_err());
    }
}
