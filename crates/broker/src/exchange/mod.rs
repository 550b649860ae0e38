//! An exchange: its declaration, its bindings, and the router its kind gives it.

mod deduplication;
mod delayed;
mod kind;
mod settings;

use std::sync::{Arc, Mutex};

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

pub use self::{
    deduplication::{Deduplicator, Identity},
    kind::ExchangeKind,
};
pub(crate) use self::{
    delayed::{
        DELAY_HEADER, Delay, DelayQueue, Due, Sealed, delay_of, delays_exchange, queue_name,
    },
    settings::{HashOn, Settings},
};
use crate::{
    Arguments, Headers,
    binding::{Binding, Destination, DestinationKey},
    clock::Clock,
    counters::ExchangeCounters,
    error::Resource,
    policy::ExchangeEffective,
    routing::{Map, Router},
    sync::lock,
};

/// What is declared of an exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExchangeDeclaration {
    /// Its name.
    pub name: ByteString,
    /// Its kind.
    pub kind: ExchangeKind,
    /// It survives a restart.
    pub durable: bool,
    /// It goes when the last binding from it goes.
    pub auto_delete: bool,
    /// Clients cannot publish to it; only other exchanges lead there.
    pub internal: bool,
    /// Its arguments.
    pub arguments: Arguments,
}

#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) declaration: ExchangeDeclaration,
    pub(crate) counters: Arc<ExchangeCounters>,
    /// The kind that decides where messages go.
    kind: ExchangeKind,
    router: Router,
    /// What a deduplicating one remembers.
    seen: Option<Mutex<Deduplicator>>,
    /// Where the messages of a delayed one wait.
    pub(crate) delays: Option<Arc<DelayQueue>>,
    /// Its arguments and its policy together.
    pub(crate) effective: ExchangeEffective,
    /// Bindings by destination and key; more than one where only the arguments differ.
    bindings: Map<(DestinationKey, ByteString), Vec<Binding>>,
    bindings_count: usize,
}

impl Exchange {
    pub(crate) fn new(declaration: ExchangeDeclaration) -> Exchange {
        // It was read once when it was declared: in a ledger it reads as then.
        let what = Resource { kind: "exchange", name: &declaration.name, vhost: "" };
        let settings = Settings::of(&declaration, what).unwrap_or_default();
        let kind = settings.delayed.unwrap_or(declaration.kind);
        let seen = |seen: settings::Seen| Mutex::new(Deduplicator::new(seen.entries, seen.ttl_ms));
        Exchange {
            kind,
            counters: Arc::new(ExchangeCounters::of(declaration.name.clone())),
            router: Router::new(kind, settings.hash_on),
            seen: settings.seen.map(seen),
            delays: None,
            effective: ExchangeEffective { alternate_exchange: settings.alternate },
            declaration,
            bindings: Map::default(),
            bindings_count: 0,
        }
    }

    pub(crate) fn is_delayed(&self) -> bool {
        self.declaration.kind == ExchangeKind::Delayed
    }

    /// The kind that decides where messages go, and which bindings there can be.
    pub(crate) fn deciding_kind(&self) -> ExchangeKind {
        self.kind
    }

    /// Whether the routing key alone decides, the same way each time.
    pub(crate) fn is_by_key(&self) -> bool {
        self.router.is_by_key() && self.seen.is_none() && self.delays.is_none()
    }

    /// Visits the destinations of a message; one may come more than once. One that a deduplicating
    /// exchange has seen before has none.
    pub(crate) fn route(
        &self,
        keys: &[&str],
        headers: &dyn Headers,
        clock: &dyn Clock,
        visit: &mut dyn FnMut(&Destination),
    ) {
        if self.seen.as_ref().is_some_and(|seen| is_duplicate(seen, headers, clock)) {
            return;
        }
        self.router.route(keys, headers, visit);
    }

    pub(crate) fn has_bindings(&self) -> bool {
        !self.bindings.is_empty()
    }

    pub(crate) fn bindings_count(&self) -> usize {
        self.bindings_count
    }

    pub(crate) fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.values().flatten()
    }

    /// How many bindings there are to this destination under this key: they differ in arguments.
    pub(crate) fn bindings_under(&self, destination: &DestinationKey, key: &ByteString) -> usize {
        self.bindings.get(&(destination.clone(), key.clone())).map_or(0, Vec::len)
    }

    /// Adds a binding; `false` when it was there.
    pub(crate) fn bind(&mut self, binding: &Binding) -> bool {
        let same =
            self.bindings.entry((binding.destination.key(), binding.key.clone())).or_default();
        if same.iter().any(|it| it.arguments.is_equivalent(&binding.arguments)) {
            return false;
        }
        same.push(binding.clone());
        self.bindings_count += 1;
        if same.len() == 1 || self.router.reads_arguments() {
            self.router.bind(binding);
        }
        true
    }

    /// Takes a binding away; `None` when there was none.
    pub(crate) fn unbind(&mut self, binding: &Binding) -> Option<Binding> {
        let at = (binding.destination.key(), binding.key.clone());
        let same = self.bindings.get_mut(&at)?;
        let index = same.iter().position(|it| it.arguments.is_equivalent(&binding.arguments))?;
        let removed = same.remove(index);
        self.bindings_count -= 1;
        let last = same.is_empty();
        if last {
            self.bindings.remove(&at);
        }
        if last || self.router.reads_arguments() {
            self.router.unbind(&removed);
        }
        Some(removed)
    }

    /// Takes away all bindings to `destination` under `key`.
    pub(crate) fn unbind_all(
        &mut self,
        destination: &DestinationKey,
        key: &ByteString,
    ) -> Vec<Binding> {
        let at = (destination.clone(), key.clone());
        let removed = self.bindings.remove(&at).unwrap_or_default();
        self.bindings_count -= removed.len();
        let to_router = if self.router.reads_arguments() { removed.len() } else { 1 };
        removed.iter().take(to_router).for_each(|binding| self.router.unbind(binding));
        removed
    }

    /// Whether `binding` is already there.
    pub(crate) fn has(&self, binding: &Binding) -> bool {
        self.bindings.get(&(binding.destination.key(), binding.key.clone())).is_some_and(|same| {
            same.iter().any(|it| it.arguments.is_equivalent(&binding.arguments))
        })
    }
}

fn is_duplicate(seen: &Mutex<Deduplicator>, headers: &dyn Headers, clock: &dyn Clock) -> bool {
    let Some((identity, ttl_ms)) = Identity::of_message(headers) else { return false };
    !lock(seen).enter(identity, ttl_ms, clock.now())
}
