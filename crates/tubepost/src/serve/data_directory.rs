//! The data directory: made, recognised by its format, and held by one server at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, FlockOperation, access, flock};

use crate::failure::Failure;

/// A data directory of our format.
#[derive(Debug, Clone)]
pub(crate) struct DataDirectory {
    path: PathBuf,
}

/// Held while a server runs on the directory; the kernel lets go of it however the process ends.
#[derive(Debug)]
pub(crate) struct DataLock {
    _file: File,
}

impl DataDirectory {
    /// Makes the directory when there is none, and checks that it is ours to use.
    ///
    /// # Errors
    /// It cannot be made or written; it is of a newer version; it holds something else.
    pub(crate) fn prepare(path: &Path) -> Result<DataDirectory, Failure> {
        let directory = DataDirectory { path: path.to_owned() };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| match error
            .kind()
        {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                directory.failure("is not a directory", "name another with --data-dir")
            }
            _ => directory.failure(
                &format!("cannot be made: {error}"),
                "name a directory you may write with --data-dir",
            ),
        })?;
        match fs::read_to_string(directory.path.join(FORMAT_FILE)) {
            Ok(text) => directory.check_format(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => directory.claim()?,
            Err(error) => {
                let what = format!("its file '{FORMAT_FILE}' cannot be read: {error}");
                return Err(directory.failure(&what, "name another with --data-dir"));
            }
        }
        access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).map_err(|_| {
            directory
                .failure("cannot be written", "run as its owner, or name another with --data-dir")
        })?;
        Ok(directory)
    }

    /// Checks the format of a directory, if it says one, and touches nothing.
    ///
    /// # Errors
    /// It is of a newer version, or cannot be read.
    pub(crate) fn recognise(path: &Path) -> Result<(), Failure> {
        let directory = DataDirectory { path: path.to_owned() };
        match fs::read_to_string(directory.path.join(FORMAT_FILE)) {
            Ok(text) => directory.check_format(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => {
                let what = format!("its file '{FORMAT_FILE}' cannot be read: {error}");
                Err(directory.failure(&what, "run as its owner"))
            }
        }
    }

    /// Takes the directory for this process.
    ///
    /// # Errors
    /// Another process has it: its pid.
    pub(crate) fn lock(&self) -> Result<DataLock, Failure> {
        let path = self.path.join(LOCK_FILE);
        let broken = |error: io::Error| {
            Failure::failed(format!("{}: cannot be locked: {error}", path.display()))
        };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(broken)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // Without it there is less to say.
                _ = file.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "another process".to_owned(),
                    pid => format!("process {pid}"),
                };
                let what = format!("is in use by {holder}");
                return Err(self.failure(&what, "stop that one, or name another with --data-dir"));
            }
            Err(error) => return Err(broken(error.into())),
        }
        let pid = std::process::id();
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{pid}"))
            .map_err(broken)?;
        Ok(DataLock { _file: file })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The socket on which our own commands reach the server.
    pub(crate) fn management_socket(&self) -> PathBuf {
        self.path.join("management.sock")
    }

    /// Where users are kept.
    pub(crate) fn users_file(&self) -> PathBuf {
        self.path.join("users.json")
    }

    fn check_format(&self, text: &str) -> Result<(), Failure> {
        let version =
            text.trim().strip_prefix("tubepost ").and_then(|text| text.parse::<u32>().ok());
        match version {
            Some(OLDEST_FORMAT..=FORMAT) => Ok(()),
            Some(version) if version > FORMAT => Err(self.failure(
                &format!("is of format {version}, and this version of tubepost knows {FORMAT}"),
                "use the version that wrote it; nothing was touched",
            )),
            _ => Err(self.failure(
                &format!("its file '{FORMAT_FILE}' is damaged"),
                "restore it from a backup, or name another with --data-dir; nothing was touched",
            )),
        }
    }

    // A directory is claimed only when nobody else's files are in it.
    fn claim(&self) -> Result<(), Failure> {
        let unreadable = |error: io::Error| {
            self.failure(&format!("cannot be read: {error}"), "run as its owner")
        };
        for entry in fs::read_dir(&self.path).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            if !LEFT_OVER.iter().any(|left_over| name == *left_over) {
                return Err(self.failure(
                    &format!("is not a data directory of tubepost, it holds {}", name.display()),
                    "name an empty or a new one with --data-dir",
                ));
            }
        }
        self.sync_way()?;
        self.write_format()
    }

    /// Says that the directory is of this version's format from now on: what is written into it
    /// next an earlier version would take for damage. To be called by who holds the lock.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn upgrade(&self) -> Result<(), Failure> {
        match fs::read_to_string(self.path.join(FORMAT_FILE)) {
            Ok(text) if text.trim() == format!("tubepost {FORMAT}") => Ok(()),
            _ => self.write_format(),
        }
    }

    fn write_format(&self) -> Result<(), Failure> {
        let write = || -> io::Result<()> {
            let new = self.path.join(FORMAT_NEW);
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            writeln!(file, "tubepost {FORMAT}")?;
            file.sync_all()?;
            fs::rename(&new, self.path.join(FORMAT_FILE))?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| {
            let what = format!("cannot be written: {error}");
            self.failure(&what, "run as its owner, or name another with --data-dir")
        })
    }

    // Everything in it is lost if power fails and its own name, or that of a directory above it,
    // was not on disk. Whether this start made them or one before that was cut off, nobody knows.
    fn sync_way(&self) -> Result<(), Failure> {
        let sync = || -> io::Result<()> {
            for directory in self.path.canonicalize()?.ancestors().skip(1) {
                match File::open(directory).and_then(|directory| directory.sync_all()) {
                    // Not ours to read, or not to be written at all: then we did not make what is
                    // in it.
                    Err(error) if is_not_ours(&error) => {}
                    synced => synced?,
                }
            }
            Ok(())
        };
        sync().map_err(|error| {
            let what = format!("the directories above it cannot be synced: {error}");
            self.failure(&what, "check the disk, or name another with --data-dir")
        })
    }

    fn failure(&self, what: &str, mend: &str) -> Failure {
        Failure::failed(format!("data directory {}: {what}; {mend}", self.path.display()))
    }
}

fn is_not_ours(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    matches!(error.kind(), InvalidInput | PermissionDenied | ReadOnlyFilesystem | Unsupported)
}

/// 2: messages with marks, moved ones, the index; virtual hosts and permissions in the ledger.
/// 3: streams. 4: messages with keys in `BCC`. 5: messages of AMQP 1.0. 6: transactions.
/// 7: messages with attachments.
const FORMAT: u32 = 7;
/// Read, and upgraded.
const OLDEST_FORMAT: u32 = 1;
const FORMAT_FILE: &str = "format";
const FORMAT_NEW: &str = "format.new";
const LOCK_FILE: &str = "lock";
/// What may be there before the format is: of a start that was cut off, or of a file system.
const LEFT_OVER: [&str; 3] = [FORMAT_NEW, LOCK_FILE, "lost+found"];

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
        match result.unwrap_err() {
            Failure::Failed(lines) => lines.join("\n"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_directory_is_made_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        DataDirectory::prepare(&path).unwrap();
        assert_eq!(fs::read_to_string(path.join("format")).unwrap(), "tubepost 7\n");
        DataDirectory::prepare(&path).unwrap();
    }

    #[test]
    fn a_newer_or_damaged_or_foreign_directory_is_refused_untouched() {
        let directory = tempfile::tempdir().unwrap();
        for (file, text, expected) in [
            ("format", "tubepost 999\n", "is of format 999, and this version of tubepost knows 7"),
            ("format", "something", "is damaged"),
            ("thesis.tex", "x", "it holds thesis.tex"),
        ] {
            let path = directory.path().join(format!("{file}-{}", text.len()));
            fs::create_dir(&path).unwrap();
            fs::write(path.join(file), text).unwrap();
            let said = said(DataDirectory::prepare(&path));
            assert!(said.contains(expected) && said.contains(path.to_str().unwrap()), "{said}");
            assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
            assert_eq!(fs::read_to_string(path.join(file)).unwrap(), text);
        }
    }

    #[test]
    fn a_start_that_was_cut_off_does_not_lock_the_next_one_out() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("format.new"), "tube").unwrap();
        DataDirectory::prepare(directory.path()).unwrap();
    }

    #[test]
    fn a_second_server_is_refused_with_the_pid_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDirectory::prepare(directory.path()).unwrap();
        let lock = data.lock().unwrap();
        let said = said(data.lock());
        assert!(said.contains(&format!("is in use by process {};", std::process::id())), "{said}");
        drop(lock);
        data.lock().unwrap();
    }

    #[test]
    fn a_file_in_its_place_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "x").unwrap();
        assert!(said(DataDirectory::prepare(&path)).contains("--data-dir"));
    }

    /// What a version wrote is read by all later ones: without an example nobody would notice.
    #[test]
    fn a_format_is_given_out_with_a_golden_directory_of_it() {
        for format in OLDEST_FORMAT..=FORMAT {
            let golden = format!("../broker/tests/golden/format-{format}/contents.txt");
            let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(golden);
            let golden = golden.display().to_string();
            assert!(
                Path::new(&golden).is_file(),
                "{golden}: see crates/broker/tests/golden/main.rs"
            );
        }
    }
}
