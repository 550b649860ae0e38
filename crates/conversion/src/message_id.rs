//! Names of messages (`message-id`, `correlation-id`): a short string against four types.

use amqp10::types::{MessageId, Uuid};
use amqp091::{FieldValue, ShortStr};
use bytestring::ByteString;

use crate::name::short;

const PREFIX: &str = "urn:uuid:";

/// A short string, which is a UUID when it says so.
pub(crate) fn from_short(text: ShortStr) -> MessageId {
    match uuid(&text) {
        Some(uuid) => MessageId::Uuid(uuid),
        None => MessageId::String(text.into_inner()),
    }
}

/// A name that was moved to a header, as [`Said::Header`] has it. None for a header that says what
/// would not have been moved: somebody else made it.
pub(crate) fn from_header(header: &FieldValue) -> Option<MessageId> {
    match header {
        FieldValue::Bytes(octets) => Some(MessageId::Binary(octets.clone())),
        FieldValue::LongStr(octets) => {
            let text = ByteString::try_from(octets.clone()).ok()?;
            short(text.clone()).is_none().then_some(MessageId::String(text))
        }
        _ => None,
    }
}

/// Where 0-9-1 says the name.
pub(crate) enum Said {
    /// In its own property.
    Short(ShortStr),
    /// In a header of its own.
    Header(FieldValue),
}

/// A name as 0-9-1 says it.
pub(crate) fn said(id: MessageId) -> Said {
    match id {
        MessageId::Uuid(uuid) => Said::Short(ShortStr::truncated(&urn(uuid))),
        MessageId::Ulong(number) => Said::Short(ShortStr::truncated(&number.to_string())),
        MessageId::Binary(octets) => Said::Header(FieldValue::Bytes(octets)),
        MessageId::String(text) => match short(text.clone()) {
            Some(text) => Said::Short(text),
            None => Said::Header(FieldValue::LongStr(text.into_bytes())),
        },
    }
}

/// The text of a UUID.
pub(crate) fn urn(uuid: Uuid) -> String {
    format!("{PREFIX}{uuid}")
}

/// The UUID of such a text, in digits of either case.
fn uuid(text: &str) -> Option<Uuid> {
    let groups: [&str; 5] =
        text.strip_prefix(PREFIX)?.split('-').collect::<Vec<_>>().try_into().ok()?;
    if groups.map(str::len) != [8, 4, 4, 4, 12] {
        return None;
    }
    let mut uuid = [0; 16];
    let digits = groups.iter().flat_map(|group| group.chars());
    for (index, digit) in digits.enumerate() {
        let octet = uuid.get_mut(index / 2)?;
        *octet = *octet << 4 | u8::try_from(digit.to_digit(16)?).ok()?;
    }
    Some(Uuid(uuid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_urn_is_a_uuid() {
        let octets = std::array::from_fn(|index| index as u8 * 17);
        let text = "urn:uuid:00112233-4455-6677-8899-aabbccddeeff";
        assert_eq!((uuid(text), urn(Uuid(octets)).as_str()), (Some(Uuid(octets)), text));
        assert_eq!(uuid("urn:uuid:00112233-4455-6677-8899-AABBCCDDEEFF"), Some(Uuid(octets)));
        for text in [
            "",
            "urn:uuid:",
            "00112233-4455-6677-8899-aabbccddeeff",
            "urn:uuid:00112233-4455-6677-8899-aabbccddeef",
            "urn:uuid:00112233-4455-6677-8899-aabbccddeefff",
            "urn:uuid:00112233-4455-6677-8899-aabbccddeefg",
            "urn:uuid:0011223-34455-6677-8899-aabbccddeeff",
            "urn:uuid:00112233-4455-6677-8899-aabbccddeéff",
            "urn:uuid:001122334455-6677-8899-aabb-ccddeeff",
            "urn:uuid:00112233-4455-6677-8899-aabbccddeeff-",
        ] {
            assert_eq!(uuid(text), None, "{text}");
        }
    }
}
