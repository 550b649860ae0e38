//! Wakes an agent when a batch is handed over: by inotify, and by looking now and then, for file
//! systems and systems that have no inotify to spare.

use std::{mem::MaybeUninit, os::fd::OwnedFd, path::Path};

use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;

use crate::limits::SPOOL_POLL;

/// Watches one directory.
#[derive(Debug)]
pub(crate) struct SpoolWatch(Option<AsyncFd<OwnedFd>>);

impl SpoolWatch {
    pub(crate) fn new(directory: &Path) -> SpoolWatch {
        match watch(directory) {
            Ok(fd) => SpoolWatch(Some(fd)),
            Err(error) => {
                tracing::debug!(%error, "no inotify for the spool, looking every {SPOOL_POLL:?}");
                SpoolWatch(None)
            }
        }
    }

    /// Until something may have come.
    pub(crate) async fn wait(&mut self) {
        let Some(fd) = &self.0 else { return tokio::time::sleep(SPOOL_POLL).await };
        match tokio::time::timeout(SPOOL_POLL, fd.readable()).await {
            Err(_) => {}
            Ok(Ok(mut ready)) => {
                drain(fd.get_ref());
                ready.clear_ready();
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "inotify failed, looking every {SPOOL_POLL:?}");
                self.0 = None;
            }
        }
    }
}

fn watch(directory: &Path) -> std::io::Result<AsyncFd<OwnedFd>> {
    let fd = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&fd, directory, inotify::WatchFlags::MOVED_TO)?;
    AsyncFd::register(fd)
}

/// Which events came does not matter: the directory is read anyway.
fn drain(fd: &OwnedFd) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(fd, &mut buffer);
    while reader.next().is_ok() {}
}
