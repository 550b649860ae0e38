//! Who delivers a spool, and who has its outbox: the one process that holds the lock on a file in
//! it.

use std::{
    fs,
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
};

use rustix::fs::FlockOperation;

use crate::{Error, Spool};

/// What is locked. Two, because a service without an agent delivers the spool, and must not keep an
/// agent that comes later from taking events over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The hand-overs in the directory.
    Spool,
    /// The outbox.
    Outbox,
}

/// Held while delivering. The kernel lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct DeliveryLock(fs::File);

impl DeliveryLock {
    /// The lock, or the pid of its holder (0 when it has not been written yet).
    pub(crate) fn try_acquire(spool: &Spool, of: Of) -> Result<Result<DeliveryLock, u32>, Error> {
        let path = spool.directory().join(match of {
            Of::Spool => "delivery.lock",
            Of::Outbox => "outbox.lock",
        });
        let fault = |error| Error::spool(&path, "lock", error);
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(fault)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                write_pid(&mut file).map_err(fault)?;
                Ok(Ok(DeliveryLock(file)))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // The pid is for the log; without it there is less to say.
                let _ = file.read_to_string(&mut text);
                Ok(Err(text.trim().parse().unwrap_or(0)))
            }
            Err(errno) => Err(fault(errno.into())),
        }
    }

    /// Lets go. Dropping does the same.
    pub(crate) fn release(self) {
        drop(self.0);
    }
}

fn write_pid(file: &mut fs::File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
