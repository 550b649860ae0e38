//! Whether files changed, looked at now and then. A change is told once, unless it is forgotten.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

/// Files and what they looked like.
#[derive(Debug)]
pub(super) struct Watch {
    files: Vec<PathBuf>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// Of each file.
    stamps: Vec<Option<Stamp>>,
    next_look: Option<Instant>,
}

/// What tells one state of a file from another. A path that is a link is what it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Watch {
    pub(super) fn new(files: Vec<PathBuf>) -> Watch {
        let seen = Seen { stamps: stamps(&files), next_look: None };
        Watch { files, seen: Mutex::new(seen) }
    }

    /// Lets the next look see a change, whatever there is.
    pub(super) fn forget(&self) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.stamps.clear();
        }
    }

    /// Whether one changed since it was last told. Does not look again within a second.
    pub(super) fn saw_change(&self, now: Instant) -> bool {
        // Somebody else is looking: the next handshake will see what they find.
        let Ok(mut seen) = self.seen.try_lock() else { return false };
        if seen.next_look.is_some_and(|next| now < next) {
            return false;
        }
        seen.next_look = Some(now + PAUSE);
        let stamps = stamps(&self.files);
        let changed = stamps != seen.stamps;
        seen.stamps = stamps;
        changed
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    files.iter().map(|file| Stamp::of(file)).collect()
}

impl Stamp {
    /// `None` when there is nothing to look at.
    fn of(path: &Path) -> Option<Stamp> {
        let metadata = fs::metadata(path).ok()?;
        Some(Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_looked_for_at_most_once_a_second() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("cert.pem");
        fs::write(&file, "one").unwrap();
        let watch = Watch::new(vec![file.clone()]);
        let begun = Instant::now();
        assert!(!watch.saw_change(begun));
        fs::write(&file, "other").unwrap();
        assert!(!watch.saw_change(begun + PAUSE / 2), "too early to look");
        assert!(watch.saw_change(begun + PAUSE));
        assert!(!watch.saw_change(begun + 3 * PAUSE));
        fs::remove_file(&file).unwrap();
        assert!(watch.saw_change(begun + 5 * PAUSE), "gone is a change");
        fs::write(&file, "other").unwrap();
        assert!(watch.saw_change(begun + 7 * PAUSE), "back is one, too");
        watch.forget();
        assert!(watch.saw_change(begun + 9 * PAUSE), "what is forgotten is new");
        assert!(!watch.saw_change(begun + 11 * PAUSE));
    }
}
