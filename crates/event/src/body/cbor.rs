//! Bodies in CBOR (RFC 8949): what JSON has, and nothing else.

use serde_json::Value;

use super::{DEPTH_MAX, ExactValue};

pub(super) fn decode(bytes: &[u8]) -> Result<Value, String> {
    let mut rest = bytes;
    let read = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH_MAX);
    let ExactValue(value) = read.map_err(|error| match error {
        ciborium::de::Error::Io(_) => "CBOR: it ends too early".to_owned(),
        ciborium::de::Error::Syntax(at) => format!("CBOR: no item begins at byte {at}"),
        ciborium::de::Error::Semantic(_, reason) => format!("CBOR: {reason}"),
        ciborium::de::Error::RecursionLimitExceeded => {
            format!("CBOR: recursion limit exceeded: it nests deeper than {DEPTH_MAX}")
        }
    })?;
    match rest.is_empty() {
        true => Ok(value),
        false => Err(format!("CBOR: {} bytes follow the item", rest.len())),
    }
}

pub(super) fn encode(value: &Value) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|error| format!("CBOR: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bytes_are_those_of_the_standard() {
        // RFC 8949, appendix A.
        let value = json!({"a": 1, "b": [2, 3]});
        let bytes = b"\xa2\x61a\x01\x61b\x82\x02\x03";
        assert_eq!(encode(&value).unwrap(), bytes);
        assert_eq!(decode(bytes).unwrap(), value);
        assert_eq!(decode(b"\xbf\x61a\x01\x61b\x9f\x02\x03\xff\xff").unwrap(), value);
        assert_eq!(decode(b"\xf9\x3e\x00").unwrap(), json!(1.5));
    }

    #[test]
    fn what_json_has_not_is_refused_with_the_reason() {
        for (bytes, reason) in [
            (&b""[..], "ends too early"),
            (b"\xa1\x61a", "ends too early"),
            (b"\xa1\x61a\xf9\x7e\x00", "NaN is no number"),
            (b"\xa2\x61a\x01\x61a\x02", "'a' is there twice"),
            (b"\xa1\x01\x02", "CBOR: "),
            (b"\xa1\x61a\x42\x00\x01", "invalid type: byte array"),
            (b"\xa1\x61a\xc0\x60", "CBOR: "),
            (b"\xa1\x61a\x61\xff", "CBOR: "),
            (b"\x01\x02", "1 bytes follow"),
            (b"\x1c", "no item begins at byte 0"),
            (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "ends too early"),
        ] {
            let error = decode(bytes).unwrap_err();
            assert!(error.contains(reason), "{bytes:02x?}: {error}");
        }
    }
}
