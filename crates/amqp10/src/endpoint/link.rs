//! A link endpoint: its place in its life, and what its direction needs (AMQP 1.0 §2.6).

use bytestring::ByteString;

use super::{LinkId, Side, SuspendedLink, incoming::Receiver, outgoing::Sender};
use crate::{
    ChannelId,
    definition::{Handle, ReceiverSettleMode, Role, SenderSettleMode, SequenceNo},
    performative::Attach,
};

/// How far a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkState {
    /// This side attached, the peer has not answered.
    AttachSent,
    /// The peer attached, the owner has not answered.
    AttachReceived,
    Attached,
    /// This side detached: what comes is passed over until the peer's detach.
    DetachSent {
        closed: bool,
        /// The owner knows already.
        is_told: bool,
    },
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) key: LinkKey,
    pub(super) state: LinkState,
    pub(super) by: Side,
    /// The peer's handle, once its attach came.
    pub(super) remote: Option<u32>,
    pub(super) snd_settle_mode: SenderSettleMode,
    pub(super) rcv_settle_mode: ReceiverSettleMode,
    //= amqp-1.0 §2.6.7
    // The delivery-count is initialized by the sender when a link endpoint is created, and is
    // incremented whenever a message is sent. Despite its name it is not a count but a sequence
    // number initialized at an arbitrary point by the sender.
    pub(super) delivery_count: SequenceNo,
    pub(super) initial_count: SequenceNo,
    /// How many deliveries may still be sent from `delivery_count` on.
    pub(super) credit: u32,
    /// How many may still come of all credit that was ever granted: credit that was taken back is
    /// not held against deliveries that were on their way.
    pub(super) promised: u32,
    pub(super) drain: bool,
    /// The peer asked for the state before the attach was answered.
    pub(super) is_asked: bool,
    pub(super) half: Half,
    /// What is handed over when the peer has answered the detach.
    parked: Option<Box<SuspendedLink>>,
}

/// What tells a link apart from all others between two containers.
//= amqp-1.0 §2.6.1 names-unique
// Links are named so that they can be recovered. The names MUST uniquely identify the link from
// amongst all links of the same direction between the two participating containers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LinkKey {
    pub(super) name: ByteString,
    pub(super) role: Role,
}

#[derive(Debug)]
pub(super) enum Half {
    Sender(Box<Sender>),
    Receiver(Box<Receiver>),
}

impl Link {
    pub(super) fn new(id: LinkId, key: LinkKey, by: Side, first: SequenceNo) -> Self {
        let half = match key.role {
            Role::Sender => {
                Half::Sender(Box::new(Sender::new(ChannelId(id.session.channel), id.handle)))
            }
            Role::Receiver => Half::Receiver(Box::default()),
        };
        Self {
            id,
            key,
            state: match by {
                Side::Local => LinkState::AttachSent,
                Side::Peer => LinkState::AttachReceived,
            },
            by,
            remote: None,
            snd_settle_mode: SenderSettleMode::Mixed,
            rcv_settle_mode: ReceiverSettleMode::First,
            delivery_count: first,
            initial_count: first,
            credit: 0,
            promised: 0,
            drain: false,
            is_asked: false,
            half,
            parked: None,
        }
    }

    /// The attach as this side sends it: what the link itself knows is filled in.
    pub(super) fn complete(&self, attach: Attach) -> Attach {
        //= amqp-1.0 §2.7.3 initial-count
        // initial-delivery-count MUST NOT be null if role is sender, and it is ignored if the role
        // is receiver.
        let initial_delivery_count = (self.key.role == Role::Sender).then_some(self.delivery_count);
        Attach {
            name: self.key.name.clone(),
            handle: Handle(self.id.handle),
            role: self.key.role,
            initial_delivery_count,
            ..attach
        }
    }

    /// What is agreed, by the attach of whoever answers.
    pub(super) fn agree(&mut self, answer: &Attach) {
        self.snd_settle_mode = answer.snd_settle_mode;
        self.rcv_settle_mode = answer.rcv_settle_mode;
    }

    /// What the peer says of its end.
    pub(super) fn learn(&mut self, attach: &Attach) {
        match &mut self.half {
            Half::Sender(sender) => {
                //= amqp-1.0 §2.7.3
                // max-message-size: the largest message this side takes; 0 or unset means no
                // maximum is imposed by the link endpoint.
                sender.message_size_max = limit(attach.max_message_size);
            }
            Half::Receiver(_) => {
                let first = attach.initial_delivery_count.unwrap_or_default();
                self.delivery_count = first;
            }
        }
    }

    pub(super) fn park(&mut self, suspended: Option<Box<SuspendedLink>>) {
        self.parked = suspended;
    }

    pub(super) fn unpark(&mut self) -> Option<Box<SuspendedLink>> {
        self.parked.take()
    }
}

fn limit(max_message_size: Option<u64>) -> u64 {
    max_message_size.filter(|&max| max > 0).unwrap_or(u64::MAX)
}

/// The other end's role.
pub(super) fn opposite(role: Role) -> Role {
    match role {
        Role::Sender => Role::Receiver,
        Role::Receiver => Role::Sender,
    }
}
