//! What a publisher could send to hurt a subscriber, and what any event must survive.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it should do")]

use event::{Body, Event, Pattern, Registry, Topic, Wire};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Any JSON as it can come from a parser: finite numbers, any strings, some depth.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |n| n.is_finite().then(|| Value::from(n))),
        any::<String>().prop_map(Value::from),
        "[\\x00-\\x1f\u{85}\u{2028}\u{202e}\u{feff}\"\\\\]{0,9}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            any_object(inner).prop_map(Value::from),
        ]
    })
}

fn any_object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let key = prop_oneof![
        any::<String>(),
        "agent|name|title|commit|update|user|summary|url|issue|project".prop_map(String::from),
    ];
    prop::collection::vec((key, value), 0..8).prop_map(|pairs| pairs.into_iter().collect())
}

fn any_topic() -> impl Strategy<Value = Topic> {
    let shipped: Vec<String> = Registry::builtin()
        .schemas()
        .iter()
        .flat_map(|schema| schema.examples().map(|(topic, _)| topic.to_owned()).collect::<Vec<_>>())
        .collect();
    prop_oneof![prop::sample::select(shipped), "[a-z]{1,8}(\\.[a-zä0-9_-]{0,8}){0,6}"]
        .prop_map(|topic| topic.parse().unwrap())
}

fn any_event() -> impl Strategy<Value = Event> {
    let severity = prop::sample::select(vec!["debug", "info", "warning", "error"]);
    let headers =
        prop::collection::vec(("x-[a-z]{1,9}|fedora_messaging_user_[a-zé]{1,9}", any_json()), 0..4);
    let rest = (severity, headers, prop::option::of("[a-z.]{1,20}"), prop::option::of(1..=9u8));
    (any_topic(), any_object(any_json()), rest).prop_map(|(topic, body, rest)| {
        let (severity, headers, schema, priority) = rest;
        let mut event = Event::with_body(topic, Body::try_from(Value::from(body)).unwrap());
        event.severity = severity.parse().unwrap();
        event.headers = headers.into_iter().collect();
        (event.schema, event.priority) = (schema, priority);
        event
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn an_event_comes_out_of_wire_and_dump_as_it_went_in(event in any_event()) {
        let wire = event.to_wire();
        prop_assert_eq!(&wire.body, event.body.bytes());
        prop_assert_eq!(&Event::from_wire(wire).unwrap(), &event);
        let line = event.to_dump();
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(&Event::from_dump(&line).unwrap(), &event);
    }

    #[test]
    fn whatever_the_body_a_description_is_one_bounded_line(event in any_event()) {
        let registry = Registry::builtin();
        let said = registry.describe(&event);
        prop_assert!(!said.summary.is_empty());
        prop_assert!(said.summary.chars().count() <= 300);
        let lines = [&said.summary, &said.app].into_iter().chain(&said.agent).chain(&said.object)
            .chain(&said.people).chain(&said.packages);
        for line in lines {
            let bad = |c: char| c.is_control() || "\u{202e}\u{2028}\u{feff}".contains(c);
            prop_assert!(!line.contains(bad), "{line:?}");
        }
        for link in said.link.iter().chain(&said.icon) {
            prop_assert!(link.starts_with("http"));
        }
        let mut completed = event.clone();
        if registry.complete(&mut completed).is_ok() {
            prop_assert!(registry.validate(&completed).is_ok());
        }
    }

    #[test]
    fn patterns_match_as_the_definition_says(
        pattern in "([ab]|\\*|#)(\\.([ab]|\\*|#)){0,6}", topic in "[ab](\\.[ab]){0,7}",
    ) {
        let words: Vec<&str> = topic.split('.').collect();
        let parts: Vec<&str> = pattern.split('.').collect();
        let (pattern, topic): (Pattern, Topic) = (pattern.parse().unwrap(), topic.parse().unwrap());
        prop_assert_eq!(pattern.matches(&topic), by_definition(&parts, &words));
    }

    #[test]
    fn no_message_makes_the_reader_panic(
        key in any::<String>(), body in any::<Vec<u8>>(), headers in any_object(any_json()),
        encoding in prop::option::of(any::<String>()), id in prop::option::of(any::<String>()),
    ) {
        let mut wire = Wire { routing_key: key, body: body.into(), headers, ..Wire::default() };
        (wire.content_encoding, wire.message_id) = (encoding, id);
        drop(Event::from_wire(wire));
    }

    #[test]
    fn no_line_makes_the_dump_reader_panic(line in any::<String>()) {
        drop(Event::from_dump(&line));
    }

    #[test]
    fn no_schema_file_makes_the_registry_panic(file in any_object(any_json())) {
        drop(Registry::default().add("x", &Value::from(file).to_string()));
    }
}

/// AMQP 0-9-1 §3.1.3.3, word by word.
fn by_definition(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern.split_first(), topic.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((&"#", rest)), None) => by_definition(rest, &[]),
        (Some((&"#", rest)), Some((_, topic_rest))) => {
            by_definition(rest, topic) || by_definition(pattern, topic_rest)
        }
        (Some(_), None) => false,
        (Some((word, rest)), Some((first, topic_rest))) => {
            (*word == "*" || word == first) && by_definition(rest, topic_rest)
        }
    }
}

fn receive(body: Value) -> Event {
    Event::new("git.receive".parse().unwrap(), body).unwrap()
}

#[test]
fn a_body_nested_beyond_all_reason_is_refused_not_followed() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let error = Body::parse(deep).unwrap_err().to_string();
    assert!(error.contains("recursion limit"), "{error}");
}

#[test]
fn a_huge_patch_is_kept_and_a_huge_summary_is_cut() {
    let (_, example) = example();
    let mut body = example;
    body["commit"]["patch"] = "+x\n".repeat(3 << 20).into();
    body["commit"]["summary"] = "s\u{202e}\n".repeat(1 << 20).into();
    let said = Registry::builtin().describe(&receive(body));
    assert_eq!(said.schema.as_deref(), Some("git.receive"));
    assert_eq!(said.patch.unwrap().len(), 9 << 20);
    assert_eq!(said.summary.chars().count(), 300);
    assert!(said.summary.ends_with('…'));
}

#[test]
fn what_a_publisher_writes_is_never_read_as_a_template() {
    let (_, mut body) = example();
    body["agent"] = "{{ 7 * 7 }}{% for x in range(9) %}".into();
    let said = Registry::builtin().describe(&receive(body));
    assert!(
        said.summary.starts_with("{{ 7 * 7 }}{% for x in range(9) %} pushed to"),
        "{}",
        said.summary
    );
}

#[test]
fn a_template_that_fails_gives_the_generic_line_and_is_counted() {
    let mut registry = Registry::default();
    let file = json!({"name": "t", "version": 1, "title": "t", "description": "", "owner": "o",
        "topics": ["#.t"], "body": {}, "render": {"app": "t", "summary": "{{ body.a.b() }}"},
        "examples": [{"topic": "t", "body": {}, "expect": {}}]});
    registry.add("t.json", &file.to_string()).unwrap();
    let mut event =
        Event::new("org.example.prod.t".parse().unwrap(), json!({"agent": "ada", "a": {"b": 1}}))
            .unwrap();
    let said = registry.clone().describe(&event);
    assert_eq!((said.summary.as_str(), said.schema), ("t by ada", None));
    assert_eq!(registry.failures(), 1);
    let failure = registry.last_failure().unwrap();
    assert!(failure.starts_with("schema t: org.example.prod.t: "), "{failure}");
    registry.complete(&mut event).unwrap();
    assert_eq!((registry.failures(), event.schema.as_deref()), (2, Some("t")));
}

fn example() -> (String, Value) {
    let registry = Registry::builtin();
    let schema = registry.schema("git.receive").unwrap();
    let (topic, body) = schema.examples().next().unwrap();
    (topic.to_owned(), body.clone())
}

#[test]
fn an_event_is_completed_with_fedoras_schema_name_package_and_filter_headers() {
    let (topic, body) = example();
    let mut event = Event::new(topic.parse().unwrap(), body).unwrap();
    Registry::builtin().complete(&mut event).unwrap();
    assert_eq!(event.schema.as_deref(), Some("fedora_messaging_git_hook.commit.v1"));
    assert_eq!(
        Value::from(event.headers.clone()),
        json!({
            "fedora_messaging_schema_package": "fedora_messaging_git_hook_messages",
            "fedora_messaging_user_dummy-user": true,
            "fedora_messaging_rpm_dummyrepo": true,
        })
    );
    let object = Some("git/rpms/dummyrepo/rawhide");
    assert_eq!((event.schema_version, event.object.as_deref()), (Some(1), object));
    let again = event.clone();
    Registry::builtin().complete(&mut event).unwrap();
    assert_eq!(event, again);
    assert_eq!(Registry::builtin().describe(&event).object.as_deref(), object);
    // What the publisher says goes before what its schema does.
    event.object = Some("release/45".to_owned());
    Registry::builtin().complete(&mut event).unwrap();
    assert_eq!(Registry::builtin().describe(&event).object.as_deref(), Some("release/45"));
}

#[test]
fn a_body_that_does_not_fit_is_not_published_as_an_older_kind() {
    let (_, mut body) = example();
    body.as_object_mut().unwrap().remove("agent");
    let error = Registry::builtin().complete(&mut receive(body)).unwrap_err().to_string();
    assert_eq!(error, "body does not fit schema git.receive: $: \"agent\" is a required property");
}

#[test]
fn an_event_of_a_schema_nobody_knows_is_left_alone() {
    let mut event = receive(json!({"agent": "ada"}));
    event.schema = Some("their.own.v7".into());
    let before = event.clone();
    Registry::builtin().complete(&mut event).unwrap();
    assert_eq!(event, before);
}
