//! How long to wait before the next try.

use std::time::Duration;

/// Doubles from `first` to `max`; each pause is shortened by up to half, at random, so that many
/// who were cut off at once do not come back at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) const fn new((first, max): (Duration, Duration)) -> Backoff {
        Backoff { first, max }
    }

    /// The pause after `tries` failures in a row, at least one.
    pub(crate) fn pause(self, tries: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << tries.saturating_sub(1).min(20));
        let whole = doubled.min(self.max);
        // Without randomness the pause is only less well spread, not wrong.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        whole.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_are_spread() {
        let backoff = Backoff::new((Duration::from_secs(1), Duration::from_secs(60)));
        for (tries, whole) in [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (1_000_000, 60)] {
            let whole = Duration::from_secs(whole);
            for _ in 0..100 {
                let pause = backoff.pause(tries);
                assert!(pause >= whole / 2 && pause <= whole, "{tries}: {pause:?}");
            }
        }
        let distinct: std::collections::HashSet<_> = (0..20).map(|_| backoff.pause(9)).collect();
        assert!(distinct.len() > 10);
    }
}
