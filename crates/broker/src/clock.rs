//! The time, handed in: the broker has no clock of its own, so that a test can be years long and a
//! simulated run repeats to the millisecond.

use std::{
    fmt::Debug,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{SystemTime, UNIX_EPOCH},
};

/// Milliseconds since the beginning of 1970, UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The time this many milliseconds later; at the end of time, if that is sooner.
    #[must_use]
    pub fn after(self, milliseconds: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds since an earlier time; none when it is later.
    pub fn since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Tells the time.
pub trait Clock: Send + Sync + Debug {
    /// The time now, in milliseconds since the epoch. Never goes back within one run.
    fn now(&self) -> Timestamp;
}

/// The machine's clock; it stands still while the machine's is being set back.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest: AtomicU64,
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.latest.fetch_max(now, Relaxed).max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_never_goes_back() {
        let clock = SystemClock::default();
        let first = clock.now();
        assert!(first > Timestamp(1_700_000_000_000), "after 2023");
        assert!(clock.now() >= first);
        let ahead = SystemClock { latest: AtomicU64::new(u64::MAX) };
        assert_eq!(ahead.now(), Timestamp(u64::MAX), "the machine's clock was set back");
    }
}
