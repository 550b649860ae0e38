//! `tubepost user`: who may log in. Works beside a running server, which sees the change at once.

use std::io::Read;

use auth::{Secret, Users};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

use crate::{
    cli,
    config::Verb,
    failure::{Failure, remark},
    serve::data_directory::DataDirectory,
    terminal::{print_line, shown},
    verb::user::password_prompt::prompt,
};

mod password_prompt;

pub(crate) fn command() -> Command {
    let add = with_password(Command::new("add").about("Create a user")).after_help(
        "Examples:\n  \
         tubepost user add ada\n  \
         tubepost user add ci --generate\n  \
         printf '%s\\n' \"$PASSWORD\" | tubepost user add ci --password-stdin",
    );
    let passwd = with_password(Command::new("passwd").about("Change a user's password"))
        .after_help("Examples:\n  tubepost user passwd ada\n  tubepost user passwd ci --generate");
    let delete = Command::new("delete")
        .about("Remove a user")
        .arg(name())
        .after_help("Examples:\n  tubepost user delete ada");
    let list = Command::new("list")
        .about("List the users")
        .arg(
            Arg::new("json").long("json").action(ArgAction::SetTrue).help("One JSON object a line"),
        )
        .after_help("Examples:\n  tubepost user list\n  tubepost user list --json");
    let mut command = Command::new("user")
        .about("Create, change, remove and list the users who may log in")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(
            "On this machine guest with password guest works without a user. Once there is a user,\n\
             serve may listen on other addresses; a user named guest replaces the built-in one.",
        );
    for subcommand in [add, passwd, delete, list] {
        command = command.subcommand(cli::with_options(subcommand, Verb::User));
    }
    command
}

fn with_password(command: Command) -> Command {
    command
        .arg(name())
        .arg(
            Arg::new("password-stdin")
                .long("password-stdin")
                .action(ArgAction::SetTrue)
                .conflicts_with("generate")
                .help("Read the password from standard input, its first line, instead of asking"),
        )
        .arg(
            Arg::new("generate")
                .long("generate")
                .action(ArgAction::SetTrue)
                .help("Make a password and print it, once"),
        )
}

fn name() -> Arg {
    Arg::new("name").value_name("NAME").required(true).help("The user's name")
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else {
        return Err(Failure::called_wrongly("no command; see tubepost user --help"));
    };
    let config = cli::config(matches)?;
    let data = DataDirectory::prepare(&config.data_dir)?;
    let users = Users::open(data.users_file())?;
    let name = matches.try_get_one::<String>("name").ok().flatten().map_or("", String::as_str);
    match verb {
        "add" => {
            let (password, generated) = password(matches, name)?;
            users.add(name, &password)?;
            tell(&format!("user '{name}' created"), &password, generated)
        }
        "passwd" => {
            let (password, generated) = password(matches, name)?;
            users.set_password(name, &password)?;
            tell(&format!("password of '{name}' changed"), &password, generated)
        }
        "delete" => {
            users.delete(name)?;
            remark(&format!(
                "user '{}' removed; open connections stay until they end",
                shown(name)
            ));
            Ok(())
        }
        _ => list(&users, matches.get_flag("json")),
    }
}

fn list(users: &Users, json: bool) -> Result<(), Failure> {
    let users = users.list();
    if users.is_empty() && !json {
        remark("no users yet; on this machine guest with password guest works");
    }
    users.iter().try_for_each(|user| match json {
        true => print_line(&json!({"name": user.name}).to_string()),
        false => print_line(&shown(&user.name)),
    })
}

fn tell(done: &str, password: &Secret, generated: bool) -> Result<(), Failure> {
    remark(&shown(done));
    match generated {
        true => print_line(password.expose()),
        false => Ok(()),
    }
}

fn password(matches: &ArgMatches, name: &str) -> Result<(Secret, bool), Failure> {
    if matches.get_flag("generate") {
        return Ok((Secret::generate().map_err(auth::Error::from)?, true));
    }
    if matches.get_flag("password-stdin") {
        let mut text = String::new();
        std::io::stdin().take(STDIN_BYTES_MAX).read_to_string(&mut text).map_err(|error| {
            Failure::failed(format!("standard input: the password cannot be read: {error}"))
        })?;
        return Ok((Secret::new(text.lines().next().unwrap_or_default()), false));
    }
    Ok((prompt(name)?, false))
}

const STDIN_BYTES_MAX: u64 = 64 * 1024;
