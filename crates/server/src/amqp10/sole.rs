//! Clients that want to be the only one of their name (OASIS, *AMQP Enforcing Connection
//! Uniqueness*): JMS clients with a client identifier ask for it.

use std::sync::Arc;

use amqp10::{
    ErrorCondition,
    definition::AmqpError,
    performative::Open,
    types::{Map, Symbol, Value},
};
use broker::Value as Property;

use crate::{
    Context,
    connections::{ConnectionState, OpenConnection, Protocol},
};

/// What is to become of two connections of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// The new one is refused.
    Refuse,
    /// The one that was there before is closed.
    CloseExisting,
}

/// Sees to it that there is no other connection of the container in the virtual host, if the peer
/// wants that.
///
/// # Errors
/// There is one, and it is to stay.
pub(super) fn enforce(open: &Open, vhost: &str, context: &Context) -> Result<(), AmqpError> {
    let Some(policy) = policy(open) else { return Ok(()) };
    for other in others(&open.container_id, vhost, context) {
        match policy {
            Policy::CloseExisting => {
                other.close("another connection of its container wants to be the only one");
            }
            Policy::Refuse => {
                let text = format!(
                    "container '{}' has a connection already, from {}; give this one another \
                     container-id, or close that one first",
                    open.container_id, other.facts.peer
                );
                let mut info = Map::new();
                info.push(
                    Symbol::from_static("invalid-field"),
                    Symbol::from_static("container-id"),
                );
                return Err(AmqpError {
                    condition: ErrorCondition::InvalidField,
                    description: Some(text.into()),
                    info: Some(info),
                });
            }
        }
    }
    Ok(())
}

fn policy(open: &Open) -> Option<Policy> {
    let desired = open.desired_capabilities.as_slice();
    desired.iter().find(|it| it.as_str() == CAPABILITY)?;
    let asked = open.properties.as_ref().and_then(|it| it.get(ENFORCEMENT));
    Some(match asked {
        Some(Value::Uint(1)) => Policy::CloseExisting,
        _ => Policy::Refuse,
    })
}

fn others<'a>(
    container: &'a str,
    vhost: &'a str,
    context: &Context,
) -> impl Iterator<Item = Arc<OpenConnection>> + 'a {
    context.connections.list().into_iter().filter(move |other| {
        let facts = &other.facts;
        facts.protocol == Protocol::Amqp10
            && facts.vhost == vhost
            && other.state() != ConnectionState::Closing
            && matches!(other.client_properties().get("connection_name"),
                Some(Property::Longstr(name)) if name == container)
    })
}

pub(super) const CAPABILITY: &str = "sole-connection-for-container";

const ENFORCEMENT: &str = "sole-connection-enforcement-policy";
