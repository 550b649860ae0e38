//! One change of a disk's contents, as a program makes it and as it reaches the medium.

/// A change that no sync has covered may reach the medium or not, each for itself.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The file has no bytes.
    Empty { file: u64 },
    /// The file has at least this many bytes, zeros where nothing was written.
    Size { file: u64, bytes: usize },
    /// Bytes of the file.
    Write { file: u64, offset: usize, bytes: Vec<u8> },
    /// A new name for a new file.
    Link { name: String, file: u64 },
    /// A file has another name.
    Rename { from: String, to: String, file: u64 },
    /// A name is gone.
    Unlink { name: String },
}

/// What a sync has to cover so that the change stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoveredBy<'a> {
    File(u64),
    Directory(&'a str),
}

impl Change {
    pub(crate) fn covered_by(&self) -> CoveredBy<'_> {
        match self {
            Change::Empty { file } | Change::Size { file, .. } | Change::Write { file, .. } => {
                CoveredBy::File(*file)
            }
            Change::Link { name, .. }
            | Change::Rename { to: name, .. }
            | Change::Unlink { name } => CoveredBy::Directory(directory_of(name)),
        }
    }

    /// The parts of the change that reach the medium each for itself: a write is torn where a
    /// sector begins.
    pub(crate) fn tear(&self, sector_bytes: usize) -> Vec<Change> {
        let Change::Write { file, offset, bytes } = self else { return vec![self.clone()] };
        let mut parts = Vec::new();
        let (mut at, end) = (*offset, offset + bytes.len());
        while at < end {
            let next = ((at / sector_bytes + 1) * sector_bytes).min(end);
            let bytes = bytes[at - offset..next - offset].to_vec();
            parts.push(Change::Write { file: *file, offset: at, bytes });
            at = next;
        }
        parts
    }
}

/// The directory of a file; empty for the disk's own.
pub(crate) fn directory_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}
