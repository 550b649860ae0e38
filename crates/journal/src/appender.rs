//! A batch of appends under one lock.

use std::sync::MutexGuard;

use crate::error::Error;
use crate::pending::Pending;
use crate::{Journal, Position};

/// The right to append, held until dropped. Dropping it wakes the writer once for the whole batch.
///
/// Do not call [`Journal::commit`], [`Journal::append`] or [`Journal::reclaim`] on the thread that
/// holds one: they wait for its lock.
pub struct Appender<'a> {
    journal: &'a Journal,
    /// Always there until the drop, which has to let go of the lock before it wakes the writer.
    pending: Option<MutexGuard<'a, Pending>>,
    appended: bool,
}

impl<'a> Appender<'a> {
    pub(crate) fn new(journal: &'a Journal, pending: MutexGuard<'a, Pending>) -> Appender<'a> {
        Appender { journal, pending: Some(pending), appended: false }
    }

    /// Appends one record; its payload is `parts` one after the other, copied once. The position is
    /// final, and durable once a [`Journal::commit`] returned.
    ///
    /// # Errors
    /// [`Error::Failed`], [`Error::TooLarge`], [`Error::SegmentsUsedUp`]; nothing was appended
    /// then.
    pub fn append(&mut self, kind: u8, parts: &[&[u8]]) -> Result<Position, Error> {
        self.journal.check_failed()?;
        let pending = self.pending.as_mut().expect("held until the drop");
        let journal = self.journal;
        let position = pending.append(&journal.segments, &journal.options, kind, parts)?;
        self.appended = true;
        Ok(position)
    }

    /// As [`Journal::end`], while nobody else can append.
    pub fn end(&self) -> Position {
        self.pending.as_ref().expect("held until the drop").tail.end()
    }
}

impl Drop for Appender<'_> {
    fn drop(&mut self) {
        let writer_waits = self.pending.take().is_some_and(|pending| pending.writers_wait > 0);
        if self.appended && writer_waits {
            self.journal.notify_work();
        }
    }
}
