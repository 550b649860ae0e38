//! A server as a process of its own, and what the system says it costs.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

/// A server. Dropped, it is killed.
pub(crate) struct ServerProcess {
    child: Child,
    // Kept open: who writes to a pipe that nobody reads is ended.
    output: BufReader<ChildStdout>,
}

impl ServerProcess {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<ServerProcess> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
        let output = child.stdout.take().context("its output is a pipe")?;
        Ok(ServerProcess { child, output: BufReader::new(output) })
    }

    /// Its next line, by which it says that it serves.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let length = self.output.read_line(&mut line)?;
        ensure!(length > 0, "the server has ended");
        Ok(line)
    }

    /// Processor time so far, its own and the system's for it. Of 10 ms each, as `/proc` counts.
    pub(crate) fn processor(&self) -> Result<Duration> {
        let text = self.proc("stat")?;
        // Behind the name, which may hold anything: proc(5), fields 14 and 15.
        let fields = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let ticks = fields.split(' ').skip(11).take(2).map(|it| it.parse::<u64>().unwrap_or(0));
        Ok(Duration::from_millis(ticks.sum::<u64>() * 10))
    }

    /// Memory that is in use, in octets.
    pub(crate) fn resident(&self) -> Result<u64> {
        let text = self.proc("status")?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u64 = line
            .and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
            .context("VmRSS in /proc")?;
        Ok(kib * 1024)
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).with_context(|| path.clone())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It has ended, or it ends now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
