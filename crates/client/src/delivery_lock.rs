//! Who delivers a spool: the one process that holds the lock on a file in it.

use std::{
    fs,
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
};

use rustix::fs::FlockOperation;

use crate::{Error, Spool};

/// Held while delivering. The kernel lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct DeliveryLock(fs::File);

impl DeliveryLock {
    /// The lock, or the pid of its holder (0 when it has not been written yet).
    pub(crate) fn try_acquire(spool: &Spool) -> Result<Result<DeliveryLock, u32>, Error> {
        let path = spool.directory().join("delivery.lock");
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
