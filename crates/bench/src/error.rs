//! What may go wrong, each with what it was and the mend.

use std::io;

/// Why a run ended without figures.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The parameters contradict each other, or the target cannot do what they ask for.
    #[error("{0}")]
    Wrong(String),
    /// Nobody answers there.
    #[error("{target}: {reason}; is the broker running, and is the URL right?")]
    Unreachable {
        /// The URL without its password.
        target: String,
        /// The system's words.
        reason: String,
    },
    /// The broker said no.
    #[error("{doing}: the broker refused: {text}")]
    Refused {
        /// What was asked of it.
        doing: String,
        /// Its words.
        text: String,
    },
    /// The connection ended in the middle.
    #[error("{doing}: the connection is lost: {source}; see the broker's log")]
    Lost {
        /// What was under way.
        doing: String,
        /// The system's words.
        source: io::Error,
    },
    /// The broker said something that the protocol does not allow.
    #[error("{doing}: not understood: {text}")]
    Broken {
        /// What was under way.
        doing: String,
        /// What is wrong with it.
        text: String,
    },
    /// Something of this machine.
    #[error("{doing}: {source}")]
    System {
        /// What was asked of it.
        doing: String,
        /// Its words.
        source: io::Error,
    },
    /// Somebody asked it to end.
    #[error("stopped before it was done")]
    Stopped,
}

impl Error {
    pub(crate) fn lost(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        |source| Error::Lost { doing: doing.into(), source }
    }

    pub(crate) fn broken(doing: impl Into<String>, text: impl ToString) -> Error {
        Error::Broken { doing: doing.into(), text: text.to_string() }
    }
}
