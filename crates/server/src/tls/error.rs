//! What can be wrong with the files of TLS.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// A file that TLS needs is no good. Shown, it says which and the mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be read.
    #[error("{}: cannot be read: {source}; correct the path under amqp.tls, or let the user of the server read it", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A private key that everybody on the machine may read or replace.
    #[error("{0}: everybody on this machine may read or write this private key; forbid it with: chmod o= {0}", .path.display())]
    OpenKey {
        /// Which.
        path: PathBuf,
    },
    /// It does not hold what it should.
    #[error("{}: is not {wanted}: {reason}", .path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is expected there.
        wanted: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The two do not belong together.
    #[error("{}: is not the key of the certificate {}; name the two that were made together", .key.display(), .certificate.display())]
    KeyMismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// A client that asks for the name would refuse the certificate.
    #[error("{}: is not valid for '{name}', for which amqp.tls.name has it; a certificate's names are its subjectAltName", .certificate.display())]
    WrongName {
        /// The name.
        name: String,
        /// The certificate.
        certificate: PathBuf,
    },
    /// Two certificates for one name.
    #[error("amqp.tls.name: '{name}' is there twice; leave one out")]
    SameName {
        /// The name.
        name: String,
    },
    /// The cryptography is not usable.
    #[error("TLS cannot be set up: {0}")]
    Provider(rustls::Error),
}

impl Error {
    pub(super) fn pem(path: &Path, wanted: &'static str, reason: impl fmt::Display) -> Error {
        Error::Content { path: path.to_owned(), wanted, reason: reason.to_string() }
    }
}
