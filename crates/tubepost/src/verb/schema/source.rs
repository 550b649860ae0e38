//! The schema files that a command is about: those named, the directories of the configuration,
//! or those that ship.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use event::{Error, Registry, Schema};

use crate::{cli, failure::Failure, schemas::folder};

/// A schema file that was read, or why it is none.
pub(super) struct Read {
    /// For people: the file, or the shipped schema's name.
    pub(super) place: String,
    pub(super) path: Option<PathBuf>,
    pub(super) schema: Result<Schema, String>,
}

pub(super) fn argument() -> Arg {
    Arg::new("path")
        .value_name("PATH")
        .action(ArgAction::Append)
        .value_parser(value_parser!(PathBuf))
        .help("Files, or directories with all *.json below [default: event.schemas, else those that ship]")
}

pub(super) fn json() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("One JSON object")
}

/// Reads them.
///
/// # Errors
/// A directory or file cannot be read, or there is none.
pub(super) fn read(matches: &ArgMatches) -> Result<Vec<Read>, Failure> {
    let named: Vec<PathBuf> = matches.get_many("path").into_iter().flatten().cloned().collect();
    let named = match named.is_empty() {
        // What a registry has is its owner's to check.
        true => cli::config(matches)?.schemas.directories(),
        false => named,
    };
    if named.is_empty() {
        let shipped = Registry::builtin().schemas();
        let read = |schema: &std::sync::Arc<Schema>| Read {
            place: schema.name().to_owned(),
            path: None,
            schema: parse(schema.name(), schema.text()),
        };
        return Ok(shipped.iter().map(read).collect());
    }
    let mut all = Vec::new();
    for path in named {
        let files = if path.is_dir() { folder::files(&path)? } else { vec![path.clone()] };
        if files.is_empty() {
            let place = path.display();
            return Err(Failure::called_wrongly(format!("{place}: has no *.json; name another")));
        }
        for file in files {
            let place = file.display().to_string();
            let schema = parse(&place, &folder::read(&file)?);
            all.push(Read { place, path: Some(file), schema });
        }
    }
    Ok(all)
}

/// The schema, or what is wrong, from the JSON path on.
pub(super) fn parse(place: &str, text: &str) -> Result<Schema, String> {
    Schema::parse(place, text).map_err(|error| match error {
        Error::Schema { reason, .. } => reason,
        error => error.to_string(),
    })
}
