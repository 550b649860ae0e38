//! Queue indexes on disk: what of a long queue does not stay in memory, and the checkpoint that a
//! restart begins with.
//!
//! An index is a cache of what the journal says. Losing it costs the time to read the journal from
//! its beginning, and never a message; so nothing here is synced but the checkpoint and what it
//! names. Some that were settled may then come again, marked as redelivered: what said so may be
//! deleted already.

mod checkpoint;
mod chunk;
mod chunks;

pub(crate) use checkpoint::{Checkpoint, CheckpointPart, QueueCheckpoint, Unusable};
pub(crate) use chunk::{Chunk, Row, Slot};
pub(crate) use chunks::{Chunks, Unreadable};
