//! What is said to a bus and what it says, the same for both protocols. Sans-I/O: octets come in,
//! octets to be written go out, and time is handed in.

use std::{ops::RangeInclusive, time::Duration};

use bytes::BytesMut;

use crate::{
    Subscription,
    amqp10::Amqp10,
    amqp091::Amqp091,
    message::{Arrived, Message},
};

/// A conversation on an open connection. It publishes or consumes, not both.
pub(crate) enum Conversation {
    Amqp091(Box<Amqp091>),
    Amqp10(Box<Amqp10>),
}

/// What the bus said, or what came of what was asked.
#[derive(Debug)]
pub(crate) enum Said {
    /// What was begun, publishing or consuming, has begun.
    Ready,
    /// The queue that was to be declared is there.
    Declared,
    /// These publishes have met their fate.
    Settled(RangeInclusive<u64>, Fate),
    /// The first publish of these that is not settled yet was wanted by nobody. Its fate follows.
    Returned { id: String, routing_key: String },
    /// A message.
    Arrived(Arrived),
    /// What was begun is over; the connection lives. It may be begun again.
    Refused(Refusal),
    /// The consumer's queue is gone, or its node (RabbitMQ: consumer cancel notify).
    Cancelled,
}

/// What became of a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Confirmed,
    /// The bus took it, and nobody wants it.
    Unrouted,
    /// The bus could not take it now.
    Nacked,
    /// The bus does not take this one.
    Refused(Refusal),
}

/// A refusal in the bus's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What was refused, when that is known: `queue 'mail'`.
    pub(crate) what: Option<String>,
    /// AMQP 0-9-1's reply code, or the one that says the same as AMQP 1.0's condition.
    pub(crate) code: u16,
    pub(crate) text: String,
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It broke, or somebody ended it who found nothing wrong with what was said.
    Lost(String),
    /// The bus ended it because of what was said.
    Refused(Refusal),
}

/// Whether a publish is under way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is, by this number: one more than that of the publish before.
    As(u64),
    /// The bus takes no more for now: what it says next may change that.
    NotNow,
    /// It is larger than the bus takes.
    TooLarge,
}

/// What becomes of a message that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ack,
    Requeue,
    Reject,
}

macro_rules! ask {
    ($self:ident, $it:ident => $does:expr) => {
        match $self {
            Conversation::Amqp091($it) => $does,
            Conversation::Amqp10($it) => $does,
        }
    };
}

impl Conversation {
    /// Takes what was read.
    pub(crate) fn receive(
        &mut self,
        inbox: &mut BytesMut,
        now: Duration,
        out: &mut BytesMut,
        said: &mut impl Extend<Said>,
    ) -> Result<(), Ending> {
        ask!(self, it => it.receive(inbox, now, out, said))
    }

    /// Says a sign of life when one is due. Gives when to be called next.
    pub(crate) fn tick(&mut self, now: Duration, out: &mut BytesMut) -> Result<Duration, Ending> {
        ask!(self, it => it.tick(now, out))
    }

    /// Begins to publish, also again after a refusal: [`Said::Ready`] follows. Numbers go on.
    pub(crate) fn begin_publishing(&mut self, out: &mut BytesMut, said: &mut impl Extend<Said>) {
        match self {
            Conversation::Amqp091(it) => it.begin_publishing(out),
            Conversation::Amqp10(it) => it.begin_publishing(out, said),
        }
    }

    /// Declares, binds and consumes: [`Said::Ready`] follows.
    pub(crate) fn begin_consuming(
        &mut self,
        subscription: &Subscription,
        out: &mut BytesMut,
    ) -> Result<(), Refusal> {
        ask!(self, it => it.begin_consuming(subscription, out))
    }

    /// Declares a durable queue, for a publisher: [`Said::Declared`] follows.
    pub(crate) fn declare(
        &mut self,
        queue: &str,
        length_max: Option<u32>,
        out: &mut BytesMut,
        said: &mut impl Extend<Said>,
    ) {
        match self {
            Conversation::Amqp091(it) => it.declare(queue, length_max, out),
            Conversation::Amqp10(it) => it.declare(queue, length_max, out, said),
        }
    }

    /// Publishes.
    pub(crate) fn publish(&mut self, message: &Message, out: &mut BytesMut) -> Sent {
        ask!(self, it => it.publish(message, out))
    }

    /// Says what becomes of the message that came under this number.
    pub(crate) fn settle(&mut self, number: u64, verdict: Verdict, out: &mut BytesMut) {
        ask!(self, it => it.settle(number, verdict, out));
    }

    /// The queue it consumes from, for messages.
    pub(crate) fn queue(&self) -> &str {
        ask!(self, it => it.queue())
    }

    /// The bus takes nothing for want of memory or disk (RabbitMQ: `connection.blocked`; in AMQP
    /// 1.0 it gives no credit).
    pub(crate) fn is_blocked(&self) -> bool {
        ask!(self, it => it.is_blocked())
    }

    /// Says goodbye: the bus's answer is the [`Ending`].
    pub(crate) fn close(&mut self, out: &mut BytesMut) {
        ask!(self, it => it.close(out));
    }
}
