//! `tubepost user`: who may log in. Works beside a running server, which sees the change at once.

use std::io::Read;

use auth::{Credential, NewUser, Secret, Tags, User, Users};
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
    let add = with_password(Command::new("add").about("Create a user"))
        .arg(
            Arg::new("tag")
                .long("tag")
                .value_name("TAG")
                .action(ArgAction::Append)
                .value_delimiter(',')
                .help(
                    "What they may administer: administrator, monitoring, policymaker, management, \
                     impersonator, or a word of yours; may be given again",
                ),
        )
        .arg(
            Arg::new("no-permissions")
                .long("no-permissions")
                .action(ArgAction::SetTrue)
                .help("Allow nothing yet; without it, everything in the virtual host / is allowed"),
        )
        .after_help(
            "Examples:\n  \
             tubepost user add ada\n  \
             tubepost user add ops --generate --tag administrator\n  \
             tubepost user add builder.example.org --no-password --no-permissions\n  \
             printf '%s\\n' \"$PASSWORD\" | tubepost user add ci --password-stdin",
        );
    let passwd = with_password(Command::new("passwd").about("Change a user's password"))
        .visible_alias("change-password")
        .after_help("Examples:\n  tubepost user passwd ada\n  tubepost user passwd ci --generate");
    let set_tags = Command::new("set-tags")
        .about("Say what a user may administer: these tags, and no other")
        .arg(name())
        .arg(
            Arg::new("tag")
                .value_name("TAG")
                .action(ArgAction::Append)
                .value_delimiter(',')
                .help("administrator, monitoring, policymaker, management, impersonator, or a word of yours; none takes all away"),
        )
        .after_help(
            "Examples:\n  \
             tubepost user set-tags ada administrator\n  \
             tubepost user set-tags ada",
        );
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
    for subcommand in [add, passwd, set_tags, delete, list] {
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
                .conflicts_with_all(["generate", "no-password"])
                .help("Read the password from standard input, its first line, instead of asking"),
        )
        .arg(
            Arg::new("generate")
                .long("generate")
                .action(ArgAction::SetTrue)
                .conflicts_with("no-password")
                .help("Make a password and print it, once"),
        )
        .arg(
            Arg::new("no-password")
                .long("no-password")
                .action(ArgAction::SetTrue)
                .help("No password: they log in by certificate only"),
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
    let users = Users::open(data.users_file())?.with_options(config.auth.clone());
    let name = matches.try_get_one::<String>("name").ok().flatten().map_or("", String::as_str);
    match verb {
        "add" => {
            let tags = tags(matches)?;
            let credential = credential(matches, name)?;
            let new = NewUser {
                credential: credential.clone().into(),
                tags,
                default_access: !matches.get_flag("no-permissions"),
            };
            users.create(name, &new)?;
            tell(&format!("user '{name}' created"), &credential)
        }
        "passwd" => {
            let credential = credential(matches, name)?;
            match &credential {
                Given::Typed(password) | Given::Generated(password) => {
                    users.set_password(name, password)?;
                }
                Given::None => users.clear_password(name)?,
            }
            tell(&format!("password of '{name}' changed"), &credential)
        }
        "set-tags" => {
            let tags = tags(matches)?;
            let said = match tags.is_empty() {
                true => "none".to_owned(),
                false => tags.to_string(),
            };
            users.set_tags(name, tags)?;
            remark(&shown(&format!("tags of '{name}': {said}")));
            Ok(())
        }
        "delete" => {
            users.delete(name)?;
            remark(&format!(
                "user '{}' removed; a running server closes their connections within a second",
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
    let width = users.iter().map(|user| user.name.chars().count()).max().unwrap_or(0);
    users.iter().try_for_each(|user| match json {
        true => print_line(&described(user).to_string()),
        false => {
            let line = format!("{:width$}  {}", user.name, user.tags);
            print_line(shown(&line).trim_end())
        }
    })
}

fn described(user: &User) -> serde_json::Value {
    json!({
        "name": user.name,
        "tags": user.tags,
        "has_password": user.has_password,
        "default_access": user.default_access,
    })
}

/// What the operator gave as a password.
#[derive(Clone)]
enum Given {
    Typed(Secret),
    Generated(Secret),
    None,
}

impl From<Given> for Credential {
    fn from(given: Given) -> Credential {
        match given {
            Given::Typed(password) | Given::Generated(password) => Credential::Password(password),
            Given::None => Credential::NoPassword,
        }
    }
}

fn tell(done: &str, given: &Given) -> Result<(), Failure> {
    remark(&shown(done));
    match given {
        Given::Generated(password) => print_line(password.expose()),
        Given::Typed(_) | Given::None => Ok(()),
    }
}

fn tags(matches: &ArgMatches) -> Result<Tags, Failure> {
    let words = matches.get_many::<String>("tag").into_iter().flatten();
    Ok(Tags::new(words.cloned())?)
}

fn credential(matches: &ArgMatches, name: &str) -> Result<Given, Failure> {
    if matches.get_flag("no-password") {
        return Ok(Given::None);
    }
    if matches.get_flag("generate") {
        return Ok(Given::Generated(Secret::generate().map_err(auth::Error::from)?));
    }
    if matches.get_flag("password-stdin") {
        let mut text = String::new();
        std::io::stdin().take(STDIN_BYTES_MAX).read_to_string(&mut text).map_err(|error| {
            Failure::failed(format!("standard input: the password cannot be read: {error}"))
        })?;
        return Ok(Given::Typed(Secret::new(text.lines().next().unwrap_or_default())));
    }
    Ok(Given::Typed(prompt(name)?))
}

const STDIN_BYTES_MAX: u64 = 64 * 1024;
