//! The body of an event: a JSON object, kept byte for byte beside its parsed form.

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::Error;

/// A JSON object. The bytes are what the publisher wrote, so that what comes out of the bus is
/// what went in, number formats and key order included.
#[derive(Debug, Clone)]
pub struct Body {
    bytes: Bytes,
    /// Always an object.
    value: Value,
}

impl Body {
    /// Parses UTF-8 JSON.
    ///
    /// # Errors
    /// [`Error::Body`] when it is not JSON or not an object, with line and column.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Body, Error> {
        let bytes = bytes.into();
        match serde_json::from_slice(&bytes) {
            Ok(value @ Value::Object(_)) => Ok(Body { bytes, value }),
            Ok(other) => Err(Error::Body(format!("it is {}", kind(&other)))),
            Err(error) => Err(Error::Body(error.to_string())),
        }
    }

    /// The bytes as published.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The parsed object.
    pub fn object(&self) -> &Map<String, Value> {
        static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        self.value.as_object().unwrap_or(&EMPTY)
    }

    /// The parsed object as a value.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }
}

impl TryFrom<Value> for Body {
    type Error = Error;

    fn try_from(value: Value) -> Result<Body, Error> {
        match &value {
            Value::Object(_) => {
                let bytes = serde_json::to_vec(&value)
                    .map_err(|error| Error::Body(error.to_string()))?
                    .into();
                Ok(Body { bytes, value })
            }
            other => Err(Error::Body(format!("it is {}", kind(other)))),
        }
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Body) -> bool {
        self.value == other.value
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_as_written_and_equality_is_of_what_they_say() {
        let body = Body::parse("{\"b\": 1.50, \"a\": \"\\u00f6\" }").unwrap();
        assert_eq!(&body.bytes()[..], "{\"b\": 1.50, \"a\": \"\\u00f6\" }".as_bytes());
        assert_eq!(body, Body::parse("{\"a\":\"ö\",\"b\":1.5}").unwrap());
    }

    #[test]
    fn what_is_no_object_or_too_deep_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "EOF"),
            ("[]", "it is an array"),
            ("null", "it is null"),
            ("{\"a\": NaN}", "line 1 column 7"),
            ("{\"a\": 1} x", "trailing characters"),
        ] {
            let error = Body::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        let deep =
            |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(Body::parse(deep(127)).is_ok());
        assert!(Body::parse(deep(128)).unwrap_err().to_string().contains("recursion limit"));
    }
}
