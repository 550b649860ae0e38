//! How large the parts of an event may be. Whoever reads one refuses what is larger, by name.

use crate::Error;

/// A body, in bytes: RabbitMQ's largest message.
pub(crate) const BODY_BYTES_MAX: usize = 128 << 20;
/// An id (AMQP 0-9-1 §4.2.5.3: `message-id` is a short string).
pub(crate) const ID_BYTES_MAX: usize = 255;
/// A source, an object, a schema's name, a signature.
pub(crate) const NAME_BYTES_MAX: usize = 2048;
/// Attributes of a CloudEvent that is read, what belongs to the envelope included.
pub(crate) const ATTRIBUTES_MAX: usize = 4096;
/// All names and texts of those: as much as a content header of AMQP 0-9-1 with the usual
/// frame-max has room for.
pub(crate) const ATTRIBUTE_BYTES_MAX: usize = 128 << 10;
/// Events in one batch.
pub(crate) const BATCH_EVENTS_MAX: usize = 1000;

/// Refuses a text that is too long.
pub(crate) fn within(what: &'static str, text: &str, bytes_max: usize) -> Result<(), Error> {
    match text.len() > bytes_max {
        true => {
            let reason = format!("has {} bytes, more than {bytes_max}", text.len());
            Err(Error::Wire { what: what.into(), reason })
        }
        false => Ok(()),
    }
}
