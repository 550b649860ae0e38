//! What can go wrong between a service and its bus. Every variant names the bus and the mend.

/// A failure to reach or use the bus, or the spool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Placeholder until the variants are written.
    #[error("{0}")]
    Other(String),
}
