//! What the broker has for one connection: deliveries and notices, taken a batch at a time.
//! Knows no socket: whoever drives the connection hands in how to wake it.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use crate::{Consumer, Entry, sync::lock};

/// Wakes the driver of a connection. Must not block and must not call into the broker.
pub trait Wake: Send + Sync {
    /// There is something in the mailbox, or a durable mark moved.
    fn wake(&self);
}

/// One item of a mailbox.
#[derive(Debug)]
pub enum Letter {
    /// Entries of one queue for one consumer, in the queue's order. Whoever takes them owes
    /// the queue a settle or a requeue for each, and [`Consumer::taken`] for all.
    Deliveries {
        /// For whom.
        consumer: Arc<Consumer>,
        /// What.
        entries: Vec<Entry>,
    },
    /// The consumer's queue was deleted (RabbitMQ: consumer cancel notification).
    Cancelled {
        /// Whose.
        consumer: Arc<Consumer>,
    },
}

/// The letters that wait for one connection. What is in it is bounded by its consumers' outbox
/// limits.
pub struct Mailbox {
    letters: Mutex<Vec<Letter>>,
    wake: Box<dyn Wake>,
    /// It is on the list of those to be woken after the next commit.
    pub(crate) awaits_commit: AtomicBool,
}

impl Mailbox {
    /// An empty mailbox.
    pub fn new(wake: impl Wake + 'static) -> Arc<Mailbox> {
        Arc::new(Mailbox {
            letters: Mutex::default(),
            wake: Box::new(wake),
            awaits_commit: AtomicBool::new(false),
        })
    }

    pub(crate) fn put(&self, letter: Letter) {
        let first = {
            let mut letters = lock(&self.letters);
            letters.push(letter);
            letters.len() == 1
        };
        // The driver takes all at once: it is awake already when this is not the first.
        if first {
            self.wake.wake();
        }
    }

    /// Takes all letters into `into`, which keeps its room for the next time.
    pub fn drain(&self, into: &mut Vec<Letter>) {
        into.append(&mut lock(&self.letters));
    }

    /// Whether there is nothing in it now.
    pub fn is_empty(&self) -> bool {
        lock(&self.letters).is_empty()
    }

    /// Wakes its driver: there is something to do that is in no letter.
    pub fn nudge(&self) {
        self.wake.wake();
    }

    /// The commit it waited for is done.
    pub(crate) fn wake_after_commit(&self) {
        self.awaits_commit.store(false, SeqCst);
        self.wake.wake();
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("letters", &lock(&self.letters).len()).finish()
    }
}
