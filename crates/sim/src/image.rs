//! What is on a disk at one moment: names and bytes. Cheap to copy; a copy's bytes become its own
//! when they are changed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::change::Change;

/// The contents of a disk. Names carry their directory: `messages/0001.log`.
#[derive(Debug, Clone, Default)]
pub struct Image {
    names: BTreeMap<String, u64>,
    files: BTreeMap<u64, Arc<Vec<u8>>>,
}

/// Two images are equal when a program would find the same: names and their bytes.
impl PartialEq for Image {
    fn eq(&self, other: &Image) -> bool {
        let names = self.names.keys().eq(other.names.keys());
        names && self.names.keys().all(|name| self.file(name) == other.file(name))
    }
}

impl Image {
    /// All names, in order.
    pub fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    /// The bytes of a file.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn file(&self, name: &str) -> &Vec<u8> {
        let id = self.names.get(name).unwrap_or_else(|| panic!("there is no file {name}"));
        &self.files[id]
    }

    /// The bytes of a file, to be changed.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn file_mut(&mut self, name: &str) -> &mut Vec<u8> {
        let id = self.names.get(name).unwrap_or_else(|| panic!("there is no file {name}"));
        Arc::make_mut(self.files.entry(*id).or_default())
    }

    /// Flips one bit of a file, counted from its first byte's lowest.
    ///
    /// # Panics
    /// If there is no such file, or it is shorter.
    pub fn flip_bit(&mut self, name: &str, bit: usize) {
        self.file_mut(name)[bit / 8] ^= 1 << (bit % 8);
    }

    /// Adds a file, or replaces the one of that name.
    pub fn put(&mut self, name: &str, bytes: Vec<u8>) {
        let id = self.next_file();
        self.names.insert(name.to_owned(), id);
        self.files.insert(id, Arc::new(bytes));
    }

    /// Removes a file and returns its bytes.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn remove(&mut self, name: &str) -> Vec<u8> {
        let id = self.names.remove(name).unwrap_or_else(|| panic!("there is no file {name}"));
        Arc::unwrap_or_clone(self.files.remove(&id).unwrap_or_default())
    }

    /// A number that no file has.
    pub(crate) fn next_file(&self) -> u64 {
        self.files.keys().next_back().map_or(1, |id| id + 1)
    }

    pub(crate) fn find(&self, name: &str) -> Option<u64> {
        self.names.get(name).copied()
    }

    /// The bytes of a file by number: it may be open and have no name any more.
    pub(crate) fn bytes_of(&self, file: u64) -> &[u8] {
        self.files.get(&file).map_or(&[], |bytes| bytes)
    }

    pub(crate) fn names_in(&self, directory: &str) -> Vec<String> {
        let inside = |name: &&String| crate::change::directory_of(name) == directory;
        let plain = |name: &String| name.rsplit('/').next().unwrap_or(name).to_owned();
        self.names.keys().filter(inside).map(plain).collect()
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Size { file, bytes } => {
                let file = self.files.entry(*file).or_default();
                if file.is_empty() {
                    *file = zeros(*bytes);
                } else if file.len() < *bytes {
                    Arc::make_mut(file).resize(*bytes, 0);
                }
            }
            Change::Write { file, offset, bytes } => {
                let file = self.bytes_mut(*file);
                let end = offset + bytes.len();
                if file.len() < end {
                    file.resize(end, 0);
                }
                file[*offset..end].copy_from_slice(bytes);
            }
            Change::Empty { file } => self.bytes_mut(*file).clear(),
            Change::Link { name, file } => {
                self.names.insert(name.clone(), *file);
                self.files.entry(*file).or_default();
            }
            Change::Rename { from, to, file } => {
                self.names.remove(from);
                self.names.insert(to.clone(), *file);
                self.files.entry(*file).or_default();
            }
            Change::Unlink { name } => {
                self.names.remove(name);
            }
        }
    }

    fn bytes_mut(&mut self, file: u64) -> &mut Vec<u8> {
        Arc::make_mut(self.files.entry(file).or_default())
    }
}

/// Zeros, shared by all files of one thread that have this size and nothing else: what holds space
/// for a bad day is much larger than all else on the disk, and is never written.
fn zeros(bytes: usize) -> Arc<Vec<u8>> {
    thread_local!(static LARGE: RefCell<Arc<Vec<u8>>> = RefCell::default());
    if bytes < LARGE_BYTES {
        return Arc::new(vec![0; bytes]);
    }
    LARGE.with_borrow_mut(|large| {
        if large.len() != bytes {
            *large = Arc::new(vec![0; bytes]);
        }
        large.clone()
    })
}

/// Files of fewer zeros are as quickly made as shared.
const LARGE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_one_file_of_zeros_is_in_no_other() {
        let mut image = Image::default();
        let bytes = LARGE_BYTES;
        for (name, file) in [("a", 1), ("b", 2)] {
            image.apply(&Change::Link { name: name.to_owned(), file });
            image.apply(&Change::Size { file, bytes });
        }
        image.apply(&Change::Write { file: 1, offset: 7, bytes: vec![9] });
        image.apply(&Change::Size { file: 1, bytes: 2 * bytes });
        assert_eq!((image.file("a")[7], image.file("a").len()), (9, 2 * bytes));
        assert!(image.file("b").iter().all(|byte| *byte == 0));
        assert_eq!(image.file("b").len(), bytes);
    }
}
