//! Which operations a simulated disk refuses.

use std::io;

/// Operations that are refused, and how.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// The first that is refused, counted from 1; only operations that `hits` names are counted.
    pub from: u64,
    /// All from there on, rather than that one.
    pub for_ever: bool,
    /// What the program is told: `Other` stands for EIO, `StorageFull` for ENOSPC.
    pub kind: io::ErrorKind,
    /// Which operations are counted and refused.
    pub hits: Hits,
}

/// Operations that a fault counts and refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hits {
    /// Every one.
    All,
    /// Syncs of files and of directories.
    Syncs,
    /// Reads.
    Reads,
    /// What needs space: creating and reserving.
    Growing,
    /// What a full disk without reserved space refuses: creating, reserving and writing.
    Space,
}

/// What a program asks of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Look,
    Read,
    Create,
    Reserve,
    Write,
    Sync,
    Rename,
    Remove,
}

impl Hits {
    pub(crate) fn hits(self, operation: Operation) -> bool {
        let grows = matches!(operation, Operation::Create | Operation::Reserve);
        match self {
            Hits::All => true,
            Hits::Syncs => operation == Operation::Sync,
            Hits::Reads => operation == Operation::Read,
            Hits::Growing => grows,
            Hits::Space => grows || operation == Operation::Write,
        }
    }
}
