//! Where answers go: the name of a queue against an address (RabbitMQ's address v2).

use amqp091::ShortStr;
use bytestring::ByteString;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::name::short;

const QUEUES: &str = "/queues/";

/// All but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of a queue.
pub(crate) fn to_address(queue: &str) -> ByteString {
    format!("{QUEUES}{}", utf8_percent_encode(queue, ENCODED)).into()
}

/// The queue of an address, or what is no queue's address as it is; none for an address that names
/// no queue, and for what is too long.
pub(crate) fn from_address(address: ByteString) -> Option<ShortStr> {
    match address.strip_prefix(QUEUES) {
        None => short(address),
        Some(queue) if is_encoded(queue) => {
            short(percent_decode_str(queue).decode_utf8().ok()?.into_owned().into())
        }
        Some(_) => None,
    }
}

/// Whether each percent sign has its two digits.
fn is_encoded(text: &str) -> bool {
    let are_digits = |part: &str| match part.as_bytes() {
        [high, low, ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    };
    text.split('%').skip(1).all(are_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_comes_back_from_its_address() {
        for (queue, address) in [
            ("q", "/queues/q"),
            ("", "/queues/"),
            ("reply/to", "/queues/reply%2Fto"),
            ("/queues/q", "/queues/%2Fqueues%2Fq"),
            ("100% é~-_.", "/queues/100%25%20%C3%A9~-_."),
        ] {
            assert_eq!(to_address(queue), address);
            assert_eq!(from_address(address.into()).as_deref(), Some(queue));
        }
        let queue = "/".repeat(255);
        assert_eq!(from_address(to_address(&queue)).as_deref(), Some(queue.as_str()));
    }

    #[test]
    fn an_address_of_no_queue_stays_as_it_is_or_is_none() {
        for (address, reply_to) in [
            ("elsewhere%20", Some("elsewhere%20")),
            ("/exchanges/x/k", Some("/exchanges/x/k")),
            ("/queues/a b", Some("a b")),
            ("/queues/%", None),
            ("/queues/a%4", None),
            ("/queues/%4g", None),
            ("/queues/%ff", None),
            ("/queues/%00", None),
        ] {
            assert_eq!(from_address(address.into()).as_deref(), reply_to, "{address}");
        }
        assert_eq!(from_address("x".repeat(256).into()), None);
    }
}
