//! Who owns exclusive queues.

/// A connection, by a number that is never used twice while the broker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u64);
