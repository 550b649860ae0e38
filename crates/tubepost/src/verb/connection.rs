//! `tubepost connection`: who is connected.

use clap::{Arg, ArgMatches, Command};
use hyper::header::HeaderValue;

use super::{
    block_on,
    management::{Session, given, group, name, no_command, only_vhost, say, vhost_of},
};
use crate::{failure::Failure, listing, management_client::Endpoint};

pub(crate) fn command() -> Command {
    let list =
        listing::with_options(Command::new("list").about("List the connections").arg(only_vhost()))
            .after_help(
                "Examples:\n  \
         tubepost connection list\n  \
         tubepost connection list --vhost ci --columns name,user,client_properties.product",
            );
    let show = Command::new("show")
        .about("Show a connection with all its fields")
        .arg(connection())
        .after_help("Examples:\n  tubepost connection show '127.0.0.1:52814 -> 127.0.0.1:5672'");
    let close = Command::new("close")
        .about("Close a connection; its client is told, and may come back")
        .arg(connection())
        .arg(
            Arg::new("reason")
                .long("reason")
                .value_name("TEXT")
                .value_parser(reason)
                .default_value("Closed by tubepost connection close")
                .help("What its client is told"),
        )
        .after_help(
            "Examples:\n  \
             tubepost connection close '127.0.0.1:52814 -> 127.0.0.1:5672' --reason 'maintenance'",
        );
    let command = Command::new("connection").about("List, show and close connections");
    group(command, [list, listing::with_options_of_one(show), close])
}

fn connection() -> Arg {
    name("name", "The connection, as the list has it")
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else { return Err(no_command("connection")) };
    let session = Session::open(matches)?;
    let name = given(matches, "name");
    let endpoint = Endpoint::connection(name);
    block_on(async {
        match (verb, matches.try_get_one::<HeaderValue>("reason").ok().flatten()) {
            ("close", Some(reason)) => {
                session.client.close(&endpoint, reason).await?;
                say(&format!("connection '{name}' closed"));
                Ok(())
            }
            ("show", _) => session.show(&endpoint).await,
            _ => {
                let list = Endpoint::connections(vhost_of(matches));
                session.list(&list, &COLUMNS).await
            }
        }
    })
}

// It travels in a header (RFC 9110 §5.5).
fn reason(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| "expected one line without control characters".to_owned())
}

const COLUMNS: [&str; 7] =
    ["name", "user", "vhost", "state", "channels", "user_provided_name", "connected_at"];
