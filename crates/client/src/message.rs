//! An event's [`Wire`] form and lapin's types, in both directions.

use bytes::Bytes;
use event::{Clothing, Event, Headers, Wire};
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldArray, FieldTable, ShortString},
};
use serde_json::{Map, Number, Value};

use crate::{Error, Undecodable, limits::HEADER_DEPTH_MAX};

/// An event ready to be published.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// For errors: `event ID on TOPIC`.
    pub(crate) what: String,
    pub(crate) id: ShortString,
    pub(crate) routing_key: ShortString,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Bytes,
}

impl Message {
    pub(crate) fn new(event: &Event, clothing: Clothing) -> Result<Message, Error> {
        // Whoever reads it would refuse it.
        event
            .check()
            .map_err(|error| Error::Event { id: event.id.clone(), reason: error.to_string() })?;
        Message::from_wire(event.to_wire_as(clothing))
    }

    /// The event for a queue, past any exchange: the queue's name takes the routing key's place,
    /// so the topic travels in a header.
    pub(crate) fn for_queue(queue: &str, event: &Event) -> Result<Message, Error> {
        let mut wire = event.to_wire();
        wire.headers.insert(TOPIC_HEADER.to_owned(), wire.routing_key.into());
        wire.routing_key = queue.to_owned();
        Message::from_wire(wire)
    }

    fn from_wire(wire: Wire) -> Result<Message, Error> {
        let id = wire.message_id.clone().unwrap_or_default();
        let what = format!("event {id} on {}", wire.routing_key);
        let fault = |reason: String| Error::Event { id: id.clone(), reason };
        let short = |what: &str, text: String| {
            ShortString::try_new(text).map_err(|error| fault(format!("{what}: {error}")))
        };
        let headers = table(&wire.headers, 0).map_err(&fault)?;
        let mode = if wire.persistent { PERSISTENT } else { TRANSIENT };
        let mut properties =
            BasicProperties::default().with_headers(headers).with_delivery_mode(mode);
        if let Some(content_type) = wire.content_type {
            properties = properties.with_content_type(short("content type", content_type)?);
        }
        if let Some(encoding) = wire.content_encoding {
            properties = properties.with_content_encoding(short("content encoding", encoding)?);
        }
        if let Some(priority) = wire.priority {
            properties = properties.with_priority(priority);
        }
        let short_id = short("id", id.clone())?;
        if wire.message_id.is_some() {
            properties = properties.with_message_id(short_id.clone());
        }
        let routing_key = short("topic", wire.routing_key)?;
        Ok(Message { what, id: short_id, routing_key, properties, body: wire.body })
    }
}

/// The event a delivery carries.
pub(crate) fn decode(delivery: &mut Delivery) -> Result<Event, Undecodable> {
    let body = Bytes::from(std::mem::take(&mut delivery.data));
    let properties = &delivery.properties;
    let mut routing_key = delivery.routing_key.to_string();
    let undecodable = |topic: &str, reason: String| Undecodable {
        topic: topic.to_owned(),
        body: body.to_vec(),
        reason,
    };
    let mut headers = match properties.headers() {
        None => Headers::new(),
        Some(headers) => object(headers, 0).map_err(|reason| undecodable(&routing_key, reason))?,
    };
    // Only past the default exchange, which takes the right to write to the queue itself: through
    // a topic exchange the header would walk around the broker's check of the topic.
    let to_queue = delivery.exchange.as_str().is_empty();
    let mut topic_said = false;
    if to_queue && let Some(Value::String(topic)) = headers.shift_remove(TOPIC_HEADER) {
        routing_key = topic;
        topic_said = true;
    }
    let mut wire = Wire {
        routing_key: routing_key.clone(),
        content_type: properties.content_type().as_ref().map(ToString::to_string),
        content_encoding: properties.content_encoding().as_ref().map(ToString::to_string),
        message_id: properties.message_id().as_ref().map(ToString::to_string),
        priority: *properties.priority(),
        persistent: *properties.delivery_mode() == Some(PERSISTENT),
        headers,
        body: body.clone(),
    };
    // A CloudEvent says its topic itself, where the routing key is a queue's name.
    if to_queue && !topic_said && Clothing::of(&wire) != Clothing::FedoraMessaging {
        wire.routing_key.clear();
    }
    Event::from_wire(wire).map_err(|error| undecodable(&routing_key, error.to_string()))
}

/// RabbitMQ's field types as pika and the Java client choose them: fedora-messaging's headers are
/// `S`, `I` and `t` on the wire.
fn table(object: &Map<String, Value>, depth: usize) -> Result<FieldTable, String> {
    let mut table = FieldTable::default();
    for (name, value) in object {
        let short = ShortString::try_new(name.as_str())
            .map_err(|_| format!("the header '{name}' has a name of more than 255 bytes"))?;
        let value = match value.as_i64().filter(|_| name.starts_with(ATTRIBUTE)) {
            Some(integer) => AMQPValue::LongLongInt(integer),
            None => field(value, depth).map_err(|reason| format!("header '{name}': {reason}"))?,
        };
        table.insert(short, value);
    }
    Ok(table)
}

fn field(value: &Value, depth: usize) -> Result<AMQPValue, String> {
    if depth > HEADER_DEPTH_MAX {
        return Err(format!("it nests deeper than {HEADER_DEPTH_MAX}"));
    }
    Ok(match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(bool) => AMQPValue::Boolean(*bool),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => match i32::try_from(integer) {
                Ok(small) => AMQPValue::LongInt(small),
                Err(_) => AMQPValue::LongLongInt(integer),
            },
            None if number.is_u64() => {
                return Err(format!("{number} does not fit AMQP's 64 bit integer"));
            }
            None => AMQPValue::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Array(values) => {
            let fields: Result<Vec<_>, _> = values.iter().map(|v| field(v, depth + 1)).collect();
            AMQPValue::FieldArray(FieldArray::from(fields?))
        }
        Value::Object(object) => AMQPValue::FieldTable(table(object, depth + 1)?),
    })
}

fn object(table: &FieldTable, depth: usize) -> Result<Map<String, Value>, String> {
    if depth > HEADER_DEPTH_MAX {
        return Err(format!("a header nests deeper than {HEADER_DEPTH_MAX}"));
    }
    table.into_iter().map(|(name, field)| Ok((name.to_string(), json(field, depth)?))).collect()
}

fn json(field: &AMQPValue, depth: usize) -> Result<Value, String> {
    if depth > HEADER_DEPTH_MAX {
        return Err(format!("a header nests deeper than {HEADER_DEPTH_MAX}"));
    }
    Ok(match field {
        AMQPValue::Void => Value::Null,
        AMQPValue::Boolean(bool) => (*bool).into(),
        AMQPValue::ShortShortInt(integer) => (*integer).into(),
        AMQPValue::ShortShortUInt(integer) => (*integer).into(),
        AMQPValue::ShortInt(integer) => (*integer).into(),
        AMQPValue::ShortUInt(integer) => (*integer).into(),
        AMQPValue::LongInt(integer) => (*integer).into(),
        AMQPValue::LongUInt(integer) => (*integer).into(),
        AMQPValue::LongLongInt(integer) => (*integer).into(),
        AMQPValue::Timestamp(seconds) => (*seconds).into(),
        AMQPValue::Float(float) => float_json(f64::from(*float)),
        AMQPValue::Double(float) => float_json(*float),
        AMQPValue::DecimalValue(decimal) => {
            float_json(f64::from(decimal.value) / 10_f64.powi(i32::from(decimal.scale)))
        }
        AMQPValue::ShortString(text) => text.as_str().into(),
        // Strings are bytes in AMQP; JSON has no bytes.
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into(),
        AMQPValue::ByteArray(bytes) => String::from_utf8_lossy(bytes.as_slice()).into(),
        AMQPValue::FieldArray(fields) => {
            let values: Result<Vec<_>, _> =
                fields.as_slice().iter().map(|field| json(field, depth + 1)).collect();
            Value::Array(values?)
        }
        AMQPValue::FieldTable(table) => Value::Object(object(table, depth + 1)?),
    })
}

/// JSON has no NaN and no infinity; their names are better than nothing.
fn float_json(float: f64) -> Value {
    Number::from_f64(float).map_or_else(|| float.to_string().into(), Value::Number)
}

/// The topic of an event that was put into a queue by name.
const TOPIC_HEADER: &str = "tubepost_topic";
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
        for (name, value) in &table {
            assert_eq!(value.get_type().get_id().to_string(), name.as_str());
        }
    }

    #[test]
    fn integers_of_a_cloudevent_are_longs() {
        let sent = headers(json!({"cloudEvents_severitynumber": 9, "severitynumber": 9}));
        let types: Vec<char> =
            table(&sent, 0).unwrap().into_iter().map(|(_, it)| it.get_type().get_id()).collect();
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
        let deep = (0..1000)
            .fold(AMQPValue::Void, |inner, _| AMQPValue::FieldArray(FieldArray::from(vec![inner])));
        assert!(json(&deep, 0).unwrap_err().contains("nests deeper"));
    }

    #[test]
    fn every_type_of_the_bus_becomes_json() {
        for (field, expected) in [
            (AMQPValue::ShortShortInt(-1), json!(-1)),
            (AMQPValue::ShortShortUInt(1), json!(1)),
            (AMQPValue::ShortInt(-2), json!(-2)),
            (AMQPValue::ShortUInt(2), json!(2)),
            (AMQPValue::LongUInt(u32::MAX), json!(u32::MAX)),
            (AMQPValue::Timestamp(1), json!(1)),
            (AMQPValue::Float(0.5), json!(0.5)),
            (AMQPValue::Double(f64::NAN), json!("NaN")),
            (
                AMQPValue::DecimalValue(lapin::types::DecimalValue { scale: 1, value: 15 }),
                json!(1.5),
            ),
            (AMQPValue::LongString(vec![b'a', 0xff].into()), json!("a\u{fffd}")),
        ] {
            assert_eq!(json(&field, 0).unwrap(), expected, "{field:?}");
        }
    }
}
