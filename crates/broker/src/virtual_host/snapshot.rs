//! What the ledger has to say of a virtual host, part by part.

use bytestring::ByteString;

use super::VirtualHost;
use crate::{
    Binding,
    binding::Destination,
    exchange::Exchange,
    ledger::{Bound, BoundTo, Change},
    queue::QueueId,
    sync::read,
    topology::Topology,
};

impl VirtualHost {
    /// Its durable exchanges, as changes that declare them.
    pub(crate) fn snapshot_exchanges(&self, changes: &mut Vec<Change>) {
        let topology = read(&self.topology);
        for exchange in by_name(&topology).filter(|it| it.declaration.durable) {
            let (vhost, declaration) = (self.name.clone(), exchange.declaration.clone());
            changes.push(Change::Exchange { vhost, declaration });
        }
    }

    /// Its durable queues, each with its number.
    pub(crate) fn snapshot_queues(&self, changes: &mut Vec<(QueueId, Change)>) {
        let topology = read(&self.topology);
        for queue in topology.all_queues().filter(|queue| queue.is_durable()) {
            let (vhost, id) = (self.name.clone(), queue.id());
            let declaration = queue.declaration().clone();
            changes.push((id, Change::Queue { vhost, id, declaration }));
        }
    }

    /// Its durable bindings.
    pub(crate) fn snapshot_bindings(&self, changes: &mut Vec<Change>) {
        let topology = read(&self.topology);
        for exchange in by_name(&topology) {
            let source = &exchange.declaration.name;
            let durable = exchange.bindings().filter(|it| self.is_durable(&topology, source, it));
            let mut bounds: Vec<Bound> = durable.map(|it| self.bound(source, it)).collect();
            bounds.sort_by(|a, b| (&a.key, &a.destination).cmp(&(&b.key, &b.destination)));
            changes.extend(bounds.into_iter().map(Change::Bound));
        }
    }

    /// A binding is durable when both its ends are.
    pub(super) fn is_durable(&self, topology: &Topology, source: &str, binding: &Binding) -> bool {
        let durable = |name: &str| topology.exchange(name).is_some_and(|it| it.declaration.durable);
        durable(source)
            && match &binding.destination {
                Destination::Queue(queue) => queue.is_durable(),
                Destination::Exchange(name) => durable(name),
            }
    }

    pub(super) fn bound(&self, source: &ByteString, binding: &Binding) -> Bound {
        Bound {
            vhost: self.name.clone(),
            source: source.clone(),
            destination: match &binding.destination {
                Destination::Queue(queue) => BoundTo::Queue(queue.id()),
                Destination::Exchange(name) => BoundTo::Exchange(name.clone()),
            },
            key: binding.key.clone(),
            arguments: binding.arguments.clone(),
        }
    }
}

/// In an order, so that the same virtual host is the same bytes.
fn by_name(topology: &Topology) -> impl Iterator<Item = &Exchange> {
    let mut exchanges: Vec<&Exchange> = topology.exchanges().collect();
    exchanges.sort_unstable_by(|a, b| a.declaration.name.cmp(&b.declaration.name));
    exchanges.into_iter()
}
