//! Keys in files: a publisher's own, and the directory of those that are trusted. A file's name is
//! the key's: `hall.key` is the secret of `hall`, `hall.pub` (or `.pem`, `.crt`) verifies it, and
//! `hall.topics` says on which topics it is believed.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use event::{Pattern, SigningKey, Verifier};

use crate::failure::Failure;

/// What the names of files with a secret end in.
pub(crate) const SECRET: &str = "key";
/// What the names of files with a raw public key end in.
pub(crate) const PUBLIC: &str = "pub";

/// The key of a file.
///
/// # Errors
/// It cannot be read, or is no key.
pub(crate) fn signing_key(file: &Path) -> Result<SigningKey, Failure> {
    SigningKey::from_pem(name_of(file)?, &read(file)?).map_err(|error| fault(file, &error))
}

/// The keys of a directory. Other files are passed over.
///
/// # Errors
/// The directory or a file cannot be read, a file is no key, or there is none.
pub(crate) fn verifier(directory: &Path) -> Result<Verifier, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| unreadable(directory, &error))? {
        files.push(entry.map_err(|error| unreadable(directory, &error))?.path());
    }
    files.sort();
    let of_kind = |kinds: &[&str]| {
        let kind_of = |file: &Path| Some(file.extension()?.to_str()?.to_owned());
        let found = files
            .iter()
            .filter(|file| kind_of(file).is_some_and(|kind| kinds.contains(&kind.as_str())));
        found.collect::<Vec<_>>()
    };
    let mut verifier = Verifier::default();
    let mut seen = Vec::new();
    for file in of_kind(&[PUBLIC, "pem", "crt"]) {
        let name = name_of(file)?;
        if seen.contains(&name) {
            return Err(fault(file, &format!("there is another key named '{name}'; remove one")));
        }
        seen.push(name);
        verifier.add(name, &read(file)?).map_err(|error| fault(file, &error))?;
    }
    for file in of_kind(&["topics"]) {
        let text = read(file)?;
        let words = text.split_whitespace();
        let topics: Result<Vec<Pattern>, _> = words.map(str::parse).collect();
        let topics = topics.map_err(|error| fault(file, &error))?;
        verifier.limit(name_of(file)?, topics).map_err(|error| fault(file, &error))?;
    }
    match verifier.is_empty() {
        true => Err(fault(directory, &"has no keys; they are files NAME.pub, .pem or .crt")),
        false => Ok(verifier),
    }
}

fn name_of(file: &Path) -> Result<&str, Failure> {
    let name = file.file_stem().and_then(|name| name.to_str());
    name.ok_or_else(|| {
        fault(file, &"a key's file is named NAME.key, NAME.pub, NAME.pem or NAME.crt")
    })
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let opened = fs::File::open(file);
    opened
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| unreadable(file, &error))?;
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    fault(path, &format!("cannot be read: {error}"))
}

fn fault(path: &Path, reason: &impl ToString) -> Failure {
    Failure::failed(format!("{}: {}", path.display(), reason.to_string()))
}

/// A chain of certificates, with room.
const FILE_BYTES_MAX: u64 = 256 << 10;
