//! How long to wait before the next try: doubling, capped, jittered.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use crate::limits::{BACK_OFF_FIRST, BACK_OFF_MAX};

/// Pauses between tries. Jittered, so that a thousand clients of one broker do not come back in
/// the same instant.
#[derive(Debug)]
pub(crate) struct BackOff {
    next: Duration,
}

impl BackOff {
    pub(crate) fn new() -> BackOff {
        BackOff { next: BACK_OFF_FIRST }
    }

    /// Half to all of the next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(BACK_OFF_MAX);
        // The keys of RandomState are random by process and counted on: enough to spread clients.
        let random = RandomState::new().hash_one(0_u8) as u32;
        full / 2 + (full / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// The next failure is a new one.
    pub(crate) fn reset(&mut self) {
        self.next = BACK_OFF_FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_never_pass_it() {
        let mut back_off = BackOff::new();
        let pauses: Vec<Duration> = (0..12).map(|_| back_off.pause()).collect();
        for (n, pause) in pauses.iter().enumerate() {
            let full = (BACK_OFF_FIRST * (1 << n)).min(BACK_OFF_MAX);
            assert!(full / 2 <= *pause && *pause <= full, "pause {n} is {pause:?}");
        }
        back_off.reset();
        assert!(back_off.pause() <= BACK_OFF_FIRST);
    }

    #[test]
    fn two_clients_do_not_pause_alike() {
        let pauses: std::collections::HashSet<Duration> =
            (0..20).map(|_| BackOff::new().pause()).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
    }
}
