//! Arguments as JSON has them: RabbitMQ's `rabbit_misc:to_amqp_table` and back.

use broker::{Arguments, Value};
use serde_json::{Map, Number, Value as Json};

/// Arguments of a JSON object. Integers become 64 bits wide, which means the same.
///
/// # Errors
/// An integer has more than 64 bits, or the nesting is deeper than any client can send.
pub fn from_json(object: &Map<String, Json>) -> Result<Arguments, String> {
    table(object, 0)
}

fn table(object: &Map<String, Json>, depth: usize) -> Result<Arguments, String> {
    object.iter().map(|(name, json)| Ok((name.clone(), value(name, json, depth)?))).collect()
}

fn value(name: &str, json: &Json, depth: usize) -> Result<Value, String> {
    if depth > DEPTH_MAX {
        return Err(format!("argument '{name}' is nested deeper than {DEPTH_MAX}"));
    }
    Ok(match json {
        Json::Null => Value::Void,
        Json::Bool(it) => Value::Bool(*it),
        Json::String(it) => Value::Longstr(it.clone()),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Value::Long(integer),
            (None, Some(float)) if !number.is_u64() => Value::Double(float),
            _ => return Err(format!("argument '{name}' has no number of AMQP: {number}")),
        },
        Json::Array(items) => {
            let items = items.iter().map(|item| value(name, item, depth + 1));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Json::Object(object) => Value::Table(table(object, depth + 1)?),
    })
}

/// Arguments as a JSON object. What JSON has no word for becomes what is nearest: bytes a text, a
/// time its seconds, a float that is no number `null`.
pub fn to_json(arguments: &Arguments) -> Map<String, Json> {
    arguments.iter().map(|(name, value)| (name.to_owned(), json(value))).collect()
}

fn json(value: &Value) -> Json {
    let float = |it: f64| Number::from_f64(it).map_or(Json::Null, Json::Number);
    match value {
        Value::Void => Json::Null,
        Value::Bool(it) => Json::Bool(*it),
        Value::Byte(_)
        | Value::UnsignedByte(_)
        | Value::Short(_)
        | Value::UnsignedShort(_)
        | Value::SignedInt(_)
        | Value::UnsignedInt(_)
        | Value::Long(_) => value.as_integer().map_or(Json::Null, Json::from),
        Value::Timestamp(it) => Json::from(*it),
        Value::Float(it) => float((*it).into()),
        Value::Double(it) => float(*it),
        Value::Decimal(scale, value) => float(f64::from(*value) / 10_f64.powi(i32::from(*scale))),
        Value::Longstr(it) => Json::String(it.clone()),
        Value::Binary(it) => Json::String(String::from_utf8_lossy(it).into_owned()),
        Value::Array(items) => Json::Array(items.iter().map(json).collect()),
        Value::Table(table) => Json::Object(to_json(table)),
    }
}

/// As deep as a field table on the wire may be.
const DEPTH_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: Json) -> Result<Arguments, String> {
        from_json(json.as_object().unwrap())
    }

    #[test]
    fn json_is_read_as_amqp_has_it_and_written_the_same() {
        let json = json!({"n": 5, "f": 0.5, "s": "x", "b": true, "v": null,
                          "a": [1, "y"], "t": {"inner": -1}});
        let arguments = read(json.clone()).unwrap();
        assert_eq!(arguments.get("n"), Some(&Value::Long(5)));
        assert_eq!(arguments.get("f"), Some(&Value::Double(0.5)));
        assert_eq!(arguments.get("v"), Some(&Value::Void));
        assert_eq!(Json::Object(to_json(&arguments)), json);
    }

    #[test]
    fn what_amqp_has_no_word_for_is_refused_and_named() {
        assert!(read(json!({"n": u64::MAX})).unwrap_err().contains("argument 'n'"));
        let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
        assert!(read(json!({"d": deep})).unwrap_err().contains("'d' is nested deeper"));
    }

    #[test]
    fn what_json_has_no_word_for_becomes_what_is_nearest() {
        let values = [
            ("nan", Value::Double(f64::NAN), Json::Null),
            ("bytes", Value::Binary(b"ab".to_vec()), json!("ab")),
            ("time", Value::Timestamp(u64::MAX), json!(u64::MAX)),
            ("decimal", Value::Decimal(2, 125), json!(1.25)),
            ("byte", Value::UnsignedByte(200), json!(200)),
        ];
        for (name, value, expected) in values {
            let arguments = [(name.to_owned(), value)].into_iter().collect();
            assert_eq!(to_json(&arguments)[name], expected, "{name}");
        }
    }
}
