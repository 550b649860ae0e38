//! The kinds of exchange: AMQP's four and those of RabbitMQ's plugins.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The kinds of exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExchangeKind {
    /// The routing key equals the binding key.
    Direct,
    /// Every destination.
    Fanout,
    /// The routing key fits the binding's pattern.
    Topic,
    /// The message's headers fit the binding's arguments.
    Headers,
    /// One destination, always the same for the same routing key, header or property; the binding
    /// key is its weight.
    #[serde(rename = "x-consistent-hash")]
    ConsistentHash,
    /// One destination, by the routing key's hash modulo their number.
    #[serde(rename = "x-modulus-hash")]
    ModulusHash,
    /// One destination, by chance.
    #[serde(rename = "x-random")]
    Random,
    /// One queue, by chance; of this node, which here all are.
    #[serde(rename = "x-local-random")]
    LocalRandom,
    /// As the kind its argument `x-delayed-type` names, after the time that a message asks for.
    #[serde(rename = "x-delayed-message")]
    Delayed,
    /// Every destination, unless the message was there before.
    #[serde(rename = "x-message-deduplication")]
    Deduplication,
}

impl ExchangeKind {
    /// Every kind, in the order of the HTTP API's `exchange_types`.
    pub const ALL: [ExchangeKind; 10] = [
        ExchangeKind::Direct,
        ExchangeKind::Fanout,
        ExchangeKind::Headers,
        ExchangeKind::Topic,
        ExchangeKind::ConsistentHash,
        ExchangeKind::Delayed,
        ExchangeKind::LocalRandom,
        ExchangeKind::Deduplication,
        ExchangeKind::ModulusHash,
        ExchangeKind::Random,
    ];

    /// The name that clients declare.
    pub const fn name(self) -> &'static str {
        match self {
            ExchangeKind::Direct => "direct",
            ExchangeKind::Fanout => "fanout",
            ExchangeKind::Topic => "topic",
            ExchangeKind::Headers => "headers",
            ExchangeKind::ConsistentHash => "x-consistent-hash",
            ExchangeKind::ModulusHash => "x-modulus-hash",
            ExchangeKind::Random => "x-random",
            ExchangeKind::LocalRandom => "x-local-random",
            ExchangeKind::Delayed => "x-delayed-message",
            ExchangeKind::Deduplication => "x-message-deduplication",
        }
    }

    /// What it does, in one line.
    pub const fn description(self) -> &'static str {
        match self {
            ExchangeKind::Direct => "AMQP direct exchange, as per the AMQP specification",
            ExchangeKind::Fanout => "AMQP fanout exchange, as per the AMQP specification",
            ExchangeKind::Topic => "AMQP topic exchange, as per the AMQP specification",
            ExchangeKind::Headers => "AMQP headers exchange, as per the AMQP specification",
            ExchangeKind::ConsistentHash => "Consistent Hashing Exchange",
            ExchangeKind::ModulusHash => "Modulus Hashing Exchange",
            ExchangeKind::Random => "Picks one random binding (queue) to route via (to).",
            ExchangeKind::LocalRandom => {
                "Picks one random local binding (queue) to route via (to)."
            }
            ExchangeKind::Delayed => "Delayed Message Exchange.",
            ExchangeKind::Deduplication => "Message Deduplication Exchange.",
        }
    }
}

impl FromStr for ExchangeKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<ExchangeKind, Error> {
        ExchangeKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| Error::precondition(format!("unknown exchange type '{name}'")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_declared_and_kept_by_its_name() {
        for kind in ExchangeKind::ALL {
            assert_eq!(kind.name().parse::<ExchangeKind>().unwrap(), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        let refusal = "topics".parse::<ExchangeKind>().unwrap_err();
        assert_eq!(refusal.text, "unknown exchange type 'topics'");
    }
}
