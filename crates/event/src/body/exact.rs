//! A JSON value from any of serde's formats, that is only what JSON has: no name twice in an
//! object, no number that is none, no key that is not text.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use crate::plain_text;

/// A value that was read so.
pub(crate) struct ExactValue(pub(crate) Value);

impl<'de> Deserialize<'de> for ExactValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ExactValue, D::Error> {
        from.deserialize_any(Exact).map(ExactValue)
    }
}

/// The value of JSON bytes.
pub(crate) fn from_json(bytes: &[u8]) -> Result<Value, String> {
    let exact: ExactValue = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(exact.0)
}

struct Exact;

impl<'de> Visitor<'de> for Exact {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a boolean, a number, text, a list, or an object with text for keys")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    // As ciborium says null.
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Value, E> {
        Ok(bool.into())
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Value, E> {
        Ok(integer.into())
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Value, E> {
        Ok(integer.into())
    }

    fn visit_f64<E: Error>(self, float: f64) -> Result<Value, E> {
        let number = Number::from_f64(float);
        number.map(Value::Number).ok_or_else(|| E::custom(format!("{float} is no number of JSON")))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(ExactValue(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                let key = plain_text::one_line(&key, 40);
                return Err(A::Error::custom(format!("'{key}' is there twice")));
            }
            let ExactValue(value) = entries.next_value()?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}
