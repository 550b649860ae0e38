//! `tubepost queue`: queues and streams, and a look at what is in them.

mod get;

use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};

use super::{
    block_on,
    management::{
        Session, flag, given, group, is_on, name, no_command, optional, switch, vhost, vhost_of,
        vhost_or_all, with_vhost,
    },
    named_value::{arguments, arguments_of},
};
use crate::{failure::Failure, listing, management_client::Endpoint};

pub(crate) fn command() -> Command {
    let list = listing::with_options(
        Command::new("list").about("List the queues").args(vhost_or_all()),
    )
    .after_help(
        "Examples:\n  \
         tubepost queue list\n  \
         tubepost queue list --all-vhosts --columns name,messages,message_stats.publish_details.rate\n  \
         tubepost queue list --json | jq 'select(.consumers == 0)'",
    );
    let show = Command::new("show")
        .about("Show a queue with all its fields")
        .arg(queue())
        .arg(vhost())
        .after_help("Examples:\n  tubepost queue show jobs");
    let declare = Command::new("declare")
        .about("Create a queue; one that is there must be as asked for")
        .arg(queue())
        .arg(vhost())
        .arg(
            Arg::new("type")
                .long("type")
                .value_name("TYPE")
                .value_parser(["classic", "quorum", "stream"])
                .help("What kind of queue [default: that of the virtual host]"),
        )
        .arg(switch("durable", "true", "It survives a restart"))
        .arg(switch("auto-delete", "false", "It goes with its last consumer"))
        .arg(arguments())
        .after_help(
            "Examples:\n  \
             tubepost queue declare jobs\n  \
             tubepost queue declare jobs --type quorum --argument x-delivery-limit=5\n  \
             tubepost queue declare log --type stream --argument x-max-age=7D",
        );
    let delete = Command::new("delete")
        .about("Remove a queue with its messages")
        .arg(queue())
        .arg(vhost())
        .arg(flag("if-empty", "Only if no message is in it"))
        .arg(flag("if-unused", "Only if nobody consumes from it"))
        .after_help("Examples:\n  tubepost queue delete jobs --if-empty --if-unused");
    let purge = Command::new("purge")
        .about("Remove the messages that wait in a queue; those being delivered stay")
        .arg(queue())
        .arg(vhost())
        .after_help("Examples:\n  tubepost queue purge jobs");
    let command = Command::new("queue").about("Declare, remove, list and look into queues");
    let show = listing::with_options_of_one(show);
    group(command, [list, show, declare, delete, purge, get::command()])
}

fn queue() -> Arg {
    name("name", "The queue")
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else { return Err(no_command("queue")) };
    let session = Session::open(matches)?;
    let (name, vhost) = (given(matches, "name"), given(matches, "vhost"));
    let endpoint = Endpoint::queue(vhost, name);
    let subject = format!("queue '{name}' in virtual host '{vhost}'");
    block_on(async {
        match verb {
            "show" => session.show(&endpoint).await,
            "declare" => session.declare(&endpoint, &declared(matches)?).await,
            "delete" => {
                let conditions = ["if-empty", "if-unused"];
                let asked: Vec<&str> =
                    conditions.into_iter().filter(|id| is_on(matches, id)).collect();
                session.delete(&endpoint.only(&asked), &format!("{subject} removed")).await
            }
            "purge" => {
                let contents = Endpoint::queue_contents(vhost, name);
                session.delete(&contents, &format!("{subject} purged")).await
            }
            "get" => get::run(&session, matches).await,
            _ => {
                let list = Endpoint::queues(vhost_of(matches));
                session.list(&list, &with_vhost(matches, &COLUMNS)).await
            }
        }
    })
}

fn declared(matches: &ArgMatches) -> Result<Value, Failure> {
    let mut arguments = arguments_of(matches)?;
    if let Some(kind) = optional(matches, "type")
        && arguments.insert("x-queue-type".to_owned(), json!(kind)).is_some()
    {
        return Err(Failure::called_wrongly(
            "--type and --argument x-queue-type: give one of them",
        ));
    }
    Ok(json!({
        "durable": is_on(matches, "durable"),
        "auto_delete": is_on(matches, "auto-delete"),
        "arguments": arguments,
    }))
}

const COLUMNS: [&str; 6] =
    ["name", "type", "messages_ready", "messages_unacknowledged", "messages", "consumers"];
