//! Why the broker refuses, in words that every protocol can say.

use std::fmt;

/// What kind of refusal it is. Each protocol adapter has its own code for each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No such queue, exchange or virtual host (0-9-1: 404).
    NotFound,
    /// Not allowed to this user, or to anybody (403).
    AccessRefused,
    /// It belongs to another connection (405).
    ResourceLocked,
    /// It is there, but not as asked for (406).
    PreconditionFailed,
    /// A rule of the protocol is broken in a way that ends the connection (530).
    NotAllowed,
    /// The kind of queue does not do that (540).
    NotImplemented,
    /// A limit of the broker is reached (506).
    ResourceError,
    /// There is no space on disk: it may be tried again (506).
    DiskFull,
    /// The broker cannot do its work: the journal failed (541).
    Internal,
}

/// A refusal: what was refused, and why. The texts are RabbitMQ's where clients depend on them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    /// The kind, which decides the protocol's code and reach.
    pub kind: Kind,
    /// One sentence for the peer.
    pub text: String,
}

impl Error {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Error {
        Error { kind, text: text.into() }
    }

    pub(crate) fn not_found(what: Resource<'_>) -> Error {
        Error::new(Kind::NotFound, format!("no {what}"))
    }

    /// Of an administrator's request; a client that connects is told it in RabbitMQ's words.
    pub(crate) fn no_vhost(name: &str) -> Error {
        let text = format!("there is no virtual host '{name}'; create it first, or see which are");
        Error::new(Kind::NotFound, text)
    }

    pub(crate) fn precondition(text: impl Into<String>) -> Error {
        Error::new(Kind::PreconditionFailed, text)
    }

    pub(crate) fn without_message() -> Error {
        Error::new(Kind::Internal, "an entry without message and position")
    }

    pub(crate) fn not_implemented(text: impl Into<String>) -> Error {
        Error::new(Kind::NotImplemented, text)
    }

    pub(crate) fn refused(text: impl Into<String>) -> Error {
        Error::new(Kind::AccessRefused, text)
    }
}

impl From<journal::Error> for Error {
    fn from(error: journal::Error) -> Error {
        match error {
            journal::Error::Full { .. } => Error::new(Kind::DiskFull, error.to_string()),
            _ => Error::new(Kind::Internal, format!("the journal failed: {error}")),
        }
    }
}

/// A queue or exchange as refusals name it: `queue 'q' in vhost '/'`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resource<'a> {
    pub(crate) kind: &'static str,
    pub(crate) name: &'a str,
    pub(crate) vhost: &'a str,
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}' in vhost '{}'", self.kind, self.name, self.vhost)
    }
}
