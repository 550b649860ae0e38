//! `tubepost channel`: the channels of connections.

use clap::{ArgMatches, Command};

use super::{
    block_on,
    management::{Session, given, group, name, no_command, only_vhost, vhost_of},
};
use crate::{failure::Failure, listing, management_client::Endpoint};

pub(crate) fn command() -> Command {
    let list =
        listing::with_options(Command::new("list").about("List the channels").arg(only_vhost()))
            .after_help("Examples:\n  tubepost channel list\n  tubepost channel list --vhost ci");
    let show = Command::new("show")
        .about("Show a channel with all its fields")
        .arg(name("name", "The channel, as the list has it"))
        .after_help("Examples:\n  tubepost channel show '127.0.0.1:52814 -> 127.0.0.1:5672 (1)'");
    let command = Command::new("channel").about("List and show channels");
    group(command, [list, listing::with_options_of_one(show)])
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else { return Err(no_command("channel")) };
    let session = Session::open(matches)?;
    block_on(async {
        match verb {
            "show" => session.show(&Endpoint::channel(given(matches, "name"))).await,
            _ => {
                let list = Endpoint::channels(vhost_of(matches));
                session.list(&list, &COLUMNS).await
            }
        }
    })
}

const COLUMNS: [&str; 7] = [
    "name",
    "user",
    "vhost",
    "consumer_count",
    "prefetch_count",
    "messages_unacknowledged",
    "messages_unconfirmed",
];
