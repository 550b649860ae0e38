//! A virtual host: exchanges, queues and bindings under one name.
//!
//! Changes go one at a time (the ledger's turn): check, write to the ledger and sync, then apply
//! in memory. So nothing durable is visible before it is on disk, and routing is never held up
//! by a disk.

mod bindings;
mod dead_letter;
mod delays;
mod effective;
mod exchanges;
mod queues;
mod routing_keys;
mod settings;
mod snapshot;

use std::sync::{
    Arc, MutexGuard, RwLock, Weak,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bytestring::ByteString;

pub use bindings::BindingEnd;
pub(crate) use exchanges::refuse_default;
pub use queues::QueueStatus;
pub(crate) use settings::{Place, Settings};
pub use settings::{VirtualHostLimits, VirtualHostMetadata};

use crate::{
    Error, Headers, Queue,
    connection::ConnectionId,
    error::{Kind, Resource},
    ledger::{Change, Ledger},
    policy::{PoliciesInForce, QueueType},
    store::Store,
    sync::{read, write},
    topology::{Leg, Orphans, Route, Topology},
};

/// A virtual host.
#[derive(Debug)]
pub struct VirtualHost {
    name: ByteString,
    topology: RwLock<Topology>,
    /// Moves with every change: what was cached of an older version is stale.
    version: AtomicU64,
    settings: RwLock<Settings>,
    /// Open ones.
    connections: AtomicU64,
    is_deleted: AtomicBool,
    ledger: Arc<Ledger>,
    store: Arc<Store>,
    this: Weak<VirtualHost>,
    policies: Arc<PoliciesInForce>,
}

/// What all virtual hosts of a broker share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) store: Arc<Store>,
    pub(crate) policies: Arc<PoliciesInForce>,
}

impl VirtualHost {
    pub(crate) fn new(
        name: ByteString,
        settings: Settings,
        topology: Topology,
        shared: Shared,
    ) -> Arc<VirtualHost> {
        let Shared { ledger, store, policies } = shared;
        Arc::new_cyclic(|this| {
            topology.all_queues().for_each(|queue| queue.set_home(this.clone()));
            VirtualHost {
                name,
                topology: RwLock::new(topology),
                version: AtomicU64::new(0),
                settings: RwLock::new(settings),
                connections: AtomicU64::new(0),
                is_deleted: AtomicBool::new(false),
                ledger,
                store,
                this: this.clone(),
                policies,
            }
        })
    }

    /// Its name: `/` for the first one.
    pub fn name(&self) -> &ByteString {
        &self.name
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whether clients may publish to an exchange, as far as it is up to the exchange.
    pub(crate) fn check_publishable(&self, exchange: &str) -> Result<(), Error> {
        let topology = read(&self.topology);
        match topology.counters(exchange) {
            Some(_) => self.check_not_internal(&topology, exchange),
            None => Err(Error::not_found(self.exchange_resource(exchange))),
        }
    }

    fn check_not_internal(&self, topology: &Topology, exchange: &str) -> Result<(), Error> {
        match topology.exchange(exchange).is_some_and(|it| it.declaration.internal) {
            false => Ok(()),
            true => Err(Error::refused(format!(
                "cannot publish to internal {}",
                self.exchange_resource(exchange)
            ))),
        }
    }

    pub(crate) fn route(
        &self,
        exchange: &str,
        keys: &[&str],
        headers: &dyn Headers,
    ) -> Result<Route, Error> {
        let topology = read(&self.topology);
        self.check_not_internal(&topology, exchange)?;
        topology
            .route(exchange, keys, headers, self.store.clock(), Leg::Published)
            .ok_or_else(|| Error::not_found(self.exchange_resource(exchange)))
    }

    /// The queues there are now.
    pub fn queues(&self) -> Vec<Arc<Queue>> {
        read(&self.topology).queues().cloned().collect()
    }

    /// Whether it was deleted: who still has it is to let go of it.
    pub fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Acquire)
    }

    /// Ends it in memory, with all that is in it: the ledger says already that it is gone, and its
    /// messages need no record each. The caller has the ledger's turn.
    pub(crate) fn end(&self) {
        self.is_deleted.store(true, Ordering::Release);
        let queues = self.queues();
        self.apply(|topology| *topology = Topology::new());
        for queue in queues {
            // One that ends already has nothing left to end.
            queue.delete(|_| Ok(())).ok();
        }
    }

    /// Waits until no other change is under way.
    fn turn(&self) -> Result<MutexGuard<'_, ()>, Error> {
        let turn = self.ledger.turn();
        match self.is_deleted() {
            false => Ok(turn),
            true => Err(Error::new(Kind::NotAllowed, format!("vhost {} not found", self.name))),
        }
    }

    /// Applies one change in memory: the topology is what the ledger says when this returns.
    fn apply<T>(&self, change: impl FnOnce(&mut Topology) -> T) -> T {
        let mut topology = write(&self.topology);
        let done = change(&mut topology);
        for delays in topology.take_ended() {
            delays.end(&self.store).unwrap_or_else(|error| self.store.report(error));
        }
        self.version.fetch_add(1, Ordering::Release);
        done
    }

    /// An error if nothing may be accepted any more because the ledger failed.
    pub(crate) fn check_ledger(&self) -> Result<(), Error> {
        self.ledger.check()
    }

    /// The changes that say that these exchanges go with their last binding. They are one record
    /// with what takes that binding away, so that all of it survives or nothing.
    fn orphaned(&self, topology: &Topology, orphans: &Orphans) -> Vec<Change> {
        let durable = |name: &&ByteString| {
            topology.exchange(name).is_some_and(|exchange| exchange.declaration.durable)
        };
        let gone = |name: &ByteString| {
            let (vhost, name) = (self.name.clone(), name.clone());
            Change::ExchangeDeleted { vhost, name }
        };
        let gone = orphans.iter().filter(durable).map(gone);
        gone.chain(self.delays_gone(topology, orphans)).collect()
    }

    fn queue_resource<'a>(&'a self, name: &'a str) -> Resource<'a> {
        Resource { kind: "queue", name, vhost: &self.name }
    }

    fn exchange_resource<'a>(&'a self, name: &'a str) -> Resource<'a> {
        Resource { kind: "exchange", name, vhost: &self.name }
    }

    /// Which kind of queue that is, whosever it is.
    pub fn queue_type(&self, name: &str) -> Option<QueueType> {
        read(&self.topology).queue(name).map(|queue| queue.queue_type())
    }

    /// The queue as this connection may see it.
    ///
    /// # Errors
    /// [`Kind::NotFound`], or [`Kind::ResourceLocked`] when it belongs to another connection.
    pub fn queue(&self, name: &str, connection: ConnectionId) -> Result<Arc<Queue>, Error> {
        let queue = read(&self.topology).queue(name).cloned();
        let queue = queue.ok_or_else(|| Error::not_found(self.queue_resource(name)))?;
        self.check_owner(&queue, connection)?;
        Ok(queue)
    }

    fn check_owner(&self, queue: &Queue, connection: ConnectionId) -> Result<(), Error> {
        match queue.owner() {
            Some(owner) if owner != connection => Err(locked(queue)),
            _ => Ok(()),
        }
    }
}

/// RabbitMQ: one refusal for another's queue and for one that is declared exclusive or not
/// exclusive after all.
fn locked(queue: &Queue) -> Error {
    let text = format!(
        "cannot obtain exclusive access to locked {}. It could be originally declared on another \
         connection or the exclusive property value does not match that of the original \
         declaration.",
        queue.resource()
    );
    Error::new(Kind::ResourceLocked, text)
}

/// Refuses names that RabbitMQ reserves.
fn check_reserved(kind: &str, name: &str) -> Result<(), Error> {
    match name.starts_with("amq.") {
        false => Ok(()),
        true => {
            Err(Error::refused(format!("{kind} name '{name}' contains reserved prefix 'amq.*'")))
        }
    }
}

/// Refuses a declaration that differs from what is there.
fn check_same(
    field: &str,
    what: Resource<'_>,
    received: impl std::fmt::Display + PartialEq,
    current: impl std::fmt::Display + PartialEq,
) -> Result<(), Error> {
    let (received, current) = (received.to_string(), current.to_string());
    match received == current {
        true => Ok(()),
        false => Err(Error::precondition(format!(
            "inequivalent arg '{field}' for {what}: received '{received}' but current is \
             '{current}'"
        ))),
    }
}

/// Refuses a declaration whose argument `name` differs from what is there (RabbitMQ:
/// `rabbit_misc:assert_args_equivalence`).
fn check_same_argument(
    name: &str,
    what: Resource<'_>,
    received: &crate::Arguments,
    current: &crate::Arguments,
) -> Result<(), Error> {
    let (received, current) = (received.get(name), current.get(name));
    let same = match (received, current) {
        (None, None) => true,
        (Some(a), Some(b)) => a.is_equivalent(b),
        _ => false,
    };
    if same {
        return Ok(());
    }
    // RabbitMQ names types only where one of the two is missing.
    let both = received.is_some() && current.is_some();
    let say = |value: Option<&crate::Value>| match value {
        None => "none".to_owned(),
        Some(value) if both => format!("'{value}'"),
        Some(value) => format!("the value '{value}' of type '{}'", value.type_name()),
    };
    Err(Error::precondition(format!(
        "inequivalent arg '{name}' for {what}: received {} but current is {}",
        say(received),
        say(current)
    )))
}
