//! `tubepost schema diff`: how two versions of a schema go together.

use std::path::Path;

use clap::{Arg, ArgMatches, Command};
use event::{Answer, Schema, SchemaChange};
use serde_json::json;

use super::source;
use crate::{
    failure::Failure,
    schemas::{folder, revision},
    terminal::{print_line, shown},
};

pub(crate) fn command() -> Command {
    Command::new("diff")
        .about("Say how two versions of a schema go together")
        .arg(Arg::new("old").value_name("OLD").required(true).help("A file, or REVISION:FILE of git"))
        .arg(Arg::new("new").value_name("NEW").required(true).help("A file, or REVISION:FILE of git"))
        .arg(source::json())
        .after_help(
            "Examples:\n  \
             tubepost schema diff door.open.json.orig door.open.json\n  \
             tubepost schema diff main:schemas/door.open.json schemas/door.open.json\n  \
             tubepost schema diff --json old.json new.json | jq .full.verdict\n\n\
             backward: every old event fits the new schema. forward: who knows the old one can take every\n\
             new event. full: both. A key that a schema does not name counts as not sent. Exit 0 unless\n\
             something breaks; what cannot be told (patterns, not, if) is said and breaks nothing.",
        )
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let [old, new] = ["old", "new"]
        .map(|which| read(matches.get_one::<String>(which).map_or("", String::as_str)));
    let (old, new) = (old?, new?);
    let change = SchemaChange::between(&old, &new);
    let full = change.body.full();
    let verdicts =
        [("backward", &change.body.backward), ("forward", &change.body.forward), ("full", &full)];
    let breaks = change.breaks();
    if matches.get_flag("json") {
        let mut all = json!({
            "schema": new.name(),
            "versions": [change.versions.0, change.versions.1],
            "lost": change.lost,
            "breaks": !breaks.is_empty(),
        });
        for (name, verdict) in verdicts {
            let told = json!({"verdict": verdict.word(), "reasons": verdict.reasons()});
            all.as_object_mut().map(|all| all.insert(name.to_owned(), told));
        }
        print_line(&all.to_string())?;
    } else {
        let (before, after) = change.versions;
        let renamed = match old.name() == new.name() {
            true => new.name().to_owned(),
            false => format!("{} and {}, two schemas", old.name(), new.name()),
        };
        print_line(&shown(&format!("{renamed}: version {before} to {after}")))?;
        for (name, verdict) in verdicts {
            print_line(&format!("{name}: {}", verdict.word()))?;
            if name != "full" {
                for reason in verdict.reasons() {
                    print_line(&shown(&format!("  {reason}")))?;
                }
            }
        }
        for line in &change.lost {
            print_line(&shown(line))?;
        }
        if full == Answer::Yes && change.lost.is_empty() && !change.is_body_changed {
            print_line("the body is the same")?;
        }
    }
    match breaks.is_empty() {
        true => Ok(()),
        false => Err(Failure::Said(1)),
    }
}

fn read(named: &str) -> Result<Schema, Failure> {
    let text = match (Path::new(named).exists(), named.split_once(':')) {
        (false, Some((revision, path))) => revision::file(Path::new("."), revision, path)?,
        _ => folder::read(Path::new(named))?,
    };
    source::parse(named, &text)
        .map_err(|reason| Failure::failed(shown(&format!("{named}: {reason}")).into_owned()))
}
