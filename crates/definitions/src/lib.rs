//! RabbitMQ's definitions files, `rabbitmqctl export_definitions` and `/api/definitions`: virtual
//! hosts, users, permissions, policies, exchanges, queues, bindings, as one JSON document.
//!
//! [`Definitions`] is the document. [`Definitions::import`] looks at all of it before it changes
//! anything, and then declares what is not there yet; nothing is ever taken away. What means
//! nothing here is passed over with a note. [`Definitions::export`] writes the same shape. No files
//! and no sockets: text is handed in.
//!
//! ```
//! use definitions::Definitions;
//!
//! let text = r#"{"vhosts": [{"name": "ci"}],
//!     "queues": [{"name": "jobs", "vhost": "ci", "durable": true, "auto_delete": false,
//!                 "arguments": {"x-message-ttl": 60000}}]}"#;
//! # let directory = tempfile::tempdir()?;
//! let users = auth::Users::open(directory.path().join("users.json"))?;
//! let broker = broker::Broker::in_memory(&broker::Options::default());
//! let imported = Definitions::parse(text)?.import(&broker, &users)?;
//! assert_eq!((imported.vhosts, imported.queues), (1, 1));
//! assert_eq!(Definitions::export(&broker, &users).queues.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arguments;
mod document;
mod error;
mod export;
mod import;
mod plan;

pub use arguments::{from_json, to_json};
pub use document::{
    BindingDefinition, Definitions, DestinationType, ExchangeDefinition, GlobalParameter, Metadata,
    Parameter, PermissionDefinition, PolicyDefinition, QueueDefinition, TopicPermissionDefinition,
    VirtualHostDefinition,
};
pub use error::{Error, Fault};
pub use import::Imported;
