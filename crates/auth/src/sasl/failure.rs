//! Why a login failed: for the log, and what of it a peer may know.

use super::{Mechanism, ServerError};
use crate::{
    Refused,
    scram::{Fault, Hash},
};

/// Why a login failed, for the server's log; nothing in it is a secret. A peer is told no more than
/// [`Failure::server_error`], and that only by SCRAM.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Not one of the mechanisms.
    #[error("mechanism '{mechanism}' is not offered")]
    NotOffered {
        /// What the client wanted, shortened.
        mechanism: String,
    },
    /// By certificate, and without one.
    #[error(
        "mechanism EXTERNAL is for clients with a certificate, and this one showed none: give it \
         one, over TLS, with amqp.tls.client_certificate = \"optional\" or \"required\""
    )]
    NoCertificate,
    /// A certificate that names nobody.
    #[error("{reason}")]
    Nameless {
        /// What is wrong with it.
        reason: String,
    },
    /// The message is not one of the mechanism.
    #[error("malformed {mechanism} response: {problem}")]
    Malformed {
        /// Which.
        mechanism: Mechanism,
        /// What is wrong, without what it says.
        problem: &'static str,
        /// The mechanism's own word for it.
        error: Option<ServerError>,
    },
    /// The password is no text.
    #[error("the password is not UTF-8")]
    Password,
    /// Nobody acts as another (SASL's authorization identity).
    #[error("login of '{name}' refused: it wants to act as '{other}', and nobody acts as another")]
    Acting {
        /// Who logs in, shortened.
        name: String,
        /// As whom, shortened.
        other: String,
    },
    /// The message is longer than any.
    #[error("the login's message has more than 4096 bytes")]
    TooLong,
    /// A message after the last one, or while the last one is being checked.
    #[error("a message of the login came out of turn")]
    OutOfTurn,
    /// No such user, not this password, or too many of these.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The same, of a proof.
    #[error("{refused}")]
    Proof {
        /// Why.
        refused: Refused,
    },
    /// The system gave no randomness; a later login may be better.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl Failure {
    pub(super) fn scram(hash: Hash, Fault { problem, error }: Fault) -> Failure {
        let mechanism = match hash {
            Hash::Sha256 => Mechanism::ScramSha256,
            Hash::Sha512 => Mechanism::ScramSha512,
        };
        Failure::Malformed { mechanism, problem, error: Some(error) }
    }

    pub(super) fn acting(name: &str, other: &str) -> Failure {
        let shortened = |text: &str| text.chars().take(80).collect();
        Failure::Acting { name: shortened(name), other: shortened(other) }
    }

    /// SCRAM's word for it (RFC 5802 §7, `e=`), for a protocol that can send one with a failure. It
    /// is the same for a user who is not there as for another password.
    pub fn server_error(&self) -> Option<ServerError> {
        match self {
            Failure::Malformed { error, .. } => *error,
            Failure::Proof { .. } => Some(ServerError::InvalidProof),
            _ => None,
        }
    }

    /// Whether the same login may do better a moment later: it was not looked at.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Failure::Random(_))
    }
}
