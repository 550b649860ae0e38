//! fedora-messaging's own integration suite, unmodified, from its source distribution.
//!
//! It knows the ports of its bus: 5672, and 15672 for the HTTP API. So server and suite run in a
//! network of their own. It sleeps much; in several networks at once it takes as long as its
//! longest test.

use std::{
    process::Command,
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, anyhow, ensure};

use crate::{Network, Process, Site, environment::fedora_messaging_suite, python, run};

const AMQP_PORT: u16 = 5672;
const HTTP_PORT: u16 = 15672;

/// What became of the suite's tests.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SuiteTally {
    /// They ran and held.
    pub passed: usize,
    /// They failed, or could not be run.
    pub failed: usize,
}

/// The suite's tests, by pytest's names.
///
/// # Errors
/// pytest cannot list them.
pub fn suite_tests() -> Result<Vec<String>> {
    let mut command = pytest(&[])?;
    command.args(["--collect-only", "-q", "tests/integration"]);
    let done = run("pytest --collect-only", &mut command, b"", 60)?;
    ensure!(done.code() == 0, "pytest lists no tests:\n{}{}", done.stdout, done.stderr);
    Ok(done.stdout.lines().filter(|line| line.contains("::")).map(str::to_owned).collect())
}

/// Runs these tests, each network with a Tubepost of its own and a share of them; returns the tally
/// and what pytest said of failures.
///
/// # Errors
/// A server does not start, pytest does not end, or this is not root.
pub fn run_suite(tests: &[String], networks: usize) -> Result<(SuiteTally, String)> {
    // What a test of the library leaves in its process is in the way of those of the commands.
    let (library, commands): (Vec<_>, Vec<_>) =
        tests.iter().cloned().partition(|test| test.contains("test_api.py"));
    let networks = networks.saturating_sub(1).max(1);
    let shares = (0..networks)
        .map(|share| library.iter().skip(share).step_by(networks).cloned().collect())
        .chain([commands]);
    let running: Vec<JoinHandle<Result<(SuiteTally, String)>>> = shares
        .filter(|share: &Vec<String>| !share.is_empty())
        .map(|share| {
            thread::spawn(move || match run_share(&share)? {
                Some(outcome) => Ok(outcome),
                // A client of the suite was caught in a loop of its own: it publishes while its
                // connection closes, and answers no heartbeat any more. Twice is another fault.
                None => run_share(&share)?.context("the suite did not end, twice"),
            })
        })
        .collect();
    let (mut tally, mut report) = (SuiteTally::default(), String::new());
    for share in running {
        let (part, said) = share.join().map_err(|_| anyhow!("a share of the suite panicked"))??;
        tally.passed += part.passed;
        tally.failed += part.failed;
        report += &said;
    }
    Ok((tally, report))
}

fn pytest(before: &[String]) -> Result<Command> {
    let python = python()?;
    let bin = python.parent().context("the interpreter lies in a folder")?;
    let mut path = bin.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let words = [before, &[python.display().to_string()]].concat();
    let (program, words) = words.split_first().context("the interpreter is one of the words")?;
    let mut command = Command::new(program);
    let suite = fedora_messaging_suite()?;
    command.args(words).current_dir(&suite);
    // The tests look for fedora-messaging's program, and that one for their callbacks.
    command.env("PATH", path).env("PYTHONPATH", suite).env("PYTHONDONTWRITEBYTECODE", "1");
    command.args(["-m", "pytest", "-p", "no:cacheprovider"]);
    Ok(command)
}

/// Runs some of them on a server of their own; `None` when they do not end.
fn run_share(tests: &[String]) -> Result<Option<(SuiteTally, String)>> {
    let network = Network::new()?;
    let mut site = Site::new()?;
    (site.amqp_port, site.management_port) = (AMQP_PORT, HTTP_PORT);
    let _server = site.serve_in(&network)?;
    let mut command = pytest(&network.words())?;
    command.env("HOME", site.path("home")).args(["-q", "--tb=short", "-rA"]).args(tests);
    let label = "fedora-messaging's integration suite";
    let mut suite = Process::start(label, &mut command)?;
    let Ok(status) = suite.wait(SHARE_S) else {
        println!("{label} did not end within {SHARE_S} s:\n{}", suite.log());
        suite.kill()?;
        return Ok(None);
    };
    let stdout = suite.stdout();
    let outcomes = |word: &str| {
        let begins = format!("{word} tests/");
        stdout.iter().filter(|line| line.starts_with(&begins)).count()
    };
    let tally =
        SuiteTally { passed: outcomes("PASSED"), failed: outcomes("FAILED") + outcomes("ERROR") };
    let said = match tally.failed > 0 || tally.passed < tests.len() {
        true => format!("{status}\n{}\n", suite.log()),
        false => String::new(),
    };
    Ok(Some((tally, said)))
}

/// How long a share of the suite has, in seconds: the longest takes 90 beside all other tests.
const SHARE_S: u64 = 180;
