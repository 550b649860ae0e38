//! The history checker: what was confirmed, delivered, lost? Used by every crash test.
//!
//! A history is what publishers and consumers of a bus saw, in order: [`Event`]s. Each message
//! carries who sent it and as which one ([`Body`]), so a delivery speaks for itself. [`judge`]
//! reads a history and gives a [`Report`]: the promises that were broken, each as a sentence, and
//! counts. A run that did too little to mean anything is invalid rather than passed ([`Minimum`]).
//!
//! Histories are lines of JSON ([`Recorder`], [`read`]), so that any process in any language can
//! write one, and what it wrote survives it. Nothing here knows a broker, a protocol or a clock.
//!
//! What is promised, for a message that was confirmed, in each queue that took it: it is delivered,
//! as it was sent; for the first time in the order of its publisher; marked when it may have been
//! delivered before; and never again once its acknowledgement is durable. What was declared is
//! there after a crash, and what was deleted is not.
//!
//! ```
//! use check::{Body, Event, Hash, MessageId, Minimum, Record, judge};
//!
//! let message = MessageId { publisher: 1, sequence: 1 };
//! let body = Body::new(message, 100);
//! let hash = Hash::of(body.bytes());
//! let queue = || "q".to_owned();
//! let history = [
//!     Event::Attempt { message, hash, queues: vec![queue()], persistent: true },
//!     Event::Confirm { message },
//!     Event::Crash,
//!     Event::Drained { queue: queue() },
//! ];
//! let report = judge(history.map(Record::from), &Minimum::confirmed(1));
//! assert_eq!(
//!     report.verdicts[0].to_string(),
//!     "lost: message 1 of publisher 1 was confirmed and is not in queue q"
//! );
//! ```
#![forbid(unsafe_code)]

mod body;
mod checker;
mod copies;
mod event;
mod history;
mod report;
mod standing;
mod verdict;
mod workload;

pub use body::{Body, Hash, Unreadable};
pub use checker::{Checker, judge};
pub use event::{Event, MessageId, Record, Thing};
pub use history::{HistoryError, Recorder, read};
pub use report::{Minimum, Report};
pub use verdict::Verdict;
pub use workload::{Choice, Planned, Workload, WorkloadOptions};
