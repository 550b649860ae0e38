//! How many tests passed and failed, read from what the test runner prints: the closing lines of
//! `cargo test` and of `cargo nextest run`.

use std::{
    io::{self, BufRead as _, BufReader, Write},
    ops::AddAssign,
    process::{Command, ExitStatus},
};

use anyhow::{Context, Result};

/// A count of tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that ran and passed.
    pub(crate) passed: u64,
    /// Tests that ran and failed, timed out, or could not be started.
    pub(crate) failed: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Tally {
    /// What one line of output adds: most add nothing.
    pub(crate) fn of_line(line: &str) -> Tally {
        let line = without_colour(line);
        // nextest shows the output of a test that failed, a closing line included, indented.
        let counts = if let Some(rest) = line.strip_prefix("test result: ") {
            rest.split_once(". ").map_or(rest, |(_, counts)| counts).to_owned()
        } else if line.trim_start().starts_with("Summary [") {
            line.rsplit_once(" run: ").map_or_else(String::new, |(_, counts)| counts.to_owned())
        } else {
            String::new()
        };
        let mut tally = Tally::default();
        for part in counts.split([',', ';']) {
            let mut words = part.split_whitespace();
            let Some(Ok(count)) = words.next().map(str::parse::<u64>) else { continue };
            match words.next() {
                Some("passed") => tally.passed += count,
                // "failed", "timed out", "exec failed"
                Some("failed" | "timed" | "exec") => tally.failed += count,
                _ => {}
            }
        }
        tally
    }
}

/// Runs a test runner, shows its output as it comes, and counts.
///
/// # Errors
/// It cannot be started, or its output not be read.
pub(crate) fn run_counted(
    command: &mut Command,
    out: &mut impl Write,
) -> Result<(Tally, ExitStatus)> {
    let mut tally = Tally::default();
    let status = run_lines(command, out, |line| tally += Tally::of_line(line))?;
    Ok((tally, status))
}

/// Runs a program, shows its output as it comes, and looks at each line.
///
/// # Errors
/// It cannot be started, or its output not be read.
pub(crate) fn run_lines(
    command: &mut Command,
    out: &mut impl Write,
    mut each: impl FnMut(&str),
) -> Result<ExitStatus> {
    let (reader, writer) = io::pipe().context("no pipe for the test runner's output")?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().with_context(|| format!("{program} cannot be started"))?;
    // The command holds the pipe's other end open; reading would never end.
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut lines = BufReader::new(reader);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        out.write_all(&line)?;
        each(&String::from_utf8_lossy(&line));
        line.clear();
    }
    out.flush()?;
    Ok(child.wait()?)
}

/// The line without terminal colours (`ESC [ … m`).
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain += before;
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_test_is_read() {
        let line = "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 4 filtered \
                    out; finished in 0.01s";
        assert_eq!(Tally::of_line(line), Tally { passed: 3, failed: 2 });
        let line = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(Tally::of_line(line), Tally { passed: 12, failed: 0 });
    }

    #[test]
    fn nextest_is_read() {
        let line = "     Summary [   5.213s] 15 tests run: 11 passed (1 slow, 2 leaky), 2 failed, \
                    1 timed out, 1 exec failed, 3 skipped";
        assert_eq!(Tally::of_line(line), Tally { passed: 11, failed: 4 });
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.005s] \u{1b}[1m1\u{1b}[0m test run: \
                    \u{1b}[1m1\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped";
        assert_eq!(Tally::of_line(line), Tally { passed: 1, failed: 0 });
    }

    #[test]
    fn the_closing_line_within_a_failed_tests_output_is_not_counted_again() {
        let shown = "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured";
        assert_eq!(Tally::of_line(shown), Tally::default());
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in ["test a ... ok", "12 passed", "        PASS [ 0.1s] broker queue", ""] {
            assert_eq!(Tally::of_line(line), Tally::default(), "{line}");
        }
    }

    #[test]
    fn the_runners_own_lines_are_summed() {
        let script = "echo 'test result: ok. 2 passed; 0 failed'; \
                      echo 'test result: FAILED. 1 passed; 1 failed' >&2; exit 101";
        let mut shown = Vec::new();
        let mut command = Command::new("sh");
        let (tally, status) = run_counted(command.args(["-c", script]), &mut shown).unwrap();
        assert_eq!(shown.split(|byte| *byte == b'\n').count(), 3);
        assert_eq!(tally, Tally { passed: 3, failed: 1 });
        assert_eq!(status.code(), Some(101));
    }
}
