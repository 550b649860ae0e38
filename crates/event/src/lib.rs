//! The event itself: something that happened, as published. No I/O.
//!
//! An [`Event`] has a [`Topic`], a JSON body, an id, a time, a [`Severity`] and the name of its
//! schema. A [`Registry`] of schemas (data, not code) turns it into a [`Description`]: what a
//! person is told. [`Wire`] is how it travels on AMQP, in one of three [`Clothing`]s:
//! fedora-messaging's headers or CloudEvents'; [`Http`] is how it does on HTTP. A [`SigningKey`]
//! vouches for it, a [`Verifier`] finds out who did.
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

mod authorities;
mod body;
mod canonical;
mod catalogue;
mod clock;
mod clothing;
mod cloudevents;
mod compatibility;
mod description;
mod dump;
mod error;
mod event;
mod filter_headers;
mod generic;
mod limits;
mod pattern;
mod plain_text;
mod public_key;
mod registry;
mod schema;
mod schema_change;
mod schema_fields;
mod schema_file;
mod schema_index;
mod severity;
mod signature;
mod template;
mod template_body;
mod template_filters;
mod topic;
mod verifier;
mod wire;

pub use body::{Body, Encoding};
pub use catalogue::{Catalogue, Listed, content_tag, fnv_1a, schema_segment};
pub use clock::Skew;
pub use clothing::Clothing;
pub use cloudevents::http::{Http, HttpMode};
pub use compatibility::{Answer, Compatibility};
pub use description::Description;
pub use error::Error;
pub use event::Event;
pub use pattern::Pattern;
pub use registry::Registry;
pub use schema::Schema;
pub use schema_change::SchemaChange;
pub use schema_fields::Field;
pub use severity::Severity;
pub use signature::SigningKey;
pub use topic::Topic;
pub use verifier::{Doubt, Verdict, Verifier};
pub use wire::{Headers, Wire};
