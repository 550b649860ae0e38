//! The body of an event: a JSON object, kept byte for byte beside its parsed form, whatever
//! encoding it came in.

mod cbor;
mod exact;
mod protobuf;

use std::{fmt, str::FromStr, sync::LazyLock};

use bytes::Bytes;
use serde_json::{Map, Value};

pub(crate) use exact::ExactValue;

use crate::{Error, limits::BODY_BYTES_MAX, plain_text};

/// A JSON object. The bytes are what the publisher wrote, so that what comes out of the bus is
/// what went in, number formats and key order included.
#[derive(Debug, Clone)]
pub struct Body {
    bytes: Bytes,
    encoding: Encoding,
    /// Always an object.
    value: Value,
}

/// How a body is written. Whatever it is, what it says is a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Encoding {
    /// `application/json`, UTF-8 (RFC 8259).
    #[default]
    Json,
    /// `application/cbor` (RFC 8949), of JSON's own types only: no byte strings, no tags.
    Cbor,
    /// `application/protobuf`: a `google.protobuf.Struct`. Numbers are doubles, so integers
    /// beyond 2⁵³ are refused.
    Protobuf,
}

impl Body {
    /// Parses UTF-8 JSON.
    ///
    /// # Errors
    /// [`Error::Body`] when it is not JSON or not an object, with line and column; when it has
    /// more than 128 MiB.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Body, Error> {
        Body::decode(bytes, Encoding::Json)
    }

    /// Parses bytes of any encoding.
    ///
    /// # Errors
    /// As [`Body::parse`]; what is not JSON's (byte strings, tags, keys that are no text, numbers
    /// that are none, a name twice) is named with its path.
    pub fn decode(bytes: impl Into<Bytes>, encoding: Encoding) -> Result<Body, Error> {
        let bytes = bytes.into();
        if bytes.len() > BODY_BYTES_MAX {
            let reason = format!("it has {} bytes, more than {BODY_BYTES_MAX}", bytes.len());
            return Err(Error::Body(reason));
        }
        let value = match encoding {
            Encoding::Json => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
            Encoding::Cbor => cbor::decode(&bytes),
            Encoding::Protobuf => protobuf::decode(&bytes).map(Value::Object),
        };
        match value.map_err(Error::Body)? {
            value @ Value::Object(_) => Ok(Body { bytes, encoding, value }),
            other => Err(Error::Body(format!("it is {}", kind(&other)))),
        }
    }

    /// The same body in another encoding.
    ///
    /// # Errors
    /// [`Error::Body`] when the encoding has no place for a number.
    pub fn encoded(&self, encoding: Encoding) -> Result<Body, Error> {
        if encoding == self.encoding {
            return Ok(self.clone());
        }
        let bytes = match encoding {
            Encoding::Json => serde_json::to_vec(&self.value).map_err(|error| error.to_string()),
            Encoding::Cbor => cbor::encode(&self.value),
            Encoding::Protobuf => protobuf::encode(self.object()),
        };
        let bytes = bytes.map_err(Error::Body)?.into();
        Ok(Body { bytes, encoding, value: self.value.clone() })
    }

    /// The bytes as published.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What the bytes are.
    pub fn encoding(&self) -> Encoding {
        self.encoding
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

    /// Refuses a body that says a name twice: readers differ in which of them they take.
    pub(crate) fn check_names(&self) -> Result<(), String> {
        match self.encoding {
            Encoding::Json => exact::from_json(&self.bytes).map(|_| ()),
            // These were read so from the start.
            Encoding::Cbor | Encoding::Protobuf => Ok(()),
        }
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
                Ok(Body { bytes, encoding: Encoding::Json, value })
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

impl Encoding {
    /// All of them.
    pub const ALL: [Encoding; 3] = [Encoding::Json, Encoding::Cbor, Encoding::Protobuf];

    /// The media type on the wire.
    pub fn content_type(self) -> &'static str {
        match self {
            Encoding::Json => "application/json",
            Encoding::Cbor => "application/cbor",
            Encoding::Protobuf => "application/protobuf",
        }
    }

    /// The name: `json`, `cbor`, `protobuf`.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Json => "json",
            Encoding::Cbor => "cbor",
            Encoding::Protobuf => "protobuf",
        }
    }

    /// The encoding that a media type means; parameters are ignored.
    pub fn of_content_type(content_type: &str) -> Option<Encoding> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let media_type = media_type.to_ascii_lowercase();
        match media_type.as_str() {
            "application/json" | "text/json" => Some(Encoding::Json),
            "application/cbor" => Some(Encoding::Cbor),
            "application/protobuf" | "application/x-protobuf" => Some(Encoding::Protobuf),
            other if other.ends_with("+json") => Some(Encoding::Json),
            _ => None,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Encoding {
    type Err = String;

    fn from_str(text: &str) -> Result<Encoding, String> {
        let found = Encoding::ALL.into_iter().find(|encoding| encoding.name() == text);
        found.ok_or_else(|| {
            let text = plain_text::one_line(text, 40);
            format!("'{text}' is not an encoding: json, cbor or protobuf")
        })
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

/// As deep as serde_json reads.
const DEPTH_MAX: usize = 127;

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    #[test]
    fn more_than_the_limit_is_refused_unread() {
        let error = Body::parse(vec![0; BODY_BYTES_MAX + 1]).unwrap_err().to_string();
        assert!(error.ends_with("it has 134217729 bytes, more than 134217728"), "{error}");
    }

    #[test]
    fn a_body_says_the_same_in_every_encoding_and_nests_as_deep() {
        let deep = (0..126).fold(json!(1), |inner, _| json!([inner]));
        let body = Body::try_from(json!({
            "text": "wörld", "none": null, "yes": true, "int": -7, "big": 9007199254740992_i64,
            "real": 0.1, "list": [1, [], {}, "x"], "object": {"": {"a": 1e300}}, "deep": deep,
        }));
        let body = body.unwrap();
        for encoding in Encoding::ALL {
            let other = body.encoded(encoding).unwrap();
            assert_eq!(other.encoding(), encoding);
            let read = Body::decode(other.bytes().clone(), encoding).unwrap();
            assert_eq!((&read, read.bytes()), (&body, other.bytes()), "{encoding}");
            assert_eq!(read.encoded(Encoding::Json).unwrap(), body);
        }
        let deeper = (0..127).fold(json!(1), |inner, _| json!([inner]));
        let deeper = Body::try_from(json!({"deep": deeper})).unwrap();
        for encoding in [Encoding::Cbor, Encoding::Protobuf] {
            let bytes = deeper.encoded(encoding).unwrap().bytes().clone();
            let error = Body::decode(bytes, encoding).unwrap_err().to_string();
            assert!(error.contains("recursion limit"), "{encoding}: {error}");
        }
    }

    #[test]
    fn media_types_are_read_with_parameters_and_any_case() {
        for (text, expected) in [
            ("application/json", Some(Encoding::Json)),
            ("Application/JSON; charset=utf-8", Some(Encoding::Json)),
            ("application/vnd.example+json", Some(Encoding::Json)),
            ("application/cbor", Some(Encoding::Cbor)),
            ("application/x-protobuf;proto=google.protobuf.Struct", Some(Encoding::Protobuf)),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(Encoding::of_content_type(text), expected, "{text}");
        }
    }
}
