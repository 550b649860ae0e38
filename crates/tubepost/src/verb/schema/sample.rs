//! A body that fits a JSON Schema, as small as it can be: an example where nobody gave one.

use serde_json::{Map, Value};

/// An object that is meant to fit `schema`; whether it does, the validator says.
pub(super) fn body(schema: &Value) -> Value {
    match value(schema, schema, "", 0) {
        body @ Value::Object(_) => body,
        _ => Value::Object(Map::new()),
    }
}

fn value(root: &Value, schema: &Value, key: &str, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    let again = |inner: &Value, key: &str| value(root, inner, key, depth + 1);
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(Value::Null, |target| again(target, key));
    }
    let listed = ["enum", "examples"].into_iter().filter_map(|list| schema.get(list)?.as_array());
    let given = ["const", "default"].into_iter().filter_map(|key| schema.get(key));
    if let Some(value) = given.chain(listed.flatten()).find(|value| is_of_kind(schema, value)) {
        return value.clone();
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        let branches = schema.get(choice).and_then(Value::as_array);
        if let Some(first) = branches.and_then(|branches| branches.first()) {
            return again(first, key);
        }
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => {
            let kinds = || kinds.iter().filter_map(Value::as_str);
            kinds().find(|kind| *kind != "null").or(kinds().next()).unwrap_or("null")
        }
        _ if schema.get("properties").is_some() => "object",
        _ => "string",
    };
    match kind {
        "object" => {
            let property = |name: &str| schema.get("properties").and_then(|it| it.get(name));
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            let names = required.filter_map(Value::as_str).map(|name| {
                let inner = property(name).unwrap_or(&Value::Null);
                (name.to_owned(), again(inner, name))
            });
            Value::Object(names.collect())
        }
        "array" => {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(ITEMS_MAX);
            let item = schema.get("items").unwrap_or(&Value::Null);
            (0..least.max(u64::from(item.is_object()))).map(|_| again(item, key)).collect()
        }
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(Value::from(1)),
        "boolean" => Value::from(true),
        "null" => Value::Null,
        _ => text(schema, key),
    }
}

/// Whether `type` allows it; values are listed that it does not.
fn is_of_kind(schema: &Value, value: &Value) -> bool {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_named = |named: &Value| {
        named == kind || (kind == "number" && named == "integer" && value.as_i64().is_some())
    };
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(is_named),
        Some(named) => is_named(named),
        None => true,
    }
}

fn text(schema: &Value, key: &str) -> Value {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("uri" | "url") => "https://example.org/".to_owned(),
        Some("date-time") => "2026-11-26T10:00:00Z".to_owned(),
        Some("date") => "2026-11-26".to_owned(),
        Some("email") => "ada@example.org".to_owned(),
        _ if key.contains("url") || key.contains("link") => "https://example.org/".to_owned(),
        _ if WHO.contains(&key) => "ada".to_owned(),
        _ if key.is_empty() => "text".to_owned(),
        _ => key.to_owned(),
    };
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
    let least = usize::try_from(least.min(TEXT_MAX)).unwrap_or(0);
    Value::from(format!("{text:x<least$}"))
}

const WHO: [&str; 6] = ["agent", "user", "username", "owner", "author", "name"];
const DEPTH_MAX: usize = 16;
const ITEMS_MAX: u64 = 16;
const TEXT_MAX: u64 = 1000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_required_is_there_and_fits() {
        let schema = json!({
            "type": "object",
            "required": ["agent", "url", "state", "n", "list", "deep", "maybe"],
            "properties": {
                "agent": {"type": "string"},
                "url": {"type": "string", "minLength": 30},
                "state": {"type": "string", "enum": [null, "open", "closed"]},
                "n": {"type": "integer", "minimum": 5},
                "list": {"type": "array", "minItems": 2, "items": {"type": "boolean"}},
                "deep": {"$ref": "#/$defs/deep"},
                "maybe": {"type": ["null", "string"]},
                "other": {"type": "string"},
            },
            "$defs": {"deep": {"type": "object", "required": ["x"], "properties": {"x": {"type": "null"}}}},
        });
        let expected = json!({
            "agent": "ada", "url": "https://example.org/xxxxxxxxxx", "state": "open", "n": 5,
            "list": [true, true], "deep": {"x": null}, "maybe": "maybe",
        });
        assert_eq!(body(&schema), expected);
        assert_eq!(body(&json!({"$ref": "#"})), json!({}));
    }
}
