//! Bodies as `google.protobuf.Struct`, the form that every Protobuf library has for JSON: three
//! messages, written out here, so that neither a compiler of `.proto` files nor a descriptor on
//! the wire is needed.

use serde_json::{Map, Number, Value};

use super::DEPTH_MAX;
use crate::plain_text;

/// The object of a `Struct`.
pub(super) fn decode(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    object(bytes, 1).map_err(|reason| format!("Protobuf: {reason}"))
}

pub(super) fn encode(object: &Map<String, Value>) -> Result<Vec<u8>, String> {
    // Back to front, as a length stands before what it measures.
    let mut reversed = Vec::new();
    write_object(&mut reversed, object).map_err(|reason| format!("Protobuf: {reason}"))?;
    reversed.reverse();
    Ok(reversed)
}

// message Struct { map<string, Value> fields = 1; }, a map being repeated { key = 1; value = 2; }
const FIELDS: u64 = 1;
const KEY: u64 = 1;
const VALUE: u64 = 2;
// message ListValue { repeated Value values = 1; }
const VALUES: u64 = 1;
// message Value { oneof kind { … } }
const NULL: u64 = 1;
const NUMBER: u64 = 2;
const STRING: u64 = 3;
const BOOL: u64 = 4;
const STRUCT: u64 = 5;
const LIST: u64 = 6;

/// Beyond it a double does not tell an integer from its neighbours.
const INTEGER_MAX: u64 = 1 << 53;

fn object(mut bytes: &[u8], depth: usize) -> Result<Map<String, Value>, String> {
    within(depth)?;
    let mut object = Map::new();
    while let Some((number, field)) = next_field(&mut bytes)? {
        if number != FIELDS {
            continue;
        }
        let (key, value) = entry(field.bytes("fields")?, depth)?;
        if object.contains_key(&key) {
            return Err(format!("'{}' is there twice", plain_text::one_line(&key, 40)));
        }
        object.insert(key, value);
    }
    Ok(object)
}

fn entry(mut bytes: &[u8], depth: usize) -> Result<(String, Value), String> {
    let (mut key, mut found) = (String::new(), None);
    while let Some((number, field)) = next_field(&mut bytes)? {
        match number {
            KEY => key = text(field.bytes("key")?)?,
            VALUE => found = Some(value(field.bytes("value")?, depth)?),
            _ => {}
        }
    }
    let shown = || plain_text::one_line(&key, 40);
    let found = found.ok_or_else(|| format!("'{}' has no value", shown()))?;
    Ok((key, found))
}

fn list(mut bytes: &[u8], depth: usize) -> Result<Vec<Value>, String> {
    within(depth)?;
    let mut list = Vec::new();
    while let Some((number, field)) = next_field(&mut bytes)? {
        if number == VALUES {
            list.push(value(field.bytes("values")?, depth)?);
        }
    }
    Ok(list)
}

fn value(mut bytes: &[u8], depth: usize) -> Result<Value, String> {
    let mut value = None;
    while let Some((number, field)) = next_field(&mut bytes)? {
        let read = match number {
            NULL => Value::Null,
            NUMBER => number_of(field.fixed("number_value")?)?,
            STRING => text(field.bytes("string_value")?)?.into(),
            BOOL => (field.varint("bool_value")? != 0).into(),
            STRUCT => object(field.bytes("struct_value")?, depth + 1)?.into(),
            LIST => list(field.bytes("list_value")?, depth + 1)?.into(),
            _ => continue,
        };
        value = Some(read);
    }
    value.ok_or_else(|| "a value has no kind".to_owned())
}

/// Whole numbers are integers again, as they were before.
fn number_of(double: f64) -> Result<Value, String> {
    if double.fract() == 0.0 && double.abs() <= INTEGER_MAX as f64 {
        return Ok((double as i64).into());
    }
    let number = Number::from_f64(double);
    number.map(Value::Number).ok_or_else(|| format!("{double} is no number of JSON"))
}

fn text(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("text is not UTF-8: {error}"))?;
    Ok(text.to_owned())
}

fn within(depth: usize) -> Result<(), String> {
    match depth > DEPTH_MAX {
        true => Err(format!("recursion limit exceeded: it nests deeper than {DEPTH_MAX}")),
        false => Ok(()),
    }
}

/// One field's value as it is on the wire.
enum Field<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32,
}

impl<'a> Field<'a> {
    fn bytes(self, name: &str) -> Result<&'a [u8], String> {
        match self {
            Field::Bytes(bytes) => Ok(bytes),
            _ => Err(format!("{name} has another wire type than the field of this number")),
        }
    }

    fn fixed(self, name: &str) -> Result<f64, String> {
        match self {
            Field::Fixed64(bytes) => Ok(f64::from_le_bytes(bytes)),
            _ => Err(format!("{name} has another wire type than the field of this number")),
        }
    }

    fn varint(self, name: &str) -> Result<u64, String> {
        match self {
            Field::Varint(number) => Ok(number),
            _ => Err(format!("{name} has another wire type than the field of this number")),
        }
    }
}

fn next_field<'a>(bytes: &mut &'a [u8]) -> Result<Option<(u64, Field<'a>)>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let short = || "it ends within a field".to_owned();
    let tag = varint(bytes)?;
    let field = match tag & 7 {
        0 => Field::Varint(varint(bytes)?),
        1 => {
            let (eight, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
            *bytes = rest;
            Field::Fixed64(*eight)
        }
        2 => {
            let length = usize::try_from(varint(bytes)?).map_err(|_| short())?;
            let (field, rest) = bytes.split_at_checked(length).ok_or_else(short)?;
            *bytes = rest;
            Field::Bytes(field)
        }
        5 => {
            let (_, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
            *bytes = rest;
            Field::Fixed32
        }
        other => return Err(format!("wire type {other} is not of a Struct")),
    };
    Ok(Some((tag >> 3, field)))
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or("it ends within a number")?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err("a number has more than 64 bits".to_owned())
}

fn write_object(to: &mut Vec<u8>, object: &Map<String, Value>) -> Result<(), String> {
    for (key, value) in object.iter().rev() {
        let end = to.len();
        write_nested(to, VALUE, |to| write_value(to, value))
            .map_err(|reason| format!("'{}': {reason}", plain_text::one_line(key, 40)))?;
        write_text(to, KEY, key);
        write_length(to, FIELDS, end);
    }
    Ok(())
}

fn write_value(to: &mut Vec<u8>, value: &Value) -> Result<(), String> {
    match value {
        Value::Null => write_number(to, NULL, 0),
        Value::Bool(bool) => write_number(to, BOOL, u64::from(*bool)),
        Value::Number(number) => {
            to.extend(double(number)?.to_be_bytes());
            write_varint(to, NUMBER << 3 | 1);
        }
        Value::String(text) => write_text(to, STRING, text),
        Value::Object(object) => write_nested(to, STRUCT, |to| write_object(to, object))?,
        Value::Array(items) => write_nested(to, LIST, |to| {
            let mut items = items.iter().rev();
            items.try_for_each(|item| write_nested(to, VALUES, |to| write_value(to, item)))
        })?,
    }
    Ok(())
}

fn double(number: &Number) -> Result<f64, String> {
    let integer = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    match integer {
        Some(integer) if integer > INTEGER_MAX => {
            Err(format!("{number} is beyond 2^53, which a Struct cannot hold; send it as text"))
        }
        _ => number.as_f64().ok_or_else(|| format!("{number} is no double")),
    }
}

fn write_nested(
    to: &mut Vec<u8>,
    number: u64,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    let end = to.len();
    write(to)?;
    write_length(to, number, end);
    Ok(())
}

fn write_text(to: &mut Vec<u8>, number: u64, text: &str) {
    let end = to.len();
    to.extend(text.bytes().rev());
    write_length(to, number, end);
}

/// The head of what was written since `end`.
fn write_length(to: &mut Vec<u8>, number: u64, end: usize) {
    write_varint(to, (to.len() - end) as u64);
    write_varint(to, number << 3 | 2);
}

fn write_number(to: &mut Vec<u8>, field: u64, number: u64) {
    write_varint(to, number);
    write_varint(to, field << 3);
}

fn write_varint(to: &mut Vec<u8>, mut number: u64) {
    let begin = to.len();
    while number > 0x7f {
        to.push(number as u8 & 0x7f | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
    to[begin..].reverse();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("it is an object") };
        object
    }

    #[test]
    fn bytes_are_those_of_protobuf() {
        // As Python's protobuf 6 writes it: json_format.Parse, then SerializeToString.
        let bytes = b"\x0a\x0e\x0a\x01n\x12\x09\x11\0\0\0\0\0\0\xf8\x3f\x0a\x0b\x0a\x01t\x12\x06\x1a\x04w\xc3\xb6r";
        let object = map(json!({"n": 1.5, "t": "wör"}));
        assert_eq!(encode(&object).unwrap(), bytes);
        assert_eq!(decode(bytes).unwrap(), object);
        let long = map(json!({"k": "x".repeat(300), "l": [null, false, {"a": []}]}));
        assert_eq!(decode(&encode(&long).unwrap()).unwrap(), long);
        assert_eq!(encode(&Map::new()).unwrap(), b"");
    }

    #[test]
    fn fields_nobody_knows_are_passed_over() {
        let more = b"\x10\x05\x1d\0\0\0\0\x21\0\0\0\0\0\0\0\0\x0a\x07\x0a\x01a\x12\x02\x20\x01";
        assert_eq!(Value::Object(decode(more).unwrap()), json!({"a": true}));
    }

    #[test]
    fn integers_that_a_double_cannot_hold_are_refused() {
        let error = encode(&map(json!({"a": [{"b": 9007199254740993_u64}]}))).unwrap_err();
        assert!(error.contains("'a': 'b': 9007199254740993 is beyond 2^53"), "{error}");
        assert!(encode(&map(json!({"b": i64::MIN}))).is_err());
    }

    #[test]
    fn what_is_no_struct_is_refused_with_the_reason() {
        for (bytes, reason) in [
            (&b"\x0a"[..], "ends within a number"),
            (b"\x0a\x05\x0a", "ends within a field"),
            (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "ends within a field"),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "more than 64 bits"),
            (b"\x0b", "wire type 3"),
            (b"\x08\x01", "fields has another wire type"),
            (b"\x0a\x03\x0a\x01a", "'a' has no value"),
            (b"\x0a\x05\x0a\x01a\x12\0", "no kind"),
            (b"\x0a\x03\x0a\x01\xff", "not UTF-8"),
            (b"\x0a\x07\x0a\x01a\x12\x02\x20\x01\x0a\x07\x0a\x01a\x12\x02\x20\0", "twice"),
            (b"\x0a\x0e\x0a\x01n\x12\x09\x11\0\0\0\0\0\0\xf0\x7f", "inf is no number"),
        ] {
            let error = decode(bytes).unwrap_err();
            assert!(error.contains(reason), "{bytes:02x?}: {error}");
        }
    }
}
