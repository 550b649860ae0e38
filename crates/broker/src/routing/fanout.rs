//! Fanout: every destination, whatever the key.

use super::Map;
use crate::binding::{Binding, Destination, DestinationKey};

#[derive(Debug, Default)]
pub(crate) struct Fanout {
    /// With the number of keys each is bound under: the destination goes with the last.
    destinations: Map<DestinationKey, (Destination, usize)>,
}

impl Fanout {
    pub(super) fn bind(&mut self, binding: &Binding) {
        self.destinations
            .entry(binding.destination.key())
            .or_insert_with(|| (binding.destination.clone(), 0))
            .1 += 1;
    }

    pub(super) fn unbind(&mut self, binding: &Binding) {
        let key = binding.destination.key();
        if let Some((_, keys)) = self.destinations.get_mut(&key) {
            *keys -= 1;
            if *keys == 0 {
                self.destinations.remove(&key);
            }
        }
    }

    pub(super) fn route(&self, visit: &mut dyn FnMut(&Destination)) {
        self.destinations.values().for_each(|(destination, _)| visit(destination));
    }
}
