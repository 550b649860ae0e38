//! Binding and unbinding.

use bytestring::ByteString;

use super::{VirtualHost, exchanges::refuse_default};
use crate::{
    Arguments, Binding, Error, ExchangeKind,
    binding::Destination,
    connection::ConnectionId,
    ledger::Change,
    routing::{validate_binding, validate_headers},
    sync::read,
};

/// The two ends of a binding, by name.
#[derive(Debug, Clone, Copy)]
pub enum BindingEnd<'a> {
    /// A queue.
    Queue(&'a str),
    /// Another exchange.
    Exchange(&'a str),
}

impl ExchangeKind {
    /// Whether an exchange of this kind can have a binding with these arguments.
    ///
    /// # Errors
    /// [`crate::error::Kind::PreconditionFailed`].
    pub fn check_binding(self, arguments: &Arguments) -> Result<(), Error> {
        match self {
            ExchangeKind::Headers => validate_headers(arguments),
            _ => Ok(()),
        }
    }
}

impl VirtualHost {
    /// Binds a destination to an exchange; a binding that is there already stays as it is.
    ///
    /// # Errors
    /// [`crate::error::Kind::NotFound`] for either end, [`crate::error::Kind::ResourceLocked`],
    /// [`crate::error::Kind::AccessRefused`] for the default exchange,
    /// [`crate::error::Kind::PreconditionFailed`] for arguments that the kind cannot match.
    pub fn bind(
        &self,
        source: &ByteString,
        destination: BindingEnd<'_>,
        key: ByteString,
        arguments: Arguments,
        connection: ConnectionId,
    ) -> Result<(), Error> {
        let _turn = self.turn()?;
        let binding = self.check_ends(source, destination, key, arguments, connection)?;
        let (durable, there) = {
            let topology = read(&self.topology);
            let there = topology.exchange(source).is_some_and(|it| it.has(&binding));
            (self.is_durable(&topology, source, &binding), there)
        };
        if there {
            return Ok(());
        }
        if durable {
            self.ledger.record(&[Change::Bound(self.bound(source, &binding))])?;
        }
        self.apply(|topology| topology.bind(source, &binding));
        Ok(())
    }

    /// Takes a binding away; one that is not there is away already, and so is one of a queue or
    /// exchange that is not there (RabbitMQ).
    ///
    /// # Errors
    /// [`crate::error::Kind::ResourceLocked`] for another connection's queue,
    /// [`crate::error::Kind::AccessRefused`] for the default exchange.
    pub fn unbind(
        &self,
        source: &ByteString,
        destination: BindingEnd<'_>,
        key: ByteString,
        arguments: Arguments,
        connection: ConnectionId,
    ) -> Result<(), Error> {
        let _turn = self.turn()?;
        refuse_default(source)?;
        if let BindingEnd::Exchange(name) = destination {
            refuse_default(name)?;
        }
        let (binding, changes) = {
            let topology = read(&self.topology);
            let destination = match destination {
                BindingEnd::Queue(name) => topology.queue(name).cloned().map(Destination::Queue),
                BindingEnd::Exchange(name) => Some(Destination::Exchange(name.into())),
            };
            let Some(destination) = destination else { return Ok(()) };
            let binding = Binding { destination, key, arguments };
            if !topology.exchange(source).is_some_and(|it| it.has(&binding)) {
                return Ok(());
            }
            if let Destination::Queue(queue) = &binding.destination {
                self.check_owner(queue, connection)?;
            }
            let mut changes = Vec::new();
            if self.is_durable(&topology, source, &binding) {
                changes.push(Change::Unbound(self.bound(source, &binding)));
            }
            let orphans = topology.orphans_without(source);
            changes.extend(self.orphaned(&topology, &orphans));
            (binding, changes)
        };
        self.ledger.record(&changes)?;
        self.apply(|topology| topology.unbind(source, &binding));
        Ok(())
    }

    /// The bindings there are now, each with the exchange it leads from. Those of the default
    /// exchange, which every queue has, are not among them.
    pub fn bindings(&self) -> Vec<(ByteString, Binding)> {
        let topology = read(&self.topology);
        let of = |source: &crate::exchange::Exchange| {
            let name = source.declaration.name.clone();
            let bindings: Vec<Binding> = source.bindings().cloned().collect();
            bindings.into_iter().map(move |binding| (name.clone(), binding))
        };
        topology.exchanges().flat_map(of).collect()
    }

    /// The bindings between two that there are now.
    pub fn bindings_between(&self, source: &str, destination: BindingEnd<'_>) -> Vec<Binding> {
        let topology = read(&self.topology);
        let leads_there = |binding: &&Binding| match (&binding.destination, destination) {
            (Destination::Queue(queue), BindingEnd::Queue(name)) => **queue.name() == *name,
            (Destination::Exchange(exchange), BindingEnd::Exchange(name)) => **exchange == *name,
            _ => false,
        };
        let source = topology.exchange(source);
        source.map(|it| it.bindings().filter(leads_there).cloned().collect()).unwrap_or_default()
    }

    fn check_ends(
        &self,
        source: &ByteString,
        destination: BindingEnd<'_>,
        key: ByteString,
        arguments: Arguments,
        connection: ConnectionId,
    ) -> Result<Binding, Error> {
        refuse_default(source)?;
        // RabbitMQ: where both are missing it is the source that is missed.
        self.check_exchange(source)?;
        let destination = match destination {
            BindingEnd::Queue(name) => Destination::Queue(self.queue(name, connection)?),
            BindingEnd::Exchange(name) => {
                refuse_default(name)?;
                self.check_exchange(name)?;
                Destination::Exchange(name.into())
            }
        };
        let topology = read(&self.topology);
        let exchange = topology
            .exchange(source)
            .ok_or_else(|| Error::not_found(self.exchange_resource(source)))?;
        let kind = exchange.deciding_kind();
        let binding = Binding { destination, key, arguments };
        validate_binding(kind, &binding)?;
        Ok(binding)
    }
}
