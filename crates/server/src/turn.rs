//! What one connection does before others on its thread have their turn.

use std::{future::poll_fn, task::Poll};

/// What was done since others had theirs.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    reads: u32,
    written_bytes: usize,
}

impl Turn {
    pub(crate) fn on_read(&mut self) {
        self.reads += 1;
    }

    pub(crate) fn on_written(&mut self, bytes: usize) {
        self.written_bytes += bytes;
    }

    pub(crate) fn may_read(&self) -> bool {
        self.reads < READS
    }

    pub(crate) fn may_write(&self) -> bool {
        self.written_bytes < WRITTEN_BYTES
    }

    /// A peer that always has something to read, or takes whatever it is given, would keep its
    /// thread for itself, and with it the clock of everybody else.
    pub(crate) fn is_over(&self) -> bool {
        !self.may_read() || !self.may_write()
    }

    /// Lets those have their turn who wait for this thread now, and begins the next one.
    ///
    /// Not once, but as often as the thread takes turns before it looks for sockets again: a full
    /// turn takes as long as many small ones, and two in a row between looks are enough. tokio's
    /// own `yield_now` comes back with the next look, however many are still waiting.
    pub(crate) async fn let_others(&mut self) {
        *self = Turn::default();
        let mut to_wait = TURNS_BETWEEN_LOOKS;
        poll_fn(|context| {
            if to_wait == 0 {
                return Poll::Ready(());
            }
            to_wait -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Turns after which a busy thread of the runtime looks for sockets with something to read
/// (tokio's `event_interval`). With tokio's own number, 61, who asked for little waited for as
/// many, each of which takes up to a millisecond.
pub const TURNS_BETWEEN_LOOKS: u32 = 4;

const READS: u32 = 2;
const WRITTEN_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    #[test]
    fn a_turn_is_over_after_some_reads_or_many_bytes() {
        let mut turn = Turn::default();
        turn.on_read();
        turn.on_written(WRITTEN_BYTES - 1);
        assert!(!turn.is_over());
        turn.on_written(1);
        assert!(turn.is_over() && turn.may_read() && !turn.may_write());
        let mut turn = Turn::default();
        (0..READS).for_each(|_| turn.on_read());
        assert!(turn.is_over() && !turn.may_read() && turn.may_write());
    }

    #[tokio::test]
    async fn who_had_a_full_turn_lets_everybody_go_first_who_waits() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let gone = Rc::new(Cell::new(0));
                let mut turn = Turn::default();
                (0..READS).for_each(|_| turn.on_read());
                let seen = Rc::clone(&gone);
                let full = tokio::task::spawn_local(async move {
                    turn.let_others().await;
                    (turn.is_over(), seen.get())
                });
                let others: Vec<_> = (0..10)
                    .map(|_| {
                        let gone = Rc::clone(&gone);
                        tokio::task::spawn_local(async move { gone.set(gone.get() + 1) })
                    })
                    .collect();
                assert_eq!(full.await.unwrap(), (false, 10));
                for other in others {
                    other.await.unwrap();
                }
            })
            .await;
    }
}
