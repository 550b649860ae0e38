//! Fanout: every destination, whatever the key.

use super::destinations::Destinations;
use crate::binding::{Binding, Destination};

#[derive(Debug, Default)]
pub(crate) struct Fanout {
    destinations: Destinations,
}

impl Fanout {
    pub(super) fn bind(&mut self, binding: &Binding) {
        self.destinations.add(&binding.destination);
    }

    pub(super) fn unbind(&mut self, binding: &Binding) {
        self.destinations.remove(&binding.destination);
    }

    pub(super) fn route(&self, visit: &mut dyn FnMut(&Destination)) {
        self.destinations.iter().for_each(visit);
    }
}
