//! Pairs of schemas and what is said of them, in both directions.

use serde_json::json;

use super::*;

/// Backward and forward, as words.
fn words(old: &Value, new: &Value) -> (&'static str, &'static str) {
    let found = Compatibility::of(old, new);
    (found.backward.word(), found.forward.word())
}

#[test]
fn changes_are_judged_in_both_directions() {
    let (yes, no, open) = ("yes", "no", "cannot tell");
    let text = json!({"type": "string"});
    for (what, old, new, expected) in [
        ("nothing", text.clone(), text.clone(), (yes, yes)),
        ("words only", json!({"title": "a"}), json!({"title": "b"}), (yes, yes)),
        ("wider type", text.clone(), json!({"type": ["string", "null"]}), (yes, no)),
        ("narrower type", json!({"type": "number"}), json!({"type": "integer"}), (no, yes)),
        ("other type", text.clone(), json!({"type": "integer"}), (no, no)),
        ("any type", json!({}), text.clone(), (no, yes)),
        ("more values", json!({"enum": ["a"]}), json!({"enum": ["a", "b"]}), (yes, no)),
        ("values listed", text.clone(), json!({"enum": ["a"]}), (no, yes)),
        ("const of a type", json!({"const": 3}), json!({"type": "integer"}), (yes, no)),
        ("value too long", json!({"enum": ["abc"]}), json!({"maxLength": 2}), (no, no)),
        ("all booleans", json!({"type": "boolean"}), json!({"enum": [true, false]}), (yes, yes)),
        (
            "bounds",
            json!({"type": "number", "minimum": 1}),
            json!({"type": "number", "minimum": 0}),
            (yes, no),
        ),
        (
            "draft 4's exclusive bound",
            json!({"type": "number", "minimum": 1, "exclusiveMinimum": true}),
            json!({"type": "number", "exclusiveMinimum": 1}),
            (yes, yes),
        ),
        (
            "longer",
            json!({"type": "string", "maxLength": 5}),
            json!({"type": "string", "maxLength": 9}),
            (yes, no),
        ),
        ("pattern", text.clone(), json!({"type": "string", "pattern": "^a"}), (no, yes)),
        (
            "other pattern",
            json!({"type": "string", "pattern": "^a"}),
            json!({"type": "string", "pattern": "^ab"}),
            (open, open),
        ),
        (
            "items",
            json!({"type": "array", "items": {"type": "integer"}}),
            json!({"type": "array", "items": {"type": "number"}}),
            (yes, no),
        ),
        (
            "items of draft 7 and of 2020-12",
            json!({"type": "array", "items": [{"type": "string"}], "additionalItems": false}),
            json!({"type": "array", "prefixItems": [{"type": "string"}], "items": false}),
            (yes, yes),
        ),
        (
            "one of them",
            text.clone(),
            json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
            (yes, no),
        ),
        (
            "all of them",
            text.clone(),
            json!({"allOf": [{"type": "string"}, {"minLength": 1}]}),
            (no, open),
        ),
        ("not", text.clone(), json!({"type": "string", "not": {"const": ""}}), (open, yes)),
        ("an unknown rule", text.clone(), json!({"type": "string", "mood": "good"}), (open, yes)),
    ] {
        assert_eq!(words(&old, &new), expected, "{what}: {old} to {new}");
    }
}

fn keys(properties: Value, required: &[&str], more: Value) -> Value {
    let mut schema = json!({"type": "object", "properties": properties, "required": required});
    for (key, value) in more.as_object().unwrap() {
        schema[key] = value.clone();
    }
    schema
}

#[test]
fn keys_may_be_added_as_optional_and_not_removed() {
    let (yes, no) = ("yes", "no");
    let closed = json!({"additionalProperties": false});
    let one = || json!({"a": {"type": "string"}});
    let two = || json!({"a": {"type": "string"}, "b": {"type": "integer"}});
    let old = keys(one(), &["a"], json!({}));
    for (what, new, expected) in [
        ("optional", keys(two(), &["a"], json!({})), (yes, yes)),
        ("required", keys(two(), &["a", "b"], json!({})), (no, yes)),
        ("no longer required", keys(one(), &[], json!({})), (yes, no)),
        ("renamed", keys(json!({"c": {"type": "string"}}), &["c"], json!({})), (no, no)),
        ("closed", keys(one(), &["a"], closed.clone()), (no, yes)),
        (
            "keys fit a schema",
            keys(one(), &["a"], json!({"additionalProperties": {"type": "string"}})),
            (no, yes),
        ),
    ] {
        assert_eq!(words(&old, &new), expected, "{what}");
    }
    let strict = keys(one(), &["a"], closed.clone());
    assert_eq!(words(&strict, &keys(two(), &["a"], closed)), (yes, no));
    let optional = keys(two(), &["a"], json!({}));
    let Answer::No(reasons) = Compatibility::of(&optional, &old).forward else { panic!() };
    assert_eq!(reasons, ["$.b: old names it and new does not; keep it"]);
}

#[test]
fn reasons_have_the_path_and_who_asks_for_what() {
    let old =
        keys(json!({"c": keys(json!({"n": {"type": "integer"}}), &[], json!({}))}), &[], json!({}));
    let new = keys(
        json!({"c": keys(json!({"n": {"type": "string"}}), &["n"], json!({}))}),
        &[],
        json!({}),
    );
    let found = Compatibility::of(&old, &new);
    assert_eq!(
        found.backward.reasons(),
        [
            "$.c.n: in old it may be missing, new requires it",
            "$.c.n: in old it may be integer, in new string",
        ]
    );
    assert_eq!(found.full().word(), "no");
}

#[test]
fn references_are_followed_and_a_schema_may_contain_itself() {
    let tree = |leaf: &str| {
        json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {
            "leaf": {"type": leaf}, "below": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}}})
    };
    assert_eq!(words(&tree("string"), &tree("string")), ("yes", "yes"));
    assert_eq!(words(&tree("integer"), &tree("number")), ("yes", "no"));
    let lost = json!({"$ref": "#/$defs/gone"});
    assert_eq!(words(&lost, &tree("string")), ("cannot tell", "cannot tell"));
    let loops = json!({"$ref": "#"});
    assert_eq!(words(&loops, &json!({"type": "null"})).0, "cannot tell");
}

#[test]
fn a_hostile_schema_is_compared_within_bounds() {
    let mut deep = json!({"type": "string"});
    for _ in 0..100 {
        deep = json!({"type": "object", "properties": {"a": deep}});
    }
    let mut other = deep.clone();
    other["title"] = "x".into();
    other["properties"]["a"]["minProperties"] = 1.into();
    assert_eq!(words(&deep, &other).0, "no");
    let mut wide = json!({"anyOf": []});
    for n in 0..40 {
        wide["anyOf"].as_array_mut().unwrap().push(json!({"anyOf": [{"const": n}, {"$ref": "#"}]}));
    }
    let mut new = wide.clone();
    new["title"] = "x".into();
    _ = words(&wide, &json!({"anyOf": [{"type": "null"}, {"$ref": "#"}]}));
    _ = words(&new, &wide);
}
