//! How fast lines may leave: so many at once, then one in a while. Servers end who is faster.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket, kept as the time at which it would be full (GCRA).
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    every: Duration,
    slack: Duration,
    full_at: Instant,
}

impl Pace {
    /// `burst` lines at once, at least one, and one more `every` while.
    pub(crate) fn new(burst: u8, every: Duration) -> Pace {
        let slack = every * u32::from(burst.saturating_sub(1));
        Pace { every, slack, full_at: Instant::now() }
    }

    /// When the next line may leave; it is counted.
    pub(crate) fn next(&mut self, now: Instant) -> Instant {
        let at = self.full_at.max(now);
        self.full_at = at + self.every;
        at.checked_sub(self.slack).unwrap_or(now).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_few_at_once_and_then_one_in_a_while() {
        let mut pace = Pace::new(3, Duration::from_secs(2));
        let start = Instant::now();
        let waits: Vec<u64> = (0..6).map(|_| (pace.next(start) - start).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 2, 4, 6]);
        // After a rest there is room again, and never for more than at the beginning.
        let later = start + Duration::from_secs(1000);
        let waits: Vec<u64> = (0..4).map(|_| (pace.next(later) - later).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 2]);
        let mut one = Pace::new(0, Duration::from_secs(1));
        assert_eq!([one.next(later), one.next(later)], [later, later + Duration::from_secs(1)]);
    }
}
