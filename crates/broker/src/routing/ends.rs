//! The destinations of patterns, by number. Most patterns lead to one queue, and many to the same:
//! those share one set, which is in the cache when a hundred thousand of them are not.

use super::{Map, destinations::Destinations};
use crate::binding::{Destination, DestinationKey};

/// The sets of destinations that patterns end at.
#[derive(Debug)]
pub(super) struct Ends {
    sets: Vec<Set>,
    free: Vec<EndId>,
    /// The shared set of each destination that has one.
    shared: Map<DestinationKey, EndId>,
}

/// A set's number. 0 is the empty one.
pub(super) type EndId = u32;

pub(super) const NO_END: EndId = 0;

#[derive(Debug, Default)]
struct Set {
    destinations: Destinations,
    /// How many patterns share it, each by one binding; 0 for a set of one pattern's own.
    sharers: u32,
}

impl Default for Ends {
    fn default() -> Ends {
        Ends { sets: vec![Set::default()], free: Vec::new(), shared: Map::default() }
    }
}

impl Ends {
    pub(super) fn iter(&self, end: EndId) -> impl Iterator<Item = &Destination> {
        self.sets.get(end as usize).into_iter().flat_map(|set| set.destinations.iter())
    }

    /// The set with one more binding.
    pub(super) fn with(&mut self, end: EndId, destination: &Destination) -> EndId {
        if end == NO_END {
            return self.share(destination);
        }
        let Some(set) = self.sets.get_mut(end as usize) else { return end };
        if set.sharers == 0 {
            set.destinations.add(destination);
            return end;
        }
        let Some(first) = set.destinations.get(0).cloned() else { return end };
        self.unshare(end, &first);
        let mut own = Set::default();
        own.destinations.add(&first);
        own.destinations.add(destination);
        self.put(own)
    }

    /// The set with one binding less.
    pub(super) fn without(&mut self, end: EndId, destination: &Destination) -> EndId {
        let Some(set) = self.sets.get_mut(end as usize).filter(|_| end != NO_END) else {
            return end;
        };
        if set.sharers > 0 {
            if set.destinations.get(0) != Some(destination) {
                return end;
            }
            self.unshare(end, destination);
            return NO_END;
        }
        set.destinations.remove(destination);
        match set.destinations.is_empty() {
            false => end,
            true => {
                self.free.push(end);
                NO_END
            }
        }
    }

    fn share(&mut self, destination: &Destination) -> EndId {
        let key = destination.key();
        if let Some(&end) = self.shared.get(&key) {
            self.sets.get_mut(end as usize).into_iter().for_each(|set| set.sharers += 1);
            return end;
        }
        let mut set = Set { sharers: 1, ..Set::default() };
        set.destinations.add(destination);
        let end = self.put(set);
        self.shared.insert(key, end);
        end
    }

    fn unshare(&mut self, end: EndId, destination: &Destination) {
        let Some(set) = self.sets.get_mut(end as usize) else { return };
        set.sharers -= 1;
        if set.sharers == 0 {
            *set = Set::default();
            self.shared.remove(&destination.key());
            self.free.push(end);
        }
    }

    fn put(&mut self, set: Set) -> EndId {
        match self.free.pop() {
            Some(end) => {
                self.sets[end as usize] = set;
                end
            }
            None => {
                self.sets.push(set);
                (self.sets.len() - 1) as EndId
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.free.len() == self.sets.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_pattern_has_its_own_destinations_whoever_it_shares_them_with(
            steps in prop::collection::vec((0..6_usize, 0..4_u8, any::<bool>()), 0..120)
        ) {
            let mut ends = Ends::default();
            let mut patterns = [NO_END; 6];
            let mut counts: Vec<BTreeMap<String, u32>> = vec![BTreeMap::new(); 6];
            for (pattern, number, adds) in steps {
                let name = number.to_string();
                let destination = Destination::Exchange(name.clone().into());
                if adds {
                    patterns[pattern] = ends.with(patterns[pattern], &destination);
                    *counts[pattern].entry(name).or_default() += 1;
                } else if let Some(count) = counts[pattern].get_mut(&name) {
                    patterns[pattern] = ends.without(patterns[pattern], &destination);
                    *count -= 1;
                    counts[pattern].retain(|_, count| *count > 0);
                }
                for (end, counts) in patterns.iter().zip(&counts) {
                    let mut found: Vec<String> = ends.iter(*end).map(|it| match it {
                        Destination::Exchange(name) => name.to_string(),
                        Destination::Queue(_) => unreachable!("only exchanges were added"),
                    }).collect();
                    found.sort();
                    prop_assert_eq!(found, counts.keys().cloned().collect::<Vec<_>>());
                    prop_assert_eq!(*end == NO_END, counts.is_empty());
                }
            }
            prop_assert_eq!(ends.is_empty(), counts.iter().all(BTreeMap::is_empty));
        }
    }
}
