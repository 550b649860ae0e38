//! Random: one destination by chance, each as likely as any other, however often it is bound.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{destinations::Destinations, stable_hash};
use crate::{
    Error,
    binding::{Binding, Destination},
};

#[derive(Debug)]
pub(crate) struct Random {
    destinations: Destinations,
    /// A counter that is hashed; each exchange begins elsewhere.
    next: AtomicU64,
}

impl Default for Random {
    fn default() -> Random {
        let next = AtomicU64::new(RandomState::new().hash_one(()));
        Random { destinations: Destinations::default(), next }
    }
}

impl Random {
    pub(super) fn bind(&mut self, binding: &Binding) {
        self.destinations.add(&binding.destination);
    }

    pub(super) fn unbind(&mut self, binding: &Binding) {
        self.destinations.remove(&binding.destination);
    }

    pub(super) fn route(&self, visit: &mut dyn FnMut(&Destination)) {
        let random = stable_hash::mixed(self.next.fetch_add(1, Relaxed));
        let at = stable_hash::below(random, self.destinations.len());
        self.destinations.get(at).into_iter().for_each(visit);
    }
}

/// RabbitMQ: `rabbit_exchange_type_local_random:validate_binding`.
pub(super) fn validate_local(binding: &Binding) -> Result<(), Error> {
    if !binding.key.is_empty() {
        let key = &binding.key;
        return Err(Error::precondition(format!("Non empty binding '{key}' key not permitted")));
    }
    let Destination::Queue(queue) = &binding.destination else {
        return Err(Error::precondition("Destination not found"));
    };
    match queue.declaration().arguments.get("x-queue-type").and_then(crate::Value::as_str) {
        None | Some("classic") => Ok(()),
        Some(other) => Err(Error::precondition(format!(
            "Queue type rabbit_{other}_queue not valid for this exchange type"
        ))),
    }
}
