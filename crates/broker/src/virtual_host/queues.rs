//! Declaring, deleting and consuming from queues.

use std::sync::Arc;

use bytestring::ByteString;

use super::{VirtualHost, check_reserved, check_same, check_same_argument, locked};
use crate::{
    Consumer, ConsumerRequest, Error, Queue, QueueDeclaration, Value,
    binding::DestinationKey,
    connection::ConnectionId,
    ledger::Change,
    policy::{QueueArguments, QueueType},
    queue::QueueCounts,
    sync::read,
};

/// What a client is told of a queue it declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueStatus {
    /// Its name.
    pub name: ByteString,
    /// Its counts.
    pub counts: QueueCounts,
}

impl VirtualHost {
    /// Declares a queue; one that is there already has to be the same. An exclusive queue
    /// belongs to `connection` and is never durable (RabbitMQ). `server_named` names are the
    /// only new ones that may begin with `amq.`.
    ///
    /// # Errors
    /// [`crate::error::Kind::AccessRefused`] for a reserved name,
    /// [`crate::error::Kind::ResourceLocked`] when it belongs to another connection,
    /// [`crate::error::Kind::PreconditionFailed`] when it differs from what is there.
    pub fn declare_queue(
        &self,
        declaration: QueueDeclaration,
        connection: ConnectionId,
        server_named: bool,
    ) -> Result<QueueStatus, Error> {
        self.declare_queue_if(declaration, connection, server_named, |_| Ok(()))
    }

    /// As [`VirtualHost::declare_queue`], but before it makes a new one it asks.
    pub(crate) fn declare_queue_if(
        &self,
        mut declaration: QueueDeclaration,
        connection: ConnectionId,
        server_named: bool,
        allowed: impl FnOnce(&QueueDeclaration) -> Result<(), Error>,
    ) -> Result<QueueStatus, Error> {
        declaration.durable &= !declaration.exclusive;
        self.give_type(&mut declaration);
        let _turn = self.turn()?;
        let current = read(&self.topology).queue(&declaration.name).cloned();
        if let Some(queue) = current {
            self.check_owner(&queue, connection)?;
            if declaration.exclusive != queue.declaration().exclusive {
                return Err(locked(&queue));
            }
            check_equivalent(&declaration, &queue)?;
            queue.touch();
            self.store.totals().queue_declared();
            return Ok(status(&queue));
        }
        if !server_named {
            check_reserved("queue", &declaration.name)?;
        }
        self.check_queue_limit(&declaration.name)?;
        allowed(&declaration)?;
        self.check_new(&declaration, server_named)?;
        let id = self.ledger.new_queue_id();
        if declaration.durable {
            let (vhost, declaration) = (self.name.clone(), declaration.clone());
            self.ledger.record(&[Change::Queue { vhost, id, declaration }])?;
        }
        let owner = declaration.exclusive.then_some(connection);
        let queue = Queue::new(id, self.name.clone(), declaration, owner, self.store.clone());
        queue.set_home(self.this.clone());
        queue.set_effective(self.effective_of(&queue));
        let status = status(&queue);
        self.apply(|topology| topology.add_queue(queue));
        self.store.totals().queue_declared();
        self.store.totals().queue_created();
        Ok(status)
    }

    /// RabbitMQ: `rabbit_amqqueue:augment_declare_args`. The virtual host's type is for queues that
    /// any type could be.
    fn give_type(&self, declaration: &mut QueueDeclaration) {
        let of_any_type = declaration.durable && !declaration.auto_delete;
        let is_said = declaration
            .arguments
            .get("x-queue-type")
            .is_some_and(|value| !matches!(value.as_str(), Some("" | "undefined")));
        let default = self.default_queue_type();
        if !of_any_type || is_said || default == QueueType::Classic {
            return;
        }
        let others = declaration.arguments.iter().filter(|(name, _)| *name != "x-queue-type");
        let named = ("x-queue-type".to_owned(), Value::Longstr(default.name().to_owned()));
        declaration.arguments =
            others.map(|(name, value)| (name.to_owned(), value.clone())).chain([named]).collect();
    }

    /// Whether a new queue may be as it is declared.
    fn check_new(&self, declaration: &QueueDeclaration, server_named: bool) -> Result<(), Error> {
        let QueueDeclaration { name, durable, exclusive, auto_delete, arguments } = declaration;
        let asked = QueueArguments::parse(&self.name, name, arguments, QueueType::Classic)?;
        asked.check_properties(&self.name, name, *durable, *exclusive, *auto_delete)?;
        match asked.queue_type {
            QueueType::Classic => Ok(()),
            other if server_named => Err(Error::precondition(format!(
                "Cannot declare a server-named queue for type {}",
                other.module()
            ))),
            QueueType::Quorum | QueueType::Stream => Ok(()),
        }
    }

    /// What `queue.declare` with `passive` tells.
    ///
    /// # Errors
    /// As [`VirtualHost::queue`].
    pub fn check_queue(&self, name: &str, connection: ConnectionId) -> Result<QueueStatus, Error> {
        self.queue(name, connection).map(|queue| status(&queue))
    }

    /// Whether a queue of that name is there, whosever it is.
    pub fn has_queue(&self, name: &str) -> bool {
        read(&self.topology).queue(name).is_some()
    }

    /// The queue of that name, whosever it is: for who looks, and does nothing with it.
    pub fn find_queue(&self, name: &str) -> Option<Arc<Queue>> {
        read(&self.topology).queue(name).cloned()
    }

    /// Deletes a queue and its bindings; returns how many messages went with it, 0 for a stream.
    /// One that is not there is deleted already, with none (RabbitMQ).
    ///
    /// # Errors
    /// [`crate::error::Kind::ResourceLocked`], or [`crate::error::Kind::PreconditionFailed`] when
    /// it is in use or not empty and that was asked for.
    pub fn delete_queue(
        &self,
        name: &str,
        connection: ConnectionId,
        if_unused: bool,
        if_empty: bool,
    ) -> Result<usize, Error> {
        let queue = read(&self.topology).queue(name).cloned();
        let Some(queue) = queue else { return Ok(0) };
        self.check_owner(&queue, connection)?;
        let what = queue.resource();
        let messages = self.end_queue(&queue, |counts| {
            if if_unused && counts.consumers > 0 {
                return Err(Error::precondition(format!("{what} in use")));
            }
            if if_empty && counts.ready > 0 {
                return Err(Error::precondition(format!("{what} not empty")));
            }
            Ok(())
        })?;
        // RabbitMQ does not count a stream for that.
        Ok(if queue.stream().is_some() { 0 } else { messages })
    }

    /// Begins to consume. Nothing is delivered before [`Queue::dispatch`] is called, so that the
    /// client can be told first.
    ///
    /// # Errors
    /// As [`VirtualHost::queue`], or [`crate::error::Kind::AccessRefused`] when the queue is in
    /// exclusive use.
    pub fn consume(
        &self,
        queue: &str,
        connection: ConnectionId,
        request: ConsumerRequest,
    ) -> Result<Arc<Consumer>, Error> {
        self.queue(queue, connection)?.consume(request)
    }

    /// Ends a consumer. Deliveries already in its mailbox are to be requeued by whoever finds
    /// them. An auto-delete queue goes with its last consumer.
    ///
    /// # Errors
    /// The journal failed.
    pub fn cancel(&self, consumer: &Arc<Consumer>) -> Result<(), Error> {
        let queue = consumer.queue();
        if queue.cancel(consumer) {
            self.end_queue(queue, |_| Ok(()))?;
        }
        Ok(())
    }

    /// Deletes a queue that nobody has had to do with for as long as it was to stay.
    ///
    /// # Errors
    /// The journal failed.
    pub(crate) fn delete_disused(&self, queue: &Arc<Queue>) -> Result<(), Error> {
        self.end_queue(queue, |_| Ok(())).map(drop)
    }

    /// Deletes the exclusive queues of a connection that ends.
    ///
    /// # Errors
    /// The journal failed.
    pub fn connection_closed(&self, connection: ConnectionId) -> Result<(), Error> {
        let owned = read(&self.topology).owned(connection).to_vec();
        owned.iter().try_for_each(|queue| self.end_queue(queue, |_| Ok(())).map(drop))
    }

    /// Whether queues belong to a connection: then [`VirtualHost::connection_closed`] may wait for
    /// the disk.
    pub fn owns_queues(&self, connection: ConnectionId) -> bool {
        !read(&self.topology).owned(connection).is_empty()
    }

    fn end_queue(
        &self,
        queue: &Arc<Queue>,
        allowed: impl FnOnce(&QueueCounts) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        let _turn = self.ledger.turn();
        let mut changes = Vec::new();
        if queue.is_durable() {
            changes.push(Change::QueueDeleted { vhost: self.name.clone(), id: queue.id() });
        }
        {
            let topology = read(&self.topology);
            let orphans = topology.orphans_of(&DestinationKey::Queue(queue.id()));
            changes.extend(self.orphaned(&topology, &orphans));
        }
        // Nothing of it has happened if it cannot be written down.
        let ended = queue.delete(|counts| {
            allowed(counts)?;
            self.ledger.record(&changes)
        })?;
        let Some(count) = ended else { return Ok(0) };
        self.apply(|topology| topology.remove_queue(queue));
        Ok(count)
    }
}

fn status(queue: &Queue) -> QueueStatus {
    QueueStatus { name: queue.name().clone(), counts: queue.counts() }
}

fn check_equivalent(received: &QueueDeclaration, queue: &Queue) -> Result<(), Error> {
    let (what, current) = (queue.resource(), queue.declaration());
    check_same("durable", what, received.durable, current.durable)?;
    check_same("auto_delete", what, received.auto_delete, current.auto_delete)?;
    let (received, current) = (&received.arguments, &current.arguments);
    // RabbitMQ: no type is the classic one.
    let queue_type = |arguments| QueueArguments::of(arguments).queue_type;
    let is_typed_alike = queue_type(received) == queue_type(current);
    // It passes over what the type does not know.
    let compared = QueueArguments::known_to(queue.queue_type());
    let mut compared = compared.filter(|name| *name != "x-queue-type" || !is_typed_alike);
    compared.try_for_each(|name| check_same_argument(name, what, received, current))
}
