//! Wakes the driver of a connection from the broker's side. What one connection's reads wake, it
//! wakes once it has read: each of those it publishes for then finds more at once, and with many of
//! them that is most of what they cost.

use std::{cell::RefCell, sync::Arc};

use broker::Wake;
use tokio::sync::Notify;

/// The bell of one driver.
pub(crate) struct Bell(pub(crate) Arc<Notify>);

impl Wake for Bell {
    fn wake(&self) {
        HELD.with_borrow_mut(|held| match held {
            Some(held) => held.push(self.0.clone()),
            None => self.0.notify_one(),
        });
    }
}

thread_local! {
    /// Bells that are rung when the [`Hold`] of this thread ends; `None` while there is none.
    static HELD: RefCell<Option<Vec<Arc<Notify>>>> = const { RefCell::new(None) };
}

/// While it is there, bells that this thread rings wait. It must not be held over an `await`.
pub(crate) struct Hold(());

impl Hold {
    pub(crate) fn begin() -> Hold {
        HELD.with_borrow_mut(|held| _ = held.get_or_insert_default());
        Hold(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        ring(HELD.take());
    }
}

/// Rings what waits on this thread: it is about to wait for something itself.
pub(crate) fn ring_held() {
    ring(HELD.with_borrow_mut(|held| held.as_mut().map(std::mem::take)));
}

fn ring(bells: Option<Vec<Arc<Notify>>>) {
    bells.into_iter().flatten().for_each(|bell| bell.notify_one());
}

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
        let hold = Hold::begin();
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
            let _hold = Hold::begin();
            bell.wake();
            panic!("on purpose");
        });
        assert!(panicked.is_err() && has_rung(&bell));
        bell.wake();
        assert!(has_rung(&bell));
    }
}
