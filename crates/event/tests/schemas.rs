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
