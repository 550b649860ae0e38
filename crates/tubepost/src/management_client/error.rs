//! Why a call of the API did not do what it was for.

use std::{io, path::PathBuf};

use super::refusal::Refusal;

/// What went wrong; each reads `what: where; mend`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The socket of the data directory leads nowhere.
    #[error("management socket {}: {}", path.display(), socket_story(source))]
    Socket {
        /// Where it should be.
        path: PathBuf,
        /// Of the connect.
        source: io::Error,
    },
    /// The host is not reached, or the connection broke.
    #[error("{at}: {why}")]
    Unreachable {
        /// The API's address.
        at: String,
        /// With the mend.
        why: String,
    },
    /// No connection, or no answer, in time.
    #[error("{at}: no answer within {seconds} s; see whether the server is busy, or its log")]
    Late {
        /// The API's address.
        at: String,
        /// How long it was waited.
        seconds: u64,
    },
    /// The answer is too large to hold.
    #[error("{at}: the answer has more than {max} bytes; ask for less, such as one virtual host")]
    Large {
        /// The API's address.
        at: String,
        /// In bytes.
        max: usize,
    },
    /// Somebody else answers there.
    #[error("{at}: is no management API, {what}; RabbitMQ and Tubepost have it on port 15672")]
    Foreign {
        /// The API's address.
        at: String,
        /// What it answered.
        what: String,
    },
    /// The API says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

fn socket_story(error: &io::Error) -> String {
    let elsewhere = "name its data directory with --data-dir, or another broker with --url";
    match error.kind() {
        io::ErrorKind::NotFound => {
            format!("is not there; start tubepost serve, {elsewhere}")
        }
        io::ErrorKind::ConnectionRefused => {
            format!("the server is not running; start tubepost serve, {elsewhere}")
        }
        io::ErrorKind::PermissionDenied => {
            format!("may not be opened; run as the user of the server, {elsewhere}")
        }
        _ => format!("cannot be connected to: {error}; {elsewhere}"),
    }
}
