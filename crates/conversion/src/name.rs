//! Names of headers, annotations and application properties, and the few that mean something here.

use std::collections::HashSet;

use amqp091::{ShortStr, limits::SHORT_STRING_MAX};
use bytestring::ByteString;

/// What begins with it is an annotation to AMQP 1.0, not the application's.
pub(crate) const ANNOTATION_PREFIX: &str = "x-";

/// Further routing keys, as 0-9-1 calls them.
pub(crate) const CC: &str = "CC";
/// The same as an annotation.
pub(crate) const X_CC: &str = "x-cc";

/// Where the message was published to.
pub(crate) const X_EXCHANGE: &str = "x-exchange";
/// The key that it was published with.
pub(crate) const X_ROUTING_KEY: &str = "x-routing-key";

/// Properties of 0-9-1 for which AMQP 1.0 has no place.
pub(crate) const X_BASIC_TYPE: &str = "x-basic-type";
pub(crate) const X_BASIC_EXPIRATION: &str = "x-basic-expiration";
/// RabbitMQ before 3.13 put these two there as well.
pub(crate) const X_BASIC_DELIVERY_MODE: &str = "x-basic-delivery-mode";
pub(crate) const X_BASIC_PRIORITY: &str = "x-basic-priority";

/// Names of messages for which 0-9-1 has no place.
pub(crate) const X_MESSAGE_ID: &str = "x-message-id";
pub(crate) const X_CORRELATION_ID: &str = "x-correlation-id";

/// When the broker got the message, as AMQP 1.0 and as 0-9-1 call it.
pub(crate) const X_RECEIVED_TIME: &str = "x-opt-rabbitmq-received-time";
pub(crate) const TIMESTAMP_IN_MS: &str = "timestamp_in_ms";

/// The annotations that are no headers: what they say stands elsewhere in 0-9-1.
pub(crate) fn is_internal(annotation: &str) -> bool {
    annotation.starts_with("x-basic-")
        || matches!(annotation, X_EXCHANGE | X_ROUTING_KEY | crate::death::X_DEATH)
}

/// A text as a short string, when it is one: at most 255 octets and no NUL (AMQP 0-9-1 §4.2.5.3).
pub(crate) fn short(text: ByteString) -> Option<ShortStr> {
    match text.len() <= SHORT_STRING_MAX && !text.as_bytes().contains(&0) {
        true => ShortStr::try_from(text).ok(),
        false => None,
    }
}

/// Of several that have the same name the first: a map has each name once, and in 0-9-1 looking a
/// name up finds the first.
#[derive(Debug, Default)]
pub(crate) struct Seen<'a>(HashSet<&'a str>);

impl<'a> Seen<'a> {
    /// Whether this name is here for the first time.
    pub(crate) fn is_new(&mut self, name: &'a str) -> bool {
        self.0.insert(name)
    }
}
