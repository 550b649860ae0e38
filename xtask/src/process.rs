//! A process that was started here: its output goes to a file, its end is by its own number.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::step::run_command;

/// It runs. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    begun: Instant,
}

impl Process {
    /// Starts it, with as many open files as this user may have.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(command: &Command, log: &Path) -> Result<Process> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| log.display().to_string())?;
        let mut shell = Command::new("sh");
        // The shell becomes the program: its number is the program's.
        shell.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$@\"", "sh"]);
        shell.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        if let Some(directory) = command.get_current_dir() {
            shell.current_dir(directory);
        }
        shell.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let begun = Instant::now();
        let program = command.get_program().display().to_string();
        let child = shell.spawn().with_context(|| format!("{program} cannot be started"))?;
        Ok(Process { child, log: log.to_owned(), begun })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it answers these octets on that port; how long that took from its start.
    ///
    /// # Errors
    /// It ends, or does not answer within a minute and a half.
    pub(crate) fn answering(&mut self, port: u16, hello: &[u8]) -> Result<Duration> {
        while !answers(port, hello) {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended ({status}) before it answered:\n{}", self.last_words());
            }
            if self.begun.elapsed() > PATIENCE {
                bail!("no answer on port {port} within {PATIENCE:?}:\n{}", self.last_words());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(self.begun.elapsed())
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It ends with another code than 0, or not within a minute and a half.
    pub(crate) fn end(mut self) -> Result<()> {
        run_command(Command::new("kill").arg(self.pid().to_string()))?;
        let asked = Instant::now();
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None if asked.elapsed() > PATIENCE => {
                    bail!("it has not ended within {PATIENCE:?}:\n{}", self.last_words())
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        ensure!(status.success(), "it ended with {status}:\n{}", self.last_words());
        Ok(())
    }

    fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Resident memory, in bytes; none when it is gone.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What has ended already needs no killing.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The kernel accepts for a program that does not serve yet; so an answer is asked for.
fn answers(port: u16, hello: &[u8]) -> bool {
    let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    socket.set_read_timeout(Some(Duration::from_secs(10))).is_ok()
        && socket.write_all(hello).is_ok()
        && socket.read_exact(&mut [0]).is_ok()
}

const PATIENCE: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_ends_is_reported_with_its_words() {
        let log = std::env::temp_dir().join(format!("tubepost-xtask-{}", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such port; exit 3"]);
        let mut process = Process::start(&command, &log).unwrap();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = process.answering(port, b"").unwrap_err().to_string();
        fs::remove_file(&log).unwrap();
        assert!(error.contains("exit status: 3") && error.contains("no such port"), "{error}");
    }
}
