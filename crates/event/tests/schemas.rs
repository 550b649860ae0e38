//! Every schema that ships: it compiles, its examples hold, the documented form of the file
//! accepts it.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it should do")]

use event::Registry;
use serde_json::Value;

#[test]
fn every_shipped_schema_compiles_and_its_examples_hold() {
    let registry = Registry::builtin();
    let mut failures = Vec::new();
    for schema in registry.schemas() {
        if let Err(error) = Registry::default().add(schema.name(), schema.text()) {
            failures.push(error.to_string());
        }
        failures.extend(schema.check_examples());
        assert!(schema.examples().count() > 0);
    }
    assert!(registry.schemas().len() >= 5);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_example_finds_its_schema_by_topic_alone() {
    let registry = Registry::builtin();
    for schema in registry.schemas() {
        for (topic, body) in schema.examples() {
            let event = event::Event::new(topic.parse().unwrap(), body.clone()).unwrap();
            let found = registry.schema_of(&event);
            let found = found.as_ref().map(|schema| schema.name());
            assert_eq!(found, Some(schema.name()), "{topic}");
        }
    }
}

#[test]
fn what_the_registry_accepts_the_documented_form_accepts() {
    let form: Value = serde_json::from_str(include_str!("../../../docs/schema-file.json")).unwrap();
    let validator = jsonschema::validator_for(&form).unwrap();
    for schema in Registry::builtin().schemas() {
        let file: Value = serde_json::from_str(schema.text()).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&file)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {}", schema.name(), errors.join("\n"));
    }
    let mut wrong: Value =
        serde_json::from_str(Registry::builtin().schema("git.receive").unwrap().text()).unwrap();
    wrong["render"]["summry"] = "x".into();
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn the_example_of_the_documentation_is_a_schema_and_its_examples_hold() {
    let page = include_str!("../../../docs/schemas.md");
    let example = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let schema = event::Schema::parse("door.open.json", example).unwrap();
    assert_eq!(schema.check_examples(), Vec::<String>::new());
}

/// Each draft with a rule that only it has so: the schema, a body that fits, one that does not.
#[test]
fn each_draft_from_04_to_2020_12_means_what_it_says() {
    use serde_json::json;
    let exclusive = json!({"n": {"type": "integer", "minimum": 3, "exclusiveMinimum": true}});
    let draft_6 = json!({"n": {"exclusiveMinimum": 3}, "c": {"const": "x"}});
    let conditional = json!({"if": {"required": ["a"]}, "then": {"required": ["b"]}});
    let tuple = json!({"t": {"items": [{"type": "string"}], "additionalItems": false}});
    let dependent = json!({"dependentRequired": {"a": ["b"]}, "unevaluatedProperties": true});
    let prefix = json!({"t": {"prefixItems": [{"type": "string"}], "items": false}});
    for (draft, rules, fits, does_not) in [
        (
            "http://json-schema.org/draft-04/schema#",
            json!({"properties": exclusive}),
            json!({"n": 4}),
            json!({"n": 3}),
        ),
        (
            "http://json-schema.org/draft-06/schema#",
            json!({"properties": draft_6}),
            json!({"n": 4, "c": "x"}),
            json!({"n": 3}),
        ),
        (
            "http://json-schema.org/draft-07/schema#",
            conditional,
            json!({"a": 1, "b": 1}),
            json!({"a": 1}),
        ),
        (
            "http://json-schema.org/draft-07/schema#",
            json!({"properties": tuple}),
            json!({"t": ["a"]}),
            json!({"t": ["a", 1]}),
        ),
        (
            "https://json-schema.org/draft/2019-09/schema",
            dependent,
            json!({"a": 1, "b": 1}),
            json!({"a": 1}),
        ),
        (
            "https://json-schema.org/draft/2020-12/schema",
            json!({"properties": prefix}),
            json!({"t": ["a"]}),
            json!({"t": ["a", 1]}),
        ),
    ] {
        let mut body = rules;
        body["$schema"] = draft.into();
        let file = json!({
            "name": "t", "version": 1, "title": "t", "description": "", "owner": "o", "topics": ["#.t"],
            "body": body, "render": {"app": "t", "summary": "s"},
            "examples": [{"topic": "t", "body": fits, "expect": {}}],
        });
        let schema = event::Schema::parse("t.json", &file.to_string()).unwrap();
        assert_eq!(schema.check_examples(), Vec::<String>::new(), "{draft}");
        let wrong = event::Event::new("t".parse().unwrap(), does_not).unwrap();
        assert!(schema.validate(&wrong).is_err(), "{draft}: {}", file["body"]);
    }
}
