//! Which events were handled lately, by id.

use std::collections::{HashSet, VecDeque};

/// The ids of the last so many; with none to remember it knows nothing.
#[derive(Debug)]
pub(crate) struct Seen {
    max: usize,
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Seen {
    pub(crate) fn new(max: usize) -> Seen {
        Seen { max, ids: HashSet::new(), order: VecDeque::new() }
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    pub(crate) fn remember(&mut self, id: &str) {
        if self.max == 0 || !self.ids.insert(id.to_owned()) {
            return;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ids_are_known_and_older_ones_forgotten() {
        let mut seen = Seen::new(2);
        for id in ["a", "b", "b", "c"] {
            seen.remember(id);
        }
        assert_eq!(["a", "b", "c"].map(|id| seen.contains(id)), [false, true, true]);
        let mut none = Seen::new(0);
        none.remember("a");
        assert!(!none.contains("a"));
    }
}
