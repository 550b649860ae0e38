//! When the next thing is due, and a place to wait for it.

use std::{
    sync::{Condvar, Mutex},
    time::Duration,
};

use crate::{
    clock::{Clock, Timestamp},
    sync::lock,
};

/// The earliest of all times it was set to since it was last taken.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    due: Mutex<Option<Timestamp>>,
    earlier: Condvar,
}

impl Alarm {
    /// Something is due then.
    pub(crate) fn set(&self, due: Timestamp) {
        let mut earliest = lock(&self.due);
        if earliest.is_none_or(|it| due < it) {
            *earliest = Some(due);
            self.earlier.notify_all();
        }
    }

    /// Forgets it: whoever takes it looks at everything, and sets it again.
    pub(crate) fn take(&self) {
        *lock(&self.due) = None;
    }

    /// Waits until something is due, or the time is over; whether something is.
    pub(crate) fn wait(&self, clock: &dyn Clock, timeout: Duration) -> bool {
        let until = clock.now().after(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        let mut due = lock(&self.due);
        loop {
            let now = clock.now();
            if due.is_some_and(|due| due <= now) {
                return true;
            }
            if now >= until {
                return false;
            }
            let next = due.map_or(until, |due| due.min(until));
            let wait = Duration::from_millis(next.since(now));
            due = match self.earlier.wait_timeout(due, wait) {
                Ok((due, _)) => due,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn the_earliest_counts_and_wakes_who_waits_for_a_later_one() {
        let (alarm, clock) = (Arc::new(Alarm::default()), SystemClock::default());
        alarm.set(clock.now().after(3_600_000));
        assert!(!alarm.wait(&clock, Duration::ZERO));
        let waiting = {
            let alarm = alarm.clone();
            std::thread::spawn(move || {
                alarm.wait(&SystemClock::default(), Duration::from_secs(3600))
            })
        };
        alarm.set(clock.now());
        assert!(waiting.join().unwrap());
        alarm.take();
        assert!(!alarm.wait(&clock, Duration::ZERO));
    }
}
