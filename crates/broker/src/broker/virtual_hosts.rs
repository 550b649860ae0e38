//! Creating, changing and deleting virtual hosts; and what the whole ledger says.

use std::sync::Arc;

use crate::{
    Broker, Error, VirtualHost, VirtualHostLimits, VirtualHostMetadata,
    broker::DEFAULT_VHOST,
    ledger::Change,
    limits::VHOSTS_MAX,
    sync::{read, write},
    topology::Topology,
    virtual_host::{Settings, Shared},
};

impl Broker {
    /// Creates a virtual host, or says of the one of that name what there is to say now. Returns
    /// whether it is new: then nobody has a permission in it.
    ///
    /// # Errors
    /// [`crate::error::Kind::PreconditionFailed`]: no such name or text can be, or there are too
    /// many; [`crate::error::Kind::DiskFull`].
    pub fn create_vhost(&self, name: &str, metadata: VirtualHostMetadata) -> Result<bool, Error> {
        VirtualHost::check(name, &metadata)?;
        let _turn = self.ledger.turn();
        let there = read(&self.vhosts).get(name).cloned();
        if let Some(vhost) = there {
            let limits = vhost.limits();
            return self.change_settings(&vhost, Settings { metadata, limits }).map(|()| false);
        }
        if read(&self.vhosts).len() >= VHOSTS_MAX {
            return Err(Error::precondition(format!(
                "cannot create virtual host '{name}': there are {VHOSTS_MAX} already, the most"
            )));
        }
        let settings = Settings { metadata, limits: VirtualHostLimits::default() };
        let change = Change::VirtualHost { name: name.into(), settings: settings.clone() };
        self.ledger.record(&[change])?;
        let shared = Shared {
            ledger: self.ledger.clone(),
            store: self.store.clone(),
            policies: self.policies.clone(),
        };
        let vhost = VirtualHost::new(name.into(), settings, Topology::new(), shared);
        write(&self.vhosts).insert(name.into(), vhost);
        Ok(true)
    }

    /// Limits a virtual host from now on; what is over the limit already stays.
    ///
    /// # Errors
    /// [`crate::error::Kind::NotFound`], [`crate::error::Kind::DiskFull`].
    pub fn set_vhost_limits(&self, name: &str, limits: VirtualHostLimits) -> Result<(), Error> {
        let _turn = self.ledger.turn();
        let vhost = self.known_vhost(name)?;
        let metadata = vhost.metadata();
        self.change_settings(&vhost, Settings { metadata, limits })
    }

    fn change_settings(&self, vhost: &VirtualHost, settings: Settings) -> Result<(), Error> {
        if vhost.settings() == settings {
            return Ok(());
        }
        let (name, written) = (vhost.name().clone(), settings.clone());
        self.ledger.record(&[Change::VirtualHostSettings { name, settings: written }])?;
        vhost.set_settings(settings);
        Ok(())
    }

    /// Deletes a virtual host with all that is in it: exchanges, queues and their messages,
    /// permissions, policies. Its connections are to be closed: [`VirtualHost::is_deleted`], and
    /// [`crate::authorize::Authority::generation`] is another one.
    ///
    /// # Errors
    /// [`crate::error::Kind::NotFound`]; [`crate::error::Kind::PreconditionFailed`] for `/` and
    /// those that are protected; [`crate::error::Kind::DiskFull`].
    pub fn delete_vhost(&self, name: &str) -> Result<(), Error> {
        let _turn = self.ledger.turn();
        let vhost = self.known_vhost(name)?;
        if DEFAULT_VHOST == *name {
            return Err(Error::precondition(
                "cannot delete virtual host '/': it is always there; delete what is in it",
            ));
        }
        if vhost.metadata().protected_from_deletion {
            return Err(Error::precondition(format!(
                "Cannot delete virtual host '{name}': it is protected from deletion. To lift the \
                 protection, inspect and update its metadata"
            )));
        }
        self.ledger.record(&[Change::VirtualHostDeleted { name: name.into() }])?;
        write(&self.vhosts).remove(name);
        vhost.end();
        self.policies.change(|it| it.forget_vhost(name));
        // Last: who is told by its number finds the virtual host ended.
        self.authority.change(|it| it.forget_vhost(name));
        Ok(())
    }

    pub(super) fn known_vhost(&self, name: &str) -> Result<Arc<VirtualHost>, Error> {
        read(&self.vhosts).get(name).cloned().ok_or_else(|| Error::no_vhost(name))
    }

    /// All that is true now, as changes that build it. The caller has the ledger's turn.
    pub(super) fn snapshot(&self) -> Vec<Change> {
        let vhosts = self.vhosts();
        let mut changes = Vec::new();
        for vhost in &vhosts {
            let (name, settings) = (vhost.name().clone(), vhost.settings());
            if name != DEFAULT_VHOST {
                changes.push(Change::VirtualHost { name, settings });
            } else if settings != Settings::default() {
                changes.push(Change::VirtualHostSettings { name, settings });
            }
        }
        changes.extend(self.authority.permissions().changes().map(Change::Permission));
        changes.extend(self.policies.now().iter().cloned().map(Change::Policy));
        let parameters = self.global_parameters();
        let parameters = parameters.iter().map(|(name, value)| (name.clone(), value.clone()));
        changes.extend(parameters.map(|(name, value)| Change::GlobalParameter { name, value }));
        vhosts.iter().for_each(|vhost| vhost.snapshot_exchanges(&mut changes));
        // By number across all of them: see `Ledger::snapshot`.
        let mut queues = Vec::new();
        vhosts.iter().for_each(|vhost| vhost.snapshot_queues(&mut queues));
        queues.sort_unstable_by_key(|(id, _)| *id);
        changes.extend(queues.into_iter().map(|(_, change)| change));
        vhosts.iter().for_each(|vhost| vhost.snapshot_bindings(&mut changes));
        self.ledger.snapshot(&mut changes);
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, error::Kind, policy::QueueType};

    fn described(description: &str) -> VirtualHostMetadata {
        VirtualHostMetadata { description: description.to_owned(), ..Default::default() }
    }

    #[test]
    fn a_virtual_host_is_created_once_changed_and_deleted() {
        let broker = Broker::in_memory(&Options::default());
        assert!(broker.create_vhost("v", described("one")).unwrap());
        assert!(!broker.create_vhost("v", described("two")).unwrap());
        let vhost = broker.vhost("v").unwrap();
        assert_eq!(vhost.metadata().description, "two");
        let limits = VirtualHostLimits { max_queues: Some(1), max_connections: None };
        broker.set_vhost_limits("v", limits).unwrap();
        broker.create_vhost("v", described("three")).unwrap();
        assert_eq!(vhost.limits(), limits, "what is said of it leaves its limits");
        broker.delete_vhost("v").unwrap();
        assert!(vhost.is_deleted());
        assert_eq!(broker.vhost("v").unwrap_err().text, "vhost v not found");
        assert_eq!(broker.delete_vhost("v").unwrap_err().kind, Kind::NotFound);
        assert!(broker.create_vhost("v", described("")).unwrap());
        assert!(!broker.vhost("v").unwrap().is_deleted());
    }

    #[test]
    fn the_first_one_and_a_protected_one_stay() {
        let broker = Broker::in_memory(&Options::default());
        assert_eq!(broker.delete_vhost("/").unwrap_err().kind, Kind::PreconditionFailed);
        let guarded = VirtualHostMetadata { protected_from_deletion: true, ..described("") };
        broker.create_vhost("v", guarded).unwrap();
        let said = broker.delete_vhost("v").unwrap_err().text;
        assert!(said.starts_with("Cannot delete virtual host 'v': it is protected"), "{said}");
        broker.create_vhost("v", described("")).unwrap();
        broker.delete_vhost("v").unwrap();
    }

    #[test]
    fn names_and_texts_have_bounds() {
        let broker = Broker::in_memory(&Options::default());
        let long = "x".repeat(255);
        assert!(broker.create_vhost(&long, described(&"x".repeat(4096))).unwrap());
        for (name, metadata) in [
            ("", described("")),
            ("a\nb", described("")),
            (&*"x".repeat(256), described("")),
            ("v", described(&"x".repeat(4097))),
            ("v", VirtualHostMetadata { tags: vec!["t".into(); 33], ..described("") }),
            ("v", VirtualHostMetadata { tags: vec![String::new()], ..described("") }),
        ] {
            let error = broker.create_vhost(name, metadata).unwrap_err();
            assert_eq!(error.kind, Kind::PreconditionFailed, "{}", error.text);
        }
        let quorum = VirtualHostMetadata {
            default_queue_type: Some(QueueType::Quorum),
            tags: vec!["t".into(); 32],
            ..described("")
        };
        assert!(broker.create_vhost("v", quorum).unwrap());
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let broker = Broker::in_memory(&Options::default());
        let create = |n: usize| broker.create_vhost(&n.to_string(), described(""));
        // Beside `/`.
        for n in 1..VHOSTS_MAX {
            assert!(create(n).unwrap());
        }
        assert!(create(VHOSTS_MAX).unwrap_err().text.contains("10000 already"));
        assert!(!create(1).unwrap(), "one that is there can be changed still");
        broker.delete_vhost("1").unwrap();
        assert!(create(VHOSTS_MAX).unwrap());
    }
}
