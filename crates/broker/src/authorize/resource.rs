//! What is done something with.

use std::fmt;

/// A thing of the broker, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource<'a> {
    /// A queue.
    Queue {
        /// Its virtual host.
        vhost: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// An exchange; the default one is the empty name.
    Exchange {
        /// Its virtual host.
        vhost: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// A routing key of a topic exchange.
    Topic {
        /// The virtual host of the exchange.
        vhost: &'a str,
        /// The exchange.
        exchange: &'a str,
        /// The routing key, or the key of a binding.
        key: &'a str,
        /// What `{client_id}` stands for, where the protocol has such a thing.
        client_id: Option<&'a str>,
    },
    /// A virtual host.
    VirtualHost(&'a str),
    /// A user by name.
    User(&'a str),
    /// A connection of this user.
    ConnectionOf(&'a str),
    /// All of it.
    Broker,
}

impl<'a> Resource<'a> {
    /// The virtual host it is in, or is.
    pub fn vhost(&self) -> Option<&'a str> {
        match *self {
            Resource::Queue { vhost, .. }
            | Resource::Exchange { vhost, .. }
            | Resource::Topic { vhost, .. }
            | Resource::VirtualHost(vhost) => Some(vhost),
            Resource::User(_) | Resource::ConnectionOf(_) | Resource::Broker => None,
        }
    }

    /// The name that permissions are matched with: RabbitMQ calls the default exchange so.
    pub(super) fn matched_name(exchange: &'a str) -> &'a str {
        match exchange {
            "" => DEFAULT_EXCHANGE,
            name => name,
        }
    }
}

/// RabbitMQ: `rabbit_access_control:check_resource_access`.
const DEFAULT_EXCHANGE: &str = "amq.default";

/// As RabbitMQ's refusals name it.
impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Resource::Queue { vhost, name } => write!(f, "queue '{name}' in vhost '{vhost}'"),
            Resource::Exchange { vhost, name } => {
                let name = Resource::matched_name(name);
                write!(f, "exchange '{name}' in vhost '{vhost}'")
            }
            Resource::Topic { vhost, exchange, key, .. } => {
                write!(f, "topic '{key}' in exchange '{exchange}' in vhost '{vhost}'")
            }
            Resource::VirtualHost(vhost) => write!(f, "vhost '{vhost}'"),
            Resource::User(name) => write!(f, "user '{name}'"),
            Resource::ConnectionOf(name) => write!(f, "a connection of user '{name}'"),
            Resource::Broker => f.write_str("the broker"),
        }
    }
}
