//! Wakes the driver of a connection from the broker's side. What one connection's reads wake, it
//! wakes after some of them: each of those it publishes for then finds more at once, and with many
//! of them that is most of what they cost. But not all in one moment, or there would be nothing for
//! another processor to do before.

use std::{cell::RefCell, sync::Arc};

use broker::Wake;
use tokio::sync::Notify;

/// The bell of one driver.
pub(crate) struct Bell(pub(crate) Arc<Notify>);

impl Wake for Bell {
    fn wake(&self) {
        HELD.with_borrow_mut(|held| match held {
            Some(held) => held.0.push(self.0.clone()),
            None => self.0.notify_one(),
        });
    }
}

thread_local! {
    /// Bells that ring when the [`Hold`] of this thread ends; `None` while there is none.
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// Bells that wait to be rung, the oldest first. They ring when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held(Vec<Arc<Notify>>);

impl Held {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn ring(&mut self) {
        self.0.drain(..).for_each(|bell| bell.notify_one());
    }

    /// Takes those that are to ring after another read, so that none waits for more than
    /// [`READS_HELD`] of them or so.
    fn take_oldest(&mut self) -> Held {
        Held(self.0.drain(..self.0.len().div_ceil(READS_HELD)).collect())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ring();
    }
}

/// While it is there, bells that this thread rings wait. It must not be held over an `await`:
/// [`suspend`](Hold::suspend) it.
pub(crate) struct Hold(());

impl Hold {
    /// Goes on with what a hold was suspended with, or nothing.
    pub(crate) fn begin(held: Held) -> Hold {
        let before = HELD.replace(Some(held));
        debug_assert!(before.is_none(), "one hold a thread");
        Hold(())
    }

    /// Another read was acted upon, and there is more: rings some.
    pub(crate) fn on_read(&self) {
        // Rung when nothing is borrowed any more.
        drop(HELD.with_borrow_mut(|held| held.as_mut().map(Held::take_oldest)));
    }

    /// Ends it and rings nothing.
    pub(crate) fn suspend(self) -> Held {
        HELD.take().unwrap_or_default()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        drop(HELD.take());
    }
}

/// Rings what waits on this thread: it is about to wait for something itself.
pub(crate) fn ring_held() {
    drop(HELD.with_borrow_mut(|held| held.as_mut().map(std::mem::take)));
}

/// Reads that a bell waits for.
const READS_HELD: usize = 4;

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    fn has_rung(bell: &Bell) -> bool {
        let rung = pin!(bell.0.notified());
        rung.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn bells_wait_until_the_hold_ends_or_the_thread_waits() {
        let bell = Bell(Arc::default());
        bell.wake();
        assert!(has_rung(&bell));
        let hold = Hold::begin(Held::default());
        bell.wake();
        assert!(!has_rung(&bell));
        ring_held();
        assert!(has_rung(&bell));
        bell.wake();
        assert!(!has_rung(&bell));
        drop(hold);
        assert!(has_rung(&bell));
        bell.wake();
        assert!(has_rung(&bell));
    }

    #[test]
    fn a_panic_leaves_no_hold_behind() {
        let bell = Bell(Arc::default());
        let panicked = std::panic::catch_unwind(|| {
            let _hold = Hold::begin(Held::default());
            bell.wake();
            panic!("on purpose");
        });
        assert!(panicked.is_err() && has_rung(&bell));
        bell.wake();
        assert!(has_rung(&bell));
    }

    #[test]
    fn with_each_read_some_ring_and_none_waits_for_long() {
        let bells: Vec<Bell> = (0..10).map(|_| Bell(Arc::default())).collect();
        let mut rung_by_read = Vec::new();
        let mut hold = Hold::begin(Held::default());
        bells.iter().for_each(Bell::wake);
        while rung_by_read.iter().sum::<usize>() < bells.len() {
            hold.on_read();
            rung_by_read.push(bells.iter().filter(|bell| has_rung(bell)).count());
            hold = Hold::begin(hold.suspend());
        }
        assert_eq!(rung_by_read, [3, 2, 2, 1, 1, 1]);
    }

    #[test]
    fn what_is_suspended_rings_when_its_driver_ends() {
        let bell = Bell(Arc::default());
        let hold = Hold::begin(Held::default());
        bell.wake();
        let held = hold.suspend();
        assert!(!held.is_empty() && !has_rung(&bell));
        drop(held);
        assert!(has_rung(&bell));
    }
}
