//! A programme is a test that runs many seeds: few in every run, many under torture, one in a
//! replay. It says so in the environment, so that `cargo test`, `cargo xtask torture` and a
//! developer with a failing seed run the same code.

use std::env;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Set by `cargo xtask torture`: programmes run their long form.
const TORTURE: &str = "TUBEPOST_TORTURE";
/// Run this seed and no other.
const SEED: &str = "TUBEPOST_SEED";
/// The first seed of a long run, so that two long runs differ.
const FIRST_SEED: &str = "TUBEPOST_FIRST_SEED";

/// Whether this is the long run.
pub fn is_torture() -> bool {
    env::var(TORTURE).is_ok_and(|value| value != "0")
}

/// A test that runs seed after seed, and how to run one of them again.
#[derive(Debug)]
pub struct Programme {
    command: &'static str,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    begun: Instant,
    said: Instant,
    cases: u64,
}

impl Programme {
    /// `command` is what runs the test:
    /// `cargo test -p tubepost-broker --test instruments power_loss`.
    pub fn new(command: &'static str) -> Programme {
        let now = Instant::now();
        let progress = Mutex::new(Progress { begun: now, said: now, cases: 0 });
        Programme { command, progress }
    }

    /// The seeds to run: `usual` of them from 1 on, or `long` under torture, or the one that is
    /// replayed. `regressions` failed once and come first.
    pub fn seeds<'a>(
        &self,
        usual: u64,
        long: u64,
        regressions: &'a [u64],
    ) -> impl Iterator<Item = u64> + 'a {
        let (regressions, range) = match number(SEED) {
            Some(seed) => (&[][..], seed..seed.saturating_add(1)),
            None => {
                let first = if is_torture() { number(FIRST_SEED).unwrap_or(1) } else { 1 };
                (regressions, first..first.saturating_add(self.size(usual, long)))
            }
        };
        let rest = range.filter(|seed| !regressions.contains(seed));
        regressions.iter().copied().chain(rest)
    }

    /// The size of this run: `usual`, or `long` under torture.
    pub fn size(&self, usual: u64, long: u64) -> u64 {
        if is_torture() { long } else { usual }
    }

    /// Whether a seed is being replayed: then a programme does not ask for a minimum of cases.
    pub fn is_replay(&self) -> bool {
        number(SEED).is_some()
    }

    /// Begins a seed. If the test panics before the value is dropped, how to run it again is
    /// printed.
    pub fn replay(&self, seed: u64) -> Replay {
        Replay { line: format!("replay with: {SEED}={seed} {}", self.command) }
    }

    /// Counts cases, and in a long run says every ten seconds how far it is.
    pub fn count(&self, cases: u64) {
        let Ok(mut progress) = self.progress.lock() else { return };
        progress.cases += cases;
        if is_torture() && progress.said.elapsed() >= Duration::from_secs(10) {
            progress.said = Instant::now();
            let (cases, seconds) = (progress.cases, progress.begun.elapsed().as_secs());
            say(&format!("{cases} cases in {seconds} s"));
        }
    }

    /// Cases counted so far.
    pub fn cases(&self) -> u64 {
        self.progress.lock().map_or(0, |progress| progress.cases)
    }

    /// Ends the programme: prints what it did, and makes sure that it did something.
    ///
    /// # Panics
    /// If there were fewer than `least` cases, unless one seed was replayed.
    pub fn finish(&self, what: &str, least: u64) {
        let (cases, begun) =
            self.progress.lock().map_or((0, Instant::now()), |it| (it.cases, it.begun));
        say(&format!("{cases} {what} in {:.1} s", begun.elapsed().as_secs_f64()));
        assert!(cases >= least || self.is_replay(), "only {cases} {what}, and {least} were meant");
    }
}

/// Prints how to run a seed again when the test that holds it panics.
#[derive(Debug)]
pub struct Replay {
    line: String,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(&self.line);
        }
    }
}

#[expect(clippy::print_stderr, reason = "a developer reads what a test says")]
fn say(line: &str) {
    eprintln!("{line}");
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable} is {text:?}, and has to be a number"),
    }
}
