//! The time, as it is handed in: the broker has no clock of its own.

use std::{
    fmt,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// A moment: milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The moment so many milliseconds later.
    #[must_use]
    pub fn after(self, milliseconds: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds since an earlier moment; none when it is later.
    pub fn since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds since 1970-01-01 UTC.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

/// Who knows what time it is. It never goes back while it runs, whatever happens to the machine's
/// date.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's date when it was made, and from then on its steady clock: a date set forward
/// expires nothing, and one set back holds nothing up.
#[derive(Debug)]
pub struct SystemClock {
    began: Instant,
    at: Timestamp,
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        SystemClock { began: Instant::now(), at }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.at.after(passed)
    }
}
