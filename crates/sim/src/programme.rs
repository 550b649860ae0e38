//! A programme is a test that runs many seeds: few in every run, many under torture, one in a
//! replay. It says so in the environment, so that `cargo test`, `cargo xtask torture` and a
//! developer with a failing seed run the same code.

use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Set by `cargo xtask torture`: programmes run their long form.
const TORTURE: &str = "TUBEPOST_TORTURE";
/// Run this seed and no other.
const SEED: &str = "TUBEPOST_SEED";
/// The first seed of a long run, so that two long runs differ.
const FIRST_SEED: &str = "TUBEPOST_FIRST_SEED";
/// A long run begins no more seeds after so many minutes.
const MINUTES: &str = "TUBEPOST_TORTURE_MINUTES";

/// Whether this is the long run.
pub fn is_torture() -> bool {
    env::var(TORTURE).is_ok_and(|value| value != "0")
}

/// A test that runs seed after seed, and how to run one of them again.
#[derive(Debug)]
pub struct Programme {
    command: &'static str,
    begun: Instant,
    /// How long a long run may take; none: as long as it takes.
    limit: Option<Duration>,
    /// Somebody asked whether the time is over, and it was.
    was_over: AtomicBool,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    said: Instant,
    cases: u64,
}

impl Programme {
    /// `command` is what runs the test:
    /// `cargo test -p tubepost-broker --test instruments power_loss`.
    pub fn new(command: &'static str) -> Programme {
        let begun = Instant::now();
        let minutes = number(MINUTES).filter(|_| is_torture());
        let limit = minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
        let progress = Mutex::new(Progress { said: begun, cases: 0 });
        Programme { command, begun, limit, was_over: AtomicBool::new(false), progress }
    }

    /// The seeds to run: `usual` of them from 1 on, or `long` under torture, or the one that is
    /// replayed. `regressions` failed once and come first. They end when the time is over.
    pub fn seeds<'a>(
        &'a self,
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
        regressions.iter().copied().chain(rest).take_while(|_| !self.is_over())
    }

    /// Whether the time of a long run is over (`TUBEPOST_TORTURE_MINUTES`), for a loop that takes
    /// minutes within a seed.
    pub fn is_over(&self) -> bool {
        let is_over = self.limit.is_some_and(|limit| self.begun.elapsed() >= limit);
        self.was_over.fetch_or(is_over, Relaxed);
        is_over
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
            let (cases, seconds) = (progress.cases, self.begun.elapsed().as_secs());
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
    /// If there were fewer than `least` cases, unless one seed was replayed or the time was over
    /// before the end: then if there were none.
    pub fn finish(&self, what: &str, least: u64) {
        let (cases, over) = (self.cases(), self.was_over.load(Relaxed));
        let note = if over { ", as many as the time allowed" } else { "" };
        say(&format!("{cases} {what} in {:.1} s{note}", self.begun.elapsed().as_secs_f64()));
        let least = if over { 1 } else { least };
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
