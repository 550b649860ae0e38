//! The schemas known, by name and by topic.

use crate::{Description, Error, Event};

/// All schemas known to a process.
#[derive(Debug, Clone, Default)]
pub struct Registry {}

impl Registry {
    /// The schemas that ship with Tubepost.
    pub fn builtin() -> Registry {
        todo!()
    }

    /// Adds one schema file's text; `name` is for messages. A schema of the same name is replaced.
    ///
    /// # Errors
    /// [`Error::Schema`] with the place.
    pub fn add(&mut self, _name: &str, _text: &str) -> Result<(), Error> {
        todo!()
    }

    /// Fills in what the schema knows: its name, severity and the filter headers
    /// (`fedora_messaging_user_…`, `fedora_messaging_rpm_…`), before publishing.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the body does not fit its schema.
    pub fn complete(&self, _event: &mut Event) -> Result<(), Error> {
        todo!()
    }

    /// Says the event to a person. Never fails: no schema, or a template that fails, gives the
    /// generic description.
    pub fn describe(&self, _event: &Event) -> Description {
        todo!()
    }

    /// Checks the body against the event's schema; an event without a known schema passes.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn validate(&self, _event: &Event) -> Result<(), Error> {
        todo!()
    }
}
