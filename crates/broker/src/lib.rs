//! The messaging model: virtual hosts, exchanges, queues, bindings, routing.
//!
//! No sockets, no protocol, no clock, no spawned tasks; disk is handed in. A message is published
//! through a [`Publisher`], which finds its queues and writes it to the journal once; each
//! [`Queue`] keeps an [`Entry`] and hands it to a [`Consumer`] through its connection's
//! [`Mailbox`]. Who took it says [`Queue::settle`] or [`Queue::requeue`].
//!
//! ```
//! use broker::{
//!     BindingEnd, Broker, Label, Message, Options, Publish, Publisher, QueueDeclaration,
//! };
//!
//! let broker = Broker::in_memory(&Options::default());
//! let vhost = broker.vhost("/")?;
//! let me = broker.new_connection();
//! vhost.declare_queue(
//!     QueueDeclaration {
//!         name: "events".into(),
//!         durable: true,
//!         exclusive: false,
//!         auto_delete: false,
//!         arguments: Default::default(),
//!     },
//!     me,
//!     false,
//! )?;
//! let topic = "amq.topic".into();
//! vhost.bind(&topic, BindingEnd::Queue("events"), "org.#".into(), Default::default(), me)?;
//!
//! let mut publisher = Publisher::new(vhost.clone());
//! let key = "org.example.git.receive".into();
//! let routes = publisher.route(&topic, &key, &())?;
//! let label = Label { exchange: topic, routing_key: key, ..Label::default() };
//! let message = Message::new(label, Default::default());
//! publisher.publish(&mut vec![Publish { message, routes }], &mut Vec::new())?;
//! assert_eq!(vhost.check_queue("events", me)?.counts.ready, 1);
//! # Ok::<(), broker::Error>(())
//! ```
#![forbid(unsafe_code)]

mod access;
mod alarm;
mod arguments;
pub mod authorize;
mod backlog;
mod binding;
mod broker;
mod clock;
mod compaction;
mod connection;
mod consumer;
mod counters;
mod death;
mod entry;
pub mod error;
mod exchange;
mod group;
mod incoming;
mod index;
mod ledger;
pub mod limits;
mod mailbox;
mod message;
pub mod policy;
mod properties;
mod publisher;
mod queue;
mod ready;
mod record;
mod recovery;
mod routes;
mod routing;
mod store;
mod stream;
mod sync;
mod topology;
mod transaction;
mod virtual_host;

pub use access::Access;
pub use arguments::{Arguments, Headers, Property, Value};
pub use backlog::BacklogSizes;
pub use binding::{Binding, Destination};
pub use broker::{Broker, Disks, Options, RecoveryReport};
pub use clock::{Clock, SystemClock, Timestamp};
pub use connection::ConnectionId;
pub use consumer::{Consumer, ConsumerRequest, SharedLimit, Supply};
pub use counters::{DeathCounters, ExchangeCounters, QueueChurn, QueueCounters};
pub use death::{Death, DeathReason, Deaths};
pub use entry::Entry;
pub use error::Error;
pub use exchange::{Deduplicator, ExchangeDeclaration, ExchangeKind, Identity};
pub use group::Group;
pub use journal::{Attachment, AttachmentReader, AttachmentWriter, Position, ReadAhead};
pub use mailbox::{Letter, Mailbox, Wake};
pub use message::{Body, Encoding, Label, Made, Marks, Message};
pub use properties::Properties;
pub use publisher::{Publish, Publisher, Receipt};
pub use queue::{
    ConsumerReport, Looked, Queue, QueueCounts, QueueDeclaration, QueueId, QueueReport, Return,
    Waiting,
};
pub use routes::Routes;
pub use stream::{ReadFrom, Reading, StreamFilter};
pub use transaction::Settlement;
pub use virtual_host::{
    BindingEnd, QueueStatus, VirtualHost, VirtualHostLimits, VirtualHostMetadata,
};
