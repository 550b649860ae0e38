//! `tubepost notify import`: the rules of an FMN.

use std::{fs, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;

use super::{on_the_store, open};
use crate::{
    failure::{Failure, complain, remark},
    terminal::{print_line, shown},
};

pub(super) fn command() -> Command {
    let command = Command::new("import")
        .about("Import the rules of Fedora's FMN, as its API gives them")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("A JSON list of rules, or one rule"),
        )
        .arg(
            Arg::new("dry-run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("Print the rules that would be made, and make none"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print each rule that was made, one JSON object a line"),
        )
        .after_help(
            "Examples:\n  \
             curl -H \"Authorization: Bearer $TOKEN\" \\\n    \
             https://notifications.example.org/api/v1/users/ada/rules > rules.json\n  \
             tubepost notify import rules.json --dry-run\n  \
             tubepost notify import rules.json\n\n\
             Importing again replaces what was imported. Rules that cannot be kept are named, the others\n\
             are made, and the exit code is 1. Packages' maintainers are not FMN's to give: tell them\n\
             with tubepost notify maintainer set.",
        );
    on_the_store(command)
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let file = matches.get_one::<PathBuf>("file").cloned().unwrap_or_default();
    let place = shown(&file.display().to_string()).into_owned();
    let text = fs::read_to_string(&file)
        .map_err(|error| Failure::failed(format!("{place}: cannot be read: {error}")))?;
    let import = notify::import_fmn(&text)
        .map_err(|fault| Failure::called_wrongly(shown(&format!("{place}: {fault}"))))?;
    let (dry, is_json) = (matches.get_flag("dry-run"), matches.get_flag("json"));
    let mut left_out = import.left_out.len();
    for (id, reason) in &import.left_out {
        complain(&shown(&format!("{place}: rule {id} left out: {reason}")));
    }
    let mut kept = 0;
    let outcomes = match dry {
        true => import.rules.iter().map(|_| Ok(())).collect(),
        false => open(matches, true)?.import(&import.rules)?,
    };
    for (imported, outcome) in import.rules.iter().zip(outcomes) {
        if let Err(error) = outcome {
            left_out += 1;
            let id = &imported.rule.id;
            complain(&shown(&format!("{place}: rule {id} left out: {error}")));
            continue;
        }
        kept += 1;
        if dry || is_json {
            print_line(&json!(imported.rule).to_string())?;
        }
    }
    let verb = if dry { "would be imported" } else { "imported" };
    remark(&format!("rules {verb}: {kept}, left out: {left_out}"));
    match left_out {
        0 => Ok(()),
        _ => Err(Failure::Said(1)),
    }
}
