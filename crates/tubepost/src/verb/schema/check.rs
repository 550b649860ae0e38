//! `tubepost schema check`: whether files are schemas, and whether a change breaks anybody who has
//! the older ones.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgMatches, Command};
use event::{Answer, Registry, Schema, SchemaChange};
use serde_json::{Value, json};

use super::source::{self, Read};
use crate::{
    cli,
    config::Verb,
    failure::{Failure, complain, remark},
    schemas::{folder, revision},
    terminal::{print_line, shown},
};

pub(crate) fn command() -> Command {
    let command = Command::new("check")
        .about("Check schema files, and that a change of them breaks nobody")
        .arg(source::argument())
        .arg(
            Arg::new("against")
                .long("against")
                .value_name("DIRECTORY|REVISION")
                .help("The older ones: a directory, or a git revision of each PATH's checkout"),
        )
        .arg(source::json())
        .after_help(
            "Examples:\n  \
             tubepost schema check door.open.json\n  \
             tubepost schema check ./schemas --against main\n  \
             tubepost schema check ./schemas --against /srv/schemas-in-force --json\n\n\
             What is wrong is said with file, JSON path and mend, and the exit code is 1. Against older\n\
             ones, a change that breaks events or subscribers needs a greater version, and a schema must\n\
             not go; tubepost schema diff tells more. What cannot be told is said and is no failure.",
        );
    cli::with_options(command, Verb::Schema)
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let read = source::read(matches)?;
    let mut faults: Vec<(String, String)> = Vec::new();
    let mut registry = Registry::default();
    for file in &read {
        match &file.schema {
            Err(reason) => faults.push((file.place.clone(), reason.clone())),
            Ok(schema) => {
                if let Some(reason) = misnamed(file.path.as_deref(), schema) {
                    faults.push((file.place.clone(), reason));
                }
                if registry.schema(schema.name()).is_some_and(|other| other.name() == schema.name())
                {
                    let reason = format!("$.name: {} is in another file too", schema.name());
                    faults.push((file.place.clone(), reason));
                } else if let Err(error) = registry.add(&file.place, schema.text()) {
                    let text = error.to_string();
                    let reason = text.strip_prefix(&format!("schema {}: ", file.place));
                    faults.push((file.place.clone(), reason.unwrap_or(&text).to_owned()));
                }
            }
        }
    }
    let mut open = Vec::new();
    if let Some(against) = matches.get_one::<String>("against") {
        let older = older(matches, against)?;
        compare(&older, &read, against, &mut faults, &mut open);
    }
    report(matches.get_flag("json"), &read, &faults, &open)
}

fn misnamed(path: Option<&Path>, schema: &Schema) -> Option<String> {
    let stem = path?.file_stem()?.to_string_lossy();
    let name = schema.name();
    (stem != name)
        .then(|| format!("$.name: {name}; name the file {name}.json, or the schema {stem}"))
}

/// The older schemas by name, with where they stand.
type Older = BTreeMap<String, (PathBuf, Schema)>;

fn older(matches: &ArgMatches, against: &str) -> Result<Older, Failure> {
    let mut texts = Vec::new();
    if Path::new(against).is_dir() {
        for path in folder::files(Path::new(against))? {
            let text = folder::read(&path)?;
            texts.push((path, text));
        }
    } else {
        for path in matches.get_many::<PathBuf>("path").into_iter().flatten() {
            if path.is_dir() {
                texts.extend(revision::changed_since(path, against)?);
            } else {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let folder = folder.unwrap_or(Path::new("."));
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                texts.push((path.clone(), revision::file(folder, against, &name)?));
            }
        }
        if matches.get_many::<PathBuf>("path").is_none() {
            return Err(Failure::called_wrongly(format!(
                "--against {against}: is no directory; for a git revision name the checkout's PATH"
            )));
        }
    }
    let mut older = Older::new();
    for (path, text) in texts {
        match source::parse(&path.display().to_string(), &text) {
            Ok(schema) => drop(older.insert(schema.name().to_owned(), (path, schema))),
            Err(reason) => remark(&shown(&format!(
                "{} of {against} is no schema and was not compared: {reason}",
                path.display()
            ))),
        }
    }
    Ok(older)
}

fn compare(
    older: &Older,
    read: &[Read],
    against: &str,
    faults: &mut Vec<(String, String)>,
    open: &mut Vec<(String, String)>,
) {
    for (name, (path, before)) in older {
        let now = read.iter().find_map(|file| {
            let schema = file.schema.as_ref().ok().filter(|schema| schema.name() == name)?;
            Some((&file.place, schema))
        });
        let Some((place, now)) = now else {
            // A file that is there and bad was told of already.
            let is_bad = read.iter().any(|it| it.path.as_ref() == Some(path) && it.schema.is_err());
            if !is_bad {
                faults.push((
                    path.display().to_string(),
                    format!(
                        "schema {name} of {against} is gone, and its events are said generically; \
                         keep it, with \"deprecated\": true"
                    ),
                ));
            }
            continue;
        };
        let change = SchemaChange::between(before, now);
        for reason in change.refusals() {
            let mend = match change.versions.1 < change.versions.0 {
                true => "set it higher".to_owned(),
                false => format!(
                    "raise version above {}, or give the event another name",
                    change.versions.0
                ),
            };
            faults.push((place.clone(), format!("{reason}; {mend}")));
        }
        if let verdict @ Answer::CannotTell(_) = change.body.full() {
            for reason in verdict.reasons() {
                open.push((place.clone(), reason.clone()));
            }
        }
    }
}

fn report(
    as_json: bool,
    read: &[Read],
    faults: &[(String, String)],
    open: &[(String, String)],
) -> Result<(), Failure> {
    let good = read.iter().filter(|file| file.schema.is_ok()).count();
    if as_json {
        let lines = |all: &[(String, String)]| -> Vec<Value> {
            all.iter().map(|(file, reason)| json!({"file": file, "reason": reason})).collect()
        };
        let all = json!({
            "ok": faults.is_empty(),
            "files": read.len(),
            "faults": lines(faults),
            "cannot_tell": lines(open),
        });
        print_line(&all.to_string())?;
    } else {
        for (place, reason) in faults {
            complain(&shown(&format!("{place}: {reason}")));
        }
        for (place, reason) in open {
            remark(&shown(&format!("{place}: cannot tell whether it is compatible: {reason}")));
        }
        print_line(&format!(
            "{good} of {} files are schemas, {} faults",
            read.len(),
            faults.len()
        ))?;
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Failure::Said(1)),
    }
}
