//! Sender-selected distribution, RabbitMQ's extension: the headers `CC` and `BCC` are further
//! routing keys of a message, and nobody who receives it sees `BCC`. Pure: properties in, keys out.

use std::sync::Arc;

use amqp091::{BasicProperties, FieldTable, FieldValue, PropertyList, ReplyCode};
use bytestring::ByteString;

use super::refusal::Refusal;

/// What the headers ask for.
#[derive(Debug, Default)]
pub(super) struct SenderSelected {
    /// The keys beside the one of `basic.publish`; those in `BCC` come last.
    pub(super) keys: Vec<ByteString>,
    /// Those in `BCC`, if there are any.
    pub(super) hidden: Option<Arc<Vec<ByteString>>>,
    /// The properties without what nobody is to see; `None` when they stay as they are.
    pub(super) shown: Option<BasicProperties>,
}

impl SenderSelected {
    /// Whether there are such headers. A message without them, which is nearly every one, costs a
    /// look at the names of its headers.
    pub(super) fn is_in(properties: &PropertyList) -> bool {
        properties.has_header(&[CC, BCC])
    }

    /// Reads the two headers.
    ///
    /// # Errors
    /// 406 for a header that is no array, 502 for properties that cannot be read.
    pub(super) fn of(properties: &PropertyList) -> Result<SenderSelected, Refusal> {
        let mut properties = properties.decode()?;
        let Some(headers) = &mut properties.headers else { return Ok(SenderSelected::default()) };
        let mut keys = keys(headers, CC)?;
        let hidden = self::keys(headers, BCC)?;
        keys.extend(hidden.iter().cloned());
        let hidden = (!hidden.is_empty()).then(|| Arc::new(hidden));
        let shown = headers.remove(BCC).map(|_| properties);
        Ok(SenderSelected { keys, hidden, shown })
    }
}

/// The routing keys in a header. What is no string in the array is passed over (RabbitMQ).
fn keys(headers: &FieldTable, name: &str) -> Result<Vec<ByteString>, Refusal> {
    let key = |value: &FieldValue| match value {
        FieldValue::LongStr(octets) => ByteString::try_from(octets.clone()).ok(),
        _ => None,
    };
    match headers.get(name) {
        None => Ok(Vec::new()),
        Some(FieldValue::Array(values)) => Ok(values.iter().filter_map(key).collect()),
        Some(other) => Err(Refusal::new(
            ReplyCode::PreconditionFailed,
            format!(
                "invalid message: {{unacceptable_type_in_header,\"{name}\",{}}}",
                other.type_name()
            ),
        )),
    }
}

const CC: &str = "CC";
const BCC: &str = "BCC";

#[cfg(test)]
mod tests {
    use amqp091::ShortStr;
    use bytes::Bytes;

    use super::*;

    fn text(text: &'static str) -> FieldValue {
        FieldValue::LongStr(Bytes::from_static(text.as_bytes()))
    }

    fn list(headers: &[(&'static str, FieldValue)]) -> PropertyList {
        let headers = headers.iter().cloned();
        let headers = headers.map(|(name, value)| (ShortStr::from_static(name), value)).collect();
        PropertyList::from(&BasicProperties {
            headers: Some(headers),
            priority: Some(3),
            ..BasicProperties::default()
        })
    }

    #[test]
    fn cc_and_bcc_are_further_keys_and_bcc_is_not_shown() {
        let cc = FieldValue::Array(vec![text("a"), FieldValue::I8(1), text("b")]);
        let bcc = FieldValue::Array(vec![text("c")]);
        let list = list(&[("x", FieldValue::Void), ("BCC", bcc), ("CC", cc.clone())]);
        let selected = SenderSelected::of(&list).unwrap();
        assert_eq!(selected.keys, ["a", "b", "c"]);
        assert_eq!(selected.hidden.as_deref().map(Vec::as_slice), Some(&["c".into()][..]));
        let shown = selected.shown.unwrap();
        assert_eq!(shown.priority, Some(3));
        let headers = shown.headers.unwrap();
        assert_eq!((headers.get("BCC"), headers.get("CC")), (None, Some(&cc)));
        assert_eq!(headers.get("x"), Some(&FieldValue::Void));
    }

    #[test]
    fn a_message_without_bcc_stays_as_it_is() {
        let cc = FieldValue::Array(vec![text("a")]);
        let selected = SenderSelected::of(&list(&[("CC", cc)])).unwrap();
        assert!(selected.shown.is_none());
        assert!(!SenderSelected::is_in(&list(&[("cc", text("a"))])), "case matters");
        assert!(!SenderSelected::is_in(&PropertyList::EMPTY));
    }

    #[test]
    fn a_header_that_is_no_array_is_refused() {
        let refusal = SenderSelected::of(&list(&[("BCC", text("a"))])).unwrap_err();
        assert_eq!(
            refusal.text,
            "PRECONDITION_FAILED - invalid message: \
             {unacceptable_type_in_header,\"BCC\",longstr}"
        );
    }
}
