//! JSON in the one form that has one way to be written: RFC 8785, the JSON Canonicalization
//! Scheme. Numbers are doubles there, so those that a double cannot hold are refused.

use serde_json::{Number, Value};

use crate::plain_text;

/// The canonical bytes.
///
/// # Errors
/// A number beyond ±(2⁵³ − 1), which its neighbours would be taken for, with its place.
pub(crate) fn json(value: &Value) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    write(&mut bytes, value).map_err(|fault| format!("${}: {}", fault.path, fault.reason))?;
    Ok(bytes)
}

struct Fault {
    path: String,
    reason: String,
}

fn write(to: &mut Vec<u8>, value: &Value) -> Result<(), Fault> {
    match value {
        Value::Null => to.extend(b"null"),
        Value::Bool(bool) => to.extend(bool.to_string().into_bytes()),
        Value::Number(number) => {
            let fault = |reason| Fault { path: String::new(), reason };
            to.extend(text(number).map_err(fault)?.into_bytes());
        }
        Value::String(text) => string(to, text),
        Value::Array(items) => {
            to.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    to.push(b',');
                }
                write(to, item).map_err(|fault| fault.inside(format!("[{index}]")))?;
            }
            to.push(b']');
        }
        Value::Object(object) => {
            let mut entries: Vec<(&String, &Value)> = object.iter().collect();
            // RFC 8785 §3.2.3: by UTF-16's code units, which is not the order of UTF-8.
            entries.sort_unstable_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            to.push(b'{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    to.push(b',');
                }
                string(to, key);
                to.push(b':');
                let place = || format!(".{}", plain_text::one_line(key, 40));
                write(to, value).map_err(|fault| fault.inside(place()))?;
            }
            to.push(b'}');
        }
    }
    Ok(())
}

impl Fault {
    fn inside(self, place: String) -> Fault {
        Fault { path: place + &self.path, ..self }
    }
}

/// RFC 8785 §3.2.2.2: what must be escaped is, in its shortest way, and nothing else.
fn string(to: &mut Vec<u8>, text: &str) {
    to.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => to.extend(b"\\\""),
            b'\\' => to.extend(b"\\\\"),
            0x08 => to.extend(b"\\b"),
            b'\t' => to.extend(b"\\t"),
            b'\n' => to.extend(b"\\n"),
            0x0c => to.extend(b"\\f"),
            b'\r' => to.extend(b"\\r"),
            0..0x20 => to.extend(format!("\\u{byte:04x}").into_bytes()),
            _ => to.push(byte),
        }
    }
    to.push(b'"');
}

/// RFC 8785 §3.2.2.3: as ECMAScript writes it.
fn text(number: &Number) -> Result<String, String> {
    let integer = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    let double = number.as_f64().unwrap_or(f64::NAN);
    let exact = integer.is_none_or(|integer| integer <= INTEGER_MAX);
    // A float that is a larger integer may have been written as one, to the last digit.
    if !exact || !double.is_finite() || double.abs() > INTEGER_MAX as f64 {
        return Err(format!(
            "{number} is beyond 2^53, where readers of JSON differ in what it is; send it as text"
        ));
    }
    Ok(ecmascript(double))
}

/// ECMA-262, `Number::toString`, of a finite number.
fn ecmascript(double: f64) -> String {
    if double == 0.0 {
        return "0".to_owned();
    }
    // serde_json writes the shortest digits that read back as the same number, of those the
    // nearest, of two as near the even one: ECMAScript's. std's are another choice of two.
    let written = Value::from(double.abs()).to_string();
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let leading = all.len() - digits.len();
    let digits = digits.trim_end_matches('0');
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The value is 0.DIGITS × 10^point.
    let point = exponent.parse::<i32>().unwrap_or(0) + whole.len() as i32 - leading as i32;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let split = |at: i32| digits.split_at(usize::try_from(at).unwrap_or(0));
    let plain = match point {
        _ if (count..=21).contains(&point) => format!("{digits}{}", zeros(point - count)),
        1..=21 => {
            let (whole, fraction) = split(point);
            format!("{whole}.{fraction}")
        }
        -5..=0 => format!("0.{}{digits}", zeros(-point)),
        _ => {
            let (first, rest) = split(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let sign = if point > 0 { "+" } else { "" };
            format!("{first}{dot}{rest}e{sign}{}", point - 1)
        }
    };
    if double < 0.0 { format!("-{plain}") } else { plain }
}

const INTEGER_MAX: u64 = (1 << 53) - 1;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_example_of_the_standard_comes_out_to_the_byte() {
        // RFC 8785 §3.2.2 to §3.2.4, but for its number beyond 2^53.
        let value: Value = serde_json::from_str(
            r#"{"numbers": [4.50, 2e-3, 0.000000000000000000000000001],
                "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
                "literals": [null, true, false]}"#,
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(json(&value).unwrap()).unwrap(),
            "{\"literals\":[null,true,false],\"numbers\":[4.5,0.002,1e-27],\
             \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
        );
        let value = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5,
            "\u{80}": 6, "\u{f6}": 7});
        let sorted = "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}";
        assert_eq!(String::from_utf8(super::json(&value).unwrap()).unwrap(), sorted);
    }

    #[test]
    fn numbers_are_written_as_ecmascript_writes_them() {
        // RFC 8785, appendix B.
        for (bits, text) in [
            (0, "0"),
            (0x8000000000000000, "0"),
            (0x0000000000000001, "5e-324"),
            (0x8000000000000001, "-5e-324"),
            (0x7fefffffffffffff, "1.7976931348623157e+308"),
            (0x4340000000000000, "9007199254740992"),
            (0x4430000000000000, "295147905179352830000"),
            (0x44b52d02c7e14af5, "9.999999999999997e+22"),
            (0x44b52d02c7e14af6, "1e+23"),
            (0x444b1ae4d6e2ef4e, "999999999999999700000"),
            (0x444b1ae4d6e2ef50, "1e+21"),
            (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
            (0x3eb0c6f7a0b5ed8d, "0.000001"),
            (0x41b3de4355555553, "333333333.3333332"),
            (0xbecbf647612f3696, "-0.0000033333333333333333"),
            (0x43143ff3c1cb0959, "1424953923781206.2"),
        ] {
            assert_eq!(ecmascript(f64::from_bits(bits)), text);
        }
        assert_eq!(json(&json!([1, 1.0, -7, 10, 120.5])).unwrap(), b"[1,1,-7,10,120.5]");
    }

    #[test]
    fn numbers_that_readers_differ_in_are_refused_with_their_place() {
        for (number, text) in [
            ("9007199254740993", "9007199254740993"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("1e300", "1e300"),
            ("100000000000000000000000000000001", "1e32"),
        ] {
            let value: Value = serde_json::from_str(&format!("{{\"a\": [0, {number}]}}")).unwrap();
            let error = json(&value).unwrap_err();
            assert!(error.starts_with("$.a[1]: ") && error.contains("2^53"), "{text}: {error}");
        }
        assert!(json(&json!(9007199254740991_i64)).is_ok());
    }
}
