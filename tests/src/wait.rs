//! Waiting for a condition, with a deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Looks until the condition holds; `Err` is what it sees instead, for the report.
///
/// # Errors
/// The deadline passed: what was awaited, how long, and what was seen last.
pub fn wait_for<T>(
    what: &str,
    seconds: u64,
    mut condition: impl FnMut() -> Result<T, String>,
) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    // What a test waits for thousands of times comes within milliseconds.
    let mut pause = Duration::from_millis(1);
    loop {
        let seen = match condition() {
            Ok(value) => return Ok(value),
            Err(seen) => seen,
        };
        if Instant::now() >= deadline {
            bail!("waited {seconds} s for {what}; last seen: {seen}");
        }
        // tidy: the pause between two looks; no test depends on its length.
        thread::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Between two looks at what takes longer.
const PAUSE_MAX: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_returns_at_once_when_the_condition_holds() {
        let begun = Instant::now();
        assert_eq!(wait_for("seven", 60, || Ok(7)).unwrap(), 7);
        assert!(begun.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn after_the_deadline_it_says_what_it_saw() {
        let error = wait_for::<()>("mail", 0, || Err("2 mails".into())).unwrap_err();
        assert_eq!(error.to_string(), "waited 0 s for mail; last seen: 2 mails");
    }
}
