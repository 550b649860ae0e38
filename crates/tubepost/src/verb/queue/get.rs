//! `tubepost queue get`: a look at the first messages of a queue.

use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::{Value, json};

use super::{
    super::management::{Session, flag, given, is_on, vhost},
    queue,
};
use crate::{failure::Failure, listing, management_client::Endpoint};

pub(super) fn command() -> Command {
    let get = Command::new("get")
        .about("Show the first messages of a queue; they go back into it, marked as redelivered")
        .arg(queue())
        .arg(
            Arg::new("count")
                .value_name("N")
                .default_value("1")
                .value_parser(value_parser!(u32).range(1..))
                .help("How many at most"),
        )
        .arg(vhost())
        .arg(flag("take", "Take them out of the queue instead"));
    listing::with_options(get).after_help(
        "Examples:\n  \
         tubepost queue get jobs\n  \
         tubepost queue get jobs 10 --json | jq .payload\n  \
         tubepost queue get jobs 1 --take\n\n\
         What is no text comes in base64, with payload_encoding saying so. To read all that comes,\n\
         subscribe: tubepost tail.",
    )
}

pub(super) async fn run(session: &Session, matches: &ArgMatches) -> Result<(), Failure> {
    let (name, vhost) = (given(matches, "name"), given(matches, "vhost"));
    let mode = if is_on(matches, "take") { "ack_requeue_false" } else { "ack_requeue_true" };
    let body = json!({
        "count": matches.get_one::<u32>("count"),
        "ackmode": mode,
        "encoding": "auto",
    });
    let messages = session.client.post(&Endpoint::queue_get(vhost, name), &body).await?;
    let messages = match messages {
        Value::Array(messages) => messages,
        _ => Vec::new(),
    };
    let nothing = format!("queue '{name}' in virtual host '{vhost}' has no message that waits");
    session.listing.print(&messages, &COLUMNS, &nothing)
}

const COLUMNS: [&str; 5] =
    ["exchange=(default)", "routing_key", "redelivered", "payload_encoding", "payload"];
