//! What is declared and survives, as the ledger tells it from its beginning: virtual hosts with
//! their exchanges, queues and bindings, permissions, policies.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytestring::ByteString;

use super::messages::Parts;
use crate::{
    Binding, ExchangeDeclaration, Queue, QueueDeclaration,
    authorize::Permissions,
    binding::Destination,
    broker::{DEFAULT_VHOST, GlobalParameters},
    ledger::{Bound, BoundTo, Change},
    policy::Policies,
    queue::QueueId,
    routing::Map,
    store::Store,
    topology::Topology,
    virtual_host::Settings,
};

/// What is declared, while it is read.
#[derive(Default)]
pub(super) struct Declared {
    /// Numbers below it were given to queues, as far as the ledger knows.
    pub(super) next_queue_id: u64,
    vhosts: BTreeMap<ByteString, Settings>,
    permissions: Permissions,
    policies: Policies,
    parameters: GlobalParameters,
    exchanges: BTreeMap<Named, ExchangeDeclaration>,
    /// Each with its virtual host.
    pub(super) queues: BTreeMap<QueueId, (ByteString, QueueDeclaration)>,
    /// The queue that has each name now.
    names: Map<Named, QueueId>,
    /// Queues that an earlier start missed.
    pub(super) lost: BTreeSet<QueueId>,
    bindings: Vec<Bound>,
    /// Nothing of the ledger is damaged.
    pub(super) is_whole: bool,
}

/// A virtual host and a name in it.
type Named = (ByteString, ByteString);

/// What came of it.
pub(super) struct Built {
    pub(super) vhosts: Vec<(ByteString, Settings, Topology)>,
    pub(super) permissions: Permissions,
    pub(super) policies: Policies,
    pub(super) parameters: GlobalParameters,
}

impl Declared {
    /// Whether messages of that queue are still to be had. One that the ledger does not have was
    /// deleted, and its messages with it: unless the ledger has lost something. What cannot be
    /// found is never a reason to delete.
    pub(super) fn keeps(&self, id: QueueId) -> bool {
        self.queues.contains_key(&id)
            || !self.is_whole
            || self.was_never_given(id)
            || self.lost.contains(&id)
    }

    /// How long that queue's arguments let a message live, in milliseconds.
    pub(super) fn message_ttl(&self, id: QueueId) -> Option<u64> {
        let ttl = self.queues.get(&id)?.1.arguments.get("x-message-ttl")?;
        u64::try_from(ttl.as_integer()?).ok()
    }

    /// Whether the ledger knows nothing of a queue with that number.
    pub(super) fn was_never_given(&self, id: QueueId) -> bool {
        id.0 >= self.next_queue_id
    }

    /// Takes a change in.
    ///
    /// # Errors
    /// What cannot be applied, as another version must have written it.
    pub(super) fn apply(&mut self, change: Change) -> Result<(), String> {
        match change {
            Change::QueueIds { next } => self.next_queue_id = self.next_queue_id.max(next),
            Change::VirtualHost { name, settings } => {
                // A name is free when something new gets it. If the ledger still has something of
                // that name, the record of its end was lost. So it is below.
                self.vhost_gone(&name);
                self.vhosts.insert(name, settings);
            }
            Change::VirtualHostSettings { name, settings } => {
                self.vhosts.insert(name, settings);
            }
            Change::VirtualHostDeleted { name } => self.vhost_gone(&name),
            Change::Permission(change) => {
                self.permissions.apply(&change).map_err(|error| error.to_string())?;
            }
            Change::Policy(policy) => {
                self.policies.set(policy);
            }
            Change::PolicyDeleted { vhost, kind, name } => {
                self.policies.delete(kind, &vhost, &name);
            }
            Change::GlobalParameter { name, value } => {
                self.parameters.insert(name, value);
            }
            Change::GlobalParameterDeleted { name } => {
                self.parameters.remove(&name);
            }
            Change::Exchange { vhost, declaration } => {
                let named = (vhost, declaration.name.clone());
                self.exchange_gone(&named);
                self.exchanges.insert(named, declaration);
            }
            Change::ExchangeDeleted { vhost, name } => self.exchange_gone(&(vhost, name)),
            Change::Queue { vhost, id, declaration } => {
                self.next_queue_id = self.next_queue_id.max(id.0 + 1);
                let named = (vhost.clone(), declaration.name.clone());
                if let Some(earlier) = self.names.insert(named, id) {
                    self.queue_gone(earlier);
                }
                self.queues.insert(id, (vhost, declaration));
            }
            Change::QueueDeleted { id, .. } => {
                if let Some((vhost, gone)) = self.queue_gone(id) {
                    let named = (vhost, gone.name);
                    if self.names.get(&named) == Some(&id) {
                        self.names.remove(&named);
                    }
                }
            }
            Change::QueueLost { id } => {
                self.lost.insert(id);
            }
            Change::Bound(bound) => self.bindings.push(bound),
            Change::Unbound(bound) => self.bindings.retain(|it| !it.is_same(&bound)),
        }
        Ok(())
    }

    /// All that was in it goes with it, and its messages, which nobody keeps then.
    fn vhost_gone(&mut self, name: &ByteString) {
        self.vhosts.remove(name);
        self.permissions.forget_vhost(name);
        self.policies.forget_vhost(name);
        self.exchanges.retain(|(vhost, _), _| vhost != name);
        self.queues.retain(|_, (vhost, _)| vhost != name);
        self.names.retain(|(vhost, _), _| vhost != name);
        self.bindings.retain(|bound| bound.vhost != *name);
    }

    fn exchange_gone(&mut self, named: &Named) {
        if self.exchanges.remove(named).is_some() {
            let (vhost, name) = named;
            let gone = BoundTo::Exchange(name.clone());
            self.bindings
                .retain(|it| it.vhost != *vhost || (it.source != *name && it.destination != gone));
        }
    }

    fn queue_gone(&mut self, id: QueueId) -> Option<(ByteString, QueueDeclaration)> {
        let queue = self.queues.remove(&id)?;
        let gone = BoundTo::Queue(id);
        self.bindings.retain(|it| it.destination != gone);
        Some(queue)
    }

    pub(super) fn build(self, store: &Arc<Store>, mut messages: Map<QueueId, Parts>) -> Built {
        let Declared { vhosts, permissions, policies, parameters, exchanges, queues, .. } = self;
        let bindings = self.bindings;
        let mut topologies: BTreeMap<ByteString, Topology> = BTreeMap::new();
        let names = vhosts.keys().cloned().chain([DEFAULT_VHOST]);
        topologies.extend(names.map(|name| (name, Topology::new())));
        // One that the ledger has lost is there again with the first thing in it.
        for ((vhost, name), declaration) in exchanges {
            let topology = topologies.entry(vhost).or_insert_with(Topology::new);
            if topology.exchange(&name).is_none() {
                topology.add_exchange(declaration);
            }
        }
        let mut by_id: Map<QueueId, Arc<Queue>> = Map::default();
        for (id, (vhost, declaration)) in queues {
            let queue = Queue::new(id, vhost.clone(), declaration, None, store.clone());
            messages.remove(&id).into_iter().flatten().for_each(|part| queue.restore(part));
            topologies.entry(vhost).or_insert_with(Topology::new).add_queue(queue.clone());
            by_id.insert(id, queue);
        }
        for bound in bindings {
            let destination = match bound.destination {
                BoundTo::Exchange(name) => Destination::Exchange(name),
                BoundTo::Queue(id) => match by_id.get(&id) {
                    Some(queue) => Destination::Queue(queue.clone()),
                    None => continue,
                },
            };
            let binding = Binding { destination, key: bound.key, arguments: bound.arguments };
            if let Some(topology) = topologies.get_mut(&bound.vhost) {
                topology.bind(&bound.source, &binding);
            }
        }
        let with_settings = |(name, topology)| {
            let settings = vhosts.get(&name).cloned().unwrap_or_default();
            (name, settings, topology)
        };
        let vhosts = topologies.into_iter().map(with_settings).collect();
        Built { vhosts, permissions, policies, parameters }
    }
}
