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
mod agent_connection;
mod agent_line;
mod agent_socket;
mod amqp091;
mod amqp10;
mod back_off;
mod batch;
mod bus_url;
mod connection;
mod consumption;
mod conversation;
mod courier;
mod dead_letter;
mod delivery;
mod delivery_lock;
mod error;
mod handling;
mod keys;
mod limits;
mod message;
mod outage;
mod outbox;
mod pipe;
mod publish;
mod publisher;
mod retry;
mod round;
mod seen;
mod sender;
mod size;
mod spool;
mod spool_store;
mod spool_watch;
mod subscribe;
mod subscriber;
mod surroundings;
mod trace_context;
mod transport;
mod trust;
mod unrouted;
mod usual_places;

pub use agent::{Agent, Reception};
pub use agent_connection::AgentConnection;
pub use bus_url::{BusUrl, Protocol};
pub use dead_letter::DeadLetters;
pub use delivery::{Delivery, Undecodable};
pub use error::Error;
pub use handling::Handled;
pub use keys::{signing_key, trusted_keys};
pub use publish::{publish, publish_async, sender};
pub use publisher::{Published, Publisher};
pub use retry::Retry;
pub use sender::Sender;
pub use size::parse_size;
pub use spool::{Backlog, Spool};
pub use subscribe::{Subscribe, subscribe};
pub use subscriber::{Inbox, Queue, Subscriber, Subscription};
pub use surroundings::{Signing, Surroundings};
pub use trace_context::TraceContext;
pub use transport::tls_config;
pub use trust::{SignaturePolicy, Trust, TrustCounts, VERDICT_HEADER};
pub use usual_places::{usual_sockets, usual_spool};

pub use event::{Body, Clothing, Event, Pattern, Severity, Topic};

/// The exchange events go through: every RabbitMQ-like broker has it in every virtual host.
pub const EXCHANGE: &str = "amq.topic";
