//! Values of AMQP 1.0 as those of AMQP 0-9-1, which the broker's are.

use amqp10::types::{Map, Value as Given};
use broker::{Arguments, Value};

/// A value as routing compares it. What has no equal there is none.
pub(super) fn told(value: &Given) -> Option<Value> {
    Some(match value {
        Given::Binary(it) => Value::Binary(it.to_vec()),
        Given::List(items) => Value::Array(items.iter().map(told).collect::<Option<_>>()?),
        Given::Map(map) => Value::Table(arguments(map)),
        other => return simple(other),
    })
}

fn arguments(map: &Map) -> Arguments {
    let known = |(name, value): &(Given, Given)| Some((name.as_text()?.to_owned(), told(value)?));
    map.iter().filter_map(known).collect()
}

/// A number, a text or what else has an equal in any use; of octets and compounds there is none.
pub(super) fn simple(value: &Given) -> Option<Value> {
    Some(match value {
        Given::Null => Value::Void,
        Given::Boolean(it) => Value::Bool(*it),
        Given::Ubyte(it) => Value::UnsignedByte(*it),
        Given::Ushort(it) => Value::UnsignedShort(*it),
        Given::Uint(it) => Value::UnsignedInt(*it),
        // 0-9-1 has only the signed type.
        Given::Ulong(it) => Value::Long(i64::try_from(*it).ok()?),
        Given::Byte(it) => Value::Byte(*it),
        Given::Short(it) => Value::Short(*it),
        Given::Int(it) => Value::SignedInt(*it),
        Given::Long(it) => Value::Long(*it),
        Given::Float(it) => Value::Float(*it),
        Given::Double(it) => Value::Double(*it),
        Given::Timestamp(it) => Value::Timestamp(u64::try_from(it.0 / 1000).ok()?),
        Given::String(it) => Value::Longstr(it.to_string()),
        Given::Symbol(it) => Value::Longstr(it.as_str().to_owned()),
        _ => return None,
    })
}
