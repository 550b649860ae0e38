//! Where links lead: the queue or exchange that an address names, found or made.

use amqp10::{
    ErrorCondition,
    definition::AmqpError,
    messaging::Source,
    types::{Multiple, Symbol},
};
use broker::{Arguments, BindingEnd, QueueDeclaration};
use bytestring::ByteString;

use super::{
    address::{Address, Key},
    connection::Connection,
    filter::Binding,
    management,
    own_queue::{Lives, OwnQueue},
    refusal,
    subscription::Subscription,
};
use crate::blocking;

/// A link that is not to be.
pub(super) type Refused = AmqpError;

/// Where a consumer's messages come from.
pub(super) struct Origin {
    pub(super) queue: String,
    /// It was made for links.
    pub(super) own: Option<OwnQueue>,
    /// It was made for this one, just now.
    pub(super) is_new: bool,
    /// As a subscription that others know by name.
    pub(super) subscription: Option<Subscription>,
}

impl Origin {
    pub(super) fn queue(queue: String) -> Origin {
        Origin { queue, own: None, is_new: false, subscription: None }
    }

    pub(super) fn own(own: OwnQueue) -> Origin {
        Origin { queue: own.name.clone(), own: Some(own), is_new: true, subscription: None }
    }
}

/// Where a publisher's messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum To {
    /// To a queue, by the default exchange.
    Queue(ByteString),
    /// To an exchange; without a key by each message's subject.
    Exchange { exchange: ByteString, key: Option<ByteString> },
    /// Where each message's `to` says.
    Anonymous,
    /// To the broker itself: each message is a request.
    Management,
}

impl To {
    pub(super) fn exchange(exchange: &str, key: Key) -> To {
        let key = match key {
            Key::Fixed(key) => Some(key.into()),
            Key::Subject => None,
        };
        To::Exchange { exchange: exchange.into(), key }
    }
}

/// What a plain name is.
enum Node {
    Queue,
    Exchange(String, Key),
}

/// What a peer says that a plain name is, by capabilities of the terminus: JMS's clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefers {
    Queue,
    Topic,
    Nothing,
}

impl Prefers {
    pub(super) fn of(capabilities: &Multiple<Symbol>) -> Prefers {
        let has = |name: &str| capabilities.as_slice().iter().any(|it| it.as_str() == name);
        match (has("queue"), has("topic")) {
            (true, false) => Prefers::Queue,
            (false, true) => Prefers::Topic,
            _ => Prefers::Nothing,
        }
    }
}

impl Connection {
    /// Where messages go that are sent to this address.
    pub(super) fn target(
        &mut self,
        address: Option<&str>,
        prefers: Prefers,
    ) -> Result<To, Refused> {
        let Some(text) = address else { return Ok(To::Anonymous) };
        let wrong = |text: String| refusal::error(ErrorCondition::InvalidField, text);
        Ok(match Address::parse(text).map_err(wrong)? {
            Address::Queue(queue) => self.to_queue(&queue)?,
            Address::OwnQueue(queue) => {
                self.declare_named(&queue)?;
                self.to_queue(&queue)?
            }
            Address::Exchange(exchange, key) => To::exchange(&exchange, key),
            Address::Named(name) if name == management::NODE_ADDRESS => To::Management,
            Address::Named(name) => match self.node(&name, prefers)? {
                Node::Queue => self.to_queue(&name)?,
                Node::Exchange(exchange, key) => To::exchange(&exchange, key),
            },
        })
    }

    /// What a plain name is.
    fn node(&self, name: &str, prefers: Prefers) -> Result<Node, Refused> {
        let is_queue = self.vhost.queue_type(name).is_some();
        let exchange = match name.split_once('/') {
            Some((exchange, key)) => (exchange, Key::Fixed(key.to_owned())),
            None => (name, Key::Subject),
        };
        let is_exchange = self.vhost.exchange_kind(exchange.0).is_some();
        match prefers {
            Prefers::Queue | Prefers::Nothing if is_queue => Ok(Node::Queue),
            Prefers::Topic | Prefers::Nothing if is_exchange => {
                Ok(Node::Exchange(exchange.0.to_owned(), exchange.1))
            }
            // Qpid: a topic that is no exchange is a key of the exchange for topics.
            Prefers::Topic => {
                Ok(Node::Exchange("amq.topic".to_owned(), Key::Fixed(name.to_owned())))
            }
            _ => Err(self.no_node(name)),
        }
    }

    fn to_queue(&self, queue: &str) -> Result<To, Refused> {
        match self.vhost.queue_type(queue) {
            Some(_) => Ok(To::Queue(queue.into())),
            None => Err(self.no_queue(queue)),
        }
    }

    fn no_queue(&self, queue: &str) -> Refused {
        let text = format!("no queue '{queue}' in vhost '{}'", self.vhost.name());
        refusal::error(ErrorCondition::NotFound, text)
    }

    fn no_node(&self, name: &str) -> Refused {
        let text = format!(
            "no queue or exchange '{name}' in vhost '{}'; declare it first",
            self.vhost.name()
        );
        refusal::error(ErrorCondition::NotFound, text)
    }

    /// The queue that a source is about.
    pub(super) fn source(&mut self, asked: &Source, link: &str) -> Result<Origin, Refused> {
        let Some(text) = asked.address.as_deref() else {
            let text = "a source has to have an address, or to be dynamic";
            return Err(refusal::error(ErrorCondition::InvalidField, text));
        };
        let wrong = |text: String| refusal::error(ErrorCondition::InvalidField, text);
        let (exchange, key) = match Address::parse(text).map_err(wrong)? {
            Address::Queue(queue) => return self.known(queue),
            Address::OwnQueue(queue) => {
                self.declare_named(&queue)?;
                return Ok(Origin::queue(queue));
            }
            Address::Named(name) if name == management::NODE_ADDRESS => {
                return Err(management::not_a_source());
            }
            Address::Named(name) => match self.node(&name, Prefers::of(&asked.capabilities))? {
                Node::Queue => return Ok(Origin::queue(name)),
                Node::Exchange(exchange, key) => (exchange, key),
            },
            Address::Exchange(exchange, key) => (exchange, key),
        };
        let key = match key {
            Key::Fixed(key) => key,
            Key::Subject => EVERY_KEY.to_owned(),
        };
        let Binding { key, arguments } = Binding::of(asked.filter.as_ref(), key)?;
        let (exchange, key) = (ByteString::from(exchange), ByteString::from(key));
        if let Some(subscription) = Subscription::of(asked, link, &self.container) {
            return self.subscribe(subscription, &exchange, &key, arguments);
        }
        // A queue of the link's own, as long as it is there.
        let (name, _) = self.declare_own()?;
        let end = BindingEnd::Queue(&name);
        let bound = blocking(|| self.access.bind(&exchange, end, key, arguments, self.id));
        if let Err(refused) = bound {
            self.delete_own(&name, false, false);
            return Err(refusal::of(&refused));
        }
        Ok(Origin::own(OwnQueue { name, lives: Lives::WithLink, is_shared: false }))
    }

    fn known(&self, queue: String) -> Result<Origin, Refused> {
        match self.vhost.queue_type(&queue) {
            Some(_) => Ok(Origin::queue(queue)),
            None => Err(self.no_queue(&queue)),
        }
    }

    /// A queue of this connection's own, with a name of the server's: its name and address.
    pub(super) fn declare_own(&mut self) -> Result<(String, ByteString), Refused> {
        let name = crate::amqp091::generated("amq.gen-");
        let declaration = QueueDeclaration {
            name: name.clone(),
            durable: false,
            exclusive: true,
            auto_delete: true,
            arguments: Arguments::default(),
        };
        let declared = blocking(|| self.access.declare_queue(declaration, self.id, true));
        declared.map_err(|it| refusal::of(&it))?;
        let address = Address::of_queue(&name).into();
        Ok((name.to_string(), address))
    }

    /// RabbitMQ, version 1: a durable queue, if it is not there.
    fn declare_named(&mut self, name: &str) -> Result<(), Refused> {
        if self.vhost.queue_type(name).is_some() {
            return Ok(());
        }
        let declaration = QueueDeclaration {
            name: name.into(),
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: Arguments::default(),
        };
        let declared = blocking(|| self.access.declare_queue(declaration, self.id, false));
        declared.map(drop).map_err(|it| refusal::of(&it))
    }
}

/// Of a topic exchange.
const EVERY_KEY: &str = "#";
