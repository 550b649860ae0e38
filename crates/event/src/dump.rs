//! fedora-messaging's dump format: one JSON object a line.

use crate::{Error, Event};

impl Event {
    /// One line, no line break: keys `body`, `headers`, `id`, `priority`, `queue`, `topic`.
    pub fn to_dump(&self) -> String {
        todo!()
    }

    /// The event of one line. `topic` and `body` are required.
    ///
    /// # Errors
    /// [`Error::Body`] or [`Error::Wire`] that names the key.
    pub fn from_dump(_line: &str) -> Result<Event, Error> {
        todo!()
    }
}
