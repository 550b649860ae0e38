//! A schema file from what a message class says: the body as it is, expressions as templates,
//! examples that fit.

use event::{Event, Registry, Schema};
use serde_json::{Map, Value, json};

use super::Message;
use crate::verb::schema::{sample, source};

/// A file that passes check and test.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) text: String,
    /// What the class says by code, one line each.
    pub(super) by_hand: Vec<String>,
}

/// Makes the file of one class.
///
/// # Errors
/// Why there is none: no body schema, or one that is none.
pub(super) fn make(
    message: &Message,
    samples: &[Value],
    package: Option<&str>,
    owner: &str,
) -> Result<Made, String> {
    let Some(body @ Value::Object(_)) = &message.body_schema else {
        let reason = message.unread.get("body_schema").and_then(Value::as_str);
        return Err(format!(
            "its body_schema cannot be read: {}",
            reason.unwrap_or("there is none")
        ));
    };
    let topic = topic_of(message)?;
    let name = message.entry.clone().unwrap_or_else(|| topic.clone());
    let mut by_hand: Vec<String> = message
        .unread
        .iter()
        .filter(|(key, _)| key.as_str() != "usernames" || !message.said.contains_key("agent_name"))
        .map(|(key, reason)| {
            let reason = reason.as_str().unwrap_or("code");
            format!("{key} is code and was left out ({}, {reason}); write it", message.file)
        })
        .collect();
    let mut render = render(message, owner);
    let bodies = fitting(body, samples);
    let draft = |render: &Value, expected: &[Value]| {
        let mut text = json_text(&json!({
            "name": name, "version": 1, "title": title(message), "description": message.doc,
            "owner": owner, "topics": [format!("#.{topic}")], "names": [],
            "fedora": {"schema": name, "package": package}, "deprecated": message.deprecated,
            "body": body, "render": render, "examples": expected,
        }));
        text.push('\n');
        text
    };
    let example = |body: &Value, expect: Value| json!({"topic": format!("org.example.{topic}"), "body": body, "expect": expect});
    let bare: Vec<Value> = bodies.iter().map(|body| example(body, json!({}))).collect();
    // A template that the engine does not take goes, one after the other.
    while let Err(reason) = check(&name, &draft(&render, &bare), &bodies, &topic) {
        let Some(key) = at_fault(&reason, &render) else { return Err(reason) };
        by_hand.push(format!("{key} was left out: {reason}; write it"));
        let plain = (key == "summary").then(|| Value::from(GENERIC_SUMMARY));
        if let Some(render) = render.as_object_mut() {
            match plain {
                Some(plain) => drop(render.insert(key, plain)),
                None => drop(render.remove(&key)),
            }
        }
    }
    let mut registry = Registry::default();
    registry.add(&name, &draft(&render, &bare)).map_err(|error| error.to_string())?;
    let expected: Vec<Value> =
        bodies.iter().map(|body| example(body, said(&registry, body, &topic))).collect();
    let text = draft(&render, &expected);
    match source::parse(&name, &text)?.check_examples() {
        failures if failures.is_empty() => Ok(Made { name, text, by_hand }),
        failures => Err(failures.join("; ")),
    }
}

/// The topic without organisation and environment.
fn topic_of(message: &Message) -> Result<String, String> {
    let topic = message.topic.clone().filter(|topic| !topic.is_empty());
    let topic = topic.or(message.entry.clone()).ok_or("it has neither topic nor entry point")?;
    let words: Vec<&str> = topic.split('.').collect();
    Ok(match words.as_slice() {
        ["org" | "com" | "io", _, "prod" | "stg" | "dev", rest @ ..] if !rest.is_empty() => {
            rest.join(".")
        }
        _ => topic,
    })
}

fn title(message: &Message) -> String {
    let first = message.doc.lines().next().unwrap_or_default().trim().trim_end_matches('.');
    match first.is_empty() {
        true => message.class.clone(),
        false => first.chars().filter(|c| !c.is_control()).take(200).collect(),
    }
}

fn render(message: &Message, owner: &str) -> Value {
    let said = |key: &str| message.said.get(key).and_then(Value::as_str);
    let mut render = Map::new();
    let mut text = |key: &str, property: &str| {
        if let Some(expression) = said(property) {
            render.insert(key.to_owned(), format!("{{{{ {} }}}}", bare(expression)).into());
        }
    };
    text("app", "app_name");
    text("icon", "app_icon");
    text("summary", "summary");
    text("link", "url");
    text("agent", "agent_name");
    render.entry("app").or_insert_with(|| owner.into());
    render.entry("summary").or_insert_with(|| GENERIC_SUMMARY.into());
    let people: Vec<&str> = [said("usernames"), said("agent_name")].into_iter().flatten().collect();
    render.insert("people".to_owned(), json!(people));
    for key in ["packages", "groups", "containers", "modules", "flatpaks"] {
        if let Some(expression) = said(key).filter(|expression| *expression != "[]") {
            render.insert(key.to_owned(), json!([bare(expression)]));
        }
    }
    Value::Object(render)
}

/// Without the parentheses around all of it.
fn bare(expression: &str) -> &str {
    let inner = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let Some(inner) = inner else { return expression };
    let mut depth = 0_i32;
    for c in inner.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth < 0 {
            return expression;
        }
    }
    inner
}

/// Bodies for the examples: samples of the package that fit, the fullest first, else one that is
/// made up.
fn fitting(schema: &Value, samples: &[Value]) -> Vec<Value> {
    let made_up = || vec![sample::body(schema)];
    let Some(has_rules) = schema.get("required").and_then(Value::as_array) else {
        return made_up();
    };
    if has_rules.is_empty() {
        return made_up();
    }
    let probe = json!({
        "name": "probe", "version": 1, "title": "t", "description": "", "owner": "o",
        "topics": ["#"], "body": schema, "render": {"app": "a", "summary": "s"},
        "examples": [{"topic": "t", "body": {}, "expect": {}}],
    });
    let Ok(probe) = Schema::parse("probe", &probe.to_string()) else { return made_up() };
    let nested = samples.iter().flat_map(|sample| {
        ["body", "msg"].into_iter().filter_map(|key| sample.get(key)).chain([sample])
    });
    let fits = |body: &&Value| {
        Event::new(TOPIC.parse().ok()?, (*body).clone()).and_then(|it| probe.validate(&it)).ok()
    };
    let mut found: Vec<&Value> = nested.filter(|body| fits(body).is_some()).collect();
    found.sort_by_key(|body| std::cmp::Reverse(body.as_object().map_or(0, Map::len)));
    found.dedup();
    match found.is_empty() {
        true => made_up(),
        false => found.into_iter().take(EXAMPLES_MAX).cloned().collect(),
    }
}

/// Whether the file is a schema whose templates say these bodies.
fn check(name: &str, text: &str, bodies: &[Value], topic: &str) -> Result<(), String> {
    let schema = source::parse(name, text)?;
    if let Some(failure) = schema.check_examples().into_iter().next() {
        return Err(failure);
    }
    let mut registry = Registry::default();
    registry.add(name, text).map_err(|error| error.to_string())?;
    bodies.iter().for_each(|body| drop(said(&registry, body, topic)));
    registry.last_failure().map_or(Ok(()), Err)
}

fn said(registry: &Registry, body: &Value, topic: &str) -> Value {
    let event = format!("org.example.{topic}").parse().and_then(|it| Event::new(it, body.clone()));
    let Ok(event) = event else { return json!({}) };
    let told = registry.describe(&event);
    json!({
        "summary": told.summary, "link": told.link, "people": told.people, "packages": told.packages,
    })
}

/// Which template a reason is about: the one its path names, else the one most likely to fail.
fn at_fault(reason: &str, render: &Value) -> Option<String> {
    let has = |key: &str| render.get(key).is_some_and(|value| value != GENERIC_SUMMARY);
    let named = reason
        .split("$.render.")
        .nth(1)
        .map(|rest| rest.chars().take_while(char::is_ascii_lowercase).collect::<String>());
    if let Some(key) = named.filter(|key| has(key)) {
        return Some(key);
    }
    let is_template = reason.contains("in render") || reason.contains("$.render");
    let order = ["summary", "packages", "people", "link", "groups", "agent", "icon"];
    order.into_iter().find(|key| is_template && has(key)).map(str::to_owned)
}

// Keys in the order in which a person reads them: what comes first in `json!` is not kept.
fn json_text(file: &Value) -> String {
    let order = [
        "name",
        "version",
        "title",
        "description",
        "owner",
        "topics",
        "names",
        "fedora",
        "deprecated",
        "body",
        "render",
        "examples",
    ];
    let part = |key: &&str| {
        let value = file.get(*key)?;
        let idle =
            matches!(value, Value::Bool(false)) || value.as_array().is_some_and(Vec::is_empty);
        if idle && *key != "examples" {
            return None;
        }
        let text = serde_json::to_string_pretty(value).unwrap_or_default().replace('\n', "\n  ");
        Some(format!("  \"{key}\": {text}"))
    };
    format!("{{\n{}\n}}", order.iter().filter_map(part).collect::<Vec<_>>().join(",\n"))
}

const GENERIC_SUMMARY: &str = "{{ topic }}{% if body.agent %} by {{ body.agent }}{% endif %}";
const TOPIC: &str = "probe";
const EXAMPLES_MAX: usize = 3;
