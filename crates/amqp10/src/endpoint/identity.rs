//! Names for sessions and links. A number on the wire is used again and again; a name is used once,
//! so that a command for a link that is gone never meets the next one on its handle.

use crate::{
    ChannelId,
    definition::{DeliveryNumber, Handle},
};

/// A session of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    pub(super) channel: u16,
    pub(super) serial: u32,
}

impl SessionId {
    /// The channel that this side sends on: unique among the sessions that are there.
    pub const fn channel(self) -> ChannelId {
        ChannelId(self.channel)
    }
}

/// A link of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId {
    pub(super) session: SessionId,
    pub(super) handle: u32,
    pub(super) serial: u32,
}

impl LinkId {
    /// The link's session.
    pub const fn session(self) -> SessionId {
        self.session
    }

    /// Its own number: no other link of the connection has it, nor had it before, but for four
    /// billion between them.
    pub const fn serial(self) -> u32 {
        self.serial
    }

    /// The handle that this side sends: unique among the links of the session that are there, and
    /// small, so that a `Vec` can be indexed by it.
    pub const fn handle(self) -> Handle {
        Handle(self.handle)
    }
}

/// Which side did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// This one: its owner, or the endpoint itself because of what the peer did.
    Local,
    /// The peer.
    Peer,
}

/// Deliveries by their numbers, both ends included. Numbers wrap around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryRange {
    /// The first.
    pub first: DeliveryNumber,
    /// The last.
    pub last: DeliveryNumber,
}

impl DeliveryRange {
    /// One after the other from `first` to `last`.
    pub const fn new(first: DeliveryNumber, last: DeliveryNumber) -> Self {
        Self { first, last }
    }

    /// How many, as a peer may say up to all there are.
    pub const fn len(self) -> u64 {
        self.last.since(self.first) as u64 + 1
    }

    /// Whether that one is among them.
    pub const fn contains(self, id: DeliveryNumber) -> bool {
        id.since(self.first) <= self.last.since(self.first)
    }

    /// Never: there is one at least.
    pub const fn is_empty(self) -> bool {
        false
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = DeliveryNumber> {
        (0..=self.last.since(self.first)).map(move |steps| self.first.plus(steps))
    }
}

impl From<DeliveryNumber> for DeliveryRange {
    fn from(id: DeliveryNumber) -> Self {
        Self::new(id, id)
    }
}
