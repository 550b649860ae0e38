//! `tubepost schema new`: a schema file to begin with.

use std::{fs::OpenOptions, io::Write, path::PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::{Value, json};

use super::source;
use crate::{
    failure::Failure,
    terminal::{print_line, shown},
};

pub(crate) fn command() -> Command {
    Command::new("new")
        .about("Write a schema file to begin with")
        .arg(Arg::new("name").value_name("NAME").required(true).help("The schema's name: door.open"))
        .arg(
            Arg::new("topic")
                .long("topic")
                .value_name("PATTERN")
                .help("The topics of its events [default: #.NAME]"),
        )
        .arg(
            Arg::new("owner")
                .long("owner")
                .value_name("WHO")
                .default_value("somebody")
                .help("Who answers for it"),
        )
        .arg(
            Arg::new("into")
                .long("into")
                .value_name("DIRECTORY")
                .value_parser(value_parser!(PathBuf))
                .default_value(".")
                .help("Where NAME.json is written; a file that is there stays"),
        )
        .arg(source::json())
        .after_help(
            "Examples:\n  \
             tubepost schema new door.open\n  \
             tubepost schema new door.open --owner facilities --into ./schemas\n  \
             tubepost schema new door.open --topic '#.door.opened'\n\n\
             Prints the file's name. It passes check and test as it is; docs/schemas.md explains each key.",
        )
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let text = |key: &str| matches.get_one::<String>(key).map_or("", String::as_str);
    let (name, owner) = (text("name"), text("owner"));
    let pattern = match text("topic") {
        "" => format!("#.{name}"),
        pattern => pattern.to_owned(),
    };
    let file = skeleton(name, owner, &pattern);
    if let Err(reason) = source::parse(name, &file) {
        return Err(Failure::called_wrongly(shown(&reason).into_owned()));
    }
    let folder = matches.get_one::<PathBuf>("into").cloned().unwrap_or_default();
    let path = folder.join(format!("{}.json", name.replace(['/', '\\'], "_")));
    write_new(&path, &file)?;
    let place = path.display().to_string();
    match matches.get_flag("json") {
        true => print_line(&json!({"file": place, "name": name}).to_string()),
        false => print_line(&place),
    }
}

/// Writes a file that must not be there yet.
///
/// # Errors
/// It is there, or cannot be written.
pub(super) fn write_new(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| {
            let mend = match error.kind() {
                std::io::ErrorKind::AlreadyExists => "; remove it, or name another directory",
                _ => "",
            };
            Failure::failed(format!("{}: cannot be written: {error}{mend}", path.display()))
        })
}

// Text and not a JSON value, so that keys stand in the order in which they are read.
fn skeleton(name: &str, owner: &str, pattern: &str) -> String {
    let [quoted, owner, pattern_text, title] =
        [name, owner, pattern, name].map(|text| Value::from(text).to_string());
    let topic = example_topic(pattern);
    let summary = Value::from(format!("ada: {name}")).to_string();
    let template = Value::from(format!("{{{{ body.agent }}}}: {name}")).to_string();
    let object = Value::from(format!("{name}/{{{{ body.id }}}}")).to_string();
    format!(
        r#"{{
  "name": {quoted},
  "version": 1,
  "title": {title},
  "description": "When such an event is published, and what is special about it.",
  "owner": {owner},
  "topics": [{pattern_text}],
  "body": {{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {{
      "agent": {{"type": "string", "description": "Who did it."}},
      "id": {{"type": "integer", "description": "What it was done to."}},
      "url": {{"type": ["string", "null"], "description": "Where to read more."}}
    }},
    "required": ["agent"]
  }},
  "render": {{
    "app": {title},
    "summary": {template},
    "link": "{{{{ body.url }}}}",
    "agent": "{{{{ body.agent }}}}",
    "people": ["body.agent"],
    "packages": [],
    "object": {object}
  }},
  "examples": [
    {{
      "topic": {topic},
      "body": {{"agent": "ada", "id": 7, "url": "https://example.org/7"}},
      "expect": {{
        "summary": {summary},
        "link": "https://example.org/7",
        "people": ["ada"],
        "packages": []
      }}
    }}
  ]
}}
"#
    )
}

/// A topic that the pattern fits.
fn example_topic(pattern: &str) -> String {
    let words = pattern.split('.').map(|word| match word {
        "#" => "org.example",
        "*" => "some",
        word => word,
    });
    Value::from(words.collect::<Vec<_>>().join(".")).to_string()
}

#[cfg(test)]
mod tests {
    use event::Schema;

    use super::*;

    #[test]
    fn what_is_written_is_a_schema_and_its_example_holds() {
        for (name, owner, pattern) in [
            ("door.open", "facilities", "#.door.open"),
            ("a\"b", "o\\", "*.x.#"),
            ("{{x}}", "{% endraw %}", "#"),
        ] {
            let text = skeleton(name, owner, pattern);
            let schema = Schema::parse(name, &text);
            match schema {
                Ok(schema) if !name.contains("{{") => {
                    assert_eq!(schema.check_examples(), Vec::<String>::new(), "{name}");
                }
                // A name that is a template is said by it; it is no crash.
                _ => {}
            }
        }
    }
}
