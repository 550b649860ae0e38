//! The users file: its format, its replacement as a whole, its lock between processes, and when it
//! changed.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::{Error, limits::FILE_BYTES_MAX};

/// Where users are kept.
#[derive(Debug, Clone)]
pub(crate) struct UserFile {
    path: PathBuf,
}

/// What tells one state of the file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// Names and password hashes.
pub(crate) type Hashes = BTreeMap<String, String>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    users: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    password_hash: String,
}

impl UserFile {
    pub(crate) fn new(path: PathBuf) -> UserFile {
        UserFile { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's state; `None` when there is no file.
    pub(crate) fn stamp(&self) -> Result<Option<Stamp>, Error> {
        match fs::metadata(&self.path) {
            Ok(metadata) => Ok(Some(Stamp::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.fault("look at it")(error)),
        }
    }

    /// The users and the state they were read in; none when there is no file.
    pub(crate) fn read(&self) -> Result<(Hashes, Option<Stamp>), Error> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Hashes::new(), None));
            }
            Err(error) => return Err(self.fault("read it")(error)),
        };
        let metadata = file.metadata().map_err(self.fault("read it"))?;
        let mut text = Vec::new();
        let limited = (&mut file).take(FILE_BYTES_MAX + 1);
        { limited }.read_to_end(&mut text).map_err(self.fault("read it"))?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(self.damaged("is larger than any users file".to_owned()));
        }
        let version: Version = serde_json::from_slice(&text)
            .map_err(|error| self.damaged(format!("is damaged: {error}")))?;
        if version.format != FORMAT {
            let found = version.format;
            return Err(self.damaged(format!(
                "has format {found}, this version knows {FORMAT}; use the version that wrote it"
            )));
        }
        let content: Content = serde_json::from_slice(&text)
            .map_err(|error| self.damaged(format!("is damaged: {error}")))?;
        let users = content.users.into_iter().map(|entry| (entry.name, entry.password_hash));
        Ok((users.collect(), Some(Stamp::of(&metadata))))
    }

    /// Changes the users: one process at a time, from what the file has now, all or nothing.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut Hashes) -> Result<T, Error>,
    ) -> Result<(T, Hashes, Option<Stamp>), Error> {
        let lock_path = self.path.with_extension("json.lock");
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
        let lock =
            lock.map_err(|source| Error::File { path: lock_path, doing: "lock it", source })?;
        flock(&lock, FlockOperation::LockExclusive)
            .map_err(|error| self.fault("lock it")(error.into()))?;
        let (mut users, _) = self.read()?;
        let result = change(&mut users)?;
        self.write(&users).map_err(self.fault("write it"))?;
        let stamp = self.stamp()?;
        Ok((result, users, stamp))
    }

    // A reader sees the old file or the new one, also after a power loss.
    fn write(&self, users: &Hashes) -> io::Result<()> {
        let users = users
            .iter()
            .map(|(name, hash)| Entry { name: name.clone(), password_hash: hash.clone() })
            .collect();
        let mut text = serde_json::to_vec_pretty(&Content { format: FORMAT, users })?;
        text.push(b'\n');
        let new = self.path.with_extension("json.new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        let directory = self.path.parent().filter(|path| !path.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn fault(&self, doing: &'static str) -> impl FnOnce(io::Error) -> Error + use<> {
        let path = self.path.clone();
        move |source| Error::File { path, doing, source }
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Format { path: self.path.clone(), reason }
    }
}

#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Stamp {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Stamp { inode: metadata.ino(), size: metadata.size(), modified }
    }
}

const FORMAT: u32 = 1;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_written_is_read_and_only_the_owner_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = UserFile::new(directory.path().join("users.json"));
        assert_eq!(file.read().unwrap(), (Hashes::new(), None));
        let add = |users: &mut Hashes| {
            users.insert("ada".to_owned(), "$hash".to_owned());
            Ok(())
        };
        let ((), written, stamp) = file.change(add).unwrap();
        assert_eq!(file.read().unwrap(), (written, stamp));
        let mode = fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!directory.path().join("users.json.new").exists());
    }

    #[test]
    fn a_failed_change_leaves_the_file_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let file = UserFile::new(directory.path().join("users.json"));
        let refuse = |users: &mut Hashes| {
            users.insert("ada".to_owned(), "$hash".to_owned());
            Err::<(), _>(Error::Unknown { name: "bob".to_owned() })
        };
        assert!(file.change(refuse).is_err());
        assert_eq!(file.read().unwrap().0, Hashes::new());
    }

    #[test]
    fn changes_of_many_at_once_are_all_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = UserFile::new(directory.path().join("users.json"));
        std::thread::scope(|scope| {
            for name in 0..16 {
                let file = &file;
                scope.spawn(move || {
                    file.change(|users| {
                        users.insert(name.to_string(), "$hash".to_owned());
                        Ok(())
                    })
                    .unwrap();
                });
            }
        });
        assert_eq!(file.read().unwrap().0.len(), 16);
    }

    #[test]
    fn a_damaged_or_newer_file_is_refused_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let file = UserFile::new(directory.path().join("users.json"));
        for (text, expected) in [
            ("{\"format\": 1,\n\"users\": [}", "line 2 column 11"),
            ("{\"format\": 2, \"users\": [], \"more\": 1}", "format 2, this version knows 1"),
            ("", "is damaged"),
        ] {
            fs::write(file.path(), text).unwrap();
            let said = file.read().unwrap_err().to_string();
            assert!(said.contains("users.json: ") && said.contains(expected), "{said}");
        }
    }
}
