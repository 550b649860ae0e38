//! Publish and subscribe on any AMQP bus, by URL; and the spool that keeps events while the bus
//! is away. Knows no broker's insides: ours is reached as RabbitMQ would be.
//!
//! - [`BusUrl`]: where the bus is, shown without its password.
//! - [`Publisher`]: publishes with confirms, reconnects.
//! - [`Subscriber`]: receives with acknowledgement, reconnects and declares again.
//! - [`Spool`]: events on disk, handed over in microseconds; [`Agent`] delivers them.
//!
//! Nothing is lost and something may come twice: an event whose publish or hand-over returned
//! arrives at least once, a repetition has the same id.
//!
//! ```no_run
//! use client::{BusUrl, Publisher, Queue, Subscriber, Subscription};
//! use event::Event;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let bus: BusUrl = "amqp://localhost".parse()?;
//! let subscription = Subscription {
//!     queue: Queue::Durable("doors".to_owned()),
//!     patterns: vec!["org.example.door.#".parse()?],
//!     prefetch: 10,
//! };
//! let mut doors = Subscriber::connect(&bus, "door-watch", subscription).await?;
//!
//! let topic = "org.example.door.open".parse()?;
//! let event = Event::new(topic, serde_json::json!({"door": "north"}))?;
//! Publisher::connect(&bus, "door").await?.publish(&event).await?;
//!
//! let delivery = doors.next().await;
//! assert_eq!(delivery.event.as_ref().map(|e| e.id.clone()).ok(), Some(event.id));
//! delivery.ack().await?;
//! # Ok(())
//! # }
//! ```

mod agent;
mod back_off;
mod batch;
mod bus_url;
mod connection;
mod consumption;
mod courier;
mod delivery;
mod delivery_lock;
mod error;
mod limits;
mod message;
mod outage;
mod publisher;
mod spool;
mod spool_watch;
mod subscriber;
mod transport;

pub use agent::Agent;
pub use bus_url::BusUrl;
pub use delivery::{Delivery, Undecodable};
pub use error::Error;
pub use publisher::{Published, Publisher};
pub use spool::{Backlog, Spool};
pub use subscriber::{Queue, Subscriber, Subscription};
pub use transport::tls_config;

/// The exchange events go through: every RabbitMQ-like broker has it in every virtual host.
pub const EXCHANGE: &str = "amq.topic";
