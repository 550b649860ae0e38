//! A binding: from an exchange to a queue or another exchange, under a key.

use std::{fmt, sync::Arc};

use bytestring::ByteString;

use crate::{Arguments, Queue, queue::QueueId};

/// Where a binding leads.
#[derive(Clone)]
pub enum Destination {
    /// To a queue.
    Queue(Arc<Queue>),
    /// To another exchange, by name.
    Exchange(ByteString),
}

impl Destination {
    /// Its name with its kind: the same after a restart, and of a queue declared again.
    pub(crate) fn stable_name(&self) -> String {
        match self {
            Destination::Queue(queue) => format!("q {}", queue.name()),
            Destination::Exchange(name) => format!("x {name}"),
        }
    }

    pub(crate) fn key(&self) -> DestinationKey {
        match self {
            Destination::Queue(queue) => DestinationKey::Queue(queue.id()),
            Destination::Exchange(name) => DestinationKey::Exchange(name.clone()),
        }
    }
}

impl PartialEq for Destination {
    fn eq(&self, other: &Destination) -> bool {
        match (self, other) {
            (Destination::Queue(a), Destination::Queue(b)) => a.id() == b.id(),
            (Destination::Exchange(a), Destination::Exchange(b)) => a == b,
            _ => false,
        }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Queue(queue) => write!(f, "queue {:?}", queue.name()),
            Destination::Exchange(name) => write!(f, "exchange {name:?}"),
        }
    }
}

/// A destination's identity, for maps. A queue declared again under an old name is another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum DestinationKey {
    Queue(QueueId),
    Exchange(ByteString),
}

/// One binding of an exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// Where it leads.
    pub destination: Destination,
    /// The binding key: an exact key, a pattern, or not read, as the exchange's kind has it.
    pub key: ByteString,
    /// What a headers exchange matches.
    pub arguments: Arguments,
}
