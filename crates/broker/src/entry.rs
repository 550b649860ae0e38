//! A message's place in one queue.

use std::sync::Arc;

use journal::Position;

use crate::{Group, Message, Timestamp, index::Slot};

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
    /// This entry's share of the memory its message holds.
    pub(crate) share: u32,
    /// What the queue knows without looking at the message.
    pub(crate) ticket: Ticket,
}

/// What a queue knows of an entry without its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ticket {
    /// Bytes of the body.
    pub(crate) size: u32,
    /// Whether it was delivered before, and its group.
    pub(crate) flags: Flags,
    /// The higher the sooner.
    pub(crate) priority: u8,
    /// How often it came back from a consumer.
    pub(crate) returns: u16,
    /// When it expires.
    pub(crate) expires_at: Option<Timestamp>,
}

/// Bit 0: it may have been delivered before. Bits 1 to 7: its [`Group`], 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    /// Of what nobody has had.
    pub(crate) fn fresh(group: Option<Group>) -> Flags {
        Flags(group.map_or(0, Group::number) << 1)
    }

    /// Somebody may have had it.
    pub(crate) fn redelivered(self) -> Flags {
        Flags(self.0 | 1)
    }

    /// Nobody has had it.
    pub(crate) fn not_delivered(self) -> Flags {
        Flags(self.0 & !1)
    }

    pub(crate) fn is_redelivered(self) -> bool {
        self.0 & 1 == 1
    }

    pub(crate) fn group(self) -> Option<Group> {
        Group::numbered(self.0 >> 1)
    }
}

impl Ticket {
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

impl Entry {
    /// Whether it may have been delivered before.
    pub fn is_redelivered(&self) -> bool {
        self.ticket.flags.is_redelivered()
    }

    /// How often it came back from a consumer.
    pub fn returns(&self) -> u16 {
        self.ticket.returns
    }

    /// Its number, of an entry of a stream.
    pub fn offset(&self) -> u64 {
        self.order
    }

    /// Bytes it takes in an outbox.
    pub fn size_bytes(&self) -> usize {
        self.ticket.size as usize
    }

    /// What an index keeps of it; `None` for what does not survive a restart.
    pub(crate) fn slot(&self) -> Option<Slot> {
        self.position.map(|position| Slot { position, ticket: self.ticket })
    }

    /// The same, for somebody who only looks: it has no share of the memory.
    pub(crate) fn copy(&self) -> Entry {
        let Entry { order, position, message, ticket, .. } = self;
        Entry {
            order: *order,
            position: *position,
            message: message.clone(),
            share: 0,
            ticket: *ticket,
        }
    }

    /// The entry that an index kept.
    pub(crate) fn of_slot(slot: Slot, order: u64) -> Entry {
        let Slot { position, ticket } = slot;
        Entry { order, position: Some(position), message: None, share: 0, ticket }
    }
}
