//! A set of destinations, each with how many bindings lead to it. Adding, removing and picking by
//! number cost the same however many there are.

use smallvec::SmallVec;

use super::Map;
use crate::binding::{Destination, DestinationKey};

#[derive(Debug, Default)]
pub(super) struct Destinations {
    all: SmallVec<[Counted; 1]>,
    /// Where each is in `all`, once they are many.
    index: Option<Box<Map<DestinationKey, usize>>>,
}

#[derive(Debug)]
struct Counted {
    destination: Destination,
    bindings: u32,
}

impl Destinations {
    /// One more binding to it.
    pub(super) fn add(&mut self, destination: &Destination) {
        if let Some(at) = self.position(destination) {
            if let Some(counted) = self.all.get_mut(at) {
                counted.bindings += 1;
            }
            return;
        }
        let at = self.all.len();
        self.all.push(Counted { destination: destination.clone(), bindings: 1 });
        match &mut self.index {
            Some(index) => drop(index.insert(destination.key(), at)),
            None if at >= INDEXED_MIN => {
                let places = self.all.iter().enumerate();
                let places = places.map(|(at, counted)| (counted.destination.key(), at));
                self.index = Some(Box::new(places.collect()));
            }
            None => {}
        }
    }

    /// One binding less to it; with the last it goes.
    pub(super) fn remove(&mut self, destination: &Destination) {
        let Some(at) = self.position(destination) else { return };
        let Some(counted) = self.all.get_mut(at) else { return };
        counted.bindings -= 1;
        if counted.bindings > 0 {
            return;
        }
        self.all.swap_remove(at);
        if let Some(index) = &mut self.index {
            index.remove(&destination.key());
            if let Some(moved) = self.all.get(at) {
                index.insert(moved.destination.key(), at);
            }
            if self.all.is_empty() {
                self.index = None;
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Destination> {
        self.all.get(at).map(|counted| &counted.destination)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Destination> {
        self.all.iter().map(|counted| &counted.destination)
    }

    fn position(&self, destination: &Destination) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(&destination.key()).copied(),
            None => self.all.iter().position(|counted| counted.destination == *destination),
        }
    }
}

/// As many are found as quickly by walking.
const INDEXED_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_of_counts_would(
            steps in prop::collection::vec((0..40_u8, any::<bool>()), 0..200)
        ) {
            let (mut set, mut counts) = (Destinations::default(), BTreeMap::<String, u32>::new());
            for (number, adds) in steps {
                let name = number.to_string();
                let destination = Destination::Exchange(name.clone().into());
                if adds {
                    set.add(&destination);
                    *counts.entry(name).or_default() += 1;
                } else {
                    set.remove(&destination);
                    if let Some(count) = counts.get_mut(&name) {
                        *count -= 1;
                    }
                    counts.retain(|_, count| *count > 0);
                }
            }
            let name = |it: &Destination| match it {
                Destination::Exchange(name) => name.to_string(),
                Destination::Queue(_) => unreachable!("only exchanges were added"),
            };
            let mut left: Vec<String> = set.iter().map(name).collect();
            left.sort();
            prop_assert_eq!(&left, &counts.keys().cloned().collect::<Vec<_>>());
            prop_assert_eq!((set.len(), set.is_empty()), (left.len(), left.is_empty()));
        }
    }
}
