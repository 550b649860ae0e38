//! The users file: its format, its replacement as a whole, its lock between processes, and when it
//! changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use crate::{
    Error, Tags, UserLimits, limits::FILE_BYTES_MAX, scram::Verifiers, stored_hash::StoredHash,
};

mod written;

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

/// The users as the file has them.
#[derive(Clone, PartialEq, Eq, Default)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Content {
    pub(crate) users: BTreeMap<String, Entry>,
    /// Names of deleted users whose permissions may still be written down somewhere.
    pub(crate) departed: BTreeSet<String>,
    /// What users who are not there are made up from for SCRAM.
    pub(crate) scram_secret: Option<[u8; 32]>,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `None`: no password is theirs.
    pub(crate) hash: Option<StoredHash>,
    /// What SCRAM judges a proof of the same password by.
    pub(crate) scram: Option<Verifiers>,
    pub(crate) tags: Tags,
    pub(crate) default_access: bool,
    pub(crate) limits: UserLimits,
    /// Tells a user from another of that name before or after.
    pub(crate) id: u64,
    /// How often the password was changed.
    pub(crate) password_number: u32,
}

impl Content {
    /// Whether there is anything in it that is of use for SCRAM only.
    pub(crate) fn has_scram(&self) -> bool {
        self.scram_secret.is_some() || self.users.values().any(|entry| entry.scram.is_some())
    }
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
    pub(crate) fn read(&self) -> Result<(Content, Option<Stamp>), Error> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Content::default(), None));
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
        Ok((self.parse(&text)?, Some(Stamp::of(&metadata))))
    }

    fn parse(&self, text: &[u8]) -> Result<Content, Error> {
        let damaged = |error: serde_json::Error| self.damaged(format!("is damaged: {error}"));
        let version: written::Version = serde_json::from_slice(text).map_err(damaged)?;
        let content = match version.format {
            1 => serde_json::from_slice::<written::Content1>(text).map_err(damaged)?.try_into(),
            FORMAT | FORMAT_WITH_SCRAM => {
                serde_json::from_slice::<written::Content2>(text).map_err(damaged)?.try_into()
            }
            found => {
                return Err(self.damaged(format!(
                    "has format {found}, this version knows {FORMAT_WITH_SCRAM}; use the version that wrote it"
                )));
            }
        };
        content.map_err(|reason: String| self.damaged(format!("is damaged: {reason}")))
    }

    /// Changes the users: one process at a time, from what the file has now, all or nothing.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut Content) -> Result<T, Error>,
    ) -> Result<(T, Content, Option<Stamp>), Error> {
        let lock_path = self.path.with_extension("json.lock");
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
        let lock =
            lock.map_err(|source| Error::File { path: lock_path, doing: "lock it", source })?;
        flock(&lock, FlockOperation::LockExclusive)
            .map_err(|error| self.fault("lock it")(error.into()))?;
        let (before, stamp) = self.read()?;
        let mut content = before.clone();
        let result = change(&mut content)?;
        if content == before {
            return Ok((result, content, stamp));
        }
        self.write(&content).map_err(self.fault("write it"))?;
        let stamp = self.stamp()?;
        Ok((result, content, stamp))
    }

    // A reader sees the old file or the new one, also after a power loss.
    fn write(&self, content: &Content) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(&written::Content2::from(content))?;
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

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Stamp {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Stamp { inode: metadata.ino(), size: metadata.size(), modified }
    }
}

/// 1: name and argon2id hash only; each of its users had the run of the house.
const FORMAT: u32 = 2;

/// Written only when there is something of SCRAM in it: a version that does not know it says so,
/// instead of writing the file again without; and without SCRAM it can go back to that version.
const FORMAT_WITH_SCRAM: u32 = 3;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn entry() -> Entry {
        let hash = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
        Entry {
            hash: Some(StoredHash::parse(hash, None).unwrap()),
            scram: None,
            tags: Tags::new(["administrator", "ops"]).unwrap(),
            default_access: false,
            limits: UserLimits { max_channels: Some(7), ..UserLimits::default() },
            id: u64::MAX,
            password_number: 7,
        }
    }

    #[test]
    fn what_was_written_is_read_and_only_the_owner_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = UserFile::new(directory.path().join("users.json"));
        assert_eq!(file.read().unwrap(), (Content::default(), None));
        let add = |content: &mut Content| {
            content.users.insert("ada".to_owned(), entry());
            content.users.insert("bob".to_owned(), Entry { hash: None, ..entry() });
            content.departed.insert("eve".to_owned());
            Ok(())
        };
        let ((), written, stamp) = file.change(add).unwrap();
        assert_eq!(file.read().unwrap(), (written, stamp));
        let mode = fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!directory.path().join("users.json.new").exists());
    }

    #[test]
    fn a_change_that_changes_nothing_leaves_the_file_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = UserFile::new(directory.path().join("users.json"));
        let add = |content: &mut Content| {
            content.users.insert("ada".to_owned(), entry());
            Ok(())
        };
        let ((), _, stamp) = file.change(add).unwrap();
        assert_eq!(file.change(add).unwrap().2, stamp);
        assert_eq!(file.stamp().unwrap(), stamp);
    }

    #[test]
    fn a_failed_change_leaves_the_file_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let file = UserFile::new(directory.path().join("users.json"));
        let refuse = |content: &mut Content| {
            content.users.insert("ada".to_owned(), entry());
            Err::<(), _>(Error::Unknown { name: "bob".to_owned() })
        };
        assert!(file.change(refuse).is_err());
        assert_eq!(file.read().unwrap().0, Content::default());
    }

    #[test]
    fn changes_of_many_at_once_are_all_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = UserFile::new(directory.path().join("users.json"));
        std::thread::scope(|scope| {
            for name in 0..16 {
                let file = &file;
                scope.spawn(move || {
                    file.change(|content| {
                        content.users.insert(name.to_string(), entry());
                        Ok(())
                    })
                    .unwrap();
                });
            }
        });
        assert_eq!(file.read().unwrap().0.users.len(), 16);
    }

    #[test]
    fn a_damaged_or_newer_file_is_refused_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let file = UserFile::new(directory.path().join("users.json"));
        for (text, expected) in [
            ("{\"format\": 1,\n\"users\": [}", "line 2 column 11"),
            ("{\"format\": 4, \"users\": [], \"more\": 1}", "format 4, this version knows 3"),
            ("", "is damaged"),
            (
                r#"{"format": 1, "users": [{"name": "ada", "password_hash": "secret"}]}"#,
                "user 'ada': the password_hash is not an argon2id hash",
            ),
            (
                r#"{"format": 2, "users": [{"name": "ada", "password_hash": "x", "id": "1",
                    "hashing_algorithm": "rot13", "password_number": 0}]}"#,
                "user 'ada': the password_hash is",
            ),
            (
                r#"{"format": 2, "users": [{"name": "ada", "id": "z", "password_number": 0}]}"#,
                "user 'ada': id 'z' is not",
            ),
        ] {
            fs::write(file.path(), text).unwrap();
            let said = file.read().unwrap_err().to_string();
            assert!(said.contains("users.json: ") && said.contains(expected), "{said}");
        }
    }

    #[test]
    fn a_file_of_the_first_format_is_read_and_its_users_keep_their_access() {
        let directory = tempfile::tempdir().unwrap();
        let file = UserFile::new(directory.path().join("users.json"));
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let text =
            format!(r#"{{"format": 1, "users": [{{"name": "ada", "password_hash": "{hash}"}}]}}"#);
        fs::write(file.path(), text).unwrap();
        let (content, _) = file.read().unwrap();
        let ada = &content.users["ada"];
        assert!(ada.default_access && ada.tags.is_empty());
        assert_eq!(ada.hash.as_ref().unwrap().text(), hash);
        file.change(|content| {
            content.departed.insert("eve".to_owned());
            Ok(())
        })
        .unwrap();
        assert!(fs::read_to_string(file.path()).unwrap().contains("\"format\": 2"));
        assert_eq!(file.read().unwrap().0.users, content.users);
    }
}
