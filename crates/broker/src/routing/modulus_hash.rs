//! Modulus hash: the routing key's hash modulo the number of destinations picks one, in the order
//! of their names. Cheap and even, but one more destination moves nearly every key.

use super::stable_hash;
use crate::binding::{Binding, Destination};

#[derive(Debug, Default)]
pub(crate) struct ModulusHash {
    /// By name, with the number of bindings to each.
    members: Vec<(String, Destination, u32)>,
}

impl ModulusHash {
    pub(super) fn bind(&mut self, binding: &Binding) {
        let name = binding.destination.stable_name();
        match self.find(&name) {
            Ok(at) => self.members.get_mut(at).into_iter().for_each(|it| it.2 += 1),
            Err(at) => self.members.insert(at, (name, binding.destination.clone(), 1)),
        }
    }

    pub(super) fn unbind(&mut self, binding: &Binding) {
        let Ok(at) = self.find(&binding.destination.stable_name()) else { return };
        let Some((_, _, bindings)) = self.members.get_mut(at) else { return };
        *bindings -= 1;
        if *bindings == 0 {
            self.members.remove(at);
        }
    }

    pub(super) fn route(&self, key: &str, visit: &mut dyn FnMut(&Destination)) {
        let hash = stable_hash::of(key.as_bytes());
        let at = (hash as usize).checked_rem(self.members.len());
        at.and_then(|at| self.members.get(at)).into_iter().for_each(|(_, it, _)| visit(it));
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.members.binary_search_by(|(it, _, _)| it.as_str().cmp(name))
    }
}
