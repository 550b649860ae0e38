//! A server under strace: its system calls counted, delayed, failed, or the last thing it does.

use std::{fs, path::Path, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{environment, wait_for};

/// How strace is to be called, and where it writes.
#[derive(Debug, Clone)]
pub struct Strace {
    output: PathBuf,
    program: PathBuf,
    expressions: Vec<String>,
}

/// A system call that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The thread that made it.
    pub thread: u32,
    /// When it ended, in seconds since 1970.
    pub ended: f64,
    /// Its name.
    pub name: String,
    /// Its arguments as strace writes them, descriptors with their paths.
    pub arguments: String,
    /// What it returned, and whether that was injected.
    pub result: String,
}

impl Call {
    /// Whether strace made it fail.
    pub fn is_injected(&self) -> bool {
        self.result.contains("(INJECTED)")
    }

    /// The path of the descriptor that is its first argument; empty if that is none.
    pub fn path(&self) -> &str {
        let inside = self.arguments.split_once('<').map_or("", |(_, rest)| rest);
        inside.split_once('>').map_or("", |(path, _)| path)
    }
}

impl Strace {
    /// Traces these calls (`pwrite64,fdatasync`); the output is a file that is not there yet. None
    /// where programs may not be traced, which the test's output says.
    ///
    /// # Errors
    /// strace is not installed.
    pub fn of(calls: &str, output: PathBuf) -> Result<Option<Strace>> {
        let program = environment::strace()?;
        let tried = Command::new(&program).args(["-f", "-o", "/dev/null", "true"]).output()?;
        if !tried.status.success() {
            let said = String::from_utf8_lossy(&tried.stderr);
            println!("skipped: this may not trace programs: {said}");
            return Ok(None);
        }
        let expressions = vec![format!("trace={calls}"), "signal=none".to_owned()];
        Ok(Some(Strace { output, program, expressions }))
    }

    /// Interferes as well (`fdatasync:error=EIO:when=3`). strace counts in each thread by itself.
    #[must_use]
    pub fn inject(mut self, what: &str) -> Strace {
        self.expressions.push(format!("inject={what}"));
        self
    }

    /// The words to stand before a program's own. It stays the child of whoever starts it, and
    /// strace follows it from aside.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = vec![self.program.display().to_string()];
        words.extend(["-D", "-f", "-y", "-ttt"].map(str::to_owned));
        // With the filter strace 6.1 does not stop where it could hand over a signal.
        if !self.expressions.iter().any(|expression| expression.contains("signal=KILL")) {
            words.push("--seccomp-bpf".to_owned());
        }
        words.push("-o".to_owned());
        words.push(self.output.display().to_string());
        for expression in &self.expressions {
            words.extend(["-e".to_owned(), expression.clone()]);
        }
        words.push("--".to_owned());
        words
    }

    /// The file it writes.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// Every call that has ended so far, in the order of their ends.
    ///
    /// # Errors
    /// There is no output.
    pub fn calls(&self) -> Result<Vec<Call>> {
        let text = fs::read_to_string(&self.output).context("strace has written nothing")?;
        Ok(calls_of(&text))
    }

    /// Waits until strace has written that this process has ended; when that was, in seconds since
    /// 1970.
    ///
    /// # Errors
    /// It does not within 10 s.
    pub fn wait_for_end_of(&self, process: u32) -> Result<f64> {
        wait_for("strace to see the end", 10, || {
            let text = fs::read_to_string(&self.output).map_err(|error| error.to_string())?;
            let lines = text.lines().filter_map(parts_of);
            let mut ends =
                lines.filter(|(thread, _, rest)| *thread == process && rest.starts_with("+++"));
            ends.next()
                .map(|(_, time, _)| time)
                .ok_or_else(|| format!("{} lines", text.lines().count()))
        })
    }

    /// Forgets the output, so that the next start writes a new one.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn clear(&self) -> Result<()> {
        if self.output.exists() {
            fs::remove_file(&self.output)?;
        }
        ensure!(!self.output.exists(), "{} is still written", self.output.display());
        Ok(())
    }
}

/// The thread, the time and the rest of a line.
fn parts_of(line: &str) -> Option<(u32, f64, &str)> {
    let (thread, rest) = line.trim_start().split_once(' ')?;
    let (time, rest) = rest.trim_start().split_once(' ')?;
    Some((thread.parse().ok()?, time.parse().ok()?, rest))
}

fn calls_of(text: &str) -> Vec<Call> {
    let mut begun: Vec<(u32, String)> = Vec::new();
    let mut calls = Vec::new();
    for (thread, ended, rest) in text.lines().filter_map(parts_of) {
        let whole = if let Some(call) = rest.strip_suffix("<unfinished ...>") {
            begun.push((thread, call.trim_end().to_owned()));
            continue;
        } else if rest.starts_with("<...") {
            let Some((_, end)) = rest.split_once("resumed>") else { continue };
            let Some(index) = begun.iter().position(|(of, _)| *of == thread) else { continue };
            format!("{}{end}", begun.swap_remove(index).1)
        } else {
            rest.to_owned()
        };
        let Some((name, rest)) = whole.split_once('(') else { continue };
        let Some((arguments, result)) = rest.rsplit_once(") = ").or_else(|| split_at_spaces(rest))
        else {
            continue;
        };
        let (name, arguments, result) = (name.to_owned(), arguments.to_owned(), result.to_owned());
        calls.push(Call { thread, ended, name, arguments, result });
    }
    calls
}

/// strace aligns results: `fdatasync(3)   = 0`.
fn split_at_spaces(rest: &str) -> Option<(&str, &str)> {
    let (arguments, result) = rest.rsplit_once(" = ")?;
    Some((arguments.trim_end().strip_suffix(')')?, result))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_also_when_two_threads_write_between_each_other() {
        let text = "\
            7 1.5 pwrite64(3</d/1.log>, \"a = (b) = c\", 11, 64) = 11\n\
            7 2.0 fdatasync(3</d/1.log> <unfinished ...>\n\
            8 2.5 fdatasync(4</d/ledger/1.log>)       = 0\n\
            7 3.0 <... fdatasync resumed>)            = -1 EIO (Input/output error) (INJECTED)\n\
            7 3.5 +++ exited with 1 +++\n";
        let calls = calls_of(text);
        let names: Vec<_> = calls.iter().map(|call| (call.thread, call.name.as_str())).collect();
        assert_eq!(names, [(7, "pwrite64"), (8, "fdatasync"), (7, "fdatasync")]);
        assert_eq!(calls[0].result, "11");
        assert_eq!(calls[1].path(), "/d/ledger/1.log");
        assert!(calls[2].is_injected() && !calls[1].is_injected());
        assert_eq!((calls[2].path(), calls[2].ended), ("/d/1.log", 3.0));
    }
}
