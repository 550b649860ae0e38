//! The property list of 0-9-1 for the broker, when no connection is at hand: to route a message
//! that waited, and to change one of its headers.

use amqp091::{BasicProperties, FieldTable, FieldValue, PropertyList, ShortStr};
use broker::{Arguments, Headers, Label, Property, Value};
use bytes::Bytes;

use super::arguments::arguments;

/// Reads and changes property lists.
#[derive(Debug)]
pub(crate) struct ContentProperties;

impl ContentProperties {
    pub(crate) fn headers<'a>(&self, label: &'a Label) -> Box<dyn Headers + 'a> {
        let properties = PropertyList::parse(label.properties.clone()).unwrap_or_default();
        let headers = properties.headers().as_ref().map(arguments).unwrap_or_default();
        Box::new(Stored { properties, headers })
    }

    pub(crate) fn with_header(&self, label: &Label, name: &str, value: Value) -> Bytes {
        let decoded = BasicProperties::decode(&label.properties).ok();
        match (decoded, ShortStr::try_from(name), field(value)) {
            (Some(mut decoded), Ok(name), Some(field)) => {
                decoded.headers.get_or_insert_default().insert(name, field);
                PropertyList::from(&decoded).as_bytes().clone()
            }
            _ => label.properties.clone(),
        }
    }

    pub(crate) fn without_header(&self, label: &Label, name: &str) -> Bytes {
        let Ok(mut decoded) = BasicProperties::decode(&label.properties) else {
            return label.properties.clone();
        };
        match decoded.headers.as_mut().and_then(|headers| headers.remove(name)) {
            Some(_) => PropertyList::from(&decoded).as_bytes().clone(),
            None => label.properties.clone(),
        }
    }
}

/// A message's headers, and its property list for the rest.
struct Stored {
    properties: PropertyList,
    headers: Arguments,
}

impl Headers for Stored {
    fn header(&self, name: &str) -> Option<Value> {
        self.headers.header(name)
    }

    fn property(&self, property: Property) -> Option<Value> {
        property_of(&self.properties, property)
    }
}

/// A property that an exchange may route by.
pub(super) fn property_of(properties: &PropertyList, property: Property) -> Option<Value> {
    let properties = properties.decode().ok()?;
    let text = |text: ShortStr| Value::Longstr(text.as_str().to_owned());
    match property {
        Property::MessageId => properties.message_id.map(text),
        Property::CorrelationId => properties.correlation_id.map(text),
        Property::Timestamp => properties.timestamp.map(Value::Timestamp),
    }
}

/// Arguments as a table; names that are too long are left out.
pub(crate) fn field_table(arguments: &Arguments) -> FieldTable {
    let named = |(name, value): (&str, &Value)| {
        Some((ShortStr::try_from(name).ok()?, field(value.clone())?))
    };
    arguments.iter().filter_map(named).collect()
}

/// A value for a header. `None` when a name in it is too long.
pub(super) fn field(value: Value) -> Option<FieldValue> {
    Some(match value {
        Value::Void => FieldValue::Void,
        Value::Bool(it) => FieldValue::Bool(it),
        Value::Byte(it) => FieldValue::I8(it),
        Value::UnsignedByte(it) => FieldValue::U8(it),
        Value::Short(it) => FieldValue::I16(it),
        Value::UnsignedShort(it) => FieldValue::U16(it),
        Value::SignedInt(it) => FieldValue::I32(it),
        Value::UnsignedInt(it) => FieldValue::U32(it),
        Value::Long(it) => FieldValue::I64(it),
        Value::Float(it) => FieldValue::F32(it),
        Value::Double(it) => FieldValue::F64(it),
        Value::Decimal(scale, value) => FieldValue::Decimal { scale, value },
        Value::Longstr(it) => FieldValue::LongStr(it.into()),
        Value::Binary(it) => FieldValue::Bytes(it.into()),
        Value::Timestamp(it) => FieldValue::Timestamp(it),
        Value::Array(items) => {
            FieldValue::Array(items.into_iter().map(field).collect::<Option<_>>()?)
        }
        Value::Table(table) => {
            let named = |(name, value): (&str, &Value)| {
                Some((ShortStr::try_from(name).ok()?, field(value.clone())?))
            };
            FieldValue::Table(table.iter().map(named).collect::<Option<_>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(properties: Bytes) -> Label {
        Label { properties, ..Label::default() }
    }

    fn list() -> Label {
        let headers = [
            (ShortStr::from_static("x-delay"), FieldValue::I16(500)),
            (ShortStr::from_static("k"), FieldValue::Bool(true)),
        ];
        let properties = BasicProperties {
            headers: Some(headers.into_iter().collect()),
            message_id: Some(ShortStr::from_static("m-1")),
            timestamp: Some(7),
            ..BasicProperties::default()
        };
        labelled(PropertyList::from(&properties).as_bytes().clone())
    }

    #[test]
    fn headers_and_properties_are_read_from_the_stored_list() {
        let list = list();
        let headers = ContentProperties.headers(&list);
        assert_eq!(headers.header("x-delay"), Some(Value::Short(500)));
        assert_eq!(headers.property(Property::MessageId), Some(Value::Longstr("m-1".into())));
        assert_eq!(headers.property(Property::Timestamp), Some(Value::Timestamp(7)));
        assert_eq!(headers.property(Property::CorrelationId), None);
        let garbage = labelled(Bytes::from_static(b"\xff"));
        assert_eq!(ContentProperties.headers(&garbage).header("k"), None);
    }

    #[test]
    fn a_header_is_changed_in_its_place_and_nothing_else() {
        let changed = ContentProperties.with_header(&list(), "x-delay", Value::SignedInt(-500));
        let changed = labelled(changed);
        let headers = ContentProperties.headers(&changed);
        assert_eq!(headers.header("x-delay"), Some(Value::SignedInt(-500)));
        assert_eq!(headers.header("k"), Some(Value::Bool(true)));
        assert_eq!(headers.property(Property::MessageId), Some(Value::Longstr("m-1".into())));
        let empty = labelled(PropertyList::EMPTY.as_bytes().clone());
        let added = labelled(ContentProperties.with_header(&empty, "n", Value::Long(1)));
        assert_eq!(ContentProperties.headers(&added).header("n"), Some(Value::Long(1)));
        let garbage = labelled(Bytes::from_static(b"\xff"));
        assert_eq!(
            ContentProperties.with_header(&garbage, "n", Value::Long(1)),
            garbage.properties
        );
        let without = labelled(ContentProperties.without_header(&list(), "x-delay"));
        let headers = ContentProperties.headers(&without);
        assert_eq!(
            (headers.header("x-delay"), headers.header("k")),
            (None, Some(Value::Bool(true)))
        );
        assert_eq!(ContentProperties.without_header(&list(), "n"), list().properties);
        assert_eq!(ContentProperties.without_header(&garbage, "n"), garbage.properties);
    }
}
