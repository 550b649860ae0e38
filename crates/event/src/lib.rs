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
//! let event = Event::new(topic, serde_json::json!({"agent": "ada", "door": "north"}))?;
//! let told = Registry::builtin().describe(&event);
//! assert!(told.summary.contains("org.example.door.open"));
//! # Ok::<(), event::Error>(())
//! ```

mod body;
mod description;
mod dump;
mod error;
mod event;
mod pattern;
mod registry;
mod severity;
mod topic;
mod wire;

pub use body::Body;
pub use description::Description;
pub use error::Error;
pub use event::Event;
pub use pattern::Pattern;
pub use registry::Registry;
pub use severity::Severity;
pub use topic::Topic;
pub use wire::{Headers, Wire};
