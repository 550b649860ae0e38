//! `tubepost event render`: says events of a file, one JSON line for each, as the schemas in force
//! say them. A line that is no event is told of and passed over.

use std::{
    io::{BufRead, Write},
    path::PathBuf,
};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use event::{Description, Registry};
use serde::Serialize;

use crate::{
    cli,
    config::Verb,
    event_lines,
    failure::{Failure, remark},
    schemas,
    terminal::shown,
};

pub(crate) fn command() -> Command {
    let command = Command::new("render")
        .about("Say each event of JSON lines as the schemas say it")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .action(ArgAction::Append)
                .value_parser(value_parser!(PathBuf))
                .help("Files of JSON lines; '-' is standard input [default: -]"),
        )
        .after_help(
            "Examples:\n  \
             tubepost event render < events.jsonl\n  \
             tubepost event render --schemas ./schemas events.jsonl | jq -r .summary\n  \
             tubepost tail --json | tubepost event render\n  \
             echo '{\"topic\": \"org.example.door\", \"body\": {\"agent\": \"ada\"}}' | tubepost event render\n\n\
             A line in has topic and body, and may have headers, as tail --json prints them. A line out\n\
             has summary, link, icon, usernames, packages, objects, schema; lists are sorted, and the\n\
             schema is null where none is known and the event was said generically. A line that is no\n\
             event is said on standard error, the others go on, and the exit code is 1.",
        );
    cli::with_options(command, Verb::EventRender)
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let registry = schemas::registry(&cli::config(matches)?.schemas)?;
    let files: Vec<&PathBuf> = matches.get_many("file").into_iter().flatten().collect();
    let mut out = anstream::stdout().lock();
    let wrong = event_lines::of_files(&files, &mut |place, input| {
        render(place, input, &registry, &mut out)
    })?;
    if let Some(failure) = registry.last_failure() {
        let count = registry.failures();
        remark(&shown(&format!(
            "{count} events were said generically because a template failed; the last: {failure}"
        )));
    }
    match wrong {
        0 => Ok(()),
        _ => Err(Failure::Said(1)),
    }
}

/// What is printed for an event.
#[derive(Serialize)]
struct Line<'a> {
    summary: &'a str,
    link: Option<&'a str>,
    icon: Option<&'a str>,
    usernames: &'a [String],
    packages: &'a [String],
    objects: &'a [String],
    schema: Option<&'a str>,
}

impl<'a> From<&'a Description> for Line<'a> {
    fn from(told: &'a Description) -> Line<'a> {
        Line {
            summary: &told.summary,
            link: told.link.as_deref(),
            icon: told.icon.as_deref(),
            usernames: &told.people,
            packages: &told.packages,
            objects: &told.objects,
            schema: told.schema.as_deref(),
        }
    }
}

/// Says the lines of one input; returns how many were no events.
fn render(
    place: &str,
    input: &mut (impl BufRead + ?Sized),
    registry: &Registry,
    out: &mut impl Write,
) -> Result<u64, Failure> {
    let wrong = event_lines::read(place, input, |number, event| {
        let told = registry.describe(&event);
        let said = serde_json::to_string(&Line::from(&told))
            .map_err(|error| Failure::failed(format!("{place}, line {number}: {error}")))?;
        writeln!(out, "{said}").map_err(|error| Failure::of_output(&error))
    })?;
    out.flush().map_err(|error| Failure::of_output(&error))?;
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(input: &str) -> (u64, String) {
        let mut out = Vec::new();
        let wrong = render("test", &mut input.as_bytes(), &Registry::builtin(), &mut out).unwrap();
        (wrong, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_line_has_what_the_schema_says_and_one_without_a_schema_the_generic_words() {
        let (wrong, out) = rendered(concat!(
            r#"{"topic": "org.fedoraproject.prod.buildsys.build.state.change", "body": {"name": "#,
            r#""bash", "version": "5.2", "release": "1.fc45", "new": 3, "owner": "ada", "#,
            r#""build_id": 7, "instance": "primary"}}"#,
            "\n\n",
            r#"{"topic": "org.example.door.open", "body": {"agent": "ada", "name": "north"}}"#,
        ));
        let lines: Vec<serde_json::Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((wrong, lines.len()), (0, 2));
        assert_eq!(lines[0]["summary"], "ada's bash-5.2-1.fc45 failed to build");
        assert_eq!(lines[0]["usernames"], serde_json::json!(["ada"]));
        assert_eq!(lines[0]["packages"], serde_json::json!(["bash"]));
        assert_eq!(lines[0]["objects"], serde_json::json!(["primary/builds/bash/5.2/1.fc45"]));
        assert_eq!(lines[0]["schema"], "buildsys.build.state.change");
        assert_eq!(lines[1]["summary"], "door.open by ada: north");
        assert_eq!(lines[1]["schema"], serde_json::Value::Null);
        assert_eq!(lines[1].as_object().unwrap().len(), 7);
    }

    #[test]
    fn headers_choose_the_schema_and_name_more_people() {
        let (_, out) = rendered(
            r#"{"topic": "x.y", "body": {}, "headers": {"fedora_messaging_user_bob": true}}"#,
        );
        assert!(out.contains(r#""usernames":["bob"]"#), "{out}");
    }

    #[test]
    fn a_wrong_line_is_counted_and_the_others_go_on() {
        let (wrong, out) = rendered(
            "nonsense\n{\"topic\": \"a\"}\n{\"topic\": \"a b\", \"body\": {}}\n\
             {\"topic\": \"a\", \"body\": []}\n{\"topic\": \"a\", \"body\": {}}\n",
        );
        assert_eq!((wrong, out.lines().count()), (4, 1), "{out}");
    }
}
