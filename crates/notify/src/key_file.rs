//! A key in a file of its own: made when it is first needed, its owner's alone, and whole or not
//! at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// What is in the file, which is made when it is not there. Whoever was first keeps theirs.
///
/// # Errors
/// The file's, or those of `make`.
pub(crate) fn read_or_make(
    file: &Path,
    make: impl FnOnce() -> io::Result<Vec<u8>>,
) -> io::Result<Vec<u8>> {
    match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let key = make()?;
    let new = file.with_extension(format!("new{}", std::process::id()));
    let mut made =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    made.write_all(&key)?;
    made.sync_all()?;
    let linked = fs::hard_link(&new, file);
    fs::remove_file(&new)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if let Some(directory) = file.parent() {
        // Of a name alone the parent is empty.
        let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        File::open(here)?.sync_all()?;
    }
    fs::read(file)
}
