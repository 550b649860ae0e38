//! Publish and subscribe on any AMQP bus, by URL; and the spool that keeps events while the bus
//! is away. Knows no broker's insides: ours is reached as RabbitMQ would be.
//!
//! - [`BusUrl`]: where the bus is, shown without its password.
//! - [`Publisher`]: publishes with confirms, reconnects.
//! - [`Subscriber`]: receives with acknowledgement, reconnects and declares again.
//! - [`Spool`]: events on disk, handed over in microseconds; [`Agent`] delivers them.

mod agent;
mod bus_url;
mod error;
mod publisher;
mod spool;
mod subscriber;

pub use agent::Agent;
pub use bus_url::BusUrl;
pub use error::Error;
pub use publisher::{Published, Publisher};
pub use spool::Spool;
pub use subscriber::{Delivery, Queue, Subscriber, Subscription, Undecodable};

/// The exchange events go through: every RabbitMQ-like broker has it in every virtual host.
pub const EXCHANGE: &str = "amq.topic";
