//! A body schema as a table for people: each key with its path, kind, and what it means.

use serde_json::Value;

/// One key of a body.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Field {
    /// Where it is: `commit.stats.files`, `builds[].nvr`, `files.*` for any key.
    pub path: String,
    /// What may stand there: `string`, `integer or null`, `one of "a", "b"`.
    pub kind: String,
    /// Whether it must be there when what it is in is there.
    pub required: bool,
    /// What its schema says it is; empty when it says nothing.
    pub description: String,
}

/// The keys that a body schema names, in its order, down to a depth of six, at most 500.
pub(crate) fn of(body: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    keys(body, body, "", 0, &mut fields);
    fields
}

fn keys(root: &Value, schema: &Value, path: &str, depth: usize, fields: &mut Vec<Field>) {
    let schema = resolved(root, schema);
    if depth > DEPTH_MAX || fields.len() >= FIELDS_MAX {
        return;
    }
    let required = |key: &str| {
        let listed = schema.get("required").and_then(Value::as_array);
        listed.is_some_and(|listed| listed.iter().any(|name| name == key))
    };
    let named = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let any = schema.get("additionalProperties").filter(|rest| rest.is_object());
    let inner = named.map(|(key, inner)| (key.as_str(), inner)).chain(any.map(|rest| ("*", rest)));
    for (key, inner) in inner {
        if fields.len() >= FIELDS_MAX {
            return;
        }
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let inner = resolved(root, inner);
        fields.push(Field {
            path: path.clone(),
            kind: kind(inner),
            required: required(key),
            description: inner
                .get("description")
                .or(inner.get("title"))
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        });
        keys(root, inner, &path, depth + 1, fields);
        if let Some(items) = inner.get("items").filter(|items| items.is_object()) {
            keys(root, items, &format!("{path}[]"), depth + 1, fields);
        }
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        for branch in schema.get(choice).and_then(Value::as_array).into_iter().flatten() {
            if branch.get("properties").is_some() {
                keys(root, branch, path, depth + 1, fields);
            }
        }
    }
}

fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").and_then(Value::as_str);
    let target = reference.and_then(|reference| reference.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn kind(schema: &Value) -> String {
    let listed = schema.get("enum").and_then(Value::as_array);
    if let Some(values) = listed {
        let shown: Vec<String> = values.iter().take(VALUES_MAX).map(Value::to_string).collect();
        let more = if values.len() > VALUES_MAX { ", …" } else { "" };
        return format!("one of {}{more}", shown.join(", "));
    }
    let named = match (schema.get("const"), schema.get("type")) {
        (Some(only), _) => only.to_string(),
        (None, Some(Value::String(kind))) => kind.clone(),
        (None, Some(Value::Array(kinds))) => {
            kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        _ if schema.get("properties").is_some() => "object".to_owned(),
        _ => "anything".to_owned(),
    };
    match schema.get("items").map(kind) {
        Some(items) if named.contains("array") && items != "anything" => {
            named.replace("array", &format!("array of {items}"))
        }
        _ => named,
    }
}

const DEPTH_MAX: usize = 6;
const FIELDS_MAX: usize = 500;
const VALUES_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_have_path_kind_and_whether_they_must_be_there() {
        let body = json!({
            "type": "object",
            "required": ["agent"],
            "properties": {
                "agent": {"type": "string", "description": "Who did it."},
                "state": {"enum": ["open", "closed"]},
                "builds": {"type": "array", "items": {"$ref": "#/$defs/build"}},
                "files": {"type": "object", "additionalProperties": {"type": ["integer", "null"]}},
            },
            "$defs": {"build": {"type": "object", "properties": {
                "nvr": {"type": "string"}, "of": {"$ref": "#/$defs/build"}}}},
        });
        let fields = of(&body);
        let line = |field: &Field| {
            let must = if field.required { "!" } else { "" };
            format!("{}{must} {}", field.path, field.kind)
        };
        let lines: Vec<String> = fields.iter().map(line).collect();
        for wanted in [
            "agent! string",
            "state one of \"open\", \"closed\"",
            "builds[].nvr string",
            "files.* integer or null",
        ] {
            assert!(lines.iter().any(|line| line == wanted), "{wanted}: {lines:?}");
        }
        // A schema that contains itself ends.
        assert!(lines.len() < FIELDS_MAX, "{}", lines.len());
    }
}
