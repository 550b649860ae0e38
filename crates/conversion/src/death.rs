//! A message's deaths: the header `x-death` against the annotation `x-opt-deaths`.
//!
//! ```text
//!   x-death, an array of tables          x-opt-deaths, an array of maps
//!   queue, exchange     longstr          string
//!   reason              longstr          symbol
//!   count               long             ulong
//!   time                timestamp        first-time, last-time: of the latter 0-9-1 has none
//!   routing-keys        array            array of string
//!   original-expiration longstr          ttl, uint: the milliseconds
//! ```

use amqp10::types::{Array, Kind, Map, Symbol, Value};
use amqp091::{FieldTable, FieldValue, ShortStr};
use bytestring::ByteString;

use crate::value::{to_milliseconds, to_seconds};

pub(crate) const X_DEATH: &str = "x-death";
pub(crate) const X_OPT_DEATHS: &str = "x-opt-deaths";

/// The annotation's value; none when the header is not as RabbitMQ and we write it.
pub(crate) fn to_annotation(header: &FieldValue) -> Option<Value> {
    let FieldValue::Array(deaths) = header else { return None };
    let maps = deaths.iter().map(|death| death.as_table().and_then(map).map(Value::Map));
    Array::new(Kind::Map, maps.collect::<Option<_>>()?).ok().map(Value::Array)
}

fn map(death: &FieldTable) -> Option<Map> {
    let text = |name| death.get(name).and_then(text);
    let FieldValue::Timestamp(time) = death.get("time")? else { return None };
    let FieldValue::I64(count) = death.get("count")? else { return None };
    let FieldValue::Array(keys) = death.get("routing-keys")? else { return None };
    let keys = keys.iter().map(|key| self::text(key).map(Value::String));
    let time = to_milliseconds(*time)?;
    let mut map = Map::new();
    let mut tell = |name, value: Value| map.push(Symbol::from_static(name), value);
    let expiration = death.get("original-expiration").and_then(FieldValue::as_str);
    if let Some(ttl) = expiration.and_then(|digits| digits.parse::<u32>().ok()) {
        tell("ttl", ttl.into());
    }
    tell("queue", text("queue")?.into());
    tell("reason", Symbol::try_from(text("reason")?).ok()?.into());
    tell("count", u64::try_from(*count).ok()?.into());
    tell("first-time", time.into());
    tell("last-time", time.into());
    tell("exchange", text("exchange")?.into());
    tell("routing-keys", Array::new(Kind::String, keys.collect::<Option<_>>()?).ok()?.into());
    Some(map)
}

fn text(field: &FieldValue) -> Option<ByteString> {
    match field {
        FieldValue::LongStr(octets) => ByteString::try_from(octets.clone()).ok(),
        _ => None,
    }
}

/// The header's value; none when the annotation is not as RabbitMQ and we write it.
pub(crate) fn to_header(annotation: &Value) -> Option<FieldValue> {
    let deaths = elements(annotation)?;
    let tables = deaths.iter().map(|death| match death {
        Value::Map(map) => table(map).map(FieldValue::Table),
        _ => None,
    });
    tables.collect::<Option<_>>().map(FieldValue::Array)
}

fn table(death: &Map) -> Option<FieldTable> {
    let text = |name| death.get(name).and_then(long_string);
    let Value::Ulong(count) = death.get("count")? else { return None };
    let Value::Timestamp(time) = death.get("first-time")? else { return None };
    let keys = elements(death.get("routing-keys")?)?.iter().map(long_string);
    let expiration = match death.get("ttl") {
        Some(Value::Uint(ttl)) => Some(FieldValue::from(ttl.to_string())),
        _ => None,
    };
    let fields = [
        ("count", Some(FieldValue::I64(i64::try_from(*count).ok()?))),
        ("reason", Some(text("reason")?)),
        ("queue", Some(text("queue")?)),
        ("time", Some(FieldValue::Timestamp(to_seconds(*time)?))),
        ("exchange", Some(text("exchange")?)),
        ("routing-keys", Some(FieldValue::Array(keys.collect::<Option<_>>()?))),
        ("original-expiration", expiration),
    ];
    let named = |(name, field): (&'static str, Option<_>)| {
        field.map(|field| (ShortStr::from_static(name), field))
    };
    Some(fields.into_iter().filter_map(named).collect())
}

fn long_string(value: &Value) -> Option<FieldValue> {
    Some(FieldValue::LongStr(match value {
        Value::String(text) => text.as_bytes().clone(),
        Value::Symbol(text) => text.clone().into_inner().into_bytes(),
        _ => return None,
    }))
}

fn elements(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(array) if array.descriptors().is_empty() => Some(array.elements()),
        _ => None,
    }
}
