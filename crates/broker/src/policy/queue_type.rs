//! The types of queue, as far as they decide what may be said of one.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// `x-queue-type`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum QueueType {
    /// An ordinary queue.
    #[default]
    Classic,
    /// One that counts deliveries; kept by one node here.
    Quorum,
    /// A log that is read and not emptied.
    Stream,
}

impl QueueType {
    /// All of them.
    pub const ALL: &[QueueType] = &[QueueType::Classic, QueueType::Quorum, QueueType::Stream];

    /// The word in `x-queue-type`.
    pub fn name(self) -> &'static str {
        match self {
            QueueType::Classic => "classic",
            QueueType::Quorum => "quorum",
            QueueType::Stream => "stream",
        }
    }

    /// What RabbitMQ's refusals call it.
    pub(crate) fn module(self) -> &'static str {
        match self {
            QueueType::Classic => "rabbit_classic_queue",
            QueueType::Quorum => "rabbit_quorum_queue",
            QueueType::Stream => "rabbit_stream_queue",
        }
    }
}

impl fmt::Display for QueueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no queue type of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unsupported queue type '{0}'")]
pub struct UnknownQueueType(pub String);

impl FromStr for QueueType {
    type Err = UnknownQueueType;

    fn from_str(name: &str) -> Result<QueueType, UnknownQueueType> {
        let known = QueueType::ALL.iter().find(|it| it.name() == name);
        known.copied().ok_or_else(|| UnknownQueueType(name.to_owned()))
    }
}
