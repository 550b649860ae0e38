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
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    due: Option<Timestamp>,
    /// Whoever waits has something else to do.
    called: bool,
}

impl Alarm {
    /// Something is due then.
    pub(crate) fn set(&self, due: Timestamp) {
        let mut state = lock(&self.state);
        if state.due.is_none_or(|it| due < it) {
            state.due = Some(due);
            self.changed.notify_all();
        }
    }

    /// Ends a wait, though nothing is due.
    pub(crate) fn call(&self) {
        lock(&self.state).called = true;
        self.changed.notify_all();
    }

    /// Forgets it: whoever takes it looks at everything, and sets it again.
    pub(crate) fn take(&self) {
        lock(&self.state).due = None;
    }

    /// Waits until something is due, it is called, or the time is over; whether something is due.
    pub(crate) fn wait(&self, clock: &dyn Clock, timeout: Duration) -> bool {
        let until = clock.now().after(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        let mut state = lock(&self.state);
        loop {
            let now = clock.now();
            if state.due.is_some_and(|due| due <= now) {
                return true;
            }
            if std::mem::take(&mut state.called) || now >= until {
                return false;
            }
            let next = state.due.map_or(until, |due| due.min(until));
            let wait = Duration::from_millis(next.since(now));
            state = match self.changed.wait_timeout(state, wait) {
                Ok((state, _)) => state,
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

    #[test]
    fn a_call_ends_one_wait() {
        let (alarm, clock) = (Arc::new(Alarm::default()), SystemClock::default());
        let waiting = {
            let alarm = alarm.clone();
            std::thread::spawn(move || {
                alarm.wait(&SystemClock::default(), Duration::from_secs(3600))
            })
        };
        alarm.call();
        assert!(!waiting.join().unwrap());
        let before = clock.now();
        assert!(!alarm.wait(&clock, Duration::from_millis(5)));
        assert!(clock.now().since(before) >= 5);
    }
}
