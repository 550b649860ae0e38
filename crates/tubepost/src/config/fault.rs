//! What is wrong with a setting, and where it was said.

use std::{fmt, path::PathBuf};

/// Where a setting's text came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag of the command line, with its dashes.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// A line of the configuration file, counted from 1, and the key there.
    File {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The dotted key.
        key: String,
    },
    /// Nobody said it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(flag) => f.write_str(flag),
            Origin::Variable(variable) => f.write_str(variable),
            Origin::File { path, line, key } => write!(f, "{}:{line}: {key}", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// One thing wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}{}", excerpt_below(.excerpt))]
pub(crate) struct Fault {
    /// The flag, variable, or file with line and column.
    pub(crate) place: String,
    /// What is wrong and what was expected.
    pub(crate) problem: String,
    /// The line of the file with a mark under the place.
    pub(crate) excerpt: Option<String>,
}

impl Fault {
    /// A fault at an origin.
    pub(crate) fn at(origin: &Origin, problem: impl Into<String>) -> Fault {
        Fault { place: origin.to_string(), problem: problem.into(), excerpt: None }
    }
}

fn excerpt_below(excerpt: &Option<String>) -> String {
    excerpt.as_ref().map(|excerpt| format!("\n{excerpt}")).unwrap_or_default()
}
