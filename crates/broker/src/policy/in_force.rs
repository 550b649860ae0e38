//! The policies in force, shared by all virtual hosts.

use std::sync::{Arc, RwLock};

use super::Policies;
use crate::sync::{read, write};

/// The policies in force. A change replaces them as a whole; whoever makes one holds the ledger's
/// turn, and hands what comes of it to the queues and exchanges before it lets go.
#[derive(Debug, Default)]
pub(crate) struct PoliciesInForce(RwLock<Arc<Policies>>);

impl PoliciesInForce {
    pub(crate) fn new(policies: Policies) -> PoliciesInForce {
        PoliciesInForce(RwLock::new(Arc::new(policies)))
    }

    pub(crate) fn now(&self) -> Arc<Policies> {
        read(&self.0).clone()
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Policies) -> T) -> T {
        change(Arc::make_mut(&mut write(&self.0)))
    }
}
