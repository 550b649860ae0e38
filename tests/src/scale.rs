//! How much a test does: little in every run, a lot under torture; and the seed of what it does by
//! chance, so that it can be done again.

use std::{
    env,
    time::{Duration, Instant},
};

/// Whether the long runs are asked for (`TUBEPOST_TORTURE=1`).
pub fn is_torture() -> bool {
    env::var_os("TUBEPOST_TORTURE").is_some_and(|value| !value.is_empty() && value != "0")
}

/// A number for every run, and one for torture.
pub fn scaled(ordinary: u64, torture: u64) -> u64 {
    if is_torture() { torture } else { ordinary }
}

/// Whether a long run that began then has taken the minutes it may (`TUBEPOST_TORTURE_MINUTES`);
/// without a number it takes as long as it takes.
pub fn is_time_over(begun: Instant) -> bool {
    let text = env::var("TUBEPOST_TORTURE_MINUTES").ok().filter(|_| is_torture());
    let minutes = text.and_then(|text| text.parse::<u64>().ok());
    minutes.is_some_and(|it| begun.elapsed() >= Duration::from_secs(it.saturating_mul(60)))
}

/// The seed of this run: `TUBEPOST_SEED`, or that of the long run (`TUBEPOST_FIRST_SEED`), or a new
/// one. It is printed, so that a failed test says how to repeat it.
pub fn seed() -> u64 {
    let given = |variable| env::var(variable).ok().and_then(|text| text.parse().ok());
    let first = || given("TUBEPOST_FIRST_SEED").filter(|_| is_torture());
    let seed = given("TUBEPOST_SEED").or_else(first);
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    println!("seed {seed}; to repeat it: TUBEPOST_SEED={seed}");
    seed
}
