//! What keeps a notifier from starting. Once it runs, nothing ends it but its shutdown.

/// The settings cannot be what was meant. Every line names the key, what is wrong and the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// All that is wrong with the settings, one line each.
    #[error("{}", .0.join("\n"))]
    Settings(Vec<String>),
    /// The certificates to trust cannot be used.
    #[error(
        "notify.mail: TLS to {host} cannot be set up: {reason}; check notify.mail.ca_file and the host name"
    )]
    Tls {
        /// The mail server.
        host: String,
        /// What the TLS library said.
        reason: String,
    },
    /// The store of rules cannot be read.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}
