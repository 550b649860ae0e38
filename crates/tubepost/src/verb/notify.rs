//! `tubepost notify`: people's rules, what they would have matched, and why. Works on the store of
//! rules, beside a running notifier, which sees a change within a second.

mod destination;
mod group;
mod import;
mod parked;
mod preview;
mod rule;
mod rule_text;
mod silence;
mod why;

use clap::{Arg, ArgMatches, Command};
use notify::{rule::Owner, store};

use crate::{
    cli,
    config::{Config, Verb},
    failure::Failure,
    serve::data_directory::DataDirectory,
    terminal::shown,
};

pub(crate) fn command() -> Command {
    Command::new("notify")
        .about("People's rules: what they want to hear of, and where")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(
            "Begin with:\n  \
             tubepost notify rule add ada --name mine --people @me --not-mine --to mail:ada@example.org\n  \
             tubepost tail --json --limit 1 | tubepost notify why - ada\n\n\
             A running notifier sees each change within a second. docs/notify.md has the form of rules.",
        )
        .subcommand(rule::command())
        .subcommand(destination::command())
        .subcommand(destination::push_key_command())
        .subcommand(group::command())
        .subcommand(group::maintainer_command())
        .subcommand(silence::command())
        .subcommand(preview::command())
        .subcommand(why::command())
        .subcommand(parked::command())
        .subcommand(import::command())
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("rule", matches)) => rule::run(matches),
        Some(("destination", matches)) => destination::run(matches),
        Some(("push-key", matches)) => destination::run_push_key(matches),
        Some(("group", matches)) => group::run(matches),
        Some(("maintainer", matches)) => group::run_maintainer(matches),
        Some(("silence", matches)) => silence::run(matches),
        Some(("preview", matches)) => preview::run(matches),
        Some(("why", matches)) => why::run(matches),
        Some(("parked", matches)) => parked::run(matches),
        Some(("import", matches)) => import::run(matches),
        _ => Err(Failure::called_wrongly("no command; see tubepost notify --help")),
    }
}

/// The options of a command that works on the store.
fn on_the_store(command: Command) -> Command {
    cli::with_options(command, Verb::Notify)
}

/// The store of the configuration. Made when it is not there and `makes` says so; else nothing is
/// there to be looked at.
fn open(matches: &ArgMatches, makes: bool) -> Result<store::Store, Failure> {
    open_at(&cli::config(matches)?, makes)
}

fn open_at(config: &Config, makes: bool) -> Result<store::Store, Failure> {
    let store = &config.notify_store;
    if !store.exists() && !makes {
        return Err(Failure::failed(format!(
            "{store}: there are no rules yet; make one with tubepost notify rule add, or name \
             another store with --rules"
        )));
    }
    if makes && !config.notify_store_named {
        DataDirectory::prepare(&config.data_dir)?;
    }
    Ok(store.open()?)
}

/// Where notices wait; nothing, when no notifier ran yet.
fn open_outbox(matches: &ArgMatches) -> Result<Option<store::Store>, Failure> {
    outbox_of(&cli::config(matches)?)
}

fn outbox_of(config: &Config) -> Result<Option<store::Store>, Failure> {
    let outbox = config.notify_store.outbox();
    match outbox.exists() {
        true => Ok(Some(outbox.open()?)),
        false => Ok(None),
    }
}

/// Whose: `ada`, or `group:kernel`.
fn owner() -> Arg {
    Arg::new("owner")
        .value_name("OWNER")
        .value_parser(|text: &str| text.parse::<Owner>())
        .help("A person by the name that events use, or group:NAME")
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Failure {
        match error {
            store::Error::Rule(_) | store::Error::Refused(_) => {
                let lines = error.to_string();
                Failure::CalledWrongly(lines.lines().map(|line| shown(line).into_owned()).collect())
            }
            error => Failure::failed(shown(&error.to_string()).into_owned()),
        }
    }
}
