//! `tubepost definitions`: all that is declared, as one document of RabbitMQ's form.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgMatches, Command, builder::NonEmptyStringValueParser, value_parser};
use serde_json::Value;

use super::{
    block_on,
    management::{Session, group, no_command, optional, say},
};
use crate::{failure::Failure, management_client::Endpoint, terminal::print_line};

pub(crate) fn command() -> Command {
    let export = Command::new("export")
        .about("Write the definitions: users, virtual hosts, permissions, policies, queues, …")
        .arg(file().help("Where to; without it, to standard output"))
        .arg(only_one())
        .after_help(
            "Examples:\n  \
             tubepost definitions export backup.json\n  \
             tubepost definitions export --vhost ci | jq .queues\n\n\
             The hashes of passwords are in it, so the file is for its owner only.",
        );
    let import = Command::new("import")
        .about("Declare what is in a document; what is there already stays")
        .arg(file().required(true).help("The document; '-' is standard input"))
        .arg(only_one())
        .after_help(
            "Examples:\n  \
             tubepost definitions import backup.json\n  \
             rabbitmqctl export_definitions - | tubepost definitions import -",
        );
    let command = Command::new("definitions")
        .about("Export and import all that is declared, as RabbitMQ's definitions");
    group(command, [export, import])
}

fn file() -> Arg {
    Arg::new("file").value_name("FILE").value_parser(value_parser!(PathBuf))
}

fn only_one() -> Arg {
    Arg::new("vhost")
        .long("vhost")
        .value_name("VHOST")
        .value_parser(NonEmptyStringValueParser::new())
        .help("Only what is in this virtual host; imported, it goes into this one [default: all]")
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else { return Err(no_command("definitions")) };
    let session = Session::open(matches)?;
    let endpoint = Endpoint::definitions(optional(matches, "vhost"));
    let file = matches.get_one::<PathBuf>("file").filter(|file| file.as_os_str() != "-");
    match verb {
        "import" => {
            let document = read(file.map(PathBuf::as_path))?;
            block_on(async { Ok(session.client.post(&endpoint, &document).await?) })?;
            say(&format!("imported: {}", summary(&document)));
        }
        _ => {
            let document = block_on(async { Ok(session.client.get(&endpoint).await?) })?;
            let text = format!("{document:#}");
            match file {
                None => print_line(&text)?,
                Some(file) => {
                    write(file, &text).map_err(|error| {
                        Failure::failed(format!(
                            "{}: cannot be written: {error}; name another file",
                            file.display()
                        ))
                    })?;
                    say(&format!("{}: {}", file.display(), summary(&document)));
                }
            }
        }
    }
    Ok(())
}

fn read(file: Option<&Path>) -> Result<Value, Failure> {
    let place = file.map_or("standard input".to_owned(), |file| file.display().to_string());
    let mut text = String::new();
    let read = match file {
        Some(file) => File::open(file)
            .and_then(|file| file.take(DOCUMENT_BYTES_MAX + 1).read_to_string(&mut text)),
        None => io::stdin().take(DOCUMENT_BYTES_MAX + 1).read_to_string(&mut text),
    };
    read.map_err(|error| Failure::failed(format!("{place}: cannot be read: {error}")))?;
    if text.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(Failure::failed(format!("{place}: more than {DOCUMENT_BYTES_MAX} bytes")));
    }
    match serde_json::from_str(&text) {
        Ok(document @ Value::Object(_)) => Ok(document),
        Ok(_) => Err(Failure::failed(format!(
            "{place}: is no definitions; expected a JSON object such as that of an export"
        ))),
        Err(error) => Err(Failure::failed(format!("{place}: is no JSON: {error}"))),
    }
}

// What was there before is whole until the new one is.
fn write(file: &Path, text: &str) -> io::Result<()> {
    if file.exists() && !file.is_file() {
        return writeln!(OpenOptions::new().write(true).open(file)?, "{text}");
    }
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = file.with_file_name(name);
    let mut options = OpenOptions::new();
    let mut written = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let done = writeln!(written, "{text}")
        .and_then(|()| written.sync_all())
        .and_then(|()| fs::rename(&new, file));
    done.inspect_err(|_| {
        // It is said already that nothing was written.
        _ = fs::remove_file(&new);
    })
}

fn summary(document: &Value) -> String {
    let count = |key: &str| document.get(key).and_then(Value::as_array).map_or(0, Vec::len);
    let counted: Vec<String> = KINDS
        .iter()
        .filter(|(key, _)| count(key) > 0)
        .map(|(key, name)| {
            format!("{} {}", count(key), if count(key) == 1 { name.0 } else { name.1 })
        })
        .collect();
    match counted.is_empty() {
        true => "nothing".to_owned(),
        false => counted.join(", "),
    }
}

type Names = (&'static str, &'static str);

/// Lists of the document, and what one and several of each are called.
const KINDS: [(&str, Names); 10] = [
    ("users", ("user", "users")),
    ("vhosts", ("virtual host", "virtual hosts")),
    ("permissions", ("permission", "permissions")),
    ("topic_permissions", ("topic permission", "topic permissions")),
    ("parameters", ("parameter", "parameters")),
    ("global_parameters", ("global parameter", "global parameters")),
    ("policies", ("policy", "policies")),
    ("exchanges", ("exchange", "exchanges")),
    ("queues", ("queue", "queues")),
    ("bindings", ("binding", "bindings")),
];
const DOCUMENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_summary_counts_what_is_in_a_document() {
        let document = json!({"users": [1], "queues": [1, 2], "bindings": [], "x": 1});
        assert_eq!(summary(&document), "1 user, 2 queues");
        assert_eq!(summary(&json!({})), "nothing");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_is_its_owners() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("d.json");
        for text in ["{\"long\": 1}", "{}"] {
            write(&file, text).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), format!("{text}\n"));
        }
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(write(&directory.path().join("no/d.json"), "{}").is_err());
        write(Path::new("/dev/null"), "{}").unwrap();
    }

    #[test]
    fn what_is_no_document_is_refused_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("d.json");
        for (text, expected) in [("[]", "is no definitions"), ("{\"a\"\n 1}", "line 2 column 2")] {
            fs::write(&file, text).unwrap();
            let Err(Failure::Failed(lines)) = read(Some(&file)) else { panic!("{text}") };
            assert!(lines[0].contains("d.json: ") && lines[0].contains(expected), "{lines:?}");
        }
    }
}
