//! Declaring and deleting exchanges.

use std::sync::Arc;

use bytestring::ByteString;

use super::{VirtualHost, check_reserved, check_same, check_same_argument};
use crate::{
    Error, ExchangeDeclaration, ExchangeKind, binding::DestinationKey, counters::ExchangeCounters,
    exchange::Settings, ledger::Change, policy::erlang, sync::read,
};

impl VirtualHost {
    /// Declares an exchange; one that is there already has to be the same.
    ///
    /// # Errors
    /// [`crate::error::Kind::AccessRefused`] for the default exchange and reserved names,
    /// [`crate::error::Kind::PreconditionFailed`] when it differs from what is there, or has
    /// arguments that its kind cannot be with.
    pub fn declare_exchange(&self, declaration: ExchangeDeclaration) -> Result<(), Error> {
        self.declare_exchange_if(declaration, |_| Ok(()))
    }

    /// As [`VirtualHost::declare_exchange`], but before it makes a new one it asks.
    pub(crate) fn declare_exchange_if(
        &self,
        declaration: ExchangeDeclaration,
        allowed: impl FnOnce(&ExchangeDeclaration) -> Result<(), Error>,
    ) -> Result<(), Error> {
        refuse_default(&declaration.name)?;
        let _turn = self.turn()?;
        if let Some(current) = self.exchange_declaration(&declaration.name) {
            return self.check_equivalent(&declaration, &current);
        }
        check_reserved("exchange", &declaration.name)?;
        Settings::of(&declaration, self.exchange_resource(&declaration.name))?;
        allowed(&declaration)?;
        let delays = match declaration.kind {
            ExchangeKind::Delayed => self.new_delay_queue(&declaration.name, declaration.durable),
            _ => None,
        };
        let (queue, queue_change) = delays.unzip();
        if declaration.durable {
            let declaration = declaration.clone();
            let mut changes = vec![Change::Exchange { vhost: self.name.clone(), declaration }];
            changes.extend(queue_change);
            self.ledger.record(&changes)?;
        }
        let name = declaration.name.clone();
        let effective = self.exchange_effective(&self.policies.now(), &declaration);
        self.apply(|topology| {
            queue.into_iter().for_each(|queue| topology.add_queue(queue));
            topology.add_exchange(declaration);
            topology.set_effective(&name, effective);
        });
        Ok(())
    }

    /// Whether the exchange is there (`exchange.declare` with `passive`).
    ///
    /// # Errors
    /// [`crate::error::Kind::NotFound`].
    pub fn check_exchange(&self, name: &str) -> Result<(), Error> {
        match name.is_empty() || read(&self.topology).exchange(name).is_some() {
            true => Ok(()),
            false => Err(Error::not_found(self.exchange_resource(name))),
        }
    }

    /// Deletes an exchange and the bindings from and to it. One that is not there is deleted
    /// already (RabbitMQ).
    ///
    /// # Errors
    /// [`crate::error::Kind::AccessRefused`] for the default and the `amq.` exchanges,
    /// [`crate::error::Kind::PreconditionFailed`] when `if_unused` and it has bindings.
    pub fn delete_exchange(&self, name: &ByteString, if_unused: bool) -> Result<(), Error> {
        refuse_default(name)?;
        let _turn = self.turn()?;
        if name.starts_with("amq.") {
            let what = self.exchange_resource(name);
            return Err(Error::refused(format!("deletion of system {what} not allowed")));
        }
        if read(&self.topology).exchange(name).is_none() {
            return Ok(());
        }
        if if_unused && read(&self.topology).exchange(name).is_some_and(|it| it.has_bindings()) {
            let what = self.exchange_resource(name);
            return Err(Error::precondition(format!("{what} in use")));
        }
        let changes = {
            let topology = read(&self.topology);
            let mut gone = vec![name.clone()];
            gone.extend(topology.orphans_of(&DestinationKey::Exchange(name.clone())));
            self.orphaned(&topology, &gone)
        };
        self.ledger.record(&changes)?;
        self.apply(|topology| topology.remove_exchange(name));
        Ok(())
    }

    /// The exchanges there are now, those that every virtual host has included.
    pub fn exchanges(&self) -> Vec<ExchangeDeclaration> {
        read(&self.topology).exchanges().map(|it| it.declaration.clone()).collect()
    }

    /// What came through an exchange; the default one is the empty name. `None` when there is none
    /// of that name.
    pub fn exchange_counters(&self, name: &str) -> Option<Arc<ExchangeCounters>> {
        read(&self.topology).counters(name).cloned()
    }

    /// An exchange as it was declared; `None` when there is none of that name.
    pub fn exchange(&self, name: &str) -> Option<ExchangeDeclaration> {
        self.exchange_declaration(name)
    }

    /// Its kind; `None` when there is none of that name.
    pub fn exchange_kind(&self, name: &str) -> Option<crate::ExchangeKind> {
        read(&self.topology).exchange(name).map(|it| it.declaration.kind)
    }

    fn exchange_declaration(&self, name: &str) -> Option<ExchangeDeclaration> {
        read(&self.topology).exchange(name).map(|it| it.declaration.clone())
    }

    fn check_equivalent(
        &self,
        received: &ExchangeDeclaration,
        current: &ExchangeDeclaration,
    ) -> Result<(), Error> {
        let what = self.exchange_resource(&received.name);
        let kind = |of: &ExchangeDeclaration| erlang::atom(of.kind.name());
        check_same("type", what, kind(received), kind(current))?;
        check_same("durable", what, received.durable, current.durable)?;
        check_same("auto_delete", what, received.auto_delete, current.auto_delete)?;
        check_same("internal", what, received.internal, current.internal)?;
        let (received, current) = (&received.arguments, &current.arguments);
        check_same_argument("alternate-exchange", what, received, current)
    }
}

pub(crate) fn refuse_default(name: &str) -> Result<(), Error> {
    match name {
        "" => Err(Error::refused("operation not permitted on the default exchange")),
        _ => Ok(()),
    }
}
