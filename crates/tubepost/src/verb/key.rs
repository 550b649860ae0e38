//! `tubepost key`: the keys that events are signed with.

use std::{
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use event::SigningKey;
use serde_json::json;

use crate::{
    failure::{Failure, remark},
    keys,
    terminal::print_line,
};

pub(crate) fn command() -> Command {
    Command::new("key")
        .about("Make keys that events are signed with")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("generate")
                .about("Make a key: NAME.key for who signs, NAME.pub for who verifies")
                .arg(
                    Arg::new("name")
                        .value_name("NAME")
                        .required(true)
                        .help("The key's name in signatures: letters, digits, '.', '-', '_'"),
                )
                .arg(
                    Arg::new("directory")
                        .long("directory")
                        .value_name("DIRECTORY")
                        .default_value(".")
                        .value_parser(value_parser!(PathBuf))
                        .help("Where the two files go"),
                )
                .arg(
                    Arg::new("json")
                        .long("json")
                        .action(ArgAction::SetTrue)
                        .help("One JSON object: name, secret, public"),
                )
                .after_help(
                    "Examples:\n  \
                     tubepost key generate hall\n  \
                     tubepost publish org.example.door.open '{}' --sign hall.key\n  \
                     tubepost verify --keys . < events.jsonl\n\n\
                     Ed25519, as files of OpenSSL: a certificate for the key, NAME.crt, does instead of\n\
                     NAME.pub. Files that are there already are left alone.",
                ),
        )
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("generate", matches)) => generate(matches),
        _ => Err(Failure::called_wrongly("no command; see tubepost key --help")),
    }
}

fn generate(matches: &ArgMatches) -> Result<(), Failure> {
    let name = matches.get_one::<String>("name").map_or("", String::as_str);
    let key =
        SigningKey::generate(name).map_err(|error| Failure::called_wrongly(error.to_string()))?;
    let directory =
        matches.get_one::<PathBuf>("directory").map_or(Path::new("."), PathBuf::as_path);
    let place = |kind: &str| directory.join(format!("{name}.{kind}"));
    let (secret, public) = (place(keys::SECRET), place(keys::PUBLIC));
    let pem = key.to_pem().map_err(|error| Failure::failed(error.to_string()))?;
    // Or half a pair would be left.
    if public.exists() {
        let reason = "is there already; choose another name, or remove it";
        return Err(Failure::failed(format!("{}: {reason}", public.display())));
    }
    write(&secret, &pem, SECRET_MODE)?;
    write(&public, &key.public_pem(), PUBLIC_MODE)?;
    if matches.get_flag("json") {
        let line = json!({"name": name, "secret": secret, "public": public});
        return print_line(&line.to_string());
    }
    remark(&format!("{} signs; keep it to the publisher", secret.display()));
    remark(&format!("{} verifies; give it to whoever subscribes", public.display()));
    Ok(())
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    })
    .map_err(|error| Failure::failed(format!("{}: cannot be written: {error}", path.display())))
}

const SECRET_MODE: u32 = 0o600;
const PUBLIC_MODE: u32 = 0o644;
