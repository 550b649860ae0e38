//! What came for Python and was not taken yet. Whoever waits for it does so on a condition, or, as
//! event loops do, on a file descriptor that is readable while something is there.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Bounded by whoever puts something in: prefetch, handlers, tickets.
pub(crate) struct Inbox<T> {
    state: Mutex<State<T>>,
    came: Condvar,
    /// Holds an octet while something is there.
    readable: UnixStream,
    waker: UnixStream,
}

struct State<T> {
    waiting: VecDeque<T>,
    is_closed: bool,
    is_readable: bool,
}

/// What a look into the inbox found.
pub(crate) enum Found<T> {
    One(T),
    Nothing,
    /// Nothing, and nothing more comes.
    Closed,
}

impl<T> Inbox<T> {
    pub(crate) fn new() -> io::Result<Inbox<T>> {
        let (readable, waker) = UnixStream::pair()?;
        readable.set_nonblocking(true)?;
        let state = State { waiting: VecDeque::new(), is_closed: false, is_readable: false };
        Ok(Inbox { state: Mutex::new(state), came: Condvar::new(), readable, waker })
    }

    pub(crate) fn put(&self, it: T) {
        self.put_all([it]);
    }

    /// For one who takes all: it alone is woken.
    pub(crate) fn put_all(&self, all: impl IntoIterator<Item = T>) {
        let mut state = self.state();
        state.waiting.extend(all);
        self.wake(&mut state);
    }

    /// As [`Inbox::put`], unless so many are there. A fork may have got the lock in the hand of a
    /// thread that it did not get: it does without what would be put in.
    pub(crate) fn put_within(&self, max: usize, it: T) {
        for _ in 0..TRIES {
            match self.state.try_lock() {
                Ok(mut state) => {
                    if state.waiting.len() < max {
                        state.waiting.push_back(it);
                        self.wake(&mut state);
                    }
                    return;
                }
                Err(_) => thread::yield_now(),
            }
        }
    }

    /// Nothing more comes. What is there may still be taken.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        self.wake(&mut state);
    }

    /// The first that is there, or comes within this time.
    pub(crate) fn wait(&self, at_most: Duration) -> Found<T> {
        let nothing = |state: &mut State<T>| state.waiting.is_empty() && !state.is_closed;
        let waited = self.came.wait_timeout_while(self.state(), at_most, nothing);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        self.take(&mut state)
    }

    pub(crate) fn take_all(&self) -> VecDeque<T> {
        let mut state = self.state();
        let all = std::mem::take(&mut state.waiting);
        self.silence(&mut state);
        all
    }

    /// Readable while something is there, and after the end.
    pub(crate) fn fileno(&self) -> i32 {
        self.readable.as_raw_fd()
    }

    fn take(&self, state: &mut State<T>) -> Found<T> {
        let found = match state.waiting.pop_front() {
            Some(it) => Found::One(it),
            None if state.is_closed => Found::Closed,
            None => Found::Nothing,
        };
        self.silence(state);
        found
    }

    fn wake(&self, state: &mut State<T>) {
        if state.waiting.is_empty() && !state.is_closed {
            return;
        }
        match state.is_closed {
            true => self.came.notify_all(),
            false => self.came.notify_one(),
        }
        if !state.is_readable {
            state.is_readable = (&self.waker).write_all(&[1]).is_ok();
        }
    }

    fn silence(&self, state: &mut State<T>) {
        if state.is_readable && state.waiting.is_empty() && !state.is_closed {
            state.is_readable = (&self.readable).read_exact(&mut [0]).is_err();
        }
    }

    // Poisoned, it is entered: what is inside is whole.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const TRIES: usize = 1000;
