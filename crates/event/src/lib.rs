//! The event itself: something that happened, as published. No I/O.
//!
//! An [`Event`] has a [`Topic`], a JSON body, an id, a time, a [`Severity`] and the name of its
//! schema. A [`Registry`] of schemas (data, not code) turns it into a [`Description`]: what a
//! person is told. [`Wire`] is how it travels: fedora-messaging's properties and headers.
//!
//! ```
//! use event::{Event, Registry, Topic};
//!
//! let topic: Topic = "org.example.door.open".parse()?;
//! let event = Event::new(topic, serde_json::json!({"agent": "ada", "name": "north"}))?;
//! let told = Registry::builtin().describe(&event);
//! assert_eq!(told.summary, "door.open by ada: north");
//! # Ok::<(), event::Error>(())
//! ```

mod body;
mod compatibility;
mod description;
mod dump;
mod error;
mod event;
mod filter_headers;
mod generic;
mod pattern;
mod plain_text;
mod registry;
mod schema;
mod schema_change;
mod schema_fields;
mod schema_file;
mod schema_index;
mod severity;
mod template;
mod template_filters;
mod topic;
mod wire;

pub use body::Body;
pub use compatibility::{Compatibility, Verdict};
pub use description::Description;
pub use error::Error;
pub use event::Event;
pub use pattern::Pattern;
pub use registry::Registry;
pub use schema::Schema;
pub use schema_change::SchemaChange;
pub use schema_fields::Field;
pub use severity::Severity;
pub use topic::Topic;
pub use wire::{Headers, Wire};
