//! Field tables of 0-9-1 as the broker's arguments.

use std::{cell::OnceCell, collections::HashMap};

use amqp091::{FieldTable, FieldValue, PropertyList, ReplyCode};
use broker::{Arguments, Headers, Property, Value};

use super::{connection::Connection, properties::property_of, refusal::Refusal};

impl Connection {
    /// The arguments of a declaration or binding, as many as may be. Walking over them to compare
    /// two declarations takes the square of their number.
    pub(super) fn arguments(&self, table: &FieldTable) -> Result<Arguments, Refusal> {
        let max = self.agreed.limits.arguments_max;
        match table.len() <= max as usize {
            true => Ok(arguments(table)),
            false => Err(Refusal::new(
                ReplyCode::PreconditionFailed,
                format!(
                    "{} arguments are more than configured max {max} (amqp.arguments_max)",
                    table.len()
                ),
            )),
        }
    }
}

pub(crate) fn arguments(table: &FieldTable) -> Arguments {
    table.iter().map(|(name, value)| (name.as_str().to_owned(), to_value(value))).collect()
}

pub(super) fn to_value(field: &FieldValue) -> Value {
    match field {
        FieldValue::Void => Value::Void,
        FieldValue::Bool(it) => Value::Bool(*it),
        FieldValue::I8(it) => Value::Byte(*it),
        FieldValue::U8(it) => Value::UnsignedByte(*it),
        FieldValue::I16(it) => Value::Short(*it),
        FieldValue::U16(it) => Value::UnsignedShort(*it),
        FieldValue::I32(it) => Value::SignedInt(*it),
        FieldValue::U32(it) => Value::UnsignedInt(*it),
        FieldValue::I64(it) => Value::Long(*it),
        FieldValue::F32(it) => Value::Float(*it),
        FieldValue::F64(it) => Value::Double(*it),
        FieldValue::Decimal { scale, value } => Value::Decimal(*scale, *value),
        FieldValue::Timestamp(it) => Value::Timestamp(*it),
        FieldValue::Bytes(it) => Value::Binary(it.to_vec()),
        FieldValue::LongStr(it) => match std::str::from_utf8(it) {
            Ok(text) => Value::Longstr(text.to_owned()),
            Err(_) => Value::Binary(it.to_vec()),
        },
        FieldValue::Array(items) => Value::Array(items.iter().map(to_value).collect()),
        FieldValue::Table(table) => Value::Table(arguments(table)),
    }
}

/// A message's headers, decoded only when an exchange asks for one.
pub(super) struct MessageHeaders<'a> {
    properties: &'a PropertyList,
    decoded: OnceCell<HashMap<String, Value>>,
}

impl<'a> MessageHeaders<'a> {
    pub(super) fn new(properties: &'a PropertyList) -> MessageHeaders<'a> {
        MessageHeaders { properties, decoded: OnceCell::new() }
    }
}

impl Headers for MessageHeaders<'_> {
    fn header(&self, name: &str) -> Option<Value> {
        self.decoded.get_or_init(|| by_name(self.properties)).get(name).cloned()
    }

    fn property(&self, property: Property) -> Option<Value> {
        property_of(self.properties, property)
    }
}

/// The headers by name; of two with the same name the first, as everywhere.
fn by_name(properties: &PropertyList) -> HashMap<String, Value> {
    let headers = properties.headers().unwrap_or_default();
    headers.iter().rev().map(|(name, value)| (name.as_str().to_owned(), to_value(value))).collect()
}
