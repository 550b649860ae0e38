//! A message's place in one queue.

use std::sync::Arc;

use journal::Position;

use crate::{Message, index::Slot};

/// One message in one queue: where it stands, and either the message itself or where the journal
/// has it.
#[derive(Debug)]
pub struct Entry {
    /// The order in the queue; a requeued entry keeps it.
    pub(crate) order: u64,
    /// Where the journal has the message; `None` for what does not survive a restart.
    pub(crate) position: Option<Position>,
    /// The message, unless it lives on disk only.
    pub(crate) message: Option<Arc<Message>>,
    /// Bytes of the body and properties, for outbox room.
    pub(crate) size: u32,
    /// This entry's share of the memory its message holds.
    pub(crate) share: u32,
    /// It may have been delivered before.
    pub(crate) redelivered: bool,
}

impl Entry {
    /// Whether it may have been delivered before.
    pub fn is_redelivered(&self) -> bool {
        self.redelivered
    }

    /// Bytes it takes in an outbox.
    pub fn size_bytes(&self) -> usize {
        self.size as usize
    }

    /// What an index keeps of it; `None` for what does not survive a restart.
    pub(crate) fn slot(&self) -> Option<Slot> {
        let Entry { size, redelivered, .. } = *self;
        self.position.map(|position| Slot { position, size, redelivered })
    }

    /// The entry that an index kept.
    pub(crate) fn of_slot(slot: Slot, order: u64) -> Entry {
        Entry {
            order,
            position: Some(slot.position),
            message: None,
            size: slot.size,
            share: 0,
            redelivered: slot.redelivered,
        }
    }
}
