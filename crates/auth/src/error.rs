//! What can be wrong with the users, and why a login is refused.

use std::{io, path::PathBuf, time::Duration};

/// The users could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A limit that a user cannot have.
    #[error("{reason}")]
    Limit {
        /// What is wrong with it.
        reason: String,
    },
    /// The users file could not be read or written.
    #[error("{}: cannot {doing}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The users file is damaged or of a newer version.
    #[error("{}: {reason}", .path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// What is wrong and where.
        reason: String,
    },
    /// The name cannot be a user's.
    #[error("user name '{name}' {reason}")]
    Name {
        /// The name, shortened.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The password cannot be one.
    #[error("the password {reason}")]
    Password {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A password's hash cannot be taken over.
    #[error("the password_hash {reason}")]
    PasswordHash {
        /// What is wrong with it, and the mend.
        reason: String,
    },
    /// The word cannot be a tag.
    #[error("tag '{tag}' {reason}")]
    Tag {
        /// The word, shortened.
        tag: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// One of many users that were to be imported cannot be; none was.
    #[error("user '{name}' cannot be imported: {source}; nothing was imported")]
    Import {
        /// The name, shortened.
        name: String,
        /// Why not.
        source: Box<Error>,
    },
    /// There is a user of this name already.
    #[error("user '{name}' exists already; change the password with: tubepost user passwd {name}")]
    Exists {
        /// The name.
        name: String,
    },
    /// There is no user of this name.
    #[error("there is no user '{name}'; see: tubepost user list")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The system gave no randomness.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// A password could not be hashed.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

/// Why a login was refused, for the server's log. A peer is told no more than that it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// No such user, or not this password.
    #[error(
        "login of '{name}' refused: no such user, or another password; see: tubepost user list"
    )]
    Credentials {
        /// The name as given, shortened.
        name: String,
    },
    /// Too many failed; this one was not looked at.
    #[error(
        "login of '{name}' refused unseen: too many failed before it from there; the next is looked at in {} s",
        .wait.as_secs().max(1)
    )]
    TooManyFailures {
        /// The name as given, shortened.
        name: String,
        /// How long until one is looked at again.
        wait: Duration,
    },
    /// Somebody else vouched for a name, a certificate for example, and there is no such user.
    #[error(
        "login of '{name}' refused: there is no such user; create one with: tubepost user add '{name}' --no-password"
    )]
    NoSuchUser {
        /// The name as given, shortened.
        name: String,
    },
    /// With SCRAM, and nothing is kept of their password that it can be judged by.
    #[error(
        "login of '{name}' refused: nothing is kept of their password for SCRAM yet; it is after a login with PLAIN, or after: tubepost user passwd '{name}'"
    )]
    NoVerifier {
        /// The name as given, shortened.
        name: String,
    },
    /// The built-in guest, from elsewhere.
    #[error(
        "login of 'guest' refused: it works on this machine only; create a user with: tubepost user add"
    )]
    GuestFromElsewhere,
}
