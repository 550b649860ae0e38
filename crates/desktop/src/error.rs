//! What keeps a session from beginning. Once it shows notices, nothing ends it but its shutdown.

/// Why no notice can be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no session bus, or nobody shows notifications on it.
    #[error(
        "no notifications can be shown: {0}; run this inside a desktop session with a \
         notification daemon"
    )]
    Daemon(String),
    /// The bus of events cannot be reached, or refuses the person's queue.
    #[error("{0}")]
    Bus(#[from] client::Error),
}
