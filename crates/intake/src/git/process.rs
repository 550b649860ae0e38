//! One `git` process: its environment, its streams, its end.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
};

use super::{Repository, limits::SAID_BYTES_MAX};
use crate::Error;

impl Repository {
    /// Runs git with `input` on its standard input and hands its output to `read`, which reads to
    /// the end. Input and output run at the same time, so neither can block the other.
    pub(crate) fn git<T>(
        &self,
        arguments: &[&str],
        input: &[u8],
        read: impl FnOnce(&mut dyn BufRead) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut child = Command::new("git")
            .args(["--no-replace-objects", "-c", "core.quotePath=true"])
            .args(arguments)
            .env("GIT_DIR", self.git_dir())
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C")
            .env_remove("GIT_EXTERNAL_DIFF")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::NoGit)?;
        let (result, status, said) = converse(&mut child, input, read)?;
        if !status.success() {
            let command = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
            return Err(Error::Git { command, status: status.to_string(), said });
        }
        result
    }
}

fn converse<T>(
    child: &mut Child,
    input: &[u8],
    read: impl FnOnce(&mut dyn BufRead) -> Result<T, Error>,
) -> Result<(Result<T, Error>, ExitStatus, String), Error> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (result, said) = thread::scope(|scope| {
        scope.spawn(move || {
            // Git ended early when this fails; its status says why.
            stdin.map(|mut stdin| stdin.write_all(input))
        });
        let said = scope.spawn(move || stderr.map(read_said).unwrap_or_default());
        let result = match stdout {
            Some(stdout) => read(&mut BufReader::with_capacity(64 * 1024, stdout)),
            None => read(&mut std::io::empty()),
        };
        (result, said.join().unwrap_or_default())
    });
    let status = child.wait().map_err(Error::Reading)?;
    Ok((result, status, said))
}

// Keeps the beginning, reads to the end: a process that is not read from does not end.
fn read_said(mut stderr: impl Read) -> String {
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(size) = stderr.read(&mut buffer) {
        let Some(chunk) = buffer.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        let room = SAID_BYTES_MAX.saturating_sub(said.len()).min(chunk.len());
        said.extend_from_slice(chunk.get(..room).unwrap_or_default());
    }
    let said = String::from_utf8_lossy(&said);
    said.trim().lines().collect::<Vec<_>>().join("; ")
}
