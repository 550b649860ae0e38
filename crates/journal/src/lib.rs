//! The durable log: segments, group commit, recovery, reclaim.
