//! The schema file as written: its keys, their kinds, their limits. Knows no template engine and
//! no validator; `docs/schemas.md` tells the same to people, `docs/schema-file.json` to editors.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Error, Pattern, plain_text};

/// One schema file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchemaFile {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) owner: String,
    #[serde(default)]
    pub(crate) topics: Vec<String>,
    #[serde(default)]
    pub(crate) names: Vec<String>,
    #[serde(default)]
    pub(crate) fedora: Option<Fedora>,
    #[serde(default)]
    pub(crate) deprecated: bool,
    pub(crate) body: Value,
    pub(crate) render: Render,
    pub(crate) examples: Vec<Example>,
}

/// What fedora-messaging's headers say when such an event is published.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fedora {
    pub(crate) schema: String,
    #[serde(default)]
    pub(crate) package: Option<String>,
}

/// How an event is said to a person.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Render {
    pub(crate) app: String,
    pub(crate) summary: String,
    #[serde(default)]
    pub(crate) link: Option<String>,
    #[serde(default)]
    pub(crate) icon: Option<String>,
    #[serde(default)]
    pub(crate) agent: Option<String>,
    #[serde(default)]
    pub(crate) object: Option<String>,
    #[serde(default)]
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) patch: Option<String>,
    #[serde(default)]
    pub(crate) severity: Option<String>,
    /// Names for expressions, in order; a later one may use an earlier one.
    #[serde(default, rename = "let")]
    pub(crate) bindings: Map<String, Value>,
    #[serde(default)]
    pub(crate) objects: Vec<String>,
    #[serde(default)]
    pub(crate) people: Vec<String>,
    #[serde(default)]
    pub(crate) packages: Vec<String>,
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    #[serde(default)]
    pub(crate) containers: Vec<String>,
    #[serde(default)]
    pub(crate) modules: Vec<String>,
    #[serde(default)]
    pub(crate) flatpaks: Vec<String>,
}

/// An event and what must be said of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Example {
    pub(crate) topic: String,
    pub(crate) body: Value,
    pub(crate) expect: Map<String, Value>,
}

impl SchemaFile {
    /// Reads and checks a file's text; `file` is for messages.
    pub(crate) fn parse(file: &str, text: &str) -> Result<SchemaFile, Error> {
        let fault = |reason: String| Error::Schema { name: file.to_owned(), reason };
        if text.len() > FILE_BYTES_MAX {
            return Err(fault(format!("has {} bytes, more than {FILE_BYTES_MAX}", text.len())));
        }
        let json = &mut serde_json::Deserializer::from_str(text);
        let schema: SchemaFile = serde_path_to_error::deserialize(&mut *json).map_err(|error| {
            let path = error.path().to_string();
            let path = if path == "." { String::new() } else { format!(".{path}") };
            fault(format!("${path}: {}", error.into_inner()))
        })?;
        json.end().map_err(|error| fault(format!("$: {error}")))?;
        schema.check().map_err(fault)?;
        Ok(schema)
    }

    fn check(&self) -> Result<(), String> {
        name("$.name", &self.name)?;
        if self.version == 0 {
            return Err("$.version: 0; the first version is 1".to_owned());
        }
        for (path, text) in [("$.title", &self.title), ("$.owner", &self.owner)] {
            if text.is_empty() || plain_text::one_line(text, NAME_CHARS_MAX) != **text {
                return Err(format!(
                    "{path}: must be one line of 1 to {NAME_CHARS_MAX} characters"
                ));
            }
        }
        if self.topics.is_empty() && self.names.is_empty() && self.fedora.is_none() {
            return Err("$.topics: empty, and so is $.names; nothing would use this schema".into());
        }
        self.patterns()?;
        for (index, other) in self.names.iter().enumerate() {
            name(&format!("$.names[{index}]"), other)?;
        }
        if let Some(fedora) = &self.fedora {
            name("$.fedora.schema", &fedora.schema)?;
            if let Some(package) = &fedora.package {
                name("$.fedora.package", package)?;
            }
        }
        if !self.body.is_object() {
            return Err("$.body: must be a JSON Schema, an object".to_owned());
        }
        self.bindings()?;
        if self.examples.is_empty() {
            return Err("$.examples: empty; a schema's examples are its tests, give one".to_owned());
        }
        for (index, example) in self.examples.iter().enumerate() {
            for key in example.expect.keys() {
                if !EXPECTED.contains(&key.as_str()) {
                    let known = EXPECTED.join(", ");
                    return Err(format!(
                        "$.examples[{index}].expect.{key}: unknown; one of {known}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The topics as patterns.
    pub(crate) fn patterns(&self) -> Result<Vec<Pattern>, String> {
        let parse = |(index, topic): (usize, &String)| match topic.as_str() {
            "" => Err(format!("$.topics[{index}]: empty; write a pattern such as #.git.receive")),
            topic => topic.parse().map_err(|error: Error| format!("$.topics[{index}]: {error}")),
        };
        self.topics.iter().enumerate().map(parse).collect()
    }

    /// `render.let`: names and expressions.
    pub(crate) fn bindings(&self) -> Result<Vec<(&str, &str)>, String> {
        let binding = |(name, value)| {
            let (name, value): (&String, &Value) = (name, value);
            let path = format!("$.render.let.{name}");
            let identifier = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
            if !identifier {
                return Err(format!("{path}: a name has a-z, 0-9 and _ and begins with a letter"));
            }
            if RESERVED.contains(&name.as_str()) {
                return Err(format!("{path}: the name is taken"));
            }
            match value.as_str() {
                Some(expression) => Ok((name.as_str(), expression)),
                None => Err(format!("{path}: must be a string, an expression")),
            }
        };
        self.render.bindings.iter().map(binding).collect()
    }
}

fn name(path: &str, text: &str) -> Result<(), String> {
    let fits = !text.is_empty() && text.len() <= NAME_CHARS_MAX;
    match fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(format!(
            "{path}: '{}' must be 1 to {NAME_CHARS_MAX} ASCII characters without spaces",
            plain_text::one_line(text, 40)
        )),
    }
}

/// A whole file; the largest that ships has a tenth of that.
const FILE_BYTES_MAX: usize = 1 << 20;
/// A name must fit a header's value and a file name.
const NAME_CHARS_MAX: usize = 200;
/// What a template sees already, or what the language has taken.
const RESERVED: [&str; 14] = [
    "body", "topic", "headers", "event", "loop", "self", "true", "false", "none", "and", "or",
    "not", "in", "is",
];
/// The keys of [`crate::Description`].
pub(crate) const EXPECTED: [&str; 13] = [
    "summary", "link", "icon", "app", "agent", "people", "packages", "object", "objects", "text",
    "patch", "severity", "schema",
];

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r##"{"name": "door.open", "version": 1, "title": "Door opened",
        "description": "", "owner": "house", "topics": ["#.door.open"], "body": {},
        "render": {"app": "House", "summary": "x", "let": {"a": "body.a"}},
        "examples": [{"topic": "door.open", "body": {}, "expect": {"summary": "x"}}]}"##;

    #[test]
    fn what_is_wrong_is_named_with_file_path_and_what_was_expected() {
        SchemaFile::parse("door.json", GOOD).unwrap();
        for (from, to, wanted) in [
            ("\"owner\": \"house\",", "", "$: missing field `owner`"),
            (
                "\"summary\": \"x\", \"let\"",
                "\"summry\": \"x\", \"let\"",
                "$.render.summry: unknown field `summry`, expected one of",
            ),
            (
                "\"version\": 1",
                "\"version\": \"1\"",
                "$.version: invalid type: string \"1\", expected u32",
            ),
            ("\"version\": 1", "\"version\": 0", "$.version: 0"),
            ("door.open\", \"v", "door open\", \"v", "$.name: 'door open'"),
            ("#.door.open", "a\\u0000b", "$.topics[0]: "),
            ("\"body\": {},\n", "\"body\": [],\n", "$.body: must be a JSON Schema"),
            ("{\"a\": \"body.a\"}", "{\"A b\": \"body.a\"}", "$.render.let.A b: a name has"),
            (
                "{\"a\": \"body.a\"}",
                "{\"body\": \"body.a\"}",
                "$.render.let.body: the name is taken",
            ),
            ("{\"a\": \"body.a\"}", "{\"a\": 1}", "$.render.let.a: must be a string"),
            ("{\"summary\": \"x\"}", "{\"sumary\": \"x\"}", "$.examples[0].expect.sumary: unknown"),
            ("\"examples\": [", "\"examples\": [], \"names\": [", "$.names[0]: invalid type: map"),
            ("]}", "]} x", "$: trailing characters"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let error = SchemaFile::parse("door.json", &text).unwrap_err().to_string();
            assert!(error.starts_with("schema door.json: "), "{error}");
            assert!(error.contains(wanted), "{error}\nwanted {wanted}");
        }
    }

    #[test]
    fn a_schema_that_nothing_would_use_or_that_has_no_test_is_refused() {
        let unused = GOOD.replacen("\"#.door.open\"", "", 1);
        let error = SchemaFile::parse("f", &unused).unwrap_err().to_string();
        assert!(error.contains("nothing would use"), "{error}");
        let untested = format!("{}[]}}", &GOOD[..GOOD.find("[{\"topic\"").unwrap()]);
        let error = SchemaFile::parse("f", &untested).unwrap_err().to_string();
        assert!(error.contains("$.examples: empty"), "{error}");
        let huge = " ".repeat(FILE_BYTES_MAX + 1);
        assert!(SchemaFile::parse("f", &huge).is_err());
    }
}
