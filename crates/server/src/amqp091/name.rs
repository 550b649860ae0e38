//! Names as clients send them and as the broker keeps them.

use amqp091::{ReplyCode, ShortStr};
use bytestring::ByteString;

use super::refusal::Refusal;

/// RabbitMQ: line breaks are taken out of names.
pub(super) fn stripped(name: ShortStr) -> ByteString {
    match name.contains(['\r', '\n']) {
        true => ByteString::from(name.replace(['\r', '\n'], "")),
        false => detached(name),
    }
}

/// A name that outlives the read buffer it was a slice of.
pub(super) fn detached(name: ShortStr) -> ByteString {
    name.detached().into_inner()
}

/// A name of the server's own making: 22 characters, 122 random bits.
pub(crate) fn generated(prefix: &str) -> ByteString {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    ByteString::from(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4())))
}

/// Refuses a new name that is longer than the operator wants names to be.
pub(super) fn check_length(kind: &str, name: &str, max: u8) -> Result<(), Refusal> {
    match name.len() <= usize::from(max) {
        true => Ok(()),
        false => Err(Refusal::new(
            ReplyCode::PreconditionFailed,
            format!(
                "{kind} name of {} bytes is longer than configured max {max} \
                 (amqp.name_bytes_max): '{name}'",
                name.len()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_are_no_part_of_a_name() {
        let name = ShortStr::from_static("\r\na\nb\r");
        assert_eq!(stripped(name), "ab");
    }

    #[test]
    fn a_generated_name_is_as_long_as_rabbitmqs_and_never_the_same() {
        let (one, other) = (generated("amq.gen-"), generated("amq.gen-"));
        assert_eq!(one.len(), "amq.gen-".len() + 22);
        assert_ne!(one, other);
    }
}
