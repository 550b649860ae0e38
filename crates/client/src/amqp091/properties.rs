//! An event's [`Wire`] form as the properties of AMQP 0-9-1, and back.

use std::fmt;

use ::amqp091::{BasicProperties, FieldTable, FieldValue, PropertyList, ShortStr};
use bytes::Bytes;
use event::{Headers, Wire};
use serde_json::{Map, Number, Value};

use crate::limits::HEADER_DEPTH_MAX;

/// Everything but the routing key and the body.
///
/// # Errors
/// What AMQP cannot carry, by name.
pub(crate) fn properties(wire: &Wire) -> Result<PropertyList, String> {
    let text = |what: &str, text: &Option<String>| match text {
        Some(text) => short(what, text).map(Some),
        None => Ok(None),
    };
    Ok(PropertyList::from(&BasicProperties {
        content_type: text("content type", &wire.content_type)?,
        content_encoding: text("content encoding", &wire.content_encoding)?,
        headers: Some(table(&wire.headers, 0)?),
        delivery_mode: Some(if wire.persistent { PERSISTENT } else { TRANSIENT }),
        priority: wire.priority,
        message_id: text("id", &wire.message_id)?,
        ..BasicProperties::default()
    }))
}

/// The message of these properties. Nothing of it keeps a read buffer alive.
///
/// # Errors
/// Headers that are not to be followed.
pub(crate) fn wire(
    properties: BasicProperties,
    routing_key: &str,
    body: &[Bytes],
) -> Result<Wire, String> {
    let text = |text: Option<ShortStr>| text.map(|text| text.as_str().to_owned());
    Ok(Wire {
        routing_key: routing_key.to_owned(),
        content_type: text(properties.content_type),
        content_encoding: text(properties.content_encoding),
        message_id: text(properties.message_id),
        // 0 is what none counts as, and what AMQP 1.0 has to say of it.
        priority: properties.priority.filter(|priority| *priority > 0),
        persistent: properties.delivery_mode == Some(PERSISTENT),
        headers: match &properties.headers {
            None => Headers::new(),
            Some(headers) => object(headers, 0)?,
        },
        body: body.concat().into(),
    })
}

fn short(what: &str, text: &str) -> Result<ShortStr, String> {
    ShortStr::try_from(text).map_err(|_| format!("{what}: has {} bytes, more than 255", text.len()))
}

/// RabbitMQ's field types as pika and the Java client choose them: fedora-messaging's headers are
/// `S`, `I` and `t` on the wire.
fn table(object: &Map<String, Value>, depth: usize) -> Result<FieldTable, String> {
    let fields = object.iter().map(|(name, value)| {
        let short = ShortStr::try_from(name.as_str())
            .map_err(|_| format!("the header '{name}' has a name of more than 255 bytes"))?;
        let value = match value.as_i64().filter(|_| name.starts_with(ATTRIBUTE)) {
            Some(integer) => FieldValue::I64(integer),
            None => field(value, depth).map_err(|reason| format!("header '{name}': {reason}"))?,
        };
        Ok((short, value))
    });
    fields.collect()
}

fn field(value: &Value, depth: usize) -> Result<FieldValue, String> {
    if depth > HEADER_DEPTH_MAX {
        return Err(format!("it nests deeper than {HEADER_DEPTH_MAX}"));
    }
    Ok(match value {
        Value::Null => FieldValue::Void,
        Value::Bool(bool) => FieldValue::Bool(*bool),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => match i32::try_from(integer) {
                Ok(small) => FieldValue::I32(small),
                Err(_) => FieldValue::I64(integer),
            },
            None if number.is_u64() => return Err(too_big(number)),
            None => FieldValue::F64(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => FieldValue::LongStr(Bytes::copy_from_slice(text.as_bytes())),
        Value::Array(values) => {
            let fields: Result<Vec<_>, _> = values.iter().map(|v| field(v, depth + 1)).collect();
            FieldValue::Array(fields?)
        }
        Value::Object(object) => FieldValue::Table(table(object, depth + 1)?),
    })
}

pub(crate) fn too_big(number: &impl fmt::Display) -> String {
    format!("{number} does not fit AMQP's 64 bit integer")
}

fn object(table: &FieldTable, depth: usize) -> Result<Map<String, Value>, String> {
    if depth > HEADER_DEPTH_MAX {
        return Err(format!("a header nests deeper than {HEADER_DEPTH_MAX}"));
    }
    // The first of a name counts, as it does for RabbitMQ.
    let mut object = Map::with_capacity(table.len());
    for (name, field) in table.iter() {
        if !object.contains_key(name.as_str()) {
            object.insert(name.as_str().to_owned(), json(field, depth)?);
        }
    }
    Ok(object)
}

fn json(field: &FieldValue, depth: usize) -> Result<Value, String> {
    if depth > HEADER_DEPTH_MAX {
        return Err(format!("a header nests deeper than {HEADER_DEPTH_MAX}"));
    }
    Ok(match field {
        FieldValue::Void => Value::Null,
        FieldValue::Bool(bool) => (*bool).into(),
        FieldValue::I8(integer) => (*integer).into(),
        FieldValue::U8(integer) => (*integer).into(),
        FieldValue::I16(integer) => (*integer).into(),
        FieldValue::U16(integer) => (*integer).into(),
        FieldValue::I32(integer) => (*integer).into(),
        FieldValue::U32(integer) => (*integer).into(),
        FieldValue::I64(integer) => (*integer).into(),
        FieldValue::Timestamp(seconds) => (*seconds).into(),
        FieldValue::F32(float) => float_json(f64::from(*float)),
        FieldValue::F64(float) => float_json(*float),
        FieldValue::Decimal { scale, value } => {
            float_json(f64::from(*value) / 10_f64.powi(i32::from(*scale)))
        }
        // Strings are octets in AMQP; JSON has no octets.
        FieldValue::LongStr(octets) | FieldValue::Bytes(octets) => {
            String::from_utf8_lossy(octets).into()
        }
        FieldValue::Array(fields) => {
            let values: Result<Vec<_>, _> =
                fields.iter().map(|field| json(field, depth + 1)).collect();
            Value::Array(values?)
        }
        FieldValue::Table(table) => Value::Object(object(table, depth + 1)?),
    })
}

/// JSON has no NaN and no infinity; their names are better than nothing.
fn float_json(float: f64) -> Value {
    Number::from_f64(float).map_or_else(|| float.to_string().into(), Value::Number)
}

/// CloudEvents' AMQP binding §3.1.3.2: integers are longs, which they are after the conversion to
/// AMQP 1.0 when they are here.
const ATTRIBUTE: &str = "cloudEvents_";
const TRANSIENT: u8 = 1;
const PERSISTENT: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn headers(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    /// The octet that says the type on the wire.
    fn octet(value: &FieldValue) -> char {
        let mut out = bytes::BytesMut::new();
        value.encode(&mut out);
        out[0].into()
    }

    #[test]
    fn each_kind_of_header_gets_rabbitmqs_type() {
        let table = table(
            &headers(
                json!({"t": true, "I": -7, "l": 5_000_000_000_i64, "S": "ö", "d": 0.5, "V": null,
                            "A": [1, "x"], "F": {"k": [{"deep": 1}]}}),
            ),
            0,
        )
        .unwrap();
        for (name, value) in table.iter() {
            assert_eq!(octet(value).to_string(), name.as_str());
        }
    }

    #[test]
    fn integers_of_a_cloudevent_are_longs() {
        let sent = headers(json!({"cloudEvents_severitynumber": 9, "severitynumber": 9}));
        let types: Vec<char> =
            table(&sent, 0).unwrap().iter().map(|(_, value)| octet(value)).collect();
        assert_eq!(types, ['l', 'I']);
    }

    #[test]
    fn headers_are_the_same_after_the_way_there_and_back() {
        let sent = headers(json!({"t": false, "I": i32::MIN, "l": i64::MAX, "S": "", "d": 1e300,
                                  "V": null, "A": [1, [true]], "F": {"k": {"k": 2}}}));
        assert_eq!(object(&table(&sent, 0).unwrap(), 0).unwrap(), sent);
    }

    #[test]
    fn what_amqp_cannot_carry_is_refused_by_name() {
        let long = "n".repeat(256);
        for (value, reason) in [
            (json!({&long: 1}), "more than 255"),
            (json!({"big": u64::MAX}), "header 'big'"),
            (json!({"far": (0..40).fold(json!(1), |inner, _| json!([inner]))}), "nests deeper"),
        ] {
            let error = table(&headers(value), 0).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn deep_headers_from_the_bus_are_refused_not_followed() {
        let deep = (0..1000).fold(FieldValue::Void, |inner, _| FieldValue::Array(vec![inner]));
        assert!(json(&deep, 0).unwrap_err().contains("nests deeper"));
    }

    #[test]
    fn every_type_of_the_bus_becomes_json() {
        for (field, expected) in [
            (FieldValue::I8(-1), json!(-1)),
            (FieldValue::U8(1), json!(1)),
            (FieldValue::I16(-2), json!(-2)),
            (FieldValue::U16(2), json!(2)),
            (FieldValue::U32(u32::MAX), json!(u32::MAX)),
            (FieldValue::Timestamp(1), json!(1)),
            (FieldValue::F32(0.5), json!(0.5)),
            (FieldValue::F64(f64::NAN), json!("NaN")),
            (FieldValue::Decimal { scale: 1, value: 15 }, json!(1.5)),
            (FieldValue::LongStr(vec![b'a', 0xff].into()), json!("a\u{fffd}")),
        ] {
            assert_eq!(json(&field, 0).unwrap(), expected, "{field:?}");
        }
    }
}
