//! A message as the broker holds it: shared by every queue that took it, body and properties as
//! slices of the buffer they arrived in.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use smallvec::SmallVec;

use crate::{Deaths, Timestamp};

/// The pieces of a body, in order: one slice for each frame it came in.
pub type Body = SmallVec<[Bytes; 1]>;

/// A published message. Immutable, shared by reference count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The exchange it was published to; empty for the default exchange.
    pub exchange: ByteString,
    /// The key it was published with.
    pub routing_key: ByteString,
    /// The properties as the publisher's protocol encoded them, verbatim.
    pub properties: Bytes,
    /// The body.
    pub body: Body,
    /// The publisher asked for it to survive a restart.
    pub persistent: bool,
    /// What the broker itself has to know of it.
    pub marks: Marks,
}

/// What the broker has to know of a message, whatever the protocol calls it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// When it was published. The broker sets it.
    pub published_at: Timestamp,
    /// Milliseconds until it expires, as its publisher asked for.
    pub ttl: Option<u64>,
    /// For queues with priorities: the higher the sooner.
    pub priority: u8,
    /// How often and why it was dead-lettered, if ever.
    pub deaths: Option<Arc<Deaths>>,
}

impl Message {
    /// Bytes of the body.
    pub fn body_len(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }

    /// Bytes this message holds in memory, roughly: what the memory budget counts.
    pub(crate) fn footprint(&self) -> usize {
        self.body_len() + self.properties.len() + self.routing_key.len() + OVERHEAD_BYTES
    }
}

/// The structs and reference counts around a message.
const OVERHEAD_BYTES: usize = 240;
