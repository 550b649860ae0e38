//! The keys of a message: its own, those in the header `CC`, and those of `BCC`, which nobody who
//! receives it sees. The first is always its own (RabbitMQ: `basic_message.routing_keys`).

use bytestring::ByteString;

use crate::{Headers, Message, Value};

/// Those that everybody may see.
pub(super) fn shown(message: &Message, headers: &dyn Headers) -> Vec<ByteString> {
    let mut keys = vec![message.routing_key.clone()];
    if let Some(Value::Array(copies)) = headers.header(COPIES) {
        keys.extend(copies.iter().filter_map(Value::as_str).map(ByteString::from));
    }
    keys
}

/// All.
pub(super) fn all(message: &Message, headers: &dyn Headers) -> Vec<ByteString> {
    let mut keys = shown(message, headers);
    keys.extend(message.marks.bcc.iter().flat_map(|hidden| hidden.iter().cloned()));
    keys
}

pub(super) const COPIES: &str = "CC";
