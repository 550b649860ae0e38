//! Direct: the routing key equals the binding key.

use bytestring::ByteString;

use super::{Map, destinations::Destinations};
use crate::binding::{Binding, Destination};

#[derive(Debug, Default)]
pub(crate) struct Direct {
    by_key: Map<ByteString, Destinations>,
}

impl Direct {
    pub(super) fn bind(&mut self, binding: &Binding) {
        self.by_key.entry(binding.key.clone()).or_default().add(&binding.destination);
    }

    pub(super) fn unbind(&mut self, binding: &Binding) {
        if let Some(destinations) = self.by_key.get_mut(&binding.key) {
            destinations.remove(&binding.destination);
            if destinations.is_empty() {
                self.by_key.remove(&binding.key);
            }
        }
    }

    pub(super) fn route(&self, key: &str, visit: &mut dyn FnMut(&Destination)) {
        self.by_key.get(key).into_iter().flat_map(Destinations::iter).for_each(visit);
    }
}
