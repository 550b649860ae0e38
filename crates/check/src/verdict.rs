//! Broken promises, each a sentence that names publisher, sequence and queue.

use std::fmt;

use crate::{MessageId, Thing};

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A message that had to be in a queue was not.
    Lost {
        /// Which.
        message: MessageId,
        /// Where it had to be.
        queue: String,
        /// Why it had to be there.
        because: &'static str,
    },
    /// A delivery of something that nobody published, or not to that queue.
    Invented {
        /// Which, if it says so.
        message: Option<MessageId>,
        /// Where it came from.
        queue: String,
        /// Why nobody published it.
        because: String,
    },
    /// A delivery whose body is not what was published.
    Altered {
        /// Which.
        message: MessageId,
        /// Where it came from.
        queue: String,
    },
    /// A first delivery behind one that was published later.
    OutOfOrder {
        /// Which.
        message: MessageId,
        /// Where it came from.
        queue: String,
        /// To whom.
        consumer: String,
        /// The sequence of the same publisher that came before it.
        after: u64,
    },
    /// A delivery that is not the first and does not say so.
    UnmarkedRedelivery {
        /// Which.
        message: MessageId,
        /// Where it came from.
        queue: String,
    },
    /// A delivery of something that was done with, durably.
    RedeliveredAfterSettle {
        /// Which.
        message: MessageId,
        /// Where it came from.
        queue: String,
    },
    /// A delivery of a message that went with its queue.
    Resurrected {
        /// Which.
        message: MessageId,
        /// The name of the queue that was deleted.
        queue: String,
    },
    /// A confirm that came before an earlier message's, or twice, or for nothing.
    FalseConfirm {
        /// Which.
        message: MessageId,
        /// What is wrong with it.
        because: String,
    },
    /// A message came back as unroutable, and a queue was bound.
    FalseReturn {
        /// Which.
        message: MessageId,
        /// Where it had to go.
        queue: String,
    },
    /// A thing that was deleted is there again.
    ThingResurrected {
        /// What.
        thing: Thing,
    },
    /// What is declared is not what should be.
    TopologyMismatch {
        /// What.
        thing: Thing,
        /// What is wrong.
        because: &'static str,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Lost { message, queue, because } => {
                write!(f, "lost: {message} {because} and is not in queue {queue}")
            }
            Verdict::Invented { message: Some(message), queue, because } => {
                write!(f, "invented: {message} came from queue {queue}, and {because}")
            }
            Verdict::Invented { message: None, queue, because } => {
                write!(f, "invented: something came from queue {queue}: {because}")
            }
            Verdict::Altered { message, queue } => {
                write!(f, "altered: {message} came from queue {queue} with another body")
            }
            Verdict::OutOfOrder { message, queue, consumer, after } => write!(
                f,
                "out of order: {message} came from queue {queue} to consumer {consumer} for the \
                 first time after message {after} of the same publisher"
            ),
            Verdict::UnmarkedRedelivery { message, queue } => write!(
                f,
                "unmarked redelivery: {message} came from queue {queue} again and was not marked"
            ),
            Verdict::RedeliveredAfterSettle { message, queue } => write!(
                f,
                "redelivered after settle: {message} came from queue {queue} again, and its \
                 acknowledgement had been durable"
            ),
            Verdict::Resurrected { message, queue } => write!(
                f,
                "resurrected: {message} came from queue {queue}, and went when a queue of that \
                 name was deleted"
            ),
            Verdict::FalseConfirm { message, because } => {
                write!(f, "false confirm: {message} was confirmed, and {because}")
            }
            Verdict::FalseReturn { message, queue } => {
                write!(f, "false return: {message} was unroutable, and queue {queue} was bound")
            }
            Verdict::ThingResurrected { thing } => {
                write!(f, "resurrected: {thing} was deleted and is there again")
            }
            Verdict::TopologyMismatch { thing, because } => {
                write!(f, "topology mismatch: {thing} {because}")
            }
        }
    }
}
