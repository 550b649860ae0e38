//! What `$management` shows: queues, exchanges, connections, and the broker itself, with the types
//! and attributes that Qpid Broker-J has for them.

use std::sync::Arc;

use amqp10::types::{Timestamp, Value};
use broker::{ExchangeCounters, ExchangeDeclaration, Queue, QueueReport};

use super::{answer::Refusal, arguments::shown, call::Call};
use crate::connections::OpenConnection;

/// What kinds of entities there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Queue,
    Exchange,
    Connection,
    Broker,
}

impl Kind {
    pub(super) const ALL: [Kind; 4] = [Kind::Queue, Kind::Exchange, Kind::Connection, Kind::Broker];

    /// The type's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Queue => "org.apache.qpid.Queue",
            Kind::Exchange => "org.apache.qpid.Exchange",
            Kind::Connection => "org.apache.qpid.Connection",
            Kind::Broker => "org.apache.qpid.Broker",
        }
    }

    /// The type that it extends: what it is, whoever made it.
    pub(super) fn general(self) -> &'static str {
        match self {
            Kind::Queue => "queue",
            Kind::Exchange => "exchange",
            Kind::Connection => "connection",
            Kind::Broker => "broker",
        }
    }

    /// The kind of that name.
    pub(super) fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name || kind.general() == name)
    }

    /// The attributes of its entities.
    pub(super) fn attributes(self) -> Vec<&'static str> {
        let own: &[&str] = match self {
            Kind::Queue => &[
                "qpid-type",
                "durable",
                "exclusive",
                "lifetimePolicy",
                "arguments",
                "consumerCount",
                "queueDepthMessages",
                "queueDepthBytes",
                "availableMessages",
                "availableBytes",
                "unacknowledgedMessages",
                "unacknowledgedBytes",
                "totalEnqueuedMessages",
            ],
            Kind::Exchange => &[
                "qpid-type",
                "durable",
                "internal",
                "lifetimePolicy",
                "arguments",
                "messagesIn",
                "messagesOut",
            ],
            Kind::Connection => &[
                "principal",
                "clientId",
                "remoteAddress",
                "localAddress",
                "protocol",
                "transport",
                "state",
                "createdTime",
                "sessionCount",
                "bytesIn",
                "bytesOut",
            ],
            Kind::Broker => &["product", "productVersion"],
        };
        OF_ALL.iter().chain(own).copied().collect()
    }
}

/// Something that is shown.
#[derive(Debug)]
pub(super) enum Entity {
    Queue(Arc<Queue>),
    Exchange(ExchangeDeclaration, Option<Arc<ExchangeCounters>>),
    Connection(Arc<OpenConnection>),
    Broker(String),
}

impl Entity {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Entity::Queue(_) => Kind::Queue,
            Entity::Exchange(..) => Kind::Exchange,
            Entity::Connection(_) => Kind::Connection,
            Entity::Broker(_) => Kind::Broker,
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Entity::Queue(queue) => queue.name(),
            Entity::Exchange(exchange, _) => &exchange.name,
            Entity::Connection(connection) => &connection.name,
            Entity::Broker(name) => name,
        }
    }

    /// These attributes, as they are at this moment; nothing for those that it does not have.
    pub(super) fn attributes(&self, names: &[impl AsRef<str>]) -> Vec<Value> {
        let report = match self {
            Entity::Queue(queue) => Some(queue.report()),
            _ => None,
        };
        let attribute = |name: &str| match name {
            "name" => Some(self.name().into()),
            "identity" => {
                Some(format!("{}/{}", self.kind().general(), self.name()).as_str().into())
            }
            "type" => Some(self.kind().name().into()),
            name => match self {
                Entity::Queue(queue) => of_queue(queue, report.as_ref()?, name),
                Entity::Exchange(exchange, counters) => {
                    of_exchange(exchange, counters.as_deref(), name)
                }
                Entity::Connection(connection) => of_connection(connection, name),
                Entity::Broker(_) => of_broker(name),
            },
        };
        names.iter().map(|name| attribute(name.as_ref()).unwrap_or_default()).collect()
    }
}

fn of_queue(queue: &Queue, report: &QueueReport, name: &str) -> Option<Value> {
    let declared = queue.declaration();
    let (ready, out) = (report.ready as u64, report.unacknowledged as u64);
    Some(match name {
        "qpid-type" => queue.queue_type().name().into(),
        "durable" => declared.durable.into(),
        "exclusive" => if declared.exclusive { "CONNECTION" } else { "NONE" }.into(),
        "lifetimePolicy" => match (declared.exclusive, declared.auto_delete) {
            (true, _) => "DELETE_ON_CONNECTION_CLOSE".into(),
            (false, true) => "DELETE_ON_NO_OUTBOUND_LINKS".into(),
            (false, false) => PERMANENT.into(),
        },
        "arguments" => shown(&declared.arguments),
        "consumerCount" => (report.consumers as u64).into(),
        "queueDepthMessages" => (ready + out).into(),
        "queueDepthBytes" => (report.ready_bytes + report.unacknowledged_bytes).into(),
        "availableMessages" => ready.into(),
        "availableBytes" => report.ready_bytes.into(),
        "unacknowledgedMessages" => out.into(),
        "unacknowledgedBytes" => report.unacknowledged_bytes.into(),
        "totalEnqueuedMessages" => report.counters.publish.into(),
        _ => return None,
    })
}

fn of_exchange(
    exchange: &ExchangeDeclaration,
    counters: Option<&ExchangeCounters>,
    name: &str,
) -> Option<Value> {
    Some(match name {
        "qpid-type" => exchange.kind.name().into(),
        "durable" => exchange.durable.into(),
        "internal" => exchange.internal.into(),
        "lifetimePolicy" => match exchange.auto_delete {
            true => "DELETE_ON_NO_LINKS".into(),
            false => PERMANENT.into(),
        },
        "arguments" => shown(&exchange.arguments),
        "messagesIn" => counters?.publish_in().into(),
        "messagesOut" => counters?.publish_out().into(),
        _ => return None,
    })
}

fn of_connection(connection: &OpenConnection, name: &str) -> Option<Value> {
    let facts = &connection.facts;
    Some(match name {
        "principal" => facts.user.as_str().into(),
        "clientId" => connection.client_properties().get("connection_name")?.as_str()?.into(),
        "remoteAddress" => facts.peer.to_string().as_str().into(),
        "localAddress" => facts.local.to_string().as_str().into(),
        "protocol" => facts.protocol_name().into(),
        "transport" => if facts.tls.is_some() { "SSL" } else { "TCP" }.into(),
        "state" => connection.state().name().into(),
        "createdTime" => Timestamp(i64::try_from(facts.connected_at).ok()?).into(),
        "sessionCount" => (connection.channels_count() as u64).into(),
        "bytesIn" => connection.received_bytes.get().into(),
        "bytesOut" => connection.sent_bytes.get().into(),
        _ => return None,
    })
}

fn of_broker(name: &str) -> Option<Value> {
    Some(match name {
        "product" => "Tubepost".into(),
        "productVersion" => env!("CARGO_PKG_VERSION").into(),
        _ => return None,
    })
}

/// Where entities are looked for.
pub(super) struct Site<'a, 'b> {
    pub(super) call: &'a mut Call<'b>,
    pub(super) connections: Vec<Arc<OpenConnection>>,
}

impl Site<'_, '_> {
    /// The entities of a kind that the caller may see, by name.
    pub(super) fn all(&mut self, kind: Kind) -> Vec<Entity> {
        let vhost = self.call.vhost().clone();
        let mut entities: Vec<Entity> = match kind {
            Kind::Queue => vhost.queues().into_iter().map(Entity::Queue).collect(),
            Kind::Exchange => {
                let of = |it: ExchangeDeclaration| {
                    let counters = vhost.exchange_counters(&it.name);
                    Entity::Exchange(it, counters)
                };
                vhost.exchanges().into_iter().map(of).collect()
            }
            Kind::Connection => self.connections.iter().cloned().map(Entity::Connection).collect(),
            Kind::Broker => vec![Entity::Broker(self.call.node.to_owned())],
        };
        entities.retain(|entity| self.is_here(entity) && self.may_see(entity).is_ok());
        entities.sort_by(|one, other| one.name().cmp(other.name()));
        entities
    }

    /// The entity of that name, if there is one.
    ///
    /// # Errors
    /// The caller may not see it.
    pub(super) fn find(&mut self, kind: Kind, name: &str) -> Result<Option<Entity>, Refusal> {
        let vhost = self.call.vhost().clone();
        let found = match kind {
            // Who may not see it is not told whether it is there.
            Kind::Queue => {
                self.call.access.may_inspect_queue(name).map_err(Refusal::of)?;
                vhost.find_queue(name).map(Entity::Queue)
            }
            Kind::Exchange => {
                self.call.access.may_inspect_exchange(name).map_err(Refusal::of)?;
                let exchange = vhost.exchange(name);
                exchange.map(|it| Entity::Exchange(it, vhost.exchange_counters(name)))
            }
            Kind::Connection => {
                let connection = self.connections.iter().find(|it| it.name == name);
                connection.cloned().map(Entity::Connection)
            }
            Kind::Broker => (name == self.call.node).then(|| Entity::Broker(name.to_owned())),
        };
        match found.filter(|entity| self.is_here(entity)) {
            Some(entity) => self.may_see(&entity).map(|()| Some(entity)),
            None => Ok(None),
        }
    }

    /// Whether it is something of this virtual host that is to be looked at.
    fn is_here(&self, entity: &Entity) -> bool {
        match entity {
            Entity::Queue(queue) => !queue.name().starts_with(REPLY_TO),
            Entity::Connection(it) => *it.facts.vhost == **self.call.vhost().name(),
            Entity::Exchange(..) | Entity::Broker(_) => true,
        }
    }

    fn may_see(&mut self, entity: &Entity) -> Result<(), Refusal> {
        let access = &mut self.call.access;
        let seen = match entity {
            Entity::Queue(queue) => access.may_inspect_queue(queue.name()),
            Entity::Exchange(exchange, _) => access.may_inspect_exchange(&exchange.name),
            Entity::Connection(it) => access.may_see_connection_of(&it.facts.user),
            Entity::Broker(_) => Ok(()),
        };
        seen.map_err(Refusal::of)
    }
}

/// Attributes that every entity has (AMQP Management, working draft 11, §2.2).
const OF_ALL: [&str; 3] = ["name", "identity", "type"];

/// Broker-J's word for what stays until it is deleted.
const PERMANENT: &str = "PERMANENT";

/// What stands for somebody who waits for answers (direct reply-to) is no queue to look at.
const REPLY_TO: &str = "amq.rabbitmq.reply-to.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_both_its_names() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert_eq!(Kind::named(kind.general()), Some(kind));
            assert_eq!(kind.attributes()[..3], OF_ALL);
        }
        assert_eq!(Kind::named("org.apache.qpid.Widget"), None);
    }
}
