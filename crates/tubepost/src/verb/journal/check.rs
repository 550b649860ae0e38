//! `tubepost journal check`: reads every record, and says what is there and what is not. It opens
//! nothing for writing, so it may be run beside a server and on a copy.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command};
use journal::{Damage, Error, FileDisk, SegmentSurvey, Survey, survey};
use serde_json::{Value, json};

use crate::{
    cli,
    config::Verb,
    failure::{Failure, complain},
    serve::data_directory::DataDirectory,
    terminal::{print_line, shown},
};

pub(crate) fn command() -> Command {
    let command = Command::new("check")
        .about("Read every record, and say what is damaged")
        .arg(
            Arg::new("directory")
                .value_name("DIRECTORY")
                .value_parser(clap::value_parser!(PathBuf))
                .help("The data directory, a copy of one, or a journal in it [default: data_dir]"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("One JSON object with all segments"),
        )
        .after_help(
            "Examples:\n  \
             tubepost journal check\n  \
             tubepost journal check /var/lib/tubepost\n  \
             tubepost journal check --json ./copy-of-the-data\n\n\
             Nothing is written, and a server may run meanwhile. Exit 0: all is whole; 1: something is\n\
             damaged, or of a newer version; 2: there is no journal. A torn stretch is the write that\n\
             a crash cut short, or that a server is writing: nothing in it was confirmed.",
        );
    cli::with_options(command, Verb::JournalCheck)
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let directory = match matches.get_one::<PathBuf>("directory") {
        Some(directory) => directory.clone(),
        None => cli::config(matches)?.data_dir,
    };
    let mut checked = Vec::new();
    for (name, path) in journals(&directory)? {
        checked.push(Checked { name, found: look(&path), path });
    }
    match matches.get_flag("json") {
        true => print_line(&as_json(&directory, &checked))?,
        false => checked.iter().flat_map(lines).try_for_each(|line| print_line(&line))?,
    }
    for (checked, error) in checked.iter().filter_map(|it| Some((it, it.found.as_ref().err()?))) {
        complain(&shown(&format!("{}: {error}", checked.path.display())));
    }
    match checked.iter().all(Checked::is_clean) {
        true => Ok(()),
        false => Err(Failure::Said(1)),
    }
}

/// A journal that was looked at.
struct Checked {
    name: String,
    path: PathBuf,
    found: Result<Survey, Error>,
}

impl Checked {
    fn is_clean(&self) -> bool {
        self.found.as_ref().is_ok_and(Survey::is_clean)
    }
}

fn look(path: &Path) -> Result<Survey, Error> {
    survey(&FileDisk::open_read_only(path)?)
}

/// The journals of a data directory, or the one that the directory is, by name.
fn journals(directory: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let named = JOURNALS.map(|name| (name.to_owned(), directory.join(name)));
    let found: Vec<_> = named.into_iter().filter(|(_, path)| path.is_dir()).collect();
    if !found.is_empty() {
        DataDirectory::recognise(directory)?;
        return Ok(found);
    }
    let nothing = |why: &str| {
        Failure::called_wrongly(format!(
            "{}: {why}; name a data directory of tubepost serve",
            shown(&directory.display().to_string())
        ))
    };
    let entries = std::fs::read_dir(directory)
        .map_err(|error| nothing(&format!("it cannot be read: {error}")))?;
    let segment = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let digits = name.strip_suffix(".log").or(name.strip_suffix(".damaged"));
            digits.is_some_and(|it| it.len() == 20 && it.bytes().all(|it| it.is_ascii_digit()))
        })
    };
    if entries.into_iter().any(segment) {
        let name = directory.file_name().unwrap_or(directory.as_os_str());
        return Ok(vec![(name.to_string_lossy().into_owned(), directory.to_owned())]);
    }
    Err(nothing("there is no journal in it"))
}

fn lines(checked: &Checked) -> Vec<String> {
    let Ok(found) = &checked.found else {
        return vec![format!("{}: cannot be checked", checked.name)];
    };
    let sum = |of: fn(&SegmentSurvey) -> u64| found.segments.iter().map(of).sum::<u64>();
    let verdict = match found.damaged.len() as u64 {
        0 => "clean".to_owned(),
        some => format!("damaged in {}, all else is whole", count(some, "place")),
    };
    let mut lines = vec![format!(
        "{}: {}, {}, {}; {verdict}",
        checked.name,
        count(found.segments.len() as u64, "segment"),
        count(sum(|it| it.records), "record"),
        bytes(sum(|it| it.record_bytes)),
    )];
    for segment in &found.segments {
        let format = segment.format.map_or("?".to_owned(), |format| format.to_string());
        lines.push(format!(
            "  {}  format {format}  {:>9} records  {:>11} of {}",
            segment.file,
            segment.records,
            bytes(segment.record_bytes),
            bytes(segment.file_bytes),
        ));
    }
    lines.extend(found.damaged.iter().map(|damage| format!("  damaged: {damage}")));
    lines.extend(found.torn.iter().map(|torn| format!("  torn: {torn}")));
    for (what, names) in [
        ("holds nothing, and goes with the next start", &found.void),
        ("was set aside because it is damaged; look into it, then remove it", &found.set_aside),
        ("is no file of this journal", &found.foreign),
    ] {
        lines.extend(names.iter().map(|name| format!("  {}: {what}", shown(name))));
    }
    lines
}

fn as_json(directory: &Path, checked: &[Checked]) -> String {
    let journals: Vec<Value> = checked.iter().map(journal_json).collect();
    json!({
        "directory": directory.display().to_string(),
        "clean": checked.iter().all(Checked::is_clean),
        "journals": journals,
    })
    .to_string()
}

fn journal_json(checked: &Checked) -> Value {
    let found = match &checked.found {
        Ok(found) => found,
        Err(error) => {
            return json!({"name": checked.name, "clean": false, "error": error.to_string()});
        }
    };
    let stretch = |damage: &Damage| {
        json!({
            "file": damage.file,
            "offset": damage.offset,
            "bytes": damage.bytes,
            "reason": damage.reason.to_string(),
        })
    };
    let stretches = |all: &[Damage]| all.iter().map(stretch).collect::<Vec<_>>();
    let segment = |segment: &SegmentSurvey| {
        json!({
            "file": segment.file,
            "segment": segment.segment,
            "format": segment.format,
            "records": segment.records,
            "record_bytes": segment.record_bytes,
            "file_bytes": segment.file_bytes,
        })
    };
    json!({
        "name": checked.name,
        "clean": found.is_clean(),
        "records": found.segments.iter().map(|it| it.records).sum::<u64>(),
        "segments": found.segments.iter().map(segment).collect::<Vec<_>>(),
        "damaged": stretches(&found.damaged),
        "torn": stretches(&found.torn),
        "void": found.void,
        "set_aside": found.set_aside,
        "foreign": found.foreign,
    })
}

fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// A size as people read it: the largest unit of which there is one.
fn bytes(bytes: u64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", bytes as f64 / size as f64),
        None => format!("{bytes} B"),
    }
}

/// The journals of a data directory, as `serve` calls them.
const JOURNALS: [&str; 2] = ["messages", "ledger"];
