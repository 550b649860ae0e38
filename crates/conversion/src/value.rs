//! The values of headers and of annotations: a field table's types against AMQP 1.0's.

use amqp10::{
    limits::VALUE_DEPTH_MAX,
    types::{Array, Map, Symbol, Timestamp, Value},
};
use amqp091::{FieldTable, FieldValue, ShortStr};
use bytes::Bytes;
use bytestring::ByteString;

use crate::{
    message_id::urn,
    name::{Seen, short},
};

/// How many containers may lie in each other in the map of a section, which is one itself: a peer
/// that takes as many levels as we do can read it.
const LEVELS: usize = VALUE_DEPTH_MAX - 1;

/// A header's value as AMQP 1.0 says it; none for what it cannot say.
pub(crate) fn to_value(field: &FieldValue) -> Option<Value> {
    value_within(LEVELS, field)
}

fn value_within(levels: usize, field: &FieldValue) -> Option<Value> {
    Some(match field {
        FieldValue::Void => Value::Null,
        FieldValue::Bool(it) => Value::Boolean(*it),
        FieldValue::I8(it) => Value::Byte(*it),
        FieldValue::U8(it) => Value::Ubyte(*it),
        FieldValue::I16(it) => Value::Short(*it),
        FieldValue::U16(it) => Value::Ushort(*it),
        FieldValue::I32(it) => Value::Int(*it),
        FieldValue::U32(it) => Value::Uint(*it),
        FieldValue::I64(it) => Value::Long(*it),
        FieldValue::F32(it) => Value::Float(*it),
        FieldValue::F64(it) => Value::Double(*it),
        FieldValue::LongStr(octets) => match to_text(octets) {
            Some(text) => Value::String(text),
            None => Value::Binary(octets.clone()),
        },
        FieldValue::Bytes(octets) => Value::Binary(octets.clone()),
        FieldValue::Timestamp(seconds) => Value::Timestamp(to_milliseconds(*seconds)?),
        FieldValue::Array(items) => {
            let levels = levels.checked_sub(1)?;
            Value::List(items.iter().filter_map(|item| value_within(levels, item)).collect())
        }
        FieldValue::Table(table) => Value::Map(map_within(levels.checked_sub(1)?, table)),
        // AMQP 1.0 has three types of decimals, and this is none of them.
        FieldValue::Decimal { .. } => return None,
    })
}

fn map_within(levels: usize, table: &FieldTable) -> Map {
    let mut seen = Seen::default();
    let fields = table.iter().filter(|(name, _)| seen.is_new(name));
    let pair = |(name, field): &(ShortStr, FieldValue)| {
        let name = name.clone().into_inner();
        let key = match Symbol::try_from(name.clone()) {
            Ok(symbol) => Value::Symbol(symbol),
            Err(_) => Value::String(name),
        };
        Some((key, value_within(levels, field)?))
    };
    fields.filter_map(pair).collect()
}

/// The text of a long string, unless it looks as if it were octets.
fn to_text(octets: &Bytes) -> Option<ByteString> {
    match octets.contains(&0) {
        true => None,
        false => ByteString::try_from(octets.clone()).ok(),
    }
}

/// Seconds as milliseconds, if these can be counted.
pub(crate) fn to_milliseconds(seconds: u64) -> Option<Timestamp> {
    i64::try_from(seconds).ok()?.checked_mul(1000).map(Timestamp)
}

/// Milliseconds as seconds; none before 1970.
pub(crate) fn to_seconds(Timestamp(milliseconds): Timestamp) -> Option<u64> {
    u64::try_from(milliseconds).ok().map(|milliseconds| milliseconds / 1000)
}

/// An annotation or application property as 0-9-1 says it; none for what it cannot say. It lies no
/// deeper than a header may: the reader of AMQP 1.0 takes no more levels than that of 0-9-1.
pub(crate) fn to_field(value: &Value) -> Option<FieldValue> {
    Some(match value {
        Value::Null => FieldValue::Void,
        Value::Boolean(it) => FieldValue::Bool(*it),
        Value::Ubyte(it) => FieldValue::U8(*it),
        Value::Ushort(it) => FieldValue::U16(*it),
        Value::Uint(it) => FieldValue::U32(*it),
        // RabbitMQ: the 64 bits as they are. 0-9-1 has only the signed type.
        Value::Ulong(it) => FieldValue::I64(it.cast_signed()),
        Value::Byte(it) => FieldValue::I8(*it),
        Value::Short(it) => FieldValue::I16(*it),
        Value::Int(it) => FieldValue::I32(*it),
        Value::Long(it) => FieldValue::I64(*it),
        Value::Float(it) => FieldValue::F32(*it),
        Value::Double(it) => FieldValue::F64(*it),
        Value::Char(it) => it.to_string().into(),
        Value::Timestamp(it) => FieldValue::Timestamp(to_seconds(*it)?),
        Value::Uuid(it) => urn(*it).into(),
        Value::Binary(octets) => FieldValue::Bytes(octets.clone()),
        Value::String(text) => FieldValue::LongStr(text.as_bytes().clone()),
        Value::Symbol(text) => FieldValue::LongStr(text.clone().into_inner().into_bytes()),
        Value::List(items) => FieldValue::Array(items.iter().filter_map(to_field).collect()),
        Value::Array(array) => FieldValue::Array(items_of(array)?),
        Value::Map(map) => FieldValue::Table(table_of(map)),
        Value::Decimal32(_) | Value::Decimal64(_) | Value::Decimal128(_) | Value::Described(_) => {
            return None;
        }
    })
}

/// The items of an array; none when they are of a described type, whose meaning would be lost.
fn items_of(array: &Array) -> Option<Vec<FieldValue>> {
    let is_plain = array.descriptors().is_empty();
    is_plain.then(|| array.elements().iter().filter_map(to_field).collect())
}

fn table_of(map: &Map) -> FieldTable {
    let field = |(key, value): &(Value, Value)| Some((to_name(key)?, to_field(value)?));
    map.iter().filter_map(field).collect()
}

/// A key that can be the name of a field.
fn to_name(key: &Value) -> Option<ShortStr> {
    match key {
        Value::String(text) => short(text.clone()),
        Value::Symbol(text) => short(text.clone().into_inner()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> FieldValue {
        let mut field = FieldValue::Void;
        for _ in 0..levels {
            field = FieldValue::Array(vec![field]);
        }
        field
    }

    fn depth(value: &Value) -> usize {
        match value {
            Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    #[test]
    fn what_lies_too_deep_is_left_out() {
        for levels in [0, 1, LEVELS, LEVELS + 1, amqp091::limits::FIELD_DEPTH_MAX] {
            let value = to_value(&nested(levels)).unwrap();
            assert_eq!(depth(&value), levels.min(LEVELS));
        }
    }

    #[test]
    fn every_depth_that_is_read_may_be_written() {
        const { assert!(LEVELS < amqp091::limits::FIELD_DEPTH_MAX) }
    }
}
