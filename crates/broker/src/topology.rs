//! The exchanges, queues and bindings of one virtual host, as data. Applies changes that were
//! checked elsewhere; knows neither the ledger nor who asked.

use std::{collections::HashSet, sync::Arc};

use bytestring::ByteString;

use crate::{
    Arguments, ExchangeDeclaration, ExchangeKind, Headers, Queue,
    binding::{Binding, Destination, DestinationKey},
    exchange::Exchange,
    limits::EXCHANGE_HOPS_MAX,
    policy::ExchangeEffective,
    routing::Map,
};

#[derive(Debug)]
pub(crate) struct Topology {
    exchanges: Map<ByteString, Exchange>,
    queues: Map<ByteString, Arc<Queue>>,
    /// For each destination, the exchanges and keys it is bound under: what has to go with it.
    bound: Map<DestinationKey, HashSet<(ByteString, ByteString)>>,
}

/// Exchanges that go with their last binding.
pub(crate) type Orphans = Vec<ByteString>;

impl Topology {
    /// The topology that every virtual host begins with.
    pub(crate) fn new() -> Topology {
        let mut topology =
            Topology { exchanges: Map::default(), queues: Map::default(), bound: Map::default() };
        for (name, kind) in PREDECLARED {
            topology.add_exchange(ExchangeDeclaration {
                name: ByteString::from_static(name),
                kind,
                durable: true,
                auto_delete: false,
                internal: false,
                arguments: Arguments::default(),
            });
        }
        topology
    }

    pub(crate) fn exchange(&self, name: &str) -> Option<&Exchange> {
        self.exchanges.get(name)
    }

    pub(crate) fn queue(&self, name: &str) -> Option<&Arc<Queue>> {
        self.queues.get(name)
    }

    pub(crate) fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.exchanges.values()
    }

    pub(crate) fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.queues.values()
    }

    pub(crate) fn queue_count(&self) -> usize {
        self.queues.len()
    }

    pub(crate) fn add_exchange(&mut self, declaration: ExchangeDeclaration) {
        self.exchanges.insert(declaration.name.clone(), Exchange::new(declaration));
    }

    /// What counts for an exchange by arguments and policies.
    pub(crate) fn set_effective(&mut self, exchange: &str, effective: ExchangeEffective) {
        if let Some(exchange) = self.exchanges.get_mut(exchange) {
            exchange.set_effective(effective);
        }
    }

    pub(crate) fn add_queue(&mut self, queue: Arc<Queue>) {
        self.queues.insert(queue.name().clone(), queue);
    }

    pub(crate) fn bind(&mut self, source: &ByteString, binding: &Binding) {
        if let Some(exchange) = self.exchanges.get_mut(source)
            && exchange.bind(binding)
        {
            self.bound
                .entry(binding.destination.key())
                .or_default()
                .insert((source.clone(), binding.key.clone()));
        }
    }

    /// The exchanges that would go if `source` lost one of its bindings.
    pub(crate) fn orphans_without(&self, source: &ByteString) -> Orphans {
        let last = |it: &Exchange| it.declaration.auto_delete && it.bindings().nth(1).is_none();
        if !self.exchanges.get(source).is_some_and(last) {
            return Orphans::new();
        }
        let mut orphans = vec![source.clone()];
        orphans.extend(self.orphans_of(&DestinationKey::Exchange(source.clone())));
        orphans
    }

    /// The exchanges that would go with a destination: those that lead to nothing but it, and those
    /// that lead to nothing but them.
    pub(crate) fn orphans_of(&self, destination: &DestinationKey) -> Orphans {
        let mut gone = vec![destination.clone()];
        let mut at = 0;
        while let Some(destination) = gone.get(at).cloned() {
            at += 1;
            for (source, _) in self.bound.get(&destination).into_iter().flatten() {
                let key = DestinationKey::Exchange(source.clone());
                let Some(exchange) = self.exchanges.get(source) else { continue };
                let is_left = |binding: &Binding| !gone.contains(&binding.destination.key());
                let stays = !exchange.declaration.auto_delete || exchange.bindings().any(is_left);
                if !stays && !gone.contains(&key) {
                    gone.push(key);
                }
            }
        }
        let exchange = |key| match key {
            DestinationKey::Exchange(name) => Some(name),
            DestinationKey::Queue(_) => None,
        };
        gone.into_iter().skip(1).filter_map(exchange).collect()
    }

    pub(crate) fn unbind(&mut self, source: &ByteString, binding: &Binding) {
        let Some(exchange) = self.exchanges.get_mut(source) else { return };
        if exchange.unbind(binding).is_none() {
            return;
        }
        let destination = binding.destination.key();
        if !exchange
            .bindings()
            .any(|it| it.key == binding.key && it.destination.key() == destination)
            && let Some(places) = self.bound.get_mut(&destination)
        {
            places.remove(&(source.clone(), binding.key.clone()));
        }
        self.remove_if_orphaned(source);
    }

    pub(crate) fn remove_queue(&mut self, queue: &Arc<Queue>) {
        // The name may belong to another queue by now.
        if self.queues.get(queue.name()).is_some_and(|it| it.id() == queue.id()) {
            self.queues.remove(queue.name());
        }
        self.remove_bindings_to(&DestinationKey::Queue(queue.id()));
    }

    pub(crate) fn remove_exchange(&mut self, name: &ByteString) {
        let Some(exchange) = self.exchanges.remove(name) else { return };
        for binding in exchange.bindings() {
            if let Some(places) = self.bound.get_mut(&binding.destination.key()) {
                places.remove(&(name.clone(), binding.key.clone()));
            }
        }
        self.remove_bindings_to(&DestinationKey::Exchange(name.clone()));
    }

    fn remove_bindings_to(&mut self, destination: &DestinationKey) {
        for (source, key) in self.bound.remove(destination).unwrap_or_default() {
            if let Some(exchange) = self.exchanges.get_mut(&source) {
                exchange.unbind_all(destination, &key);
            }
            self.remove_if_orphaned(&source);
        }
    }

    /// An auto-delete exchange goes when the last binding from it goes, never before the first.
    fn remove_if_orphaned(&mut self, name: &ByteString) {
        let goes = |it: &Exchange| it.declaration.auto_delete && !it.has_bindings();
        if self.exchanges.get(name).is_some_and(goes) {
            self.remove_exchange(name);
        }
    }

    /// The queues a message goes to, each once; and whether the key alone decided. `None` when
    /// there is no such exchange.
    pub(crate) fn route(&self, exchange: &str, key: &str, headers: &dyn Headers) -> Option<Route> {
        if exchange.is_empty() {
            let queues = self.queues.get(key).cloned().into_iter().collect();
            return Some(Route { queues, by_key: true });
        }
        let mut route = Route { queues: Vec::new(), by_key: true };
        let mut visited: Vec<&str> = Vec::new();
        let mut next: Vec<ByteString> = Vec::new();
        let mut at = self.exchanges.get(exchange)?;
        loop {
            visited.push(&at.declaration.name);
            route.by_key &= at.declaration.kind != ExchangeKind::Headers;
            at.router().route(key, headers, &mut |destination| match destination {
                Destination::Queue(queue) => route.queues.push(queue.clone()),
                Destination::Exchange(name) => next.push(name.clone()),
            });
            let found = loop {
                match next.pop() {
                    None => break None,
                    Some(name) if visited.contains(&&*name) => {}
                    Some(name) => {
                        if let Some(exchange) = self.exchanges.get(&name) {
                            break Some(exchange);
                        }
                    }
                }
            };
            match found {
                Some(exchange) if visited.len() < EXCHANGE_HOPS_MAX => at = exchange,
                _ => break,
            }
        }
        route.queues.sort_unstable_by_key(|queue| queue.id());
        route.queues.dedup_by_key(|queue| queue.id());
        Some(route)
    }
}

#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) queues: Vec<Arc<Queue>>,
    pub(crate) by_key: bool,
}

/// RabbitMQ's predeclared exchanges; `amq.match` is AMQP 0-9-1 §3.1.3.4's name for a headers
/// exchange.
const PREDECLARED: [(&str, ExchangeKind); 5] = [
    ("amq.direct", ExchangeKind::Direct),
    ("amq.fanout", ExchangeKind::Fanout),
    ("amq.topic", ExchangeKind::Topic),
    ("amq.headers", ExchangeKind::Headers),
    ("amq.match", ExchangeKind::Headers),
];
