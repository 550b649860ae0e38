//! A PostgreSQL of this machine for one test, in a directory of its own, reached by a Unix socket.

use std::{
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::Place;
use crate::store::Location;

/// A running server; it goes with this.
pub(super) struct Server {
    programs: PathBuf,
    directory: tempfile::TempDir,
    process: Option<Child>,
}

impl Server {
    /// Makes one and waits until it answers; `None` where there is no PostgreSQL.
    pub(super) fn start() -> Option<Server> {
        let programs = programs()?;
        let directory = tempfile::tempdir().unwrap();
        if is_root() {
            // PostgreSQL does not run as root.
            chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut server = Server { programs, directory, process: None };
        let made = server
            .program("initdb")
            .args(["--no-sync", "--auth", "trust", "--username", "tubepost", "--encoding", "UTF8"])
            .args(["--no-locale", "--pgdata"])
            .arg(server.data())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.run();
        Some(server)
    }

    /// Starts it, the first time or again.
    pub(super) fn run(&mut self) {
        let process = self
            .program("postgres")
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.directory.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=20"])
            .spawn()
            .unwrap();
        self.process = Some(process);
        let began = Instant::now();
        while let Err(error) = self.query("postgres", "SELECT 1") {
            assert!(began.elapsed().as_secs() < 60, "PostgreSQL does not answer: {error}");
            std::thread::sleep(Duration::from_millis(20)); // tidy: looks again
        }
    }

    /// Stops it, in the middle of what it does.
    pub(super) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Immediate shutdown: its own children go, too.
            _ = kill_process(Pid::from_child(&process), Signal::QUIT);
            drop(process.wait());
        }
    }

    /// A database of its own.
    pub(super) fn place(&self, name: &str) -> Place {
        self.query("postgres", &format!("CREATE DATABASE {name}")).unwrap();
        let location: Location = self.url(name).parse().unwrap();
        Place { open: Box::new(move || location.open().unwrap()), _directory: None }
    }

    fn url(&self, database: &str) -> String {
        let socket = self.directory.path().display().to_string().replace('/', "%2F");
        format!("postgres://tubepost@{socket}/{database}")
    }

    fn query(&self, database: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let url = self.url(database);
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
            tokio::spawn(connection);
            client.batch_execute(sql).await
        })
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("LC_ALL", "C").current_dir(self.directory.path());
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Debian has the server's programs beside the path, by version: the newest.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|programs| programs.join("initdb").exists())
        .collect();
    versions.sort();
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|programs| programs.join("initdb").exists())
    };
    versions.pop().or_else(on_path)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

const NOBODY: u32 = 65_534;
