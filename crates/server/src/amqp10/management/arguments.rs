//! Arguments of declarations and bindings: AMQP 1.0's values as the broker keeps them, and back
//! (RabbitMQ: `mc_amqpl:to_091`, `from_091`).

use amqp10::types::{Map, Symbol, Timestamp, Value as Given};
use broker::{Arguments, Value, limits::NAME_BYTES_MAX};
use bytes::Bytes;

use super::{answer::Refusal, request::term};
use crate::{Limits, amqp10::value::simple};

/// The arguments that a body has.
///
/// # Errors
/// They are no map, too many, too deep, or of a type that no argument has.
pub(super) fn arguments(given: &Given, limits: &Limits) -> Result<Arguments, Refusal> {
    let Given::Map(map) = given else {
        return Err(Refusal::bad_request(format!("arguments are a map, not {}", term(given))));
    };
    let max = limits.arguments_max;
    if map.len() > max as usize {
        return Err(Refusal::bad_request(format!(
            "{} arguments are more than configured max {max} (amqp.arguments_max)",
            map.len()
        )));
    }
    let levels = limits.table_depth_max;
    let argument = |(name, value): &(Given, Given)| {
        let known = name_of(name).zip(kept(value, levels));
        known.ok_or_else(|| {
            let text = format!("unsupported argument {{{},{}}}", term(name), term(value));
            Refusal::bad_request(text)
        })
    };
    map.iter().map(argument).collect()
}

/// A name that AMQP 0-9-1 can say as well.
fn name_of(name: &Given) -> Option<String> {
    name.as_text().filter(|it| it.len() <= NAME_BYTES_MAX).map(str::to_owned)
}

/// The value as it is kept; none for what cannot be.
fn kept(value: &Given, levels: u8) -> Option<Value> {
    let below = || levels.checked_sub(1);
    Some(match value {
        // RabbitMQ: a long string has no character set.
        Given::Binary(octets) => match std::str::from_utf8(octets) {
            Ok(text) => Value::Longstr(text.to_owned()),
            Err(_) => Value::Binary(octets.to_vec()),
        },
        Given::List(items) => Value::Array(all_kept(items, below()?)?),
        Given::Array(array) if array.descriptors().is_empty() => {
            Value::Array(all_kept(array.elements(), below()?)?)
        }
        Given::Map(map) => {
            let levels = below()?;
            let pair =
                |(name, value): &(Given, Given)| Some((name_of(name)?, kept(value, levels)?));
            Value::Table(map.iter().map(pair).collect::<Option<_>>()?)
        }
        other => return simple(other),
    })
}

fn all_kept(items: &[Given], levels: u8) -> Option<Vec<Value>> {
    items.iter().map(|item| kept(item, levels)).collect()
}

/// Arguments as a body has them.
pub(super) fn shown(arguments: &Arguments) -> Given {
    let pairs = arguments.iter().filter_map(|(name, value)| Some((name, said(value)?)));
    Given::Map(pairs.collect())
}

/// The value as AMQP 1.0 says it; none for what it cannot say.
fn said(value: &Value) -> Option<Given> {
    Some(match value {
        Value::Void => Given::Null,
        Value::Bool(it) => Given::Boolean(*it),
        Value::Byte(it) => Given::Byte(*it),
        Value::UnsignedByte(it) => Given::Ubyte(*it),
        Value::Short(it) => Given::Short(*it),
        Value::UnsignedShort(it) => Given::Ushort(*it),
        Value::SignedInt(it) => Given::Int(*it),
        Value::UnsignedInt(it) => Given::Uint(*it),
        Value::Long(it) => Given::Long(*it),
        Value::Float(it) => Given::Float(*it),
        Value::Double(it) => Given::Double(*it),
        Value::Longstr(it) => it.as_str().into(),
        Value::Binary(it) => Given::Binary(Bytes::copy_from_slice(it)),
        Value::Timestamp(it) => {
            Given::Timestamp(Timestamp(i64::try_from(*it).ok()?.checked_mul(1000)?))
        }
        Value::Array(items) => Given::List(items.iter().filter_map(said).collect()),
        Value::Table(table) => {
            let pair = |(name, value)| Some((key(name), said(value)?));
            Given::Map(table.iter().filter_map(pair).collect::<Map>())
        }
        // AMQP 1.0 has three types of decimals, and this is none of them.
        Value::Decimal(..) => return None,
    })
}

fn key(name: &str) -> Given {
    Symbol::try_from(name).map_or_else(|_| name.into(), Given::Symbol)
}

#[cfg(test)]
mod tests {
    use amqp10::types::{Array, Kind, Uuid};

    use super::*;

    fn of(values: impl IntoIterator<Item = (&'static str, Given)>) -> Result<Arguments, Refusal> {
        arguments(&Given::Map(values.into_iter().collect()), &Limits::default())
    }

    #[test]
    fn arguments_are_kept_with_their_types_and_said_as_they_were() {
        let table: Map = [(Symbol::from_static("a"), 1_i64)].into_iter().collect();
        let given = [
            ("x-queue-type", Given::from("quorum")),
            ("long", 5_i64.into()),
            ("int", 5_i32.into()),
            ("uint", 5_u32.into()),
            ("bool", true.into()),
            ("void", Given::Null),
            ("time", Timestamp(7000).into()),
            ("list", vec![Given::from("a"), 1_u8.into()].into()),
            ("table", table.into()),
        ];
        let kept = of(given.clone()).unwrap();
        assert_eq!(kept.get("int"), Some(&Value::SignedInt(5)));
        assert_eq!(kept.get("time"), Some(&Value::Timestamp(7)));
        assert_eq!(shown(&kept), Given::Map(given.into_iter().collect()));
        let other = of([
            ("symbol", Symbol::from_static("s").into()),
            ("octets", Bytes::from_static(b"text").into()),
            ("ulong", 5_u64.into()),
            ("array", Array::new(Kind::Uint, vec![1_u32.into()]).unwrap().into()),
        ]);
        let other = other.unwrap();
        assert_eq!(other.get("symbol"), Some(&Value::Longstr("s".to_owned())));
        assert_eq!(other.get("octets"), Some(&Value::Longstr("text".to_owned())));
        assert_eq!(other.get("ulong"), Some(&Value::Long(5)));
        assert_eq!(other.get("array"), Some(&Value::Array(vec![Value::UnsignedInt(1)])));
    }

    #[test]
    fn what_no_argument_can_be_is_refused_by_name() {
        for (value, words) in [
            (Given::Uuid(Uuid([0; 16])), "{{utf8,<<\"x\">>},{uuid"),
            (u64::MAX.into(), "{{utf8,<<\"x\">>},{ulong,18446744073709551615}}"),
            (Given::Char('c'), "{char"),
            (Timestamp(-5000).into(), "{timestamp"),
        ] {
            let Err(Refusal::Answered(_, text)) = of([("x", value)]) else { panic!("taken") };
            assert!(text.starts_with("unsupported argument "), "{text}");
            assert!(text.contains(words), "{text}");
        }
        let numbered: Map = [(1_u8, 1_u8)].into_iter().collect();
        assert!(arguments(&numbered.into(), &Limits::default()).is_err());
        assert!(arguments(&Given::Null, &Limits::default()).is_err());
        let many: Map = (0..1025).map(|it| (Given::from(it.to_string().as_str()), true)).collect();
        assert!(arguments(&many.into(), &Limits::default()).is_err());
        let mut deep = Given::Null;
        for _ in 0..33 {
            deep = vec![deep].into();
        }
        assert!(of([("deep", deep)]).is_err());
    }
}
