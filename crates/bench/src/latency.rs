//! How long things took: percentiles of many, in nanoseconds.

use hdrhistogram::Histogram;
use serde::Serialize;

/// A distribution that is being collected.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Latencies {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NS, 3);
        Latencies(histogram.expect("the bounds are constants in the range that it takes"))
    }

    /// `count` things took so long each.
    pub(crate) fn record(&mut self, ns: u64, count: u64) {
        self.0.saturating_record_n(ns, count);
    }

    pub(crate) fn add(&mut self, other: &Latencies) {
        // Of the same bounds: nothing is refused.
        self.0.add(&other.0).ok();
    }

    /// None when there were none.
    pub(crate) fn summary(&self) -> Option<Latency> {
        let at = |percentile| ms(self.0.value_at_percentile(percentile));
        (!self.0.is_empty()).then(|| Latency {
            p50_ms: at(50.0),
            p90_ms: at(90.0),
            p99_ms: at(99.0),
            p99_9_ms: at(99.9),
            max_ms: ms(self.0.max()),
            measured: self.0.len(),
        })
    }
}

/// Percentiles, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Half took no longer.
    pub p50_ms: f64,
    /// 90 of 100 took no longer.
    pub p90_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
    /// 999 of 1,000 took no longer.
    pub p99_9_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// How many there were.
    pub measured: u64,
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

const LONGEST_NS: u64 = 3_600_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_all_that_was_added() {
        let mut all = Latencies::new();
        assert_eq!(all.summary(), None);
        all.record(1_000_000, 98);
        let mut slow = Latencies::new();
        slow.record(50_000_000, 2);
        all.add(&slow);
        let summary = all.summary().unwrap();
        assert_eq!(summary.measured, 100);
        assert!((summary.p50_ms - 1.0).abs() < 0.01, "{summary:?}");
        assert!((summary.p99_ms - 50.0).abs() < 0.1, "{summary:?}");
        assert!((summary.max_ms - 50.0).abs() < 0.1, "{summary:?}");
    }
}
