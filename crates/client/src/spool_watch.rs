//! Wakes an agent when a batch is handed over: by inotify, and by looking now and then, for file
//! systems and systems that have no inotify to spare.

use std::{io, path::Path};

use rustix::fs::inotify;
use tokio::net::unix::pipe;

use crate::limits::SPOOL_POLL;

/// Watches one directory.
#[derive(Debug)]
pub(crate) struct SpoolWatch(Option<pipe::Receiver>);

impl SpoolWatch {
    pub(crate) fn new(directory: &Path) -> SpoolWatch {
        match watch(directory) {
            Ok(events) => SpoolWatch(Some(events)),
            Err(error) => {
                tracing::debug!(%error, "no inotify for the spool, looking every {SPOOL_POLL:?}");
                SpoolWatch(None)
            }
        }
    }

    /// Until something may have come.
    pub(crate) async fn wait(&mut self) {
        let Some(events) = &self.0 else { return tokio::time::sleep(SPOOL_POLL).await };
        let outcome = match tokio::time::timeout(SPOOL_POLL, events.readable()).await {
            Err(_) => return,
            Ok(Ok(())) => drain(events),
            Ok(Err(error)) => Err(error),
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "inotify failed, looking every {SPOOL_POLL:?}");
            self.0 = None;
        }
    }
}

fn watch(directory: &Path) -> io::Result<pipe::Receiver> {
    let fd = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&fd, directory, inotify::WatchFlags::MOVED_TO)?;
    // Not a pipe, but read like one: read(2) and readiness are all that is used.
    pipe::Receiver::from_owned_fd_unchecked(fd)
}

/// Which events came does not matter: the directory is read anyway.
fn drain(events: &pipe::Receiver) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match events.try_read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn a_renamed_file_wakes_the_watch_and_silence_does_not_hold_it_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("tmp")).unwrap();
        std::fs::write(directory.path().join("tmp/a"), "a").unwrap();
        let mut watch = SpoolWatch::new(directory.path());
        watch.wait().await;
        std::fs::rename(directory.path().join("tmp/a"), directory.path().join("a")).unwrap();
        let began = Instant::now();
        watch.wait().await;
        if watch.0.is_some() {
            assert!(began.elapsed() < Duration::from_millis(90), "{:?}", began.elapsed());
        }
    }
}
