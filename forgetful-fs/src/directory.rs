//! A directory: its names in the cache, its names on the medium, and the changes between.

use std::{collections::BTreeMap, ffi::OsStr, ffi::OsString};

use fastrand::Rng;

use crate::{Loss, Lost};

/// Names, and the numbers of what they name.
pub(crate) type Names = BTreeMap<OsString, u64>;

/// One change: each name gets a number or goes. A rename is two of them and happens whole.
type Change = Vec<(OsString, Option<u64>)>;

/// A directory.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    cached: Names,
    medium: Names,
    unsynced: Vec<Change>,
}

impl Directory {
    /// What programs see.
    pub(crate) fn cached(&self) -> &Names {
        &self.cached
    }

    /// What of it would be found if the power failed now and all else were lost.
    pub(crate) fn medium(&self) -> &Names {
        &self.medium
    }

    /// A name gets a number.
    pub(crate) fn add(&mut self, name: &OsStr, node: u64) {
        self.change(vec![(name.to_owned(), Some(node))]);
    }

    /// A name goes.
    pub(crate) fn remove(&mut self, name: &OsStr) {
        self.change(vec![(name.to_owned(), None)]);
    }

    /// A name becomes another, which is replaced if it is there.
    pub(crate) fn rename(&mut self, from: &OsStr, to: &OsStr, node: u64) {
        self.change(vec![(from.to_owned(), None), (to.to_owned(), Some(node))]);
    }

    fn change(&mut self, change: Change) {
        apply(&change, &mut self.cached);
        self.unsynced.push(change);
    }

    /// Brings the names to the medium.
    pub(crate) fn sync(&mut self) {
        self.unsynced.clear();
        self.medium.clone_from(&self.cached);
    }

    /// A sync that fails, after which the cache holds everything for clean.
    pub(crate) fn fail_sync(&mut self) {
        self.unsynced.clear();
    }

    /// The power fails.
    pub(crate) fn lose(&mut self, loss: Loss, rng: &mut Rng, lost: &mut Lost) {
        let unsynced = std::mem::take(&mut self.unsynced);
        let up_to = rng.usize(0..=unsynced.len());
        for (index, change) in unsynced.iter().enumerate() {
            let keeps = match loss {
                Loss::Everything => false,
                Loss::Subset => rng.bool(),
                Loss::Torn { .. } => index < up_to,
                Loss::Nothing => true,
            };
            if keeps {
                apply(change, &mut self.medium);
                lost.kept += 1;
            } else {
                lost.names += 1;
            }
        }
        self.cached.clone_from(&self.medium);
    }
}

fn apply(change: &Change, names: &mut Names) {
    for (name, node) in change {
        match node {
            Some(node) => names.insert(name.clone(), *node),
            None => names.remove(name),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_and_renamed() -> Directory {
        let mut directory = Directory::default();
        directory.add("old".as_ref(), 2);
        directory.sync();
        directory.remove("old".as_ref());
        directory.add("1.new".as_ref(), 3);
        directory.rename("1.new".as_ref(), "1.log".as_ref(), 3);
        directory
    }

    fn after(mut directory: Directory, loss: Loss, seed: u64) -> Vec<String> {
        directory.lose(loss, &mut Rng::with_seed(seed), &mut Lost::default());
        directory.cached().keys().map(|name| name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn unsynced_names_are_forgotten_and_unsynced_removals_too() {
        assert_eq!(after(made_and_renamed(), Loss::Everything, 1), ["old"]);
        assert_eq!(after(made_and_renamed(), Loss::Nothing, 1), ["1.log"]);
        let mut directory = made_and_renamed();
        directory.sync();
        assert_eq!(after(directory, Loss::Everything, 1), ["1.log"]);
    }

    #[test]
    fn a_rename_is_seen_whole_or_not_at_all() {
        for seed in 0..100 {
            for loss in [Loss::Subset, Loss::Torn { unit: 512 }] {
                let names = after(made_and_renamed(), loss, seed);
                let both = names.contains(&"1.new".into()) && names.contains(&"1.log".into());
                assert!(!both, "{names:?}");
            }
        }
    }
}
