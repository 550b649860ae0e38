//! All files and directories by number, and the loss of power.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::OsStr,
    time::SystemTime,
};

use fastrand::Rng;
use fuser::Errno;

use crate::{
    Loss, Lost,
    directory::Directory,
    faults::{Faults, Sync},
    file::File,
};

/// The number of the topmost directory, as FUSE has it.
pub(crate) const ROOT: u64 = 1;

/// A file or a directory.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) mode: u16,
    pub(crate) owner: (u32, u32),
    pub(crate) changed: SystemTime,
}

#[derive(Debug)]
pub(crate) enum Kind {
    File(File),
    Directory(Directory),
}

/// The file system.
#[derive(Debug)]
pub(crate) struct Medium {
    nodes: HashMap<u64, Node>,
    next: u64,
    writes: u64,
    pub(crate) faults: Faults,
}

impl Medium {
    /// An empty one whose topmost directory belongs to `owner` (user, group).
    pub(crate) fn new(owner: (u32, u32)) -> Medium {
        let kind = Kind::Directory(Directory::default());
        let root = Node { kind, mode: 0o755, owner, changed: SystemTime::now() };
        let nodes = HashMap::from([(ROOT, root)]);
        Medium { nodes, next: ROOT + 1, writes: 0, faults: Faults::default() }
    }

    pub(crate) fn node(&self, number: u64) -> Result<&Node, Errno> {
        self.nodes.get(&number).ok_or(Errno::ENOENT)
    }

    pub(crate) fn node_mut(&mut self, number: u64) -> Result<&mut Node, Errno> {
        self.nodes.get_mut(&number).ok_or(Errno::ENOENT)
    }

    pub(crate) fn file(&self, number: u64) -> Result<&File, Errno> {
        match &self.node(number)?.kind {
            Kind::File(file) => Ok(file),
            Kind::Directory(_) => Err(Errno::EISDIR),
        }
    }

    pub(crate) fn file_mut(&mut self, number: u64) -> Result<&mut File, Errno> {
        let node = self.node_mut(number)?;
        node.changed = SystemTime::now();
        match &mut node.kind {
            Kind::File(file) => Ok(file),
            Kind::Directory(_) => Err(Errno::EISDIR),
        }
    }

    pub(crate) fn directory(&self, number: u64) -> Result<&Directory, Errno> {
        match &self.node(number)?.kind {
            Kind::Directory(directory) => Ok(directory),
            Kind::File(_) => Err(Errno::ENOTDIR),
        }
    }

    fn directory_mut(&mut self, number: u64) -> Result<&mut Directory, Errno> {
        let node = self.node_mut(number)?;
        node.changed = SystemTime::now();
        match &mut node.kind {
            Kind::Directory(directory) => Ok(directory),
            Kind::File(_) => Err(Errno::ENOTDIR),
        }
    }

    /// The number that a name has in a directory.
    pub(crate) fn lookup(&self, parent: u64, name: &OsStr) -> Result<u64, Errno> {
        self.directory(parent)?.cached().get(name).copied().ok_or(Errno::ENOENT)
    }

    /// Makes a file or a directory.
    pub(crate) fn make(&mut self, parent: u64, name: &OsStr, node: Node) -> Result<u64, Errno> {
        if self.lookup(parent, name).is_ok() {
            return Err(Errno::EEXIST);
        }
        self.faults.operation()?;
        let number = self.next;
        self.directory_mut(parent)?.add(name, number);
        self.next += 1;
        self.nodes.insert(number, node);
        Ok(number)
    }

    /// Removes a file, or a directory that is empty.
    pub(crate) fn remove(&mut self, parent: u64, name: &OsStr) -> Result<(), Errno> {
        let number = self.lookup(parent, name)?;
        if self.directory(number).is_ok_and(|directory| !directory.cached().is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        self.faults.operation()?;
        self.directory_mut(parent)?.remove(name);
        Ok(())
    }

    /// Renames within a directory.
    pub(crate) fn rename(&mut self, parent: u64, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
        let number = self.lookup(parent, from)?;
        self.faults.operation()?;
        self.directory_mut(parent)?.rename(from, to, number);
        Ok(())
    }

    pub(crate) fn write(&mut self, number: u64, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.faults.operation()?;
        self.writes += 1;
        let order = self.writes;
        self.file_mut(number)?.write(offset, bytes, order);
        Ok(())
    }

    pub(crate) fn set_size(&mut self, number: u64, size: u64) -> Result<(), Errno> {
        self.faults.operation()?;
        self.file_mut(number)?.set_size(size);
        Ok(())
    }

    /// fsync and fdatasync, of a file or a directory.
    pub(crate) fn sync(&mut self, number: u64) -> Result<(), Errno> {
        let how = self.faults.sync()?;
        match (&mut self.node_mut(number)?.kind, how) {
            (_, Sync::Lie) => {}
            (Kind::File(file), Sync::Work) => file.sync(),
            (Kind::Directory(directory), Sync::Work) => directory.sync(),
            (Kind::File(file), Sync::Fail) => file.fail_sync(),
            (Kind::Directory(directory), Sync::Fail) => directory.fail_sync(),
        }
        if how == Sync::Fail { Err(Errno::EIO) } else { Ok(()) }
    }

    /// The power fails and comes back.
    pub(crate) fn lose_power(&mut self, loss: Loss, seed: u64) -> Lost {
        let mut rng = Rng::with_seed(seed);
        let mut lost = Lost::default();
        let last = self.nodes.values().filter_map(Node::last_order).max();
        // In an order of their own, so that the same seed loses the same.
        let mut numbers: Vec<u64> = self.nodes.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            match self.nodes.get_mut(&number).map(|node| &mut node.kind) {
                Some(Kind::File(file)) => file.lose(loss, last, &mut rng, &mut lost),
                Some(Kind::Directory(directory)) => directory.lose(loss, &mut rng, &mut lost),
                None => {}
            }
        }
        let reachable = self.reachable();
        self.nodes.retain(|number, _| reachable.contains(number));
        self.faults.power_on();
        lost
    }

    fn reachable(&self) -> BTreeSet<u64> {
        let mut found = BTreeSet::from([ROOT]);
        let mut left = vec![ROOT];
        while let Some(number) = left.pop() {
            let Ok(directory) = self.directory(number) else { continue };
            left.extend(directory.medium().values().filter(|inside| found.insert(**inside)));
        }
        found
    }
}

impl Node {
    fn last_order(&self) -> Option<u64> {
        match &self.kind {
            Kind::File(file) => file.last_order(),
            Kind::Directory(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: Kind) -> Node {
        Node { kind, mode: 0o600, owner: (0, 0), changed: SystemTime::now() }
    }

    fn file(medium: &mut Medium, parent: u64, name: &str) -> u64 {
        medium.make(parent, name.as_ref(), node(Kind::File(File::default()))).unwrap()
    }

    #[test]
    fn a_synced_file_is_lost_unless_its_directory_was_synced_too() {
        let mut medium = Medium::new((0, 0));
        let number = file(&mut medium, ROOT, "a");
        medium.write(number, 0, b"bytes").unwrap();
        medium.sync(number).unwrap();
        medium.lose_power(Loss::Everything, 1);
        assert_eq!(medium.lookup(ROOT, "a".as_ref()), Err(Errno::ENOENT));
        let number = file(&mut medium, ROOT, "a");
        medium.write(number, 0, b"bytes").unwrap();
        medium.sync(number).unwrap();
        medium.sync(ROOT).unwrap();
        medium.write(number, 0, b"BYTES").unwrap();
        medium.lose_power(Loss::Everything, 1);
        let found = medium.lookup(ROOT, "a".as_ref()).unwrap();
        assert_eq!(medium.file(found).unwrap().cached().read(0, 9), b"bytes");
    }

    #[test]
    fn a_directory_that_was_not_made_durable_takes_everything_in_it_along() {
        let mut medium = Medium::new((0, 0));
        let kind = Kind::Directory(Directory::default());
        let inner = medium.make(ROOT, "inner".as_ref(), node(kind)).unwrap();
        let number = file(&mut medium, inner, "a");
        medium.sync(number).unwrap();
        medium.sync(inner).unwrap();
        medium.lose_power(Loss::Everything, 1);
        assert!(medium.lookup(ROOT, "inner".as_ref()).is_err() && medium.file(number).is_err());
    }

    #[test]
    fn a_medium_that_lies_keeps_nothing_of_what_it_said() {
        let mut medium = Medium::new((0, 0));
        let number = file(&mut medium, ROOT, "a");
        medium.sync(ROOT).unwrap();
        medium.faults.lie = true;
        medium.write(number, 0, b"bytes").unwrap();
        medium.sync(number).unwrap();
        let lost = medium.lose_power(Loss::Everything, 1);
        assert_eq!(medium.file(number).unwrap().cached().size(), 0);
        assert_eq!(lost.sectors, 1);
    }
}
