//! A queue's memory and disk: what goes to disk, what a checkpoint says, and what compaction moves.

use journal::Position;

use super::Queue;
use crate::{
    Error,
    compaction::{Copies, Following},
    entry::Ticket,
    index::{QueueCheckpoint, Slot},
    sync::lock,
};

impl Queue {
    /// Gives memory back: with `spill` what is far behind goes to disk, and with `page_out` the
    /// messages of the rest, as far as the journal has them; returns how many bytes.
    ///
    /// # Errors
    /// The index cannot be written.
    pub(crate) fn shrink(&self, spill: bool, page_out: bool) -> std::io::Result<usize> {
        if let Some(stream) = self.stream() {
            return stream.shrink(spill, page_out);
        }
        let Some(journal) = self.store.journal() else { return Ok(0) };
        let mut freed = 0;
        let mut result = Ok(());
        {
            let mut state = lock(&self.state);
            if let Some(chunks) = self.store.chunks().filter(|_| spill) {
                let spilled = state.ready.spill(chunks, |position| journal.is_committed(position));
                result = spilled.map(|bytes| freed += bytes);
            }
            if page_out {
                freed += state.ready.page_out(journal);
            }
        }
        self.let_go(freed);
        result.map(|()| freed)
    }

    /// What of the queue lies in this segment of the journal, with the sizes of the bodies.
    ///
    /// # Errors
    /// A part of the queue on disk cannot be read.
    pub(crate) fn live_in(&self, segment: u32) -> Result<Vec<(Position, u32)>, Error> {
        if let Some(stream) = self.stream() {
            return stream.live_in(segment);
        }
        let (mut live, chunks) = {
            let state = lock(&self.state);
            let delivered = state.outstanding.values().copied();
            let mut live: Vec<Slot> =
                delivered.filter(|slot| slot.position.segment() == segment).collect();
            let chunks = state.ready.live_in(segment, &mut live);
            (live, chunks)
        };
        for (chunk, files) in chunks.iter().zip(self.store.chunks().into_iter().cycle()) {
            let slots = files.read::<Slot>(chunk).map_err(|it| it.error)?;
            live.extend(slots.into_iter().filter(|slot| slot.position.segment() == segment));
        }
        Ok(live.into_iter().map(|slot| (slot.position, slot.ticket.size)).collect())
    }

    /// Follows messages of a segment to where they were copied. Those that the queue had settled
    /// meanwhile are not kept there.
    ///
    /// # Errors
    /// A part of the queue on disk cannot be written: its messages stay where they are.
    pub(crate) fn follow(&self, segment: u32, copies: &Copies) -> std::io::Result<()> {
        let mut following = Following::new(segment, copies);
        let result = match self.stream() {
            Some(stream) => stream.follow(&mut following),
            None => {
                let mut state = lock(&self.state);
                let outstanding = state.outstanding.values_mut();
                outstanding.for_each(|slot| following.follow(&mut slot.position));
                state.ready.follow(&mut following, self.store.chunks())
            }
        };
        following.end(self.id, &self.store);
        result
    }

    /// What a checkpoint says of the queue, as it stands, that accounts for all before `end`.
    pub(crate) fn checkpoint(&self, end: Position) -> QueueCheckpoint {
        if let Some(stream) = self.stream() {
            return stream.checkpoint(end);
        }
        let state = lock(&self.state);
        let delivered = state.outstanding.iter();
        let delivered: Vec<(u64, Slot)> = delivered
            .map(|(order, slot)| {
                let ticket = Ticket { flags: slot.ticket.flags.redelivered(), ..slot.ticket };
                (*order, Slot { ticket, ..*slot })
            })
            .collect();
        QueueCheckpoint { id: self.id, parts: state.ready.checkpoint(&delivered, end) }
    }
}
