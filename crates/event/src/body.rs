//! The body of an event: a JSON object, kept byte for byte beside its parsed form.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::Error;

/// A JSON object. The bytes are what the publisher wrote, so that what comes out of the bus is
/// what went in, number formats and key order included.
#[derive(Debug, Clone)]
pub struct Body {
    bytes: Bytes,
    object: Map<String, Value>,
}

impl Body {
    /// Parses UTF-8 JSON.
    ///
    /// # Errors
    /// [`Error::Body`] when it is not JSON or not an object, with line and column.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Body, Error> {
        let bytes = bytes.into();
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(object)) => Ok(Body { bytes, object }),
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
        &self.object
    }
}

impl TryFrom<Value> for Body {
    type Error = Error;

    fn try_from(value: Value) -> Result<Body, Error> {
        match value {
            Value::Object(object) => {
                let bytes = serde_json::to_vec(&object)
                    .map_err(|error| Error::Body(error.to_string()))?
                    .into();
                Ok(Body { bytes, object })
            }
            other => Err(Error::Body(format!("it is {}", kind(&other)))),
        }
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Body) -> bool {
        self.object == other.object
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
