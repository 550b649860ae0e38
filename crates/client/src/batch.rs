//! One file of the spool: its name, which orders it, and its lines.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use event::Event;

/// `MICROSECONDS-PID-COUNTER-SIZE.events`: sorts by the time of the hand-over, then by process,
/// then by order within it. The size in bytes is in the name so that a spool knows what it holds
/// without a look at each file, and that a file of another size is known to be damaged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BatchName {
    micros: u64,
    pid: u32,
    counter: u64,
    size_bytes: u64,
}

impl BatchName {
    /// A name after every earlier one of this process, also when the clock steps back.
    pub(crate) fn next(size_bytes: u64) -> BatchName {
        static LAST_MICROS: AtomicU64 = AtomicU64::new(0);
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let last = LAST_MICROS
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| {
                Some(now.max(last.saturating_add(1)))
            })
            .unwrap_or(now);
        BatchName {
            micros: now.max(last.saturating_add(1)),
            pid: process::id(),
            counter: COUNTER.fetch_add(1, Ordering::SeqCst),
            size_bytes,
        }
    }

    /// The name of a batch, or nothing when the file is not one.
    pub(crate) fn parse(name: &str) -> Option<BatchName> {
        let mut parts = name.strip_suffix(SUFFIX)?.split('-');
        let parsed = BatchName {
            micros: parts.next()?.parse().ok()?,
            pid: parts.next()?.parse().ok()?,
            counter: parts.next()?.parse().ok()?,
            size_bytes: parts.next()?.parse().ok()?,
        };
        // What is not written as we write it would be found under another name later.
        (parts.next().is_none() && parsed.to_string() == name).then_some(parsed)
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

impl fmt::Display for BatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BatchName { micros, pid, counter, size_bytes } = self;
        write!(f, "{micros:017}-{pid:010}-{counter:010}-{size_bytes}{SUFFIX}")
    }
}

/// The lines of a batch.
pub(crate) fn encode<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<u8> {
    let mut lines = Vec::new();
    for event in events {
        lines.extend_from_slice(event.to_dump().as_bytes());
        lines.push(b'\n');
    }
    lines
}

/// Why a file gives no events.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It is gone: somebody removed it in between.
    Gone,
    /// Its content is not what was written.
    Damaged(String),
}

/// Reads a batch back.
pub(crate) fn read(path: &Path, name: &BatchName) -> Result<Vec<Event>, Unreadable> {
    let text = match read_text(path, name.size_bytes) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Unreadable::Gone),
        Err(error) => return Err(Unreadable::Damaged(error.to_string())),
    };
    let mut events = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let event = Event::from_dump(line)
            .map_err(|error| Unreadable::Damaged(format!("line {}: {error}", number + 1)))?;
        events.push(event);
    }
    Ok(events)
}

fn read_text(path: &Path, size_bytes: u64) -> io::Result<String> {
    let file = fs::File::open(path)?;
    let found = file.metadata()?.len();
    if found != size_bytes {
        return Err(io::Error::other(format!("it has {found} bytes instead of {size_bytes}")));
    }
    let mut text = String::new();
    file.take(size_bytes).read_to_string(&mut text)?;
    if !text.ends_with('\n') {
        return Err(io::Error::other("its last line is cut off"));
    }
    Ok(text)
}

/// Writes a file that is not there yet, readable by its owner only, and syncs it.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_data()
}

/// Makes renames and removals in a directory last.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

const SUFFIX: &str = ".events";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_in_the_order_of_the_hand_overs() {
        let names: Vec<BatchName> = (0..1000).map(BatchName::next).collect();
        assert!(names.is_sorted_by(|a, b| a < b));
        let texts: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert!(texts.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_name_says_its_size_and_reads_back() {
        let name = BatchName::next(123);
        assert_eq!(BatchName::parse(&name.to_string()), Some(name.clone()));
        assert_eq!(name.size_bytes(), 123);
    }

    #[test]
    fn what_is_no_batch_has_no_name() {
        for text in ["", "lock", "1-2-3-4.events", "a-b-c-d.events", "1-2-3.events", "x.json"] {
            assert_eq!(BatchName::parse(text), None, "{text}");
        }
    }
}
