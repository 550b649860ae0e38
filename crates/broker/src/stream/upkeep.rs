//! A stream's memory and disk: what goes to disk, what a checkpoint says, what a restart found, and
//! what compaction moves.

use std::sync::atomic::Ordering::SeqCst;

use journal::Position;

use super::Stream;
use crate::{
    Error,
    compaction::Following,
    index::{CheckpointPart, QueueCheckpoint},
    sync::lock,
};

impl Stream {
    /// Gives memory back, as [`crate::Queue::shrink`].
    ///
    /// # Errors
    /// The index cannot be written.
    pub(crate) fn shrink(&self, spill: bool, page_out: bool) -> std::io::Result<usize> {
        let mut freed = 0;
        let mut result = Ok(());
        {
            let mut log = lock(&self.log);
            if let Some(chunks) = self.store.chunks().filter(|_| spill) {
                let spilled = log.spill(chunks, |position| self.has(position));
                result = spilled.map(|bytes| freed += bytes);
            }
            freed += match page_out {
                true => log.cool(0, |position| self.has(position)),
                false => log.cool_some(|position| self.has(position)),
            };
        }
        self.store.let_go(freed);
        result.map(|()| freed)
    }

    /// Puts back what a restart found.
    pub(crate) fn restore(&self, part: CheckpointPart) {
        let mut log = lock(&self.log);
        log.restore(part);
        self.next.store(log.next, SeqCst);
    }

    /// What a checkpoint says of it that accounts for all before `end`.
    pub(crate) fn checkpoint(&self, end: Position) -> QueueCheckpoint {
        QueueCheckpoint { id: self.id, parts: lock(&self.log).checkpoint(end) }
    }

    /// What of it lies in this segment of the journal, with the sizes of the bodies.
    ///
    /// # Errors
    /// A part of it on disk cannot be read.
    pub(crate) fn live_in(&self, segment: u32) -> Result<Vec<(Position, u32)>, Error> {
        let mut live = Vec::new();
        let stretches = lock(&self.log).live_in(segment, &mut live);
        for (stretch, chunks) in stretches.iter().zip(self.store.chunks().into_iter().cycle()) {
            let rows = stretch.rows(chunks).map_err(|it| it.error)?;
            let rows = rows.iter().flat_map(|rows| rows.iter());
            let here = rows.filter(|row| row.position.segment() == segment);
            live.extend(here.map(|row| (row.position, row.size)));
        }
        Ok(live)
    }

    /// Follows messages to where they were copied, as [`crate::Queue::follow`].
    ///
    /// # Errors
    /// A part of it on disk cannot be written: its messages stay where they are.
    pub(crate) fn follow(&self, following: &mut Following) -> std::io::Result<()> {
        lock(&self.log).follow(following, self.store.chunks())
    }
}
