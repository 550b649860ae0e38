//! Why definitions are not taken.

use std::fmt;

/// Nothing, or not all, was imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is no definitions document.
    #[error("the definitions cannot be read: at {path}: {reason}; nothing was imported")]
    Unreadable {
        /// Where in the document.
        path: String,
        /// What is wrong there.
        reason: String,
    },
    /// It is one, and cannot be so.
    #[error("the definitions cannot be imported, and nothing was: {}", listed(.0))]
    Invalid(Vec<Fault>),
    /// The users cannot be changed.
    #[error("the users cannot be imported, and nothing was: {0}")]
    Users(#[from] auth::Error),
    /// It stopped in the middle: what comes before in the document is there. It can be imported
    /// again when the reason is mended.
    #[error(
        "the import stopped at {what}: {source}; what comes before it is imported, and it can be done again"
    )]
    Stopped {
        /// At what.
        what: String,
        /// Why.
        source: broker::Error,
    },
}

/// What is wrong with one thing of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which: `queues[3] 'jobs' in vhost '/'`.
    pub what: String,
    /// Why it cannot be.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.reason.trim_end())
    }
}

/// The first few, and how many more.
fn listed(faults: &[Fault]) -> String {
    let mut lines: Vec<String> = faults.iter().take(LISTED_MAX).map(Fault::to_string).collect();
    if faults.len() > LISTED_MAX {
        lines.push(format!("and {} more", faults.len() - LISTED_MAX));
    }
    lines.join("\n")
}

const LISTED_MAX: usize = 20;
