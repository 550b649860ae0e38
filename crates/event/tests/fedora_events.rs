//! The real events of `shared/data/fedora-events.jsonl`, each with what Fedora's own library said
//! of it: they are described alike, and come out of wire and dump as they went in.
//!
//! Without the file the tests say so and pass. What differs, and why, is in
//! `fedora-deviations.json`.

#![allow(clippy::print_stdout, reason = "what was skipped, and the table of coverage")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it should do")]

use std::{collections::BTreeMap, path::Path};

use event::{Body, Event, Registry};
use serde_json::Value;

struct Row {
    case: String,
    event: Event,
    expected: Value,
}

/// The rows, from the first `shared` beside the project.
fn rows() -> Option<Vec<Row>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = here.ancestors().map(|a| a.join("shared/data/fedora-events.jsonl"));
    let Some(path) = path.into_iter().find(|path| path.exists()) else {
        println!("skipped: no shared/data/fedora-events.jsonl beside the project");
        return None;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<Row> = text.lines().map(row).collect();
    assert_eq!(rows.len(), 427);
    Some(rows)
}

fn row(line: &str) -> Row {
    let row: Value = serde_json::from_str(line).unwrap();
    let topic = row["message"]["topic"].as_str().unwrap().parse().unwrap();
    Row {
        case: row["case"].as_str().unwrap().to_owned(),
        event: Event::with_body(topic, Body::try_from(row["message"]["msg"].clone()).unwrap()),
        expected: row["expected"].clone(),
    }
}

/// What differs: field, expected, found. A field that Fedora's test does not state is not
/// compared.
fn differences(registry: &Registry, row: &Row) -> Vec<(&'static str, Value, Value)> {
    let said = serde_json::to_value(registry.describe(&row.event)).unwrap();
    let fields = [
        ("summary", "summary"),
        ("link", "link"),
        ("icon", "icon"),
        ("usernames", "people"),
        ("packages", "packages"),
        ("objects", "objects"),
    ];
    let difference = |(theirs, ours): (&'static str, &str)| {
        let mut expected = row.expected.get(theirs)?.clone();
        if let Value::Array(names) = &mut expected {
            // Fedora's objects may be numbers; ours are always texts.
            let text = |name: &Value| name.as_str().map_or(name.to_string(), str::to_owned);
            let mut texts: Vec<String> = names.iter().map(text).collect();
            texts.sort_unstable();
            expected = texts.into();
        }
        (expected != said[ours]).then(|| (theirs, expected, said[ours].clone()))
    };
    fields.into_iter().filter_map(difference).collect()
}

/// Case to fields that differ, with the reason.
fn deviations() -> BTreeMap<String, BTreeMap<String, String>> {
    serde_json::from_str(include_str!("fedora-deviations.json")).unwrap()
}

#[test]
fn covered_topics_are_described_as_fedora_describes_them() {
    let Some(rows) = rows() else { return };
    let registry = Registry::builtin();
    let mut deviations = deviations();
    let mut table: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
    let mut failures = Vec::new();
    for row in &rows {
        let family = row.event.topic.words().nth(3).unwrap_or("other").to_owned();
        let (all, covered, equal) = table.entry(family).or_default();
        *all += 1;
        let Some(schema) = registry.schema_of(&row.event) else { continue };
        *covered += 1;
        let known = deviations.remove(&row.case).unwrap_or_default();
        let found = differences(&registry, row);
        *equal += usize::from(found.is_empty());
        for field in known.keys().filter(|field| !found.iter().any(|(name, ..)| name == field)) {
            failures.push(format!("{}: {field} is equal; strike the deviation", row.case));
        }
        for (field, expected, got) in found {
            if !known.contains_key(field) {
                let (case, name) = (&row.case, schema.name());
                failures
                    .push(format!("{case} ({name}): {field}\n  wanted {expected}\n  found  {got}"));
            }
        }
    }
    failures.extend(deviations.keys().map(|case| format!("{case}: a deviation of no covered row")));
    println!("{:24} {:>4} {:>8} {:>6}", "application", "rows", "covered", "equal");
    let mut sum = (0, 0, 0);
    for (family, (all, covered, equal)) in &table {
        println!("{family:24} {all:>4} {covered:>8} {equal:>6}");
        sum = (sum.0 + all, sum.1 + covered, sum.2 + equal);
    }
    println!("{:24} {:>4} {:>8} {:>6}", "all", sum.0, sum.1, sum.2);
    failures.extend(registry.last_failure());
    assert!(sum.1 >= 424 && sum.2 >= 405, "the shipped schemas cover less than they did");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_event_is_said_in_one_line_that_no_terminal_minds() {
    let Some(rows) = rows() else { return };
    let (registry, empty) = (Registry::builtin(), Registry::default());
    for row in &rows {
        for said in [registry.describe(&row.event), empty.describe(&row.event)] {
            let summary = &said.summary;
            assert!(
                !summary.is_empty() && summary.chars().count() <= 300,
                "{}: {summary}",
                row.case
            );
            assert!(!summary.contains(char::is_control), "{}: {summary:?}", row.case);
            assert!(!said.app.is_empty());
        }
    }
}

#[test]
fn every_event_comes_out_of_wire_and_dump_as_it_went_in() {
    let Some(rows) = rows() else { return };
    for row in &rows {
        let event = &row.event;
        assert_eq!(&Event::from_wire(event.to_wire()).unwrap(), event, "{}", row.case);
        let line = event.to_dump();
        assert!(!line.contains('\n'), "{}", row.case);
        let back = Event::from_dump(&line).unwrap();
        assert_eq!(&back, event, "{}", row.case);
        assert_eq!(back.to_dump(), line, "{}", row.case);
    }
}

#[test]
fn every_event_can_be_completed_or_is_told_why_not() {
    let Some(rows) = rows() else { return };
    let registry = Registry::builtin();
    for row in &rows {
        let mut event = row.event.clone();
        if registry.complete(&mut event).is_ok() {
            let said = registry.describe(&event);
            assert_eq!(said.people, registry.describe(&row.event).people, "{}", row.case);
            assert_eq!(Event::from_wire(event.to_wire()).unwrap(), event, "{}", row.case);
        }
    }
}
