//! Management over AMQP 1.0: clients declare, and ask, over the connection that they publish on.
//!
//! `/management` is RabbitMQ's: requests of HTTP come on a link, and answers go on another of the
//! same name (`link_pair`); `request` finds who answers, `queue`, `exchange`, `binding` and `token`
//! do. `$management` is what AMQP's management working draft makes of nodes, as Qpid's tools read
//! it (`node`, `entity`): a message is a request, and its answer goes to its `reply-to`; read only.
//! All of it passes the same door as any other way in ([`broker::Access`]).

mod answer;
mod arguments;
mod binding;
mod call;
mod entity;
mod exchange;
mod link_pair;
mod node;
mod queue;
mod request;
mod target;
mod token;

pub(super) use link_pair::{PairedLink, is_pair};
pub(super) use node::{ADDRESS as NODE_ADDRESS, not_a_source};

/// Octets of a request. RabbitMQ: one frame. A request's values take much more memory than its
/// octets.
const REQUEST_BYTES_MAX: usize = 128 * 1024;
