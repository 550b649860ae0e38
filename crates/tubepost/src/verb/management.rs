//! What the commands of the management API have in common: where it is, the virtual host, names,
//! and saying what was done.

use clap::{Arg, ArgAction, ArgMatches, Command, builder::NonEmptyStringValueParser};
use serde_json::Value;

use crate::{
    cli,
    config::{Origin, Settings, Verb, table},
    failure::{Failure, remark},
    listing::Listing,
    management_client::{Address, Client, Endpoint, Written},
    terminal::shown,
};

/// A command's way to the API and back to who called it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) listing: Listing,
}

impl Session {
    /// As the command's options say. Nothing is connected yet.
    ///
    /// # Errors
    /// The configuration is wrong.
    pub(super) fn open(matches: &ArgMatches) -> Result<Session, Failure> {
        let client = Client::new(address(&cli::settings(matches)?)?);
        Ok(Session { client, listing: Listing::of(matches) })
    }

    /// Lists what an endpoint has; see [`Listing::print`].
    ///
    /// # Errors
    /// The API is not reached or refuses; the output cannot be written.
    pub(super) async fn list(&self, endpoint: &Endpoint, usual: &[&str]) -> Result<(), Failure> {
        let objects = self.client.list(endpoint).await?;
        self.listing.print(&objects, usual, &format!("there are no {}", endpoint.subject()))
    }

    /// Shows one thing.
    ///
    /// # Errors
    /// As [`Session::list`]; there is no such thing.
    pub(super) async fn show(&self, endpoint: &Endpoint) -> Result<(), Failure> {
        self.listing.print_one(&self.client.get(endpoint).await?)
    }

    /// Makes something, and says whether it was new.
    ///
    /// # Errors
    /// The API is not reached or refuses.
    pub(super) async fn put(&self, endpoint: &Endpoint, body: &Value) -> Result<Written, Failure> {
        Ok(self.client.put(endpoint, body).await?)
    }

    /// As [`Session::put`], of what stays as it is when it is there.
    ///
    /// # Errors
    /// As [`Session::put`]; one is there that is otherwise.
    pub(super) async fn declare(&self, endpoint: &Endpoint, body: &Value) -> Result<(), Failure> {
        let done = match self.put(endpoint, body).await? {
            Written::Created => "declared",
            Written::Updated => "is there already, as asked for",
        };
        say(&format!("{} {done}", endpoint.subject()));
        Ok(())
    }

    /// Takes something away and says so.
    ///
    /// # Errors
    /// The API is not reached or refuses; there is no such thing.
    pub(super) async fn delete(&self, endpoint: &Endpoint, done: &str) -> Result<(), Failure> {
        self.client.delete(endpoint).await?;
        say(done);
        Ok(())
    }
}

/// Says what was done.
pub(super) fn say(done: &str) {
    remark(&shown(done));
}

/// A command group: its subcommands can all reach the API.
pub(super) fn group(command: Command, subcommands: impl IntoIterator<Item = Command>) -> Command {
    subcommands.into_iter().fold(
        command.subcommand_required(true).arg_required_else_help(true),
        |command, subcommand| {
            command.subcommand(match subcommand.has_subcommands() {
                true => subcommand,
                false => reaching(subcommand),
            })
        },
    )
}

/// A command that reaches the API.
pub(super) fn reaching(command: Command) -> Command {
    cli::with_options(command, Verb::Management)
}

/// The virtual host of what is declared in one.
pub(super) fn vhost() -> Arg {
    Arg::new("vhost")
        .long("vhost")
        .value_name("VHOST")
        .default_value("/")
        .value_parser(NonEmptyStringValueParser::new())
        .help("The virtual host")
}

/// [`vhost`], or all of them.
pub(super) fn vhost_or_all() -> [Arg; 2] {
    let all = Arg::new("all-vhosts")
        .long("all-vhosts")
        .action(ArgAction::SetTrue)
        .conflicts_with("vhost")
        .help("What is in any virtual host");
    [vhost(), all]
}

/// A virtual host to narrow a list of what clients have opened.
pub(super) fn only_vhost() -> Arg {
    Arg::new("vhost")
        .long("vhost")
        .value_name("VHOST")
        .value_parser(NonEmptyStringValueParser::new())
        .help("Only what is in this virtual host [default: all]")
}

/// What stands for the three; `None` is all.
pub(super) fn vhost_of(matches: &ArgMatches) -> Option<&str> {
    match matches.try_get_one::<bool>("all-vhosts").ok().flatten() {
        Some(true) => None,
        _ => optional(matches, "vhost"),
    }
}

/// The columns of a list, with the virtual host before them if there may be several.
pub(super) fn with_vhost<'a>(matches: &ArgMatches, columns: &[&'a str]) -> Vec<&'a str> {
    let first = vhost_of(matches).is_none().then_some("vhost");
    first.into_iter().chain(columns.iter().copied()).collect()
}

/// A name that has to be given, by its place.
pub(super) fn name(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id)
        .value_name(id.to_uppercase())
        .required(true)
        .value_parser(NonEmptyStringValueParser::new())
        .help(help)
}

/// A text that has to be given, by its place; it may be empty, and begin with a dash.
pub(super) fn text(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id).value_name(id.to_uppercase()).required(true).allow_hyphen_values(true).help(help)
}

/// `--durable` and the like: `--NAME`, or `--NAME=false`.
pub(super) fn switch(id: &'static str, default: &'static str, help: &'static str) -> Arg {
    Arg::new(id)
        .long(id)
        .value_name("BOOL")
        .num_args(0..=1)
        .require_equals(true)
        .default_value(default)
        .default_missing_value("true")
        .value_parser(clap::value_parser!(bool))
        .help(help)
}

/// A flag that is off unless it is given.
pub(super) fn flag(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(id).action(ArgAction::SetTrue).help(help)
}

/// What was given, empty if nothing was.
pub(super) fn given<'a>(matches: &'a ArgMatches, id: &str) -> &'a str {
    optional(matches, id).unwrap_or_default()
}

/// What was given.
pub(super) fn optional<'a>(matches: &'a ArgMatches, id: &str) -> Option<&'a str> {
    matches.try_get_one::<String>(id).ok().flatten().map(String::as_str)
}

/// Whether a [`switch`] or [`flag`] is on.
pub(super) fn is_on(matches: &ArgMatches, id: &str) -> bool {
    matches.try_get_one::<bool>(id).ok().flatten().copied().unwrap_or(false)
}

/// No command of the group was named; clap says so before it comes to this.
pub(super) fn no_command(group: &str) -> Failure {
    Failure::called_wrongly(format!("no command; see tubepost {group} --help"))
}

// A data directory on the command line is meant, whatever address is in the environment.
fn address(settings: &Settings) -> Result<Address, Failure> {
    let is_flag = |key: &str| {
        settings.said(key).is_some_and(|setting| matches!(setting.origin, Origin::Flag(_)))
    };
    let url = settings.get(&table::MANAGEMENT_URL)?;
    let is_local =
        is_flag(table::DATA_DIR.declaration.key) && !is_flag(table::MANAGEMENT_URL.declaration.key);
    match url.filter(|_| !is_local) {
        Some(url) => Ok(Address::Url(url)),
        None => Ok(Address::Socket(settings.need(&table::DATA_DIR)?.join(SOCKET))),
    }
}

/// In the data directory.
const SOCKET: &str = "management.sock";
