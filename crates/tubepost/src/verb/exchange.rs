//! `tubepost exchange`: where messages are published to.

use clap::{Arg, ArgMatches, Command, builder::NonEmptyStringValueParser};
use serde_json::json;

use super::{
    block_on,
    management::{
        Session, flag, given, group, is_on, name, no_command, switch, vhost, vhost_of,
        vhost_or_all, with_vhost,
    },
    named_value::{arguments, arguments_of},
};
use crate::{failure::Failure, listing, management_client::Endpoint};

pub(crate) fn command() -> Command {
    let list = listing::with_options(
        Command::new("list").about("List the exchanges").args(vhost_or_all()),
    )
    .after_help(
        "Examples:\n  tubepost exchange list\n  tubepost exchange list --columns name,type",
    );
    let show = Command::new("show")
        .about("Show an exchange with all its fields")
        .arg(exchange())
        .arg(vhost())
        .after_help("Examples:\n  tubepost exchange show amq.topic");
    let declare = Command::new("declare")
        .about("Create an exchange; one that is there must be as asked for")
        .arg(exchange())
        .arg(vhost())
        .arg(
            Arg::new("type")
                .long("type")
                .value_name("TYPE")
                .required(true)
                .value_parser(NonEmptyStringValueParser::new())
                .help("direct, fanout, topic, headers, or another that the broker knows"),
        )
        .arg(switch("durable", "true", "It survives a restart"))
        .arg(switch("auto-delete", "false", "It goes with the last binding from it"))
        .arg(switch("internal", "false", "Only exchanges may publish to it"))
        .arg(arguments())
        .after_help(
            "Examples:\n  \
             tubepost exchange declare events --type topic\n  \
             tubepost exchange declare events --type topic --argument alternate-exchange=unrouted",
        );
    let delete = Command::new("delete")
        .about("Remove an exchange with its bindings")
        .arg(exchange())
        .arg(vhost())
        .arg(flag("if-unused", "Only if nothing is bound to it"))
        .after_help("Examples:\n  tubepost exchange delete events --if-unused");
    let command = Command::new("exchange").about("Declare, remove and list exchanges");
    group(command, [list, listing::with_options_of_one(show), declare, delete])
}

fn exchange() -> Arg {
    name("name", "The exchange; the default one, which has no name, is called amq.default")
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else { return Err(no_command("exchange")) };
    let session = Session::open(matches)?;
    let (name, vhost) = (given(matches, "name"), given(matches, "vhost"));
    let endpoint = Endpoint::exchange(vhost, name);
    let subject = format!("exchange '{name}' in virtual host '{vhost}'");
    block_on(async {
        match verb {
            "show" => session.show(&endpoint).await,
            "declare" => {
                let body = json!({
                    "type": given(matches, "type"),
                    "durable": is_on(matches, "durable"),
                    "auto_delete": is_on(matches, "auto-delete"),
                    "internal": is_on(matches, "internal"),
                    "arguments": arguments_of(matches)?,
                });
                session.declare(&endpoint, &body).await
            }
            "delete" => {
                let asked: &[&str] = if is_on(matches, "if-unused") { &["if-unused"] } else { &[] };
                session.delete(&endpoint.only(asked), &format!("{subject} removed")).await
            }
            _ => {
                let list = Endpoint::exchanges(vhost_of(matches));
                session.list(&list, &with_vhost(matches, &COLUMNS)).await
            }
        }
    })
}

const COLUMNS: [&str; 6] =
    ["name=(default)", "type", "durable", "auto_delete", "internal", "arguments"];
