//! A batch of appends under one lock.

use std::sync::{Arc, MutexGuard};

use crate::error::Error;
use crate::limits::{LAZY_BYTES_MAX, PAYLOAD_BYTES_MAX};
use crate::pending::{Pending, payload_size};
use crate::record::record_bytes;
use crate::{Attachment, Journal, Position};

/// The right to append, held until dropped. Dropping it wakes the writer once for the whole batch.
///
/// Do not call [`Journal::commit`], [`Journal::append`] or [`Journal::reclaim`] on the thread that
/// holds one: they wait for its lock.
pub struct Appender<'a> {
    journal: &'a Journal,
    /// Always there until the drop, which has to let go of the lock before it wakes the writer.
    pending: Option<MutexGuard<'a, Pending>>,
    appended: bool,
    is_lazy: bool,
}

impl<'a> Appender<'a> {
    pub(crate) fn new(journal: &'a Journal, pending: MutexGuard<'a, Pending>) -> Appender<'a> {
        Appender { journal, pending: Some(pending), appended: false, is_lazy: false }
    }

    /// Wakes nobody unless much has come together: [`Journal::append_lazily`].
    pub(crate) fn lazily(mut self) -> Appender<'a> {
        self.is_lazy = true;
        self
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

    /// Appends one record to which an attachment belongs, in a segment of its own.
    ///
    /// # Errors
    /// As [`Appender::append`].
    ///
    /// # Panics
    /// If it belongs to another: [`Journal::attach_again`].
    pub fn append_attached(
        &mut self,
        kind: u8,
        parts: &[&[u8]],
        attachment: &Arc<Attachment>,
    ) -> Result<Position, Error> {
        self.journal.check_failed()?;
        let bytes = record_bytes(payload_size(parts)? as usize) as u32;
        assert!(attachment.claim(), "{attachment:?} belongs to a record already");
        let pending = self.pending.as_mut().expect("held until the drop");
        pending.place_attached(&self.journal.segments, bytes, Arc::clone(attachment))?;
        self.append(kind, parts)
    }

    /// Sees to it that the records with payloads of these sizes, appended next and one after the
    /// other, are in one segment, and so in one commit: one write, one sync.
    ///
    /// # Errors
    /// As [`Appender::append`]; [`Error::TooLarge`] when they are larger in sum than one record may
    /// be.
    pub fn keep_together(&mut self, payloads: impl Iterator<Item = usize>) -> Result<(), Error> {
        self.journal.check_failed()?;
        let bytes = payloads.map(record_bytes).fold(0, u64::saturating_add);
        if bytes > PAYLOAD_BYTES_MAX as u64 {
            return Err(Error::TooLarge { bytes, max: PAYLOAD_BYTES_MAX as u64 });
        }
        let pending = self.pending.as_mut().expect("held until the drop");
        let journal = self.journal;
        pending.place(&journal.segments, &journal.options, bytes as u32).map(drop)
    }

    /// As [`Journal::end`], while nobody else can append.
    pub fn end(&self) -> Position {
        self.pending.as_ref().expect("held until the drop").tail.end()
    }
}

impl Drop for Appender<'_> {
    fn drop(&mut self) {
        let Some(mut pending) = self.pending.take() else { return };
        let hurries = self.appended && (!self.is_lazy || pending.bytes >= LAZY_BYTES_MAX);
        pending.is_urgent |= hurries;
        let writer_waits = pending.writers_wait > 0;
        drop(pending);
        if hurries && writer_waits {
            self.journal.notify_work();
        }
    }
}
