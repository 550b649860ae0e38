//! What happened on a connection, told to its owner.

use smallvec::SmallVec;

use super::{DeliveryRange, LinkId, SessionId, Side, SuspendedLink};
use crate::{
    DeliveryTag,
    definition::{AmqpError, DeliveryNumber, MessageFormat, ReceiverSettleMode, Role},
    messaging::DeliveryState,
    performative::{Attach, Begin, Open},
    section::Pieces,
    types::Map,
};
use bytes::Bytes;

/// Something that happened. Of a link [`Detached`](Self::Detached) is the last, and comes once; so
/// is [`Ended`](Self::Ended) of a session and all its links, and [`Closed`](Self::Closed) of
/// everything.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The peer's `open`. A server has answered already: who is not welcome is told so by `close`.
    Opened(Box<Open>),
    /// A session is there. One that the peer began has been answered already.
    Begun {
        /// The session.
        session: SessionId,
        /// Who began.
        by: Side,
        /// What the peer said.
        begin: Box<Begin>,
    },
    /// The peer attached a link, or answered this side's attach. The peer's is to be answered:
    /// `accept` or `detach`.
    Attached {
        /// The link.
        link: LinkId,
        /// Who attached first.
        by: Side,
        /// What the peer said. Source or target that are none refuse: the peer's detach follows.
        attach: Box<Attach>,
    },
    /// A delivery, complete unless it says that more follows: on a link that streams.
    Delivery(Delivery),
    /// Of a delivery on a link that streams, what came after its first frame.
    Part {
        /// The link.
        link: LinkId,
        /// The delivery.
        id: DeliveryNumber,
        /// Octets of its message.
        payload: Bytes,
        /// Whether parts follow.
        more: bool,
        /// Whether its sender has settled it, as far as is known by now.
        settled: bool,
    },
    /// A delivery that was never completed, and is as if it had not been, but for its credit.
    Aborted {
        /// The link.
        link: LinkId,
        /// The delivery.
        id: DeliveryNumber,
    },
    /// The peer told of deliveries' state, or settled them.
    Disposition(Disposition),
    /// The peer told of a link's credit: how many deliveries may be sent; or, of a link that it
    /// sends on, what it has.
    Flow(LinkFlow),
    /// The peer takes transfer frames again, after a `send` found that it did not, or sent partly:
    /// `continue_sending`.
    Window {
        /// The session.
        session: SessionId,
    },
    /// The peer, asked to drain, has no more to send: credit is 0.
    Drained {
        /// The link.
        link: LinkId,
        /// How much credit it let go.
        unused: u32,
    },
    /// A link is gone: also one that was refused before its owner heard of it.
    Detached {
        /// The link.
        link: LinkId,
        /// Who did it first.
        by: Side,
        /// Whether for good.
        closed: bool,
        /// Why, when it is an error: the peer's, or what the peer was told.
        error: Option<Box<AmqpError>>,
        /// What a later attach of the link resumes from, unless closed.
        suspended: Option<Box<SuspendedLink>>,
    },
    /// A session is gone, with all its links.
    Ended {
        /// The session.
        session: SessionId,
        /// Who did it first.
        by: Side,
        /// Why, when it is an error.
        error: Option<Box<AmqpError>>,
    },
    /// The connection is over, with all its sessions. What is to be written is written first.
    Closed {
        /// Who did it first.
        by: Side,
        /// Why, when it is an error.
        error: Option<Box<AmqpError>>,
    },
}

/// A delivery that came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The link.
    pub link: LinkId,
    /// Its number in the session.
    pub id: DeliveryNumber,
    /// Its name on the link: a slice of the read buffer.
    pub tag: DeliveryTag,
    /// How the message is encoded.
    pub message_format: MessageFormat,
    /// Whether the sender wants no answer.
    pub settled: bool,
    /// Whether this side settles only after the sender has.
    pub rcv_settle_mode: ReceiverSettleMode,
    /// Its state at the sender: a transaction it belongs to, what it had become before a resume.
    pub state: Option<Box<DeliveryState>>,
    /// Whether a delivery of before is resumed.
    pub resume: bool,
    /// Whether [`Event::Part`]s follow; only on a link that streams.
    pub more: bool,
    /// The message, or what came of it.
    pub payload: Pieces,
}

/// What the peer said of deliveries that are known and that it had not settled.
#[derive(Clone, Debug, PartialEq)]
pub struct Disposition {
    /// The session.
    pub session: SessionId,
    /// Which end of the links the peer is: as a receiver it speaks of what this side sent.
    pub role: Role,
    /// Which deliveries, in order; mostly one range.
    pub ranges: SmallVec<[DeliveryRange; 1]>,
    /// Whether the peer has settled; else this side is to settle when the state is final.
    pub settled: bool,
    /// Their state.
    pub state: Option<DeliveryState>,
}

/// What the peer said of a link's flow.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkFlow {
    /// The link.
    pub link: LinkId,
    /// How many deliveries may be sent now.
    pub credit: u32,
    /// Whether all credit is to be used now or let go: send what there is, then `drained`.
    pub drain: bool,
    /// How many messages wait at the sender, when the peer sends and says so.
    pub available: Option<u32>,
    /// More about the link.
    pub properties: Option<Box<Map>>,
}
