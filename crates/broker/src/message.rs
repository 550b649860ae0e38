//! A message as the broker holds it: shared by every queue that took it, body and properties as
//! slices of the buffer they arrived in.

use bytes::Bytes;
use bytestring::ByteString;
use smallvec::SmallVec;

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
const OVERHEAD_BYTES: usize = 192;
