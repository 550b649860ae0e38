//! A process that a test started: its output kept line by line, its end by its own pid.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait_for;

/// One line, and whether it went to standard error.
type Line = (bool, String);

/// A running process. Dropped, it is killed, and its output shown (test runners show what is
/// printed only of tests that fail).
#[derive(Debug)]
pub struct Process {
    label: String,
    child: Child,
    lines: Arc<Mutex<Vec<Line>>>,
    readers: Vec<JoinHandle<()>>,
    begun: Instant,
}

impl Process {
    /// Starts it, with pipes for its input and output.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(label: &str, command: &mut Command) -> Result<Process> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let begun = Instant::now();
        let mut child =
            command.spawn().with_context(|| format!("{label}: {program} cannot be started"))?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(read_lines(stdout, false, Arc::clone(&lines)));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(read_lines(stderr, true, Arc::clone(&lines)));
        }
        Ok(Process { label: label.to_owned(), child, lines, readers, begun })
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When it was started.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// What it wrote to standard output so far, by line.
    pub fn stdout(&self) -> Vec<String> {
        self.lines(false)
    }

    /// What it wrote to standard error so far, by line.
    pub fn stderr(&self) -> Vec<String> {
        self.lines(true)
    }

    fn lines(&self, error: bool) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|line| line.0 == error).map(|line| line.1.clone()).collect()
    }

    /// Everything it wrote, as it came, for a report.
    pub fn log(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let show = |line: &Line| format!("  {} {}", if line.0 { "err" } else { "out" }, line.1);
        lines.iter().map(show).collect::<Vec<_>>().join("\n")
    }

    /// Writes a line to its standard input.
    ///
    /// # Errors
    /// It has closed it.
    pub fn send_line(&mut self, line: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("standard input was closed")?;
        stdin.write_all(format!("{line}\n").as_bytes())?;
        stdin.flush()?;
        Ok(())
    }

    /// Ends its standard input, after this text.
    ///
    /// # Errors
    /// It has closed it.
    pub fn send_all(&mut self, text: &[u8]) -> Result<()> {
        if let Some(mut stdin) = self.child.stdin.take() {
            stdin.write_all(text)?;
        }
        Ok(())
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Its exit status, if it has ended and its last line was read. A grandchild that holds its
    /// pipes keeps the last line away.
    pub fn ended_and_read(&mut self) -> Option<ExitStatus> {
        let status = self.ended()?;
        self.readers.iter().all(JoinHandle::is_finished).then_some(status)
    }

    /// Waits for its end, and for the last line of its output.
    ///
    /// # Errors
    /// It still runs at the deadline.
    pub fn wait(&mut self, seconds: u64) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.label);
        let status = wait_for(&what, seconds, || self.ended().ok_or("it runs".to_owned()))?;
        // A grandchild may hold the pipes; then what is there is enough.
        let readers = &self.readers;
        let _ = wait_for("the last line", 1, || {
            let done = readers.iter().all(JoinHandle::is_finished);
            if done { Ok(()) } else { Err("more may come".to_owned()) }
        });
        Ok(status)
    }

    /// Waits until a line of either output satisfies the test; returns the line.
    ///
    /// # Errors
    /// The deadline passed, or the process ended without.
    pub fn wait_for_line(
        &mut self,
        what: &str,
        seconds: u64,
        is_it: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let awaited = format!("{what} from {}", self.label);
        let found = wait_for(&awaited, seconds, || {
            let ended = self.ended_and_read();
            let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, line)) = lines.iter().find(|(_, line)| is_it(line)) {
                return Ok(Ok(line.clone()));
            }
            match ended {
                Some(status) => Ok(Err(status)),
                None => Err(format!("{} lines", lines.len())),
            }
        })?;
        found.map_err(|status| {
            anyhow::anyhow!("{} ended ({status}) before {what}:\n{}", self.label, self.log())
        })
    }

    /// Sends a signal to this process alone.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("no pid")?;
        kill_process(pid, signal).with_context(|| format!("{signal:?} to {}", self.label))
    }

    /// `kill -9`, and waits for the end.
    ///
    /// # Errors
    /// It had ended before.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.wait(10).map(|_| ())
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// It had ended before, or does not end in time.
    pub fn terminate(&mut self, seconds: u64) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait(seconds)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let status = match self.ended() {
            Some(status) => status.to_string(),
            None => {
                let _ = self.child.kill();
                let _ = self.child.wait();
                "killed at the end of the test".to_owned()
            }
        };
        println!("---- {} (pid {}, {status})\n{}", self.label, self.pid(), self.log());
    }
}

fn read_lines(
    from: impl Read + Send + 'static,
    error: bool,
    to: Arc<Mutex<Vec<Line>>>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            to.lock().unwrap_or_else(PoisonError::into_inner).push((error, text));
            line.clear();
        }
    })
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// From its start to its end.
    pub took: Duration,
}

impl Finished {
    /// The exit code; a signal is -1.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }
}

/// Runs a command to its end, with this text as its input.
///
/// # Errors
/// It cannot be started, or still runs at the deadline.
pub fn run(label: &str, command: &mut Command, input: &[u8], seconds: u64) -> Result<Finished> {
    let mut process = Process::start(label, command)?;
    // A command may end without reading; that is for the test to judge.
    let _ = process.send_all(input);
    let status = process.wait(seconds)?;
    Ok(Finished {
        status,
        stdout: process.stdout().join("\n"),
        stderr: process.stderr().join("\n"),
        took: process.begun().elapsed(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_input_and_code_of_a_command_are_kept() {
        let done = run("cat", &mut shell("cat; echo no >&2; exit 3"), b"yes\n", 5).unwrap();
        assert_eq!((done.stdout.as_str(), done.stderr.as_str(), done.code()), ("yes", "no", 3));
    }

    #[test]
    fn a_process_that_ends_early_is_reported_with_its_log() {
        let mut process = Process::start("early", &mut shell("echo port in use; exit 1")).unwrap();
        let error = process.wait_for_line("ready", 5, |line| line == "ready").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("early ended (exit status: 1) before ready"), "{text}");
        assert!(text.contains("out port in use"), "{text}");
    }

    #[test]
    fn kill_and_terminate_reach_the_process_itself() {
        let mut process = Process::start("cat", &mut Command::new("cat")).unwrap();
        assert!(process.ended().is_none());
        assert!(!process.terminate(5).unwrap().success());
        let mut process = Process::start("cat", &mut Command::new("cat")).unwrap();
        process.kill().unwrap();
        assert!(process.kill().is_err());
    }

    #[test]
    fn a_command_that_hangs_is_given_up() {
        let error = run("cat", &mut shell("exec tail -f /dev/null"), b"", 0).unwrap_err();
        assert!(error.to_string().contains("waited 0 s for the end of cat"), "{error}");
    }
}
