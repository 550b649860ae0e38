//! How brokers of AMQP 1.0 name what all of them have: an exchange for topics, queues, and what
//! binds them. The standard leaves addresses to them.

use std::str::FromStr;

use ::amqp10::{
    definition::Seconds,
    messaging::{Source, Target, TerminusDurability, TerminusExpiryPolicy},
    performative::Open,
    types::{Described, Map, Symbol, Value},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{EXCHANGE, message::Place};

/// A family of brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// RabbitMQ from 4.0 on, and Tubepost: `/exchanges/amq.topic/KEY`, `/queues/QUEUE`, and queues
    /// are declared and bound by requests to `/management`.
    RabbitMq,
    /// RabbitMQ 3 with its plugin: `/exchange/amq.topic`, `/topic/PATTERN`, `/queue/QUEUE`. Who
    /// publishes is not told what nobody wants, and no pattern binds a durable queue.
    RabbitMq3,
    /// Qpid: the exchange's plain name, a subject, and a filter.
    Qpid,
    /// Artemis, and whoever is not known: a topic is an address, a pattern one with wildcards.
    Topics,
}

impl Dialect {
    /// By what the peer says of itself.
    pub(super) fn of(open: &Open) -> Dialect {
        let property = |name: &str| {
            let found = open.properties.as_ref().and_then(|it| it.get(name));
            found.and_then(Value::as_text).unwrap_or_default().to_ascii_lowercase()
        };
        let product = property("product");
        match product.as_str() {
            "rabbitmq" if property("version").starts_with("3.") => Dialect::RabbitMq3,
            "rabbitmq" | "tubepost" => Dialect::RabbitMq,
            _ if product.starts_with("qpid") => Dialect::Qpid,
            _ => Dialect::Topics,
        }
    }

    /// Where a publisher's first link leads to: nowhere, where each message says where it goes.
    /// None when each topic has a link of its own.
    pub(super) fn exchange(self) -> Option<Target> {
        let address = match self {
            Dialect::RabbitMq => None,
            Dialect::RabbitMq3 => Some("/exchange/amq.topic"),
            Dialect::Qpid => Some(EXCHANGE),
            Dialect::Topics => return None,
        };
        Some(Target { address: address.map(Into::into), ..Target::default() })
    }

    /// Where a message says that it goes.
    pub(super) fn to(self, place: &Place, topic: &str) -> Option<String> {
        match (self, place) {
            (Dialect::RabbitMq, Place::Exchange) => Some(exchange_address(topic)),
            (Dialect::RabbitMq, Place::Queue(queue)) => Some(queue_address(queue)),
            _ => None,
        }
    }

    /// Where the link leads that a message takes, when that is not the first.
    pub(super) fn own_target(self, place: &Place, topic: &str) -> Option<Target> {
        let (address, capability) = match (self, place) {
            (Dialect::RabbitMq, _) | (Dialect::RabbitMq3 | Dialect::Qpid, Place::Exchange) => {
                return None;
            }
            (Dialect::RabbitMq3, Place::Queue(queue)) => (format!("/queue/{queue}"), None),
            (Dialect::Qpid, Place::Queue(queue)) => (queue.clone(), None),
            (Dialect::Topics, Place::Queue(queue)) => (queue.clone(), Some("queue")),
            (Dialect::Topics, Place::Exchange) => (topic.to_owned(), Some("topic")),
        };
        let capabilities = capability.map(Symbol::from_static).into_iter().collect();
        Some(Target { address: Some(address.into()), capabilities, ..Target::default() })
    }

    /// Whether queues are declared and bound by requests.
    pub(super) fn is_managed(self) -> bool {
        self == Dialect::RabbitMq
    }

    /// The source of a subscription by one pattern, where each pattern has a link. `durable`: its
    /// messages are kept while nobody has it, under the link's name.
    ///
    /// # Errors
    /// The broker cannot do that; why, and the mend.
    pub(super) fn pattern_source(self, pattern: &str, is_durable: bool) -> Result<Source, String> {
        let (address, filter) = match self {
            Dialect::RabbitMq | Dialect::RabbitMq3 if is_durable => {
                return Err("RabbitMQ 3 binds no durable queue by AMQP 1.0; \
                            write amqp:// for AMQP 0-9-1, or use RabbitMQ 4"
                    .to_owned());
            }
            Dialect::RabbitMq | Dialect::RabbitMq3 => (format!("/topic/{pattern}"), None),
            Dialect::Qpid => (EXCHANGE.to_owned(), Some(topic_filter(pattern))),
            Dialect::Topics => (pattern.to_owned(), None),
        };
        // What is durable may be had by several at once, as a durable queue may.
        let capabilities = match (self, is_durable) {
            (Dialect::Topics, true) => &["topic", "shared", "global"][..],
            (Dialect::Topics, false) => &["topic"],
            (_, true) => &["shared", "global"],
            (_, false) => &[],
        };
        let source = Source {
            address: Some(address.into()),
            filter,
            capabilities: capabilities.iter().map(|name| Symbol::from_static(name)).collect(),
            ..Source::default()
        };
        Ok(match is_durable {
            false => source,
            true => Source {
                durable: TerminusDurability::UnsettledState,
                expiry_policy: TerminusExpiryPolicy::Never,
                timeout: Seconds(0),
                ..source
            },
        })
    }
}

impl FromStr for Dialect {
    type Err = String;

    fn from_str(text: &str) -> Result<Dialect, String> {
        match text {
            "rabbitmq" => Ok(Dialect::RabbitMq),
            "rabbitmq3" => Ok(Dialect::RabbitMq3),
            "qpid" => Ok(Dialect::Qpid),
            "topics" => Ok(Dialect::Topics),
            _ => Err(format!(
                "its addresses are '{text}'; known are rabbitmq, rabbitmq3, qpid and topics"
            )),
        }
    }
}

/// Qpid: "legacy-amqp-topic-binding", in its registered form.
fn topic_filter(pattern: &str) -> Map {
    let name = Symbol::from_static("apache.org:legacy-amqp-topic-binding:string");
    let described = Described { descriptor: name.into(), value: Value::String(pattern.into()) };
    let key = Symbol::from_static("topic");
    [(Value::Symbol(key), Value::Described(Box::new(described)))].into_iter().collect()
}

fn exchange_address(topic: &str) -> String {
    format!("/exchanges/{EXCHANGE}/{}", encoded(topic))
}

pub(super) fn queue_address(queue: &str) -> String {
    format!("/queues/{}", encoded(queue))
}

/// As it is written within a path, or a query.
pub(super) fn encoded(name: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(name, UNRESERVED)
}

/// RFC 3986 §2.3.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
