//! What can go wrong with the store.

use crate::rule::Fault;

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The rule is wrong: everything that is, one line each.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Rule(Vec<Fault>),
    /// It cannot be kept as asked; what, why and the mend.
    #[error("{0}")]
    Refused(String),
    /// Something that was kept cannot be read any more.
    #[error("{what} as it is kept cannot be read: {reason}; save it again")]
    Kept {
        /// Which.
        what: String,
        /// Why.
        reason: String,
    },
    /// The database's own words.
    #[error("the store of rules: {0}")]
    Database(String),
}
