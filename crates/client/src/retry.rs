//! How often what failed is tried again, and after which wait.

use std::time::Duration;

/// When a handler that failed is tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retry {
    /// How often, after the first time.
    pub times: u32,
    /// The wait before the first retry; doubles each time, up to five minutes or itself.
    pub delay: Duration,
}

impl Retry {
    /// The wait before the retry that follows this many failures, at least one.
    pub fn wait(&self, failures: u32) -> Duration {
        let factor = 2_u32.checked_pow(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.delay.checked_mul(factor).unwrap_or(DELAY_MAX).min(DELAY_MAX.max(self.delay))
    }
}

const DELAY_MAX: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_five_minutes() {
        let seconds = |delay, failures| {
            Retry { times: 9, delay: Duration::from_secs(delay) }.wait(failures).as_secs()
        };
        assert_eq!([1, 2, 3, 8, 9, 10, 99].map(|n| seconds(1, n)), [1, 2, 4, 128, 256, 300, 300]);
        assert_eq!(seconds(600, 5), 600);
        assert_eq!(seconds(0, 5), 0);
    }
}
