//! `tubepost schema test`: a schema's examples are its tests: each body has to fit, and to be said
//! as expected.

use clap::{ArgMatches, Command};
use serde_json::json;

use super::source;
use crate::{
    cli,
    config::Verb,
    failure::{Failure, complain},
    terminal::{print_line, shown},
};

pub(crate) fn command() -> Command {
    let command = Command::new("test")
        .about("Run the examples of schema files: each must fit and be said as expected")
        .arg(source::argument())
        .arg(source::json())
        .after_help(
            "Examples:\n  \
             tubepost schema test door.open.json\n  \
             tubepost schema test ./schemas\n  \
             tubepost schema test --json\n\n\
             An example that fails is named by its place, with what was expected and what was found; exit 1.",
        );
    cli::with_options(command, Verb::Schema)
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let (mut examples, mut failures) = (0, Vec::new());
    for file in source::read(matches)? {
        match file.schema {
            Err(reason) => failures.push(format!("{}: {reason}", file.place)),
            Ok(schema) => {
                examples += schema.examples().count();
                let named = format!("schema {}: ", schema.name());
                failures.extend(schema.check_examples().into_iter().map(|line| {
                    format!("{}: {}", file.place, line.strip_prefix(&named).unwrap_or(&line))
                }));
            }
        }
    }
    if matches.get_flag("json") {
        let all = json!({"ok": failures.is_empty(), "examples": examples, "failures": failures});
        print_line(&all.to_string())?;
    } else {
        failures.iter().for_each(|line| complain(&shown(line)));
        print_line(&format!("{examples} examples, {} failures", failures.len()))?;
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(Failure::Said(1)),
    }
}
