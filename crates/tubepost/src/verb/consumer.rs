//! `tubepost consumer`: who takes from which queue.

use clap::{ArgMatches, Command};

use super::{
    block_on,
    management::{Session, group, no_command, only_vhost, vhost_of},
};
use crate::{failure::Failure, listing, management_client::Endpoint};

pub(crate) fn command() -> Command {
    let list =
        listing::with_options(Command::new("list").about("List the consumers").arg(only_vhost()))
            .after_help("Examples:\n  tubepost consumer list\n  tubepost consumer list --vhost ci");
    group(Command::new("consumer").about("List the consumers of queues"), [list])
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((_, matches)) = matches.subcommand() else { return Err(no_command("consumer")) };
    let session = Session::open(matches)?;
    let list = Endpoint::consumers(vhost_of(matches));
    block_on(session.list(&list, &COLUMNS))
}

const COLUMNS: [&str; 6] = [
    "queue.vhost",
    "queue.name",
    "consumer_tag",
    "channel_details.name",
    "ack_required",
    "prefetch_count",
];
