//! What a history comes to.

use std::fmt;

use crate::Verdict;

/// What a run must have done to mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minimum {
    /// Messages confirmed in all.
    pub confirmed: u64,
    /// Messages confirmed in a second, from the first attempt to the first crash or, without one,
    /// to the end. 0 where events have no times.
    pub confirmed_per_second: u64,
}

impl Minimum {
    /// So many in all, at any speed: for runs without a clock.
    pub fn confirmed(confirmed: u64) -> Minimum {
        Minimum { confirmed, confirmed_per_second: 0 }
    }
}

impl Default for Minimum {
    /// 2,000 in all and in a second. Under less load a crash hits a broker that is doing nothing.
    fn default() -> Minimum {
        Minimum { confirmed: 2000, confirmed_per_second: 2000 }
    }
}

/// What a history comes to. Printed, it is a text for a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Promises that were broken.
    pub verdicts: Vec<Verdict>,
    /// Why the run means nothing, if it does not.
    pub invalid: Vec<String>,
    /// Messages attempted.
    pub attempted: u64,
    /// Messages confirmed.
    pub confirmed: u64,
    /// Deliveries.
    pub delivered: u64,
    /// Messages never confirmed that a crash left in a queue: allowed.
    pub recovered: u64,
    /// Deliveries of what had been acknowledged, but not durably: allowed, if marked.
    pub duplicates: u64,
    /// Messages lost or delivered once more where the broker reported damage.
    pub excused: u64,
    /// Crashes.
    pub crashes: u64,
}

impl Report {
    /// Whether the run means something and no promise was broken.
    pub fn is_clean(&self) -> bool {
        self.verdicts.is_empty() && self.invalid.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            attempted, confirmed, delivered, recovered, duplicates, excused, crashes, ..
        } = self;
        self.invalid.iter().try_for_each(|why| writeln!(f, "invalid: {why}"))?;
        self.verdicts.iter().try_for_each(|verdict| writeln!(f, "{verdict}"))?;
        write!(
            f,
            "{attempted} attempted, {confirmed} confirmed, {delivered} delivered, {recovered} \
             recovered, {duplicates} duplicates, {excused} excused, {crashes} crashes: "
        )?;
        match (self.verdicts.len(), self.invalid.is_empty()) {
            (0, true) => f.write_str("no promise was broken"),
            (0, false) => f.write_str("the run means nothing"),
            (broken, _) => write!(f, "{broken} promises were broken"),
        }
    }
}
