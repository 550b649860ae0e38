//! Keys in files: a publisher's own, and the directory of those that are trusted. A file's name is
//! the key's: `hall.key` is the secret of `hall`, `hall.pub` (or `.pem`, `.crt`) verifies it, and
//! `hall.topics` says on which topics it is believed.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use event::{Pattern, SigningKey, Verifier};

use crate::Error;

/// The key of a file.
///
/// # Errors
/// [`Error::Configuration`]: it cannot be read, or is no key.
pub fn signing_key(file: &Path) -> Result<SigningKey, Error> {
    SigningKey::from_pem(name_of(file)?, &read(file)?).map_err(|error| fault(file, &error))
}

/// The keys of a directory. Other files are passed over. With a file of authorities, certificates
/// are trusted when one of those vouches for them, else each by itself.
///
/// # Errors
/// [`Error::Configuration`]: the directory or a file cannot be read, a file is no key, no
/// authority vouches for it, or there is none.
pub fn trusted_keys(directory: &Path, authorities: Option<&Path>) -> Result<Verifier, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| unreadable(directory, &error))? {
        files.push(entry.map_err(|error| unreadable(directory, &error))?.path());
    }
    files.sort();
    let of_kind = |kinds: &[&str]| {
        let kind_of = |file: &Path| Some(file.extension()?.to_str()?.to_owned());
        let found = files.iter().filter(|file| {
            let is_of_kind = kind_of(file).is_some_and(|kind| kinds.contains(&kind.as_str()));
            // The authorities may lie beside those they vouch for.
            is_of_kind && authorities.is_none_or(|authorities| authorities != file.as_path())
        });
        found.collect::<Vec<_>>()
    };
    let mut verifier = Verifier::default();
    if let Some(file) = authorities {
        verifier.trust_authorities(&read(file)?).map_err(|error| fault(file, &error))?;
    }
    let mut seen = Vec::new();
    for file in of_kind(&["pub", "pem", "crt"]) {
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

fn name_of(file: &Path) -> Result<&str, Error> {
    let name = file.file_stem().and_then(|name| name.to_str());
    name.ok_or_else(|| {
        fault(file, &"a key's file is named NAME.key, NAME.pub, NAME.pem or NAME.crt")
    })
}

fn read(file: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let opened = fs::File::open(file);
    opened
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| unreadable(file, &error))?;
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    fault(path, &format!("cannot be read: {error}"))
}

fn fault(path: &Path, reason: &impl ToString) -> Error {
    Error::Configuration { place: path.display().to_string(), problem: reason.to_string() }
}

/// A chain of certificates, with room.
const FILE_BYTES_MAX: u64 = 256 << 10;
