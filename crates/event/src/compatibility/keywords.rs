//! JSON Schema's keywords, read alike from every draft: types as a set, bounds as numbers, items
//! as a beginning and a rest.

use serde_json::{Map, Value};

pub(super) type Object = Map<String, Value>;

/// The kinds of JSON values, as bits. An integer is no fraction and the reverse; `number` is both.
pub(super) const KINDS: [(&str, u8); 7] = [
    ("null", 1),
    ("boolean", 2),
    ("integer", 4),
    ("fraction", 8),
    ("string", 16),
    ("array", 32),
    ("object", 64),
];
pub(super) const NUMBER: u8 = 12;
pub(super) const STRING: u8 = 16;
pub(super) const ARRAY: u8 = 32;
pub(super) const OBJECT: u8 = 64;
const ALL: u8 = 127;

/// Which kinds a schema lets be: by `type`, and by the values of `enum` and `const`.
pub(super) fn kinds(schema: &Object) -> u8 {
    let of_name = |name: &str| match name {
        "number" => NUMBER,
        name => KINDS.iter().find(|(known, _)| *known == name).map_or(0, |(_, bit)| *bit),
    };
    let declared = match schema.get("type") {
        Some(Value::String(name)) => of_name(name),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).fold(0, |kinds, name| kinds | of_name(name))
        }
        _ => ALL,
    };
    match values(schema) {
        Some(values) => declared & values.into_iter().fold(0, |kinds, value| kinds | kind(value)),
        None => declared,
    }
}

pub(super) fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 1,
        Value::Bool(_) => 2,
        // 1.0 is an integer since draft 6.
        Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => 4,
        Value::Number(_) => 8,
        Value::String(_) => STRING,
        Value::Array(_) => ARRAY,
        Value::Object(_) => OBJECT,
    }
}

/// `string or null`.
pub(super) fn kind_names(kinds: u8) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, bit) in KINDS {
        match name {
            "integer" if kinds & NUMBER == NUMBER => names.push("number"),
            "fraction" if kinds & NUMBER == NUMBER => {}
            "fraction" if kinds & bit != 0 => names.push("number with a fraction"),
            name if kinds & bit != 0 => names.push(name),
            _ => {}
        }
    }
    names.join(" or ")
}

/// The values that `enum` or `const` lists.
pub(super) fn values(schema: &Object) -> Option<Vec<&Value>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(only), _) => Some(vec![only]),
        (None, Some(Value::Array(values))) => Some(values.iter().collect()),
        _ => None,
    }
}

/// The least number and whether it is itself allowed; `sign` -1 asks for the greatest.
pub(super) fn bound(schema: &Object, sign: f64) -> Option<(f64, bool)> {
    let (plain, exclusive) = match sign < 0.0 {
        true => ("maximum", "exclusiveMaximum"),
        false => ("minimum", "exclusiveMinimum"),
    };
    let limit = schema.get(plain).and_then(Value::as_f64).map(|limit| limit * sign);
    match schema.get(exclusive) {
        // Draft 4 has a flag there.
        Some(Value::Bool(true)) => limit.map(|limit| (limit, false)),
        Some(Value::Number(number)) => {
            let open = number.as_f64().map(|open| open * sign)?;
            Some(match limit {
                Some(limit) if limit > open => (limit, true),
                _ => (open, false),
            })
        }
        _ => limit.map(|limit| (limit, true)),
    }
}

/// A count such as `minLength`.
pub(super) fn count(schema: &Object, key: &str) -> Option<u64> {
    let number = schema.get(key)?;
    number.as_u64().or_else(|| number.as_f64().map(|number| number as u64))
}

/// The schemas of an array's first items, and of all after them (`None`: anything).
pub(super) fn items(schema: &Object) -> (&[Value], Option<&Value>) {
    let list = |key: &str| schema.get(key).and_then(Value::as_array).map(Vec::as_slice);
    match (list("prefixItems"), list("items")) {
        (Some(first), _) => (first, schema.get("items")),
        (None, Some(first)) => (first, schema.get("additionalItems")),
        (None, None) => (&[], schema.get("items")),
    }
}

pub(super) fn properties(schema: &Object) -> Option<&Object> {
    schema.get("properties").and_then(Value::as_object)
}

pub(super) fn required(schema: &Object) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// What decides nothing about a value.
pub(super) fn is_annotation(keyword: &str) -> bool {
    ANNOTATIONS.contains(&keyword) || keyword.starts_with("x-")
}

const ANNOTATIONS: [&str; 17] = [
    "$schema",
    "$id",
    "id",
    "$comment",
    "$defs",
    "definitions",
    "$anchor",
    "title",
    "description",
    "default",
    "example",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentMediaType",
    "contentEncoding",
];
