//! The handlers, a file for each noun of RabbitMQ's API.

pub(crate) mod binding;
pub(crate) mod channel;
pub(crate) mod connection;
pub(crate) mod consumer;
pub(crate) mod definition;
pub(crate) mod exchange;
pub(crate) mod feature;
pub(crate) mod health;
pub(crate) mod message;
pub(crate) mod node;
pub(crate) mod overview;
pub(crate) mod parameter;
pub(crate) mod permission;
pub(crate) mod policy;
pub(crate) mod queue;
pub(crate) mod topic_permission;
pub(crate) mod user;
pub(crate) mod vhost;
pub(crate) mod vhost_limit;

use broker::limits::NAME_BYTES_MAX;

use crate::refusal::Refusal;

/// Refuses a name that AMQP has no room for.
pub(crate) fn check_name(of: &str, name: &str) -> Result<(), Refusal> {
    match name.len() <= NAME_BYTES_MAX {
        true => Ok(()),
        false => Err(Refusal::bad_request(format!(
            "the name of the {of} has {} bytes; {NAME_BYTES_MAX} are the most",
            name.len()
        ))),
    }
}
