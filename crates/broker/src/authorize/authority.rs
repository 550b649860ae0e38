//! The permissions in force, shared by all connections.

use std::sync::{
    Arc, RwLock,
    atomic::{AtomicU64, Ordering},
};

use super::{Action, Identity, Permissions, Resource};
use crate::{
    Error,
    sync::{read, write},
};

/// The permissions in force. A change replaces them as a whole: whoever reads has the ones before
/// or the ones after.
#[derive(Debug, Default)]
pub struct Authority {
    permissions: RwLock<Arc<Permissions>>,
    generation: AtomicU64,
}

impl Authority {
    /// These are in force from the beginning.
    pub fn new(permissions: Permissions) -> Authority {
        Authority { permissions: RwLock::new(Arc::new(permissions)), generation: AtomicU64::new(0) }
    }

    /// As they are now.
    pub fn permissions(&self) -> Arc<Permissions> {
        read(&self.permissions).clone()
    }

    /// A number that is another one after each change. Read it before what it is to tell about.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Changes them. Changes come one after the other. Whoever calls this has written the change
    /// down: [`crate::Broker::set_permission`] and the like.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Permissions) -> T) -> T {
        let mut permissions = write(&self.permissions);
        let result = change(Arc::make_mut(&mut permissions));
        // While nobody can read: who sees the new number sees the new permissions.
        self.generation.fetch_add(1, Ordering::Release);
        result
    }

    /// As [`Permissions::authorize`], by the ones in force.
    ///
    /// # Errors
    /// As there.
    pub fn authorize(
        &self,
        who: &Identity,
        action: Action,
        resource: &Resource<'_>,
    ) -> Result<(), Error> {
        read(&self.permissions).authorize(who, action, resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::{Permission, Tags};

    #[test]
    fn a_change_is_in_force_at_once_and_has_a_number() {
        let authority = Authority::default();
        let who = Identity { name: "u".into(), tags: Tags::default(), default_access: false };
        let vhost = Resource::VirtualHost("/");
        let before = authority.permissions();
        assert!(authority.authorize(&who, Action::Connect, &vhost).is_err());
        let generation = authority.generation();
        authority.change(|it| it.set("u".into(), "/".into(), Permission::full().clone()));
        assert_ne!(authority.generation(), generation);
        assert!(authority.authorize(&who, Action::Connect, &vhost).is_ok());
        assert!(before.authorize(&who, Action::Connect, &vhost).is_err(), "a reader keeps its own");
    }
}
