//! What operators say of many queues and exchanges at once, and what a queue's own arguments say
//! of it: policies, operator policies, `x-` arguments, and the [`Effective`] settings that come of
//! all three. Rules and texts are RabbitMQ's, 3.13 to 4.2. Knows no queues: names and types are
//! handed in.
//!
//! ```
//! use broker::policy::{Effective, Policies, Policy, PolicyKind, QueueArguments, QueueType};
//! use serde_json::json;
//!
//! let mut policies = Policies::default();
//! let body = json!({"pattern": "^jobs\\.", "definition": {"max-length": 100}, "priority": 1});
//! policies.set(Policy::parse(PolicyKind::User, "/", "jobs", &body)?);
//! let applied = policies.of_queue("/", "jobs.mail", QueueType::Classic);
//! let effective = Effective::of_queue(&QueueArguments::default(), &applied.definition());
//! assert_eq!(effective.max_length, Some(100));
//! # Ok::<(), broker::Error>(())
//! ```

mod apply_to;
mod argument;
mod consumer_arguments;
mod definition;
mod effective;
pub mod erlang;
mod in_force;
mod key;
pub(crate) mod max_age;
mod mirroring;
mod policies;
mod queue_arguments;
mod queue_type;

use std::fmt;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use erlang::binary;

pub use apply_to::ApplyTo;
pub use consumer_arguments::ConsumerArguments;
pub(crate) use consumer_arguments::STREAM_OFFSET;
pub use definition::Definition;
pub use effective::{DeadLetterStrategy, Effective, ExchangeEffective, Overflow, QueueMode};
pub(crate) use in_force::PoliciesInForce;
pub use policies::{Applied, Policies};
pub use queue_arguments::QueueArguments;
pub use queue_type::{QueueType, UnknownQueueType};

use crate::{Error, authorize::Pattern};

/// Who sets it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum PolicyKind {
    /// A policymaker of the virtual host.
    #[default]
    User,
    /// The operator: it limits what policies and arguments may ask for.
    Operator,
}

/// A policy: settings for all queues or exchanges of a virtual host whose name has the pattern in
/// it. Of several, the one of the highest priority counts, alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
#[serde(rename_all = "kebab-case")]
pub struct Policy {
    /// The virtual host.
    pub vhost: ByteString,
    /// Its name, one in its virtual host and kind.
    pub name: ByteString,
    /// Which names it is for; an empty one is found in every name.
    pub pattern: Pattern,
    /// Which things it is for.
    pub apply_to: ApplyTo,
    /// The settings.
    pub definition: Definition,
    /// The higher one counts; of equal ones, the first by name.
    pub priority: i64,
    /// Who set it.
    #[serde(skip_serializing_if = "PolicyKind::is_user")]
    pub kind: PolicyKind,
}

impl PolicyKind {
    fn is_user(&self) -> bool {
        *self == PolicyKind::User
    }

    /// RabbitMQ's name of what checks it, which is in a refusal.
    fn validator(self) -> &'static str {
        match self {
            PolicyKind::User => "policy_validator",
            PolicyKind::Operator => "operator_policy_validator",
        }
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PolicyKind::User => "policy",
            PolicyKind::Operator => "operator policy",
        })
    }
}

impl Policy {
    /// Reads a policy as RabbitMQ's HTTP API, its tools and its definitions have it: an object with
    /// `pattern` and `definition`, and perhaps `priority` (0) and `apply-to` (`all`).
    ///
    /// # Errors
    /// [`crate::error::Kind::PreconditionFailed`], in RabbitMQ's words, one line for each fault.
    pub fn parse(kind: PolicyKind, vhost: &str, name: &str, body: &Value) -> Result<Policy, Error> {
        let mut faults = Faults::default();
        let none = serde_json::Map::new();
        let fields = match body.as_object() {
            Some(fields) => fields,
            None => {
                faults.0.push(format!("{name} not a list {}", erlang::term(body)));
                &none
            }
        };
        let missing = |key: &str| format!("Key \"{key}\" not found in {name}");
        // In the order in which RabbitMQ says them.
        let unknown: Vec<_> = fields.iter().filter(|(key, _)| !is_field(key)).collect();
        if !unknown.is_empty() {
            let terms = erlang::pairs(unknown.into_iter());
            faults.0.push(format!("Unrecognised terms {terms} in {name}"));
        }
        let definition = faults.keep(match fields.get("definition") {
            Some(value) => Definition::check(kind, name, value),
            None => Err(missing("definition")),
        });
        let apply_to = faults.keep(match fields.get("apply-to") {
            None | Some(Value::Null) => Ok(ApplyTo::All),
            Some(value) => ApplyTo::read(value),
        });
        let pattern = faults.keep(match fields.get("pattern") {
            Some(Value::String(text)) => {
                Pattern::new(text).map_err(|fault| format!("pattern {fault}"))
            }
            Some(it) => Err(format!("pattern should be a binary but was {}", erlang::term(it))),
            None => Err(missing("pattern")),
        });
        let priority = faults.keep(match fields.get("priority") {
            None | Some(Value::Null) => Ok(0),
            Some(it) => it.as_i64().ok_or_else(|| {
                format!("priority should be a number, actually was {}", erlang::term(it))
            }),
        });
        match (faults.0.is_empty(), definition, apply_to, pattern, priority) {
            (true, Some(definition), Some(apply_to), Some(pattern), Some(priority)) => Ok(Policy {
                vhost: vhost.into(),
                name: name.into(),
                pattern,
                apply_to,
                definition,
                priority,
                kind,
            }),
            _ => {
                let said = faults.0.join("\n");
                Err(Error::precondition(format!("Validation failed\n\n{said}\n")))
            }
        }
    }

    /// Whether it is for a queue of this name and type, by name and settings.
    fn is_of_queue(&self, name: &str, queue_type: QueueType) -> bool {
        self.apply_to.has_queue(queue_type)
            && self.definition.is_known_to(queue_type)
            && self.pattern.is_in(name)
    }

    fn is_of_exchange(&self, name: &str) -> bool {
        self.apply_to.has_exchanges() && self.pattern.is_in(name)
    }
}

/// What is wrong, all of it.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn keep<T>(&mut self, read: Result<T, String>) -> Option<T> {
        read.map_err(|fault| self.0.push(fault)).ok()
    }
}

fn is_field(key: &str) -> bool {
    ["pattern", "definition", "priority", "apply-to"].contains(&key)
}

/// As it is written in definitions and in the ledger.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Written {
    vhost: ByteString,
    name: ByteString,
    #[serde(default)]
    kind: PolicyKind,
    #[serde(flatten)]
    body: serde_json::Map<String, Value>,
}

impl TryFrom<Written> for Policy {
    type Error = Error;

    fn try_from(written: Written) -> Result<Policy, Error> {
        Policy::parse(written.kind, &written.vhost, &written.name, &Value::Object(written.body))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: &Value) -> Result<Policy, Error> {
        Policy::parse(PolicyKind::User, "/", "p", body)
    }

    #[test]
    fn a_policy_is_read_with_what_is_left_out() {
        let policy = parse(&json!({"pattern": "^a", "definition": {"expires": 1}})).unwrap();
        assert_eq!((policy.priority, policy.apply_to), (0, ApplyTo::All));
        let body = json!({"pattern": "^a", "definition": {"expires": 1}, "priority": -3,
                          "apply-to": "quorum_queues"});
        let policy = parse(&body).unwrap();
        assert_eq!((policy.priority, policy.apply_to), (-3, ApplyTo::QuorumQueues));
    }

    /// As RabbitMQ 4.2 says them: `rabbit_parameter_validation:proplist`, in its order.
    #[test]
    fn all_that_is_wrong_is_said_at_once_in_rabbitmqs_words() {
        let body = json!({"pattern": "(", "definition": {"expires": 0}, "priority": "high",
                          "apply-to": "stones", "x": 1});
        let said = parse(&body).unwrap_err().text;
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(
            lines[..5],
            [
                "Validation failed",
                "",
                "Unrecognised terms [{<<\"x\">>,1}] in p",
                "0 is not a valid queue expiry",
                "apply-to 'stones' unrecognised; should be one of: 'queues', 'classic_queues',  \
             'quorum_queues', 'streams', 'exchanges', or 'all'",
            ]
        );
        assert!(lines[5].starts_with("pattern should be regular expression but is invalid: "));
        assert_eq!(lines[6], "priority should be a number, actually was <<\"high\">>");
        assert!(said.ends_with('\n'));
        let said = parse(&json!({})).unwrap_err().text;
        assert_eq!(
            said,
            "Validation failed\n\nKey \"definition\" not found in p\nKey \"pattern\" not found in p\n"
        );
        assert!(parse(&json!([])).unwrap_err().text.contains("p not a list []"));
        assert!(parse(&json!({"pattern": 1})).unwrap_err().text.contains("a binary but was 1"));
    }

    #[test]
    fn it_is_written_as_definitions_write_it_and_read_back() {
        let written = json!({
            "vhost": "/", "name": "p", "pattern": "^a", "apply-to": "queues",
            "definition": {"max-length": 5}, "priority": 2
        });
        let policy: Policy = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&policy).unwrap(), written);
        let operators = Policy { kind: PolicyKind::Operator, ..policy };
        let text = serde_json::to_string(&operators).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), operators);
        let wrong = json!({"vhost": "/", "name": "p", "pattern": "", "definition": {"x": 1}});
        assert!(serde_json::from_value::<Policy>(wrong).is_err());
    }
}
