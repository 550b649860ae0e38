//! A schema: the form of an event's body and how the event is said to a person. Data; compiled
//! on first use and then kept.

use std::{borrow::Cow, fmt, sync::OnceLock};

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::{
    Error, Event, Field, Pattern, Severity, plain_text, schema_fields,
    schema_file::{Example, Fedora, SchemaFile},
    template::{Renderer, Said},
};

/// One event type, as its schema file describes it.
pub struct Schema {
    head: Head,
    text: Cow<'static, str>,
    file: OnceLock<SchemaFile>,
    validator: OnceLock<Result<Validator, String>>,
    renderer: OnceLock<Result<Renderer, String>>,
}

/// What it takes to choose a schema, without the rest of the file.
#[derive(Debug, PartialEq)]
struct Head {
    name: String,
    wire_name: String,
    names: Vec<String>,
    patterns: Vec<Pattern>,
    deprecated: bool,
}

/// A file of `schemas/`, as `build.rs` embeds it.
pub(crate) struct Shipped {
    pub(crate) file: &'static str,
    pub(crate) name: &'static str,
    pub(crate) wire_name: &'static str,
    pub(crate) names: &'static [&'static str],
    pub(crate) topics: &'static [&'static str],
    pub(crate) deprecated: bool,
    pub(crate) text: &'static str,
}

impl Schema {
    /// Reads a schema file's text and compiles all of it; `name` is for messages.
    ///
    /// # Errors
    /// [`Error::Schema`]: the file, the JSON path, what was found and what was expected.
    pub fn parse(name: &str, text: &str) -> Result<Schema, Error> {
        let fault = |reason: String| Error::Schema { name: name.to_owned(), reason };
        let file = SchemaFile::parse(name, text)?;
        let patterns = file.patterns().map_err(fault)?;
        let schema = Schema::new(Head::of(&file, patterns), Cow::Owned(text.to_owned()));
        let schema = Schema { file: file.into(), ..schema };
        let compiled = schema.validator().and_then(|_| schema.renderer().map(drop));
        compiled.map_err(|reason| fault(reason.to_owned()))?;
        Ok(schema)
    }

    /// A schema that ships: parsed and compiled on first use. `None` when the table is wrong.
    pub(crate) fn shipped(shipped: &Shipped) -> Option<Schema> {
        let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let patterns: Result<_, _> = shipped.topics.iter().map(|topic| topic.parse()).collect();
        let head = Head {
            name: shipped.name.to_owned(),
            wire_name: shipped.wire_name.to_owned(),
            names: strings(shipped.names),
            patterns: patterns.ok()?,
            deprecated: shipped.deprecated,
        };
        Some(Schema::new(head, Cow::Borrowed(shipped.text)))
    }

    fn new(head: Head, text: Cow<'static, str>) -> Schema {
        let (file, validator, renderer) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Schema { head, text, file, validator, renderer }
    }

    fn file(&self) -> &SchemaFile {
        self.file.get_or_init(|| {
            SchemaFile::parse(&self.head.name, &self.text)
                .expect("the text was parsed before, or ships and is parsed by the tests")
        })
    }

    /// Its name: `git.receive`.
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// Its version, from 1.
    pub fn version(&self) -> u32 {
        self.file().version
    }

    /// What happened, in some words: `Commit pushed`.
    pub fn title(&self) -> &str {
        &self.file().title
    }

    /// When such an event is published and what is special about it.
    pub fn description(&self) -> &str {
        &self.file().description
    }

    /// Who answers for it.
    pub fn owner(&self) -> &str {
        &self.file().owner
    }

    /// The topics of such events.
    pub fn topics(&self) -> &[Pattern] {
        &self.head.patterns
    }

    /// Whether it is only for reading old events: never chosen for a new one by its topic.
    pub fn is_deprecated(&self) -> bool {
        self.head.deprecated
    }

    /// What header `fedora_messaging_schema` says of such an event.
    pub fn wire_name(&self) -> &str {
        &self.head.wire_name
    }

    /// What header `fedora_messaging_schema_package` says: where Fedora's class for it is.
    pub fn wire_package(&self) -> Option<&str> {
        self.file().fedora.as_ref()?.package.as_deref()
    }

    /// Every header value that means this schema.
    pub(crate) fn all_names(&self) -> impl Iterator<Item = &str> {
        let names = self.head.names.iter().map(String::as_str);
        [self.name(), self.wire_name()].into_iter().chain(names)
    }

    /// The body's JSON Schema.
    pub fn body(&self) -> &Value {
        &self.file().body
    }

    /// The keys of the body, for people.
    pub fn fields(&self) -> Vec<Field> {
        schema_fields::of(self.body())
    }

    /// The file's text, as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What tells its file from another version of it: [`crate::content_tag`].
    pub fn tag(&self) -> String {
        crate::content_tag(self.text.as_bytes())
    }

    /// The examples' topics and bodies.
    pub fn examples(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.file().examples.iter().map(|example| (example.topic.as_str(), &example.body))
    }

    /// Whether the body fits. One that cannot be compiled fits nothing.
    pub(crate) fn fits(&self, event: &Event) -> bool {
        self.validator().is_ok_and(|validator| validator.is_valid(event.body.value()))
    }

    /// Checks the body.
    ///
    /// # Errors
    /// [`Error::Invalid`]: for each rule broken the JSON path and what was expected, at most ten.
    pub fn validate(&self, event: &Event) -> Result<(), Error> {
        let validator = self.validator().map_err(|reason| Error::Schema {
            name: self.name().to_owned(),
            reason: reason.to_owned(),
        })?;
        // To say that a body fits takes half of what it takes to look for what does not.
        if validator.is_valid(event.body.value()) {
            return Ok(());
        }
        let reason = |error: jsonschema::ValidationError<'_>| {
            let path = json_path(&error.instance_path().to_string());
            plain_text::one_line(&format!("{path}: {}", error.masked()), REASON_CHARS_MAX)
        };
        let reasons: Vec<String> =
            validator.iter_errors(event.body.value()).take(REASONS_MAX).map(reason).collect();
        match reasons.is_empty() {
            true => Ok(()),
            false => Err(Error::Invalid { schema: self.name().to_owned(), reasons }),
        }
    }

    /// Says the event with the templates.
    pub(crate) fn say(&self, event: &Event) -> Result<Said, String> {
        self.renderer().map_err(str::to_owned)?.say(event)
    }

    /// Runs the examples: each body must fit and be said as expected. Returns what failed, a line
    /// for each.
    pub fn check_examples(&self) -> Vec<String> {
        let check = |(index, example)| {
            self.check_example(example)
                .err()
                .map(|reason| format!("schema {}: $.examples[{index}]{reason}", self.name()))
        };
        self.file().examples.iter().enumerate().filter_map(check).collect()
    }

    fn check_example(&self, example: &Example) -> Result<(), String> {
        let topic = example.topic.parse().map_err(|error: Error| format!(".topic: {error}"))?;
        if !self.head.patterns.is_empty() && !self.head.patterns.iter().any(|p| p.matches(&topic)) {
            return Err(format!(".topic: '{topic}' is none of $.topics"));
        }
        let event =
            Event::new(topic, example.body.clone()).map_err(|error| format!(".body: {error}"))?;
        self.validate(&event).map_err(|error| format!(".body: {error}"))?;
        let said = self.say(&event).map_err(|error| format!(": {error}"))?;
        let description = super::registry::description(self, &event, said);
        let said = serde_json::to_value(&description).map_err(|error| format!(": {error}"))?;
        for (key, expected) in &example.expect {
            let found = said.get(key).unwrap_or(&Value::Null);
            if found != expected {
                return Err(format!(".expect.{key}: expected {expected}, found {found}"));
            }
        }
        Ok(())
    }

    fn validator(&self) -> Result<&Validator, &str> {
        let build = || {
            jsonschema::options()
                .offline()
                .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_MAX))
                .build(&self.file().body)
                .map_err(|error| {
                    let path = json_path(&error.instance_path().to_string());
                    let path = path.strip_prefix('$').unwrap_or(&path);
                    plain_text::one_line(&format!("$.body{path}: {error}"), REASON_CHARS_MAX)
                })
        };
        self.validator.get_or_init(build).as_ref().map_err(String::as_str)
    }

    fn renderer(&self) -> Result<&Renderer, &str> {
        let compiled = self.renderer.get_or_init(|| Renderer::compile(self.file()));
        compiled.as_ref().map_err(String::as_str)
    }
}

impl Head {
    fn of(file: &SchemaFile, patterns: Vec<Pattern>) -> Head {
        let wire_name = file.fedora.as_ref().map_or(&file.name, |Fedora { schema, .. }| schema);
        Head {
            name: file.name.clone(),
            wire_name: wire_name.clone(),
            names: file.names.clone(),
            patterns,
            deprecated: file.deprecated,
        }
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.head.name).finish()
    }
}

/// The severity a template named.
pub(crate) fn severity(said: &Said) -> Option<Severity> {
    said.severity.trim().parse().ok()
}

/// `/commit/files/0/a b` as `$.commit.files[0]["a b"]`.
fn json_path(pointer: &str) -> String {
    let mut path = "$".to_owned();
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        if token.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{token}]"));
        } else if token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            path.push_str(&format!(".{token}"));
        } else {
            path.push_str(&format!("[{}]", Value::String(token)));
        }
    }
    path
}

/// Fedora's name for the schema of everything.
pub(crate) const BASE: &str = "base.message";

/// A pattern of a schema file that goes back more often than this is refused to match.
const BACKTRACK_MAX: usize = 10_000;
const REASONS_MAX: usize = 10;
const REASON_CHARS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(body: Value, render: Value, example: Value) -> Result<Schema, Error> {
        let file = json!({
            "name": "t", "version": 1, "title": "t", "description": "", "owner": "o",
            "topics": ["#.t"], "body": body, "render": render,
            "examples": [{"topic": "t", "body": example, "expect": {}}],
        });
        Schema::parse("t.json", &file.to_string())
    }

    fn event(body: Value) -> Event {
        Event::new("t".parse().unwrap(), body).unwrap()
    }

    #[test]
    fn what_is_embedded_to_choose_a_schema_is_what_its_file_says() {
        for shipped in crate::registry::SHIPPED {
            let parsed = Schema::parse(shipped.file, shipped.text).unwrap();
            assert_eq!(Schema::shipped(shipped).unwrap().head, parsed.head);
            assert_eq!(shipped.file, format!("{}.json", shipped.name));
        }
    }

    #[test]
    fn a_body_that_does_not_fit_is_named_by_path_and_rule() {
        for draft in [
            "http://json-schema.org/draft-04/schema#",
            "http://json-schema.org/draft-07/schema#",
            "https://json-schema.org/draft/2019-09/schema",
            "https://json-schema.org/draft/2020-12/schema",
        ] {
            let body = json!({"$schema": draft, "type": "object", "required": ["a"], "properties":
                {"a": {"type": "array", "items": {"type": "object", "required": ["b c"]}}}});
            let schema =
                schema(body, json!({"app": "t", "summary": "s"}), json!({"a": []})).unwrap();
            schema.validate(&event(json!({"a": [{"b c": 1}]}))).unwrap();
            let error = schema.validate(&event(json!({"a": [{}, 2]}))).unwrap_err().to_string();
            assert!(error.contains("$.a[0]: "), "{error}");
            assert!(error.contains("\"b c\" is a required property; $.a[1]: "), "{error}");
        }
        assert_eq!(json_path("/a/0/b~1c/d e"), "$.a[0][\"b/c\"][\"d e\"]");
    }

    #[test]
    fn a_huge_value_does_not_make_a_huge_reason() {
        let body = json!({"properties": {"a": {"type": "integer"}}});
        let schema = schema(body, json!({"app": "t", "summary": "s"}), json!({})).unwrap();
        let error = schema.validate(&event(json!({"a": "x\n".repeat(1 << 20)}))).unwrap_err();
        assert!(error.to_string().len() < 500, "{}", error.to_string().len());
    }

    #[test]
    fn a_reference_to_the_network_and_a_bad_template_are_refused_with_the_path() {
        let render = json!({"app": "t", "summary": "s"});
        let remote = json!({"properties": {"a": {"$ref": "https://schemas.example.org/a.json"}}});
        let error = schema(remote, render.clone(), json!({})).unwrap_err().to_string();
        assert!(error.starts_with("schema t.json: $.body"), "{error}");
        assert!(error.contains("schemas.example.org"), "{error}");
        let wrong = json!({"properties": {"a": {"type": "strin"}}});
        let error = schema(wrong, render, json!({})).unwrap_err().to_string();
        assert!(error.contains("$.body.properties.a"), "{error}");
        for (render, path) in [
            (json!({"app": "t", "summary": "{{ a"}), "$.render.summary: "),
            (json!({"app": "t", "summary": "{% endset %}"}), "$.render.summary: "),
            (
                json!({"app": "t", "summary": "s", "people": ["a", "a) + (b"]}),
                "$.render.people[1]: ",
            ),
            (json!({"app": "t", "summary": "s", "let": {"x": "1 +"}}), "$.render.let.x: "),
            (
                json!({"app": "t", "summary": "x".repeat(20_000)}),
                "$.render.summary: has 20000 bytes",
            ),
        ] {
            let error = schema(json!({}), render, json!({})).unwrap_err().to_string();
            assert!(error.starts_with(&format!("schema t.json: {path}")), "{error}");
        }
    }

    #[test]
    fn a_pattern_made_to_go_back_for_ever_ends() {
        let body =
            json!({"properties": {"a": {"type": "string", "pattern": "^(?=(a+)+$)(a+)+b$"}}});
        let schema = schema(body, json!({"app": "t", "summary": "s"}), json!({})).unwrap();
        assert!(schema.validate(&event(json!({"a": "a".repeat(50_000)}))).is_err());
    }

    #[test]
    fn a_template_that_never_ends_or_grows_without_end_runs_out_of_fuel() {
        for summary in [
            "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}",
            "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
            "{{ 'x' * 999999999999 }}",
            "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        ] {
            let render = json!({"app": "t", "summary": summary});
            let schema = schema(json!({}), render, json!({})).unwrap();
            assert!(schema.say(&event(json!({}))).is_err(), "{summary}");
        }
    }

    #[test]
    fn lists_take_strings_and_lists_and_drop_what_is_no_name() {
        let render = json!({"app": "t", "summary": "s", "let": {"two": "['b', ['c', none, '']]"},
            "people": ["body.agent", "body.nobody.at.all", "two", "body.list", "'x' if false", "7", "{}"]});
        let schema = schema(json!({}), render, json!({})).unwrap();
        let said = schema.say(&event(json!({"agent": "a", "list": ["b", null, "d\n"]}))).unwrap();
        assert_eq!(said.people, ["7", "a", "b", "c", "d"]);
    }

    #[test]
    fn an_example_that_is_not_as_expected_is_told() {
        let schema =
            schema(json!({"required": ["a"]}), json!({"app": "t", "summary": "s"}), json!({}))
                .unwrap();
        let failures = schema.check_examples();
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert!(failures[0].starts_with("schema t: $.examples[0].body: "), "{failures:?}");
    }
}
