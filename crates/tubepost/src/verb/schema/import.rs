//! `tubepost schema import`: schema files of a Fedora message package. Its Python sources are
//! parsed by `package.py` (needs `python3`), and never run.

mod file;

use std::{
    path::{Path, PathBuf},
    process::{Command as Process, Stdio},
};

use clap::{Arg, ArgMatches, Command, value_parser};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::source;
use crate::{
    failure::{Failure, complain, remark},
    terminal::{print_line, shown},
};

pub(crate) fn command() -> Command {
    Command::new("import")
        .about("Make schema files of a Fedora message package (Python)")
        .arg(
            Arg::new("package")
                .value_name("PACKAGE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("Its directory, installed or not, or a wheel or source archive of it"),
        )
        .arg(
            Arg::new("into")
                .long("into")
                .value_name("DIRECTORY")
                .value_parser(value_parser!(PathBuf))
                .default_value(".")
                .help("Where the files are written; files that are there stay"),
        )
        .arg(
            Arg::new("owner")
                .long("owner")
                .value_name("WHO")
                .help("Who answers for them [default: the package]"),
        )
        .arg(source::json())
        .after_help(
            "Examples:\n  \
             tubepost schema import noggin_messages-1.1.0-py3-none-any.whl --into ./schemas\n  \
             tubepost schema import ./koji-fedoramessaging-messages --owner koji --json\n\n\
             The sources are parsed, by python3, and never imported or run. Names come from the package's\n\
             fedora.messages entry points, bodies from body_schema, what is said from simple properties,\n\
             examples from its tests. What is more than an expression is said, with its line: write that\n\
             by hand. Each file passes check and test. Prints the names of the files.",
        )
}

/// What `package.py` tells.
#[derive(Debug, Deserialize)]
struct Package {
    distribution: Option<String>,
    messages: Vec<Message>,
    samples: Vec<Value>,
}

/// One message class.
#[derive(Debug, Deserialize)]
struct Message {
    class: String,
    file: String,
    entry: Option<String>,
    doc: String,
    body_schema: Option<Value>,
    topic: Option<String>,
    #[serde(default)]
    deprecated: bool,
    /// What could not be read, by attribute.
    unread: Map<String, Value>,
    /// Expressions, by property: `summary`, `usernames`.
    #[serde(flatten)]
    said: Map<String, Value>,
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let named = matches.get_one::<PathBuf>("package").cloned().unwrap_or_default();
    let into = matches.get_one::<PathBuf>("into").cloned().unwrap_or_default();
    let package = read(&named)?;
    if package.messages.is_empty() {
        return Err(Failure::failed(format!(
            "{}: has no message class (no fedora.messages entry point, no body_schema); name the \
             package's own directory or its wheel",
            named.display()
        )));
    }
    let distribution = package.distribution.clone().map(|name| name.replace('-', "_"));
    let owner = matches.get_one::<String>("owner").cloned().or(distribution.clone());
    let owner = owner.unwrap_or_else(|| "unknown".to_owned());
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for message in &package.messages {
        let place = format!("{}: {}", message.file, message.class);
        match file::make(message, &package.samples, distribution.as_deref(), &owner) {
            Err(reason) => failed.push(format!("{place}: {reason}")),
            Ok(made) => {
                let path = into.join(format!("{}.json", made.name.replace(['/', '\\'], "_")));
                super::new::write_new(&path, &made.text)?;
                let path = path.display().to_string();
                if !matches.get_flag("json") {
                    print_line(&path)?;
                }
                for todo in &made.by_hand {
                    remark(&shown(&format!("{path}: {todo}")));
                }
                done.push(json!({"file": path, "name": made.name, "by_hand": made.by_hand}));
            }
        }
    }
    failed.iter().for_each(|line| complain(&shown(line)));
    if matches.get_flag("json") {
        print_line(&json!({"written": done, "failed": failed}).to_string())?;
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::Said(1)),
    }
}

fn read(named: &Path) -> Result<Package, Failure> {
    let place = named.display();
    if !named.exists() {
        return Err(Failure::called_wrongly(format!(
            "{place}: there is no such file or directory"
        )));
    }
    // -I -S: neither the directory nor an installed package can put code into it.
    let output = Process::new("python3")
        .args(["-I", "-S", "-c", include_str!("import/package.py")])
        .arg(named)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::failed(format!("python3: cannot be run: {error}; install it")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last = said.lines().last().unwrap_or("python3 gave no reason");
        return Err(Failure::failed(
            shown(&format!("{place}: cannot be read: {last}")).into_owned(),
        ));
    }
    said.lines().take(WARNINGS_MAX).for_each(|line| remark(&shown(line)));
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Failure::failed(format!("{place}: cannot be read: {error}")))
}

const WARNINGS_MAX: usize = 20;
