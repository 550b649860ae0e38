//! `tubepost vhost limit`: how many connections and queues a virtual host may have.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;

use super::super::{
    block_on,
    management::{Session, given, group, name, no_command, say},
};
use crate::{failure::Failure, listing, management_client::Endpoint};

pub(super) fn command() -> Command {
    let list = listing::with_options(Command::new("list").about("List the limits"))
        .after_help("Examples:\n  tubepost vhost limit list");
    let limit = |id: &'static str, help| {
        Arg::new(id)
            .long(id)
            .value_name("NUMBER")
            .allow_negative_numbers(true)
            .value_parser(value_parser!(i64))
            .help(help)
    };
    let set = Command::new("set")
        .about("Limit a virtual host; limits that are not named stay")
        .arg(name("name", "The virtual host"))
        .arg(limit(LIMITS[0], "Connections at once; negative is no limit"))
        .arg(limit(LIMITS[1], "Queues; negative is no limit"))
        .after_help(
            "Examples:\n  \
             tubepost vhost limit set ci --max-connections 200 --max-queues 1000",
        );
    let clear = Command::new("clear")
        .about("Take limits of a virtual host away")
        .arg(name("name", "The virtual host"))
        .arg(
            Arg::new("limit")
                .value_name("LIMIT")
                .action(ArgAction::Append)
                .num_args(0..)
                .value_parser(LIMITS)
                .help("Which [default: both]"),
        )
        .after_help(
            "Examples:\n  \
             tubepost vhost limit clear ci\n  \
             tubepost vhost limit clear ci max-queues",
        );
    group(Command::new("limit").about("Limit virtual hosts"), [list, set, clear])
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else {
        return Err(no_command("vhost limit"));
    };
    let session = Session::open(matches)?;
    let name = given(matches, "name");
    // RabbitMQ takes limits also of a virtual host that is not there, so it is asked for first.
    block_on(async {
        match verb {
            "set" => set(&session, name, matches).await,
            "clear" => {
                session.client.get(&Endpoint::vhost(name)).await?;
                let named: Vec<&str> = matches
                    .get_many::<String>("limit")
                    .into_iter()
                    .flatten()
                    .map(String::as_str)
                    .collect();
                let limits = if named.is_empty() { &LIMITS[..] } else { &named };
                for limit in limits {
                    let done = format!("virtual host '{name}': no {limit}");
                    session.delete(&Endpoint::vhost_limit(name, limit), &done).await?;
                }
                Ok(())
            }
            _ => {
                let columns = ["vhost", "value.max-connections", "value.max-queues"];
                session.list(&Endpoint::vhost_limits(None), &columns).await
            }
        }
    })
}

async fn set(session: &Session, name: &str, matches: &ArgMatches) -> Result<(), Failure> {
    let said = LIMITS.iter().filter_map(|limit| Some((limit, matches.get_one::<i64>(limit)?)));
    let said: Vec<_> = said.collect();
    if said.is_empty() {
        return Err(Failure::called_wrongly(
            "nothing to limit; give --max-connections or --max-queues",
        ));
    }
    session.client.get(&Endpoint::vhost(name)).await?;
    for (limit, value) in said {
        session.put(&Endpoint::vhost_limit(name, limit), &json!({ "value": value })).await?;
        say(&format!("virtual host '{name}': {limit} is {value}"));
    }
    Ok(())
}

const LIMITS: [&str; 2] = ["max-connections", "max-queues"];
