//! The exchanges, queues and bindings of one virtual host, as data. Applies changes that were
//! checked elsewhere; knows neither the ledger nor who asked.

use std::{collections::HashSet, sync::Arc};

use bytestring::ByteString;

use crate::{
    Arguments, ConnectionId, ExchangeDeclaration, ExchangeKind, Headers, Queue,
    binding::{Binding, Destination, DestinationKey},
    clock::Clock,
    counters::ExchangeCounters,
    exchange::{Delay, DelayQueue, Exchange, delay_of, delays_exchange},
    policy::ExchangeEffective,
    routing::Map,
};

#[derive(Debug)]
pub(crate) struct Topology {
    exchanges: Map<ByteString, Exchange>,
    /// Of the default exchange, which is none of them.
    default_counters: Arc<ExchangeCounters>,
    queues: Map<ByteString, Arc<Queue>>,
    /// The exclusive ones, by the connections that they go with.
    owned: Map<ConnectionId, Vec<Arc<Queue>>>,
    /// The delayed exchanges' own queues, by exchange. Nobody finds them by name. One may be there
    /// before its exchange is: the ledger is read in any order.
    delays: Map<ByteString, Arc<DelayQueue>>,
    /// Those of exchanges that are gone, for whoever lets go of their messages.
    ended: Vec<Arc<DelayQueue>>,
    /// For each destination, the exchanges and keys it is bound under: what has to go with it.
    bound: Map<DestinationKey, HashSet<(ByteString, ByteString)>>,
}

/// Exchanges that go with their last binding.
pub(crate) type Orphans = Vec<ByteString>;

impl Topology {
    /// The topology that every virtual host begins with.
    pub(crate) fn new() -> Topology {
        let mut topology = Topology {
            exchanges: Map::default(),
            default_counters: Arc::new(ExchangeCounters::of(ByteString::new())),
            queues: Map::default(),
            owned: Map::default(),
            delays: Map::default(),
            ended: Vec::new(),
            bound: Map::default(),
        };
        for (name, kind, internal) in PREDECLARED {
            topology.add_exchange(ExchangeDeclaration {
                name: ByteString::from_static(name),
                kind,
                durable: true,
                auto_delete: false,
                internal,
                arguments: Arguments::default(),
            });
        }
        topology
    }

    pub(crate) fn exchange(&self, name: &str) -> Option<&Exchange> {
        self.exchanges.get(name)
    }

    /// What came through an exchange; the default one is the empty name.
    pub(crate) fn counters(&self, name: &str) -> Option<&Arc<ExchangeCounters>> {
        match name {
            "" => Some(&self.default_counters),
            name => self.exchange(name).map(|it| &it.counters),
        }
    }

    pub(crate) fn queue(&self, name: &str) -> Option<&Arc<Queue>> {
        self.queues.get(name)
    }

    pub(crate) fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.exchanges.values()
    }

    /// The queues that clients see.
    pub(crate) fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.queues.values()
    }

    /// The exclusive queues of a connection.
    pub(crate) fn owned(&self, connection: ConnectionId) -> &[Arc<Queue>] {
        self.owned.get(&connection).map_or(&[], Vec::as_slice)
    }

    /// The delayed exchanges' own queues, by exchange.
    pub(crate) fn delays(&self) -> impl Iterator<Item = (&ByteString, &Arc<DelayQueue>)> {
        self.delays.iter()
    }

    pub(crate) fn delay_queue(&self, exchange: &str) -> Option<&Arc<DelayQueue>> {
        self.delays.get(exchange)
    }

    /// The own queues of exchanges that went since this was last asked.
    pub(crate) fn take_ended(&mut self) -> Vec<Arc<DelayQueue>> {
        std::mem::take(&mut self.ended)
    }

    /// All that hold messages.
    pub(crate) fn all_queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.queues.values().chain(self.delays.values().map(|delays| delays.queue()))
    }

    pub(crate) fn queue_count(&self) -> usize {
        self.queues.len()
    }

    pub(crate) fn add_exchange(&mut self, declaration: ExchangeDeclaration) {
        let mut exchange = Exchange::new(declaration);
        if exchange.is_delayed() {
            exchange.delays = self.delays.get(&exchange.declaration.name).cloned();
        }
        self.exchanges.insert(exchange.declaration.name.clone(), exchange);
    }

    pub(crate) fn add_queue(&mut self, queue: Arc<Queue>) {
        let Some(exchange) = delays_exchange(queue.name()) else {
            if let Some(owner) = queue.owner() {
                self.owned.entry(owner).or_default().push(queue.clone());
            }
            self.queues.insert(queue.name().clone(), queue);
            return;
        };
        let exchange = ByteString::from(exchange);
        let delays = Arc::new(DelayQueue::new(queue));
        if let Some(it) = self.exchanges.get_mut(&exchange).filter(|it| it.is_delayed()) {
            it.delays = Some(delays.clone());
        }
        self.delays.insert(exchange, delays);
    }

    /// What an exchange's arguments and policies say together.
    pub(crate) fn set_effective(&mut self, exchange: &str, effective: ExchangeEffective) {
        if let Some(exchange) = self.exchanges.get_mut(exchange) {
            exchange.effective = effective;
        }
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
        let last = |it: &Exchange| it.declaration.auto_delete && it.bindings_count() <= 1;
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
        let mut orphans = Orphans::new();
        let mut gone = vec![destination.clone()];
        let mut known: HashSet<DestinationKey> = gone.iter().cloned().collect();
        // How many bindings of each exchange go.
        let mut lost: Map<&ByteString, usize> = Map::default();
        while let Some(destination) = gone.pop() {
            for (source, key) in self.bound.get(&destination).into_iter().flatten() {
                let Some(exchange) = self.exchanges.get(source) else { continue };
                let lost = lost.entry(source).or_default();
                *lost += exchange.bindings_under(&destination, key);
                if exchange.declaration.auto_delete
                    && *lost == exchange.bindings_count()
                    && known.insert(DestinationKey::Exchange(source.clone()))
                {
                    gone.push(DestinationKey::Exchange(source.clone()));
                    orphans.push(source.clone());
                }
            }
        }
        orphans
    }

    pub(crate) fn unbind(&mut self, source: &ByteString, binding: &Binding) {
        let Some(exchange) = self.exchanges.get_mut(source) else { return };
        if exchange.unbind(binding).is_none() {
            return;
        }
        let destination = binding.destination.key();
        if exchange.bindings_under(&destination, &binding.key) == 0 {
            self.unbound(&destination, source, &binding.key);
        }
        self.remove_if_orphaned(source);
    }

    /// A destination is no longer bound to `source` under `key`.
    fn unbound(&mut self, destination: &DestinationKey, source: &ByteString, key: &ByteString) {
        let Some(places) = self.bound.get_mut(destination) else { return };
        places.remove(&(source.clone(), key.clone()));
        if places.is_empty() {
            self.bound.remove(destination);
        }
    }

    pub(crate) fn remove_queue(&mut self, queue: &Arc<Queue>) {
        // The name may belong to another queue by now.
        if self.queues.get(queue.name()).is_some_and(|it| it.id() == queue.id()) {
            self.queues.remove(queue.name());
        }
        if let Some(owner) = queue.owner()
            && let Some(owned) = self.owned.get_mut(&owner)
        {
            owned.retain(|it| it.id() != queue.id());
            if owned.is_empty() {
                self.owned.remove(&owner);
            }
        }
        self.remove_bindings_to(&DestinationKey::Queue(queue.id()));
    }

    pub(crate) fn remove_exchange(&mut self, name: &ByteString) {
        let Some(exchange) = self.exchanges.remove(name) else { return };
        if exchange.is_delayed() {
            self.ended.extend(self.delays.remove(name));
        }
        for binding in exchange.bindings() {
            self.unbound(&binding.destination.key(), name, &binding.key);
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
    /// there is no such exchange. `keys` are its routing key and those of `CC` and `BCC`.
    ///
    /// As RabbitMQ's `rabbit_exchange:route`: exchanges one after the other, each once, so that a
    /// cycle ends; one that finds no destination at all passes the message to its alternate.
    pub(crate) fn route(
        &self,
        exchange: &str,
        keys: &[&str],
        headers: &dyn Headers,
        clock: &dyn Clock,
        leg: Leg,
    ) -> Option<Route> {
        let mut route = Route {
            queues: Vec::new(),
            delays: Vec::new(),
            by_key: keys.len() == 1,
            counters: self.counters(exchange)?.clone(),
        };
        if exchange.is_empty() {
            self.default_exchange(keys, &mut route);
            route.each_once();
            return Some(route);
        }
        let mut delay = None;
        let mut walk = Walk::from(self, self.exchanges.get(exchange)?);
        while let Some(at) = walk.next.pop() {
            route.by_key &= at.is_by_key();
            if let Some(queue) = at.delays.as_ref().filter(|_| leg == Leg::Published)
                && let Some(delay) = *delay.get_or_insert_with(|| delay_of(headers))
            {
                let due = clock.now().after(delay);
                route.delays.push(Delay { queue: queue.clone(), due });
                continue;
            }
            let mut found = false;
            at.route(keys, headers, clock, &mut |destination| {
                found = true;
                match destination {
                    Destination::Queue(queue) => route.queues.push(queue.clone()),
                    Destination::Exchange(name) => walk.enter(name),
                }
            });
            // The default exchange is none: RabbitMQ looks it up, and finds no binding of it.
            if let Some(alternate) = at.effective.alternate_exchange.as_ref().filter(|_| !found) {
                walk.enter(alternate);
            }
        }
        route.each_once();
        Some(route)
    }

    /// Every queue is bound to it under its own name.
    fn default_exchange(&self, keys: &[&str], route: &mut Route) {
        route.queues.extend(keys.iter().filter_map(|key| self.queues.get(*key)).cloned());
    }
}

/// The exchanges a message comes by.
struct Walk<'a> {
    topology: &'a Topology,
    first: &'a Exchange,
    next: Vec<&'a Exchange>,
    /// All but the first: most messages come by no other.
    seen: HashSet<&'a str>,
}

impl<'a> Walk<'a> {
    fn from(topology: &'a Topology, first: &'a Exchange) -> Walk<'a> {
        Walk { topology, first, next: vec![first], seen: HashSet::new() }
    }

    /// Comes by another one, if it is there and this is the first time.
    fn enter(&mut self, name: &str) {
        let Some(exchange) = self.topology.exchanges.get(name) else { return };
        if *name != *self.first.declaration.name && self.seen.insert(&exchange.declaration.name) {
            self.next.push(exchange);
        }
    }
}

#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) queues: Vec<Arc<Queue>>,
    /// Where it waits first.
    pub(crate) delays: Vec<Delay>,
    pub(crate) by_key: bool,
    /// Of the exchange it was published to.
    pub(crate) counters: Arc<ExchangeCounters>,
}

impl Route {
    fn each_once(&mut self) {
        self.queues.sort_unstable_by_key(|queue| queue.id());
        self.queues.dedup_by_key(|queue| queue.id());
    }
}

/// Which part of its way a message is on: from its publisher, when it may have to wait, or from
/// where it waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leg {
    Published,
    Due,
}

/// RabbitMQ's predeclared exchanges, and which of them clients cannot publish to; `amq.match` is
/// AMQP 0-9-1 §3.1.3.4's name for a headers exchange.
const PREDECLARED: [(&str, ExchangeKind, bool); 6] = [
    ("amq.direct", ExchangeKind::Direct, false),
    ("amq.fanout", ExchangeKind::Fanout, false),
    ("amq.topic", ExchangeKind::Topic, false),
    ("amq.headers", ExchangeKind::Headers, false),
    ("amq.match", ExchangeKind::Headers, false),
    ("amq.rabbitmq.trace", ExchangeKind::Topic, true),
];
