//! Why a text is no selector: where, what was found, what was expected, and the mend.

use crate::limits::{DEPTH_MAX, NODES_MAX, TEXT_MAX};

/// A text that is no selector. Columns count characters, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is too long.
    #[error("the selector has {length} octets, more than {TEXT_MAX}; filter by fewer values")]
    TooLong {
        /// Octets of the text.
        length: usize,
    },
    /// There are too many literals, names and operators.
    #[error(
        "column {column}: more than {NODES_MAX} values and operators; filter by fewer values, or \
         let the publisher set one property for them"
    )]
    TooMany {
        /// Where the first one too many is.
        column: usize,
    },
    /// Operators or parentheses lie too deep in each other.
    #[error("column {column}: nested deeper than {DEPTH_MAX}; take out parentheses or operators")]
    TooDeep {
        /// Where the first one too deep is.
        column: usize,
    },
    /// Something else was expected here.
    #[error("column {column}: found {found}, expected {expected}; {mend}")]
    Unexpected {
        /// Where it is.
        column: usize,
        /// What is there.
        found: String,
        /// What should be.
        expected: &'static str,
        /// What to do about it.
        mend: &'static str,
    },
    /// A string or a delimited identifier has no end.
    #[error(
        "column {column}: what {opens} opens has no end; close it, or double it where it is meant"
    )]
    Unclosed {
        /// Where it begins.
        column: usize,
        /// The character that begins it.
        opens: char,
    },
    /// A number cannot be read.
    #[error("column {column}: the number {text} {reason}")]
    Number {
        /// Where it begins.
        column: usize,
        /// The number as written.
        text: String,
        /// What is wrong, and the mend.
        reason: &'static str,
    },
    /// An identifier names nothing that a message can have.
    #[error("column {column}: the name {name} {reason}")]
    Name {
        /// Where it is.
        column: usize,
        /// The identifier as written.
        name: String,
        /// What is wrong, and the mend.
        reason: &'static str,
    },
    /// The pattern of a `LIKE` cannot be used.
    #[error("column {column}: the pattern of LIKE {reason}")]
    Pattern {
        /// Where its literal begins.
        column: usize,
        /// What is wrong, and the mend.
        reason: &'static str,
    },
}
