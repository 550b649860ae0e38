//! How much a test does: little in every run, a lot under torture; and the seed of what it does by
//! chance, so that it can be done again.

use std::env;

/// Whether the long runs are asked for (`TUBEPOST_TORTURE=1`).
pub fn is_torture() -> bool {
    env::var_os("TUBEPOST_TORTURE").is_some_and(|value| !value.is_empty() && value != "0")
}

/// A number for every run, and one for torture.
pub fn scaled(ordinary: u64, torture: u64) -> u64 {
    if is_torture() { torture } else { ordinary }
}

/// The seed of this run: `TUBEPOST_SEED`, or a new one. It is printed, so that a failed test says
/// how to repeat it.
pub fn seed() -> u64 {
    let given = env::var("TUBEPOST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    println!("seed {seed}; to repeat it: TUBEPOST_SEED={seed}");
    seed
}
