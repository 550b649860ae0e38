//! What is seen of a bus from outside: by publishers, by consumers, by whoever declares things,
//! and by whoever pulls the plug.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Hash;

/// A message's name: who published it, and as which one. A publisher is one channel: its messages
/// have growing sequences, and one that is sent again keeps its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageId {
    /// The publisher.
    pub publisher: u32,
    /// From 1 on.
    pub sequence: u64,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of publisher {}", self.sequence, self.publisher)
    }
}

/// A thing that is declared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    /// A queue, by name.
    Queue(String),
    /// An exchange, by name.
    Exchange(String),
    /// A binding.
    Binding {
        /// The exchange it leads from.
        source: String,
        /// The queue or exchange it leads to.
        destination: Box<Thing>,
        /// Its key, and whatever else tells it from others.
        key: String,
    },
}

impl Thing {
    /// Whether this is a binding from or to `other`, and so goes with it.
    pub(crate) fn hangs_on(&self, other: &Thing) -> bool {
        match self {
            Thing::Binding { source, destination, .. } => {
                **destination == *other || matches!(other, Thing::Exchange(name) if name == source)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thing::Queue(name) => write!(f, "queue {name}"),
            Thing::Exchange(name) => write!(f, "exchange {name}"),
            Thing::Binding { source, destination, key } => {
                write!(f, "the binding of {destination} to exchange {source} by {key:?}")
            }
        }
    }
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A message is about to be published. Written before it is sent.
    Attempt {
        /// Which.
        #[serde(flatten)]
        message: MessageId,
        /// Of its body.
        hash: Hash,
        /// The queues it has to reach, by what was bound.
        queues: Vec<String>,
        /// It asked to survive a restart.
        persistent: bool,
    },
    /// The broker took it (`basic.ack` to the publisher).
    Confirm {
        /// Which.
        #[serde(flatten)]
        message: MessageId,
    },
    /// The broker refused it (`basic.nack` to the publisher): it may be there or not.
    Nack {
        /// Which.
        #[serde(flatten)]
        message: MessageId,
    },
    /// The broker found no queue for it (`basic.return`).
    Return {
        /// Which.
        #[serde(flatten)]
        message: MessageId,
    },
    /// A consumer got it.
    Deliver {
        /// Which: what its `message-id` says or, where it has none, its body.
        #[serde(flatten)]
        message: MessageId,
        /// From this queue.
        queue: String,
        /// Who got it: order is promised to each consumer for itself.
        consumer: String,
        /// Of the body that came.
        hash: Hash,
        /// It was marked as perhaps delivered before.
        redelivered: bool,
    },
    /// A consumer got something that is no message of any publisher.
    Unreadable {
        /// From this queue.
        queue: String,
        /// Of the body that came.
        hash: Hash,
        /// What is wrong with it.
        reason: String,
    },
    /// The consumer is done with it.
    Ack {
        /// Which.
        #[serde(flatten)]
        message: MessageId,
        /// From this queue.
        queue: String,
    },
    /// Its acknowledgement survives whatever happens now.
    AckDurable {
        /// Which.
        #[serde(flatten)]
        message: MessageId,
        /// From this queue.
        queue: String,
    },
    /// The consumer gave it back, to be delivered again.
    Requeue {
        /// Which.
        #[serde(flatten)]
        message: MessageId,
        /// To this queue.
        queue: String,
    },
    /// It was rejected or expired, and has to be in other queues now. [`Event::AckDurable`] says
    /// that this survives.
    DeadLetter {
        /// Which.
        #[serde(flatten)]
        message: MessageId,
        /// From this queue.
        queue: String,
        /// To these; none if the queue has no dead-letter exchange.
        to: Vec<String>,
    },
    /// All that was ready in the queue was dropped by command.
    Purged {
        /// Which queue.
        queue: String,
    },
    /// A consumer of the queue ended, and nobody knows what was on its way to it.
    ConsumerLost {
        /// Which queue.
        queue: String,
    },
    /// The queue said that it has nothing more to give, and all it gave was seen.
    Drained {
        /// Which queue.
        queue: String,
    },
    /// About to declare. Written before it is asked for.
    Declaring {
        /// What.
        thing: Thing,
        /// It is to survive a crash.
        durable: bool,
    },
    /// It was declared: the broker said so.
    Declared {
        /// What.
        thing: Thing,
        /// It survives a crash.
        durable: bool,
    },
    /// About to delete. Written before it is asked for.
    Deleting {
        /// What.
        thing: Thing,
    },
    /// It was deleted, by command or with the last that held it; bindings from and to it, too.
    Deleted {
        /// What.
        thing: Thing,
    },
    /// The broker refused to declare or delete it, and nothing has changed.
    Refused {
        /// What.
        thing: Thing,
    },
    /// The broker ended without warning. What follows was seen after its next start.
    Crash,
    /// All that is declared now.
    Found {
        /// All of it, but for what every broker has.
        things: Vec<Thing>,
    },
    /// The broker reported damage on its medium: it excuses one message.
    Damage {
        /// The broker's words.
        what: String,
    },
}

/// An event with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Microseconds on a clock that only goes forward, the same for all of a history; 0 where there
    /// is none.
    pub at_us: u64,
    /// What was seen.
    #[serde(flatten)]
    pub event: Event,
}

impl From<Event> for Record {
    /// An event of a run without a clock.
    fn from(event: Event) -> Record {
        Record { at_us: 0, event }
    }
}
