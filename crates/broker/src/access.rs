//! Somebody in a virtual host: every operation on what is in it that a client asks for, checked by
//! the one [`crate::authorize`] before it is done. Which right each needs, and in which order what
//! is looked at, is RabbitMQ's: `rabbit_channel`.

use std::sync::Arc;

use bytestring::ByteString;

use crate::{
    Arguments, BindingEnd, ConnectionId, Consumer, ConsumerRequest, Error, ExchangeDeclaration,
    ExchangeKind, Queue, QueueDeclaration, QueueStatus, VirtualHost,
    authorize::{Action, Authority, Decisions, Identity, Resource},
    virtual_host::{Place, refuse_default},
};

/// Who is in a virtual host, and what they were allowed a moment ago. Not shared: each connection
/// has its own. [`crate::Broker::connect`] makes one.
#[derive(Debug)]
pub struct Access {
    vhost: Arc<VirtualHost>,
    authority: Arc<Authority>,
    decisions: Decisions,
    /// Counted until it is dropped.
    _place: Option<Place>,
}

impl Access {
    pub(crate) fn new(
        vhost: Arc<VirtualHost>,
        who: Identity,
        authority: Arc<Authority>,
        place: Option<Place>,
    ) -> Result<Access, Error> {
        authority.authorize(&who, Action::Connect, &Resource::VirtualHost(vhost.name()))?;
        let decisions = Decisions::new(who, vhost.name().clone());
        Ok(Access { vhost, authority, decisions, _place: place })
    }

    /// The virtual host.
    pub fn vhost(&self) -> &Arc<VirtualHost> {
        &self.vhost
    }

    /// Who it is.
    pub fn who(&self) -> &Identity {
        self.decisions.who()
    }

    /// The permissions' number: what was allowed by others may be forbidden now.
    pub fn generation(&self) -> u64 {
        self.authority.generation()
    }

    /// The user has other tags now, or another default access.
    pub fn is_now(&mut self, who: Identity) {
        self.decisions.is_now(who);
    }

    /// Declares a queue, as [`VirtualHost::declare_queue`]: `configure` on it; with a dead letter
    /// exchange, a new one needs `read` on itself and `write` on that exchange.
    ///
    /// # Errors
    /// As there, or [`crate::error::Kind::AccessRefused`].
    pub fn declare_queue(
        &mut self,
        declaration: QueueDeclaration,
        connection: ConnectionId,
        server_named: bool,
    ) -> Result<QueueStatus, Error> {
        let Access { vhost, authority, decisions, .. } = self;
        decisions.queue(authority, Action::Configure, &declaration.name)?;
        vhost.declare_queue_if(declaration, connection, server_named, |new| {
            let exchange = new.arguments.get("x-dead-letter-exchange");
            match exchange.and_then(|it| it.as_str()) {
                None => Ok(()),
                Some(exchange) => {
                    decisions.queue(authority, Action::Read, &new.name)?;
                    decisions.exchange(authority, Action::Write, exchange)
                }
            }
        })
    }

    /// Deletes a queue, as [`VirtualHost::delete_queue`]: `configure` on it.
    ///
    /// # Errors
    /// As there, or [`crate::error::Kind::AccessRefused`].
    pub fn delete_queue(
        &mut self,
        name: &str,
        connection: ConnectionId,
        if_unused: bool,
        if_empty: bool,
    ) -> Result<usize, Error> {
        self.decisions.queue(&self.authority, Action::Configure, name)?;
        self.vhost.delete_queue(name, connection, if_unused, if_empty)
    }

    /// Declares an exchange, as [`VirtualHost::declare_exchange`]: `configure` on it; with an
    /// alternate exchange, a new one needs `read` on itself and `write` on that exchange.
    ///
    /// # Errors
    /// As there, or [`crate::error::Kind::AccessRefused`].
    pub fn declare_exchange(&mut self, declaration: ExchangeDeclaration) -> Result<(), Error> {
        let Access { vhost, authority, decisions, .. } = self;
        refuse_default(&declaration.name)?;
        decisions.exchange(authority, Action::Configure, &declaration.name)?;
        vhost.declare_exchange_if(declaration, |new| {
            let alternate = new.arguments.get("alternate-exchange");
            match alternate.and_then(|it| it.as_str()) {
                None => Ok(()),
                Some(alternate) => {
                    decisions.exchange(authority, Action::Read, &new.name)?;
                    decisions.exchange(authority, Action::Write, alternate)
                }
            }
        })
    }

    /// Deletes an exchange, as [`VirtualHost::delete_exchange`]: `configure` on it.
    ///
    /// # Errors
    /// As there, or [`crate::error::Kind::AccessRefused`].
    pub fn delete_exchange(&mut self, name: &ByteString, if_unused: bool) -> Result<(), Error> {
        refuse_default(name)?;
        // Nobody may delete those, so that is what is said of them.
        if !name.starts_with("amq.") {
            self.decisions.exchange(&self.authority, Action::Configure, name)?;
        }
        self.vhost.delete_exchange(name, if_unused)
    }

    /// Binds, as [`VirtualHost::bind`]: `write` on the destination, `read` on the source, and on
    /// the key if the source is a topic exchange.
    ///
    /// # Errors
    /// As there, or [`crate::error::Kind::AccessRefused`].
    pub fn bind(
        &mut self,
        source: &ByteString,
        destination: BindingEnd<'_>,
        key: ByteString,
        arguments: Arguments,
        connection: ConnectionId,
    ) -> Result<(), Error> {
        self.may_bind(source, destination, &key)?;
        self.vhost.bind(source, destination, key, arguments, connection)
    }

    /// Takes a binding away, as [`VirtualHost::unbind`]: the rights of [`Access::bind`].
    ///
    /// # Errors
    /// As there, or [`crate::error::Kind::AccessRefused`].
    pub fn unbind(
        &mut self,
        source: &ByteString,
        destination: BindingEnd<'_>,
        key: ByteString,
        arguments: Arguments,
        connection: ConnectionId,
    ) -> Result<(), Error> {
        self.may_bind(source, destination, &key)?;
        self.vhost.unbind(source, destination, key, arguments, connection)
    }

    /// Whether they may bind, unbind, and look at bindings between two: the rights of
    /// [`Access::bind`].
    ///
    /// # Errors
    /// [`crate::error::Kind::AccessRefused`], for the default exchange too.
    pub fn may_bind(
        &mut self,
        source: &ByteString,
        destination: BindingEnd<'_>,
        key: &str,
    ) -> Result<(), Error> {
        let Access { authority, decisions, .. } = self;
        match destination {
            BindingEnd::Queue(name) => decisions.queue(authority, Action::Write, name)?,
            BindingEnd::Exchange(name) => {
                decisions.exchange(authority, Action::Write, name)?;
                refuse_default(name)?;
            }
        }
        refuse_default(source)?;
        decisions.exchange(authority, Action::Read, source)?;
        self.check_topic(Action::ReadTopic, source, key)
    }

    /// Whether they may publish to an exchange: `write` on it.
    ///
    /// # Errors
    /// [`crate::error::Kind::AccessRefused`].
    pub fn publish_to(&mut self, exchange: &str) -> Result<(), Error> {
        self.decisions.exchange(&self.authority, Action::Write, exchange)
    }

    /// Whether they may publish to an exchange with a routing key: `write` on the key, if it is a
    /// topic exchange. Asked besides [`Access::publish_to`], and after the exchange was found.
    ///
    /// # Errors
    /// [`crate::error::Kind::AccessRefused`].
    pub fn publish_with(&mut self, exchange: &str, key: &str) -> Result<(), Error> {
        self.check_topic(Action::WriteTopic, exchange, key)
    }

    fn check_topic(&mut self, action: Action, exchange: &str, key: &str) -> Result<(), Error> {
        let Access { vhost, authority, decisions, .. } = self;
        if !decisions.limits_topics(authority)
            || vhost.exchange_kind(exchange) != Some(ExchangeKind::Topic)
        {
            return Ok(());
        }
        decisions.topic(authority, action, exchange, key, None)
    }

    /// Whether they may publish in the name of a user: their own, or with the tag `impersonator`.
    ///
    /// # Errors
    /// [`crate::error::Kind::PreconditionFailed`] in RabbitMQ's words.
    pub fn publish_as(&self, user: &str) -> Result<(), Error> {
        self.authority.authorize(self.who(), Action::Impersonate, &Resource::User(user))
    }

    /// A queue to get from or to purge, as [`VirtualHost::queue`]: `read` on it.
    ///
    /// # Errors
    /// As there, or [`crate::error::Kind::AccessRefused`].
    pub fn readable(&mut self, queue: &str, connection: ConnectionId) -> Result<Arc<Queue>, Error> {
        self.may_read(queue)?;
        self.vhost.queue(queue, connection)
    }

    /// Begins to consume, as [`VirtualHost::consume`]: `read` on the queue.
    ///
    /// # Errors
    /// As there, or [`crate::error::Kind::AccessRefused`].
    pub fn consume(
        &mut self,
        queue: &str,
        connection: ConnectionId,
        request: ConsumerRequest,
    ) -> Result<Arc<Consumer>, Error> {
        self.may_read(queue)?;
        self.vhost.consume(queue, connection, request)
    }

    /// Whether they may look at a queue: any right to it will do.
    ///
    /// # Errors
    /// [`crate::error::Kind::AccessRefused`].
    pub fn may_inspect_queue(&mut self, queue: &str) -> Result<(), Error> {
        self.decisions.queue(&self.authority, Action::Inspect, queue)
    }

    /// Whether they may look at an exchange: any right to it will do.
    ///
    /// # Errors
    /// [`crate::error::Kind::AccessRefused`].
    pub fn may_inspect_exchange(&mut self, exchange: &str) -> Result<(), Error> {
        self.decisions.exchange(&self.authority, Action::Inspect, exchange)
    }

    /// Whether they may see a connection of this user's.
    ///
    /// # Errors
    /// [`crate::error::Kind::AccessRefused`].
    pub fn may_see_connection_of(&self, user: &str) -> Result<(), Error> {
        let connection = Resource::ConnectionOf(user);
        self.authority.authorize(self.who(), Action::SeeConnection, &connection)
    }

    /// Whether they may, still, read from a queue.
    ///
    /// # Errors
    /// [`crate::error::Kind::AccessRefused`].
    pub fn may_read(&mut self, queue: &str) -> Result<(), Error> {
        self.decisions.queue(&self.authority, Action::Read, queue)
    }
}
