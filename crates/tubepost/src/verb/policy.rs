//! `tubepost policy`: arguments for all queues and exchanges whose names fit.

use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::{Value, json};

use super::{
    block_on,
    management::{
        Session, flag, given, group, is_on, name, no_command, say, text, vhost, vhost_of,
        vhost_or_all, with_vhost,
    },
};
use crate::{
    failure::Failure,
    listing,
    management_client::{Endpoint, Policies},
};

pub(crate) fn command() -> Command {
    let list = listing::with_options(
        Command::new("list").about("List the policies").args(vhost_or_all()).arg(operator()),
    )
    .after_help(
        "Examples:\n  tubepost policy list --all-vhosts\n  tubepost policy list --operator",
    );
    let show = Command::new("show")
        .about("Show a policy")
        .arg(name("name", "The policy"))
        .arg(vhost())
        .arg(operator())
        .after_help("Examples:\n  tubepost policy show ci-limits");
    let set = Command::new("set")
        .about("Create or replace a policy; it is in force at once")
        .arg(name("name", "The policy"))
        .arg(text("pattern", "Whose name it is found in, a regular expression"))
        .arg(
            Arg::new("definition")
                .value_name("JSON")
                .required(true)
                .value_parser(definition)
                .help("The arguments, a JSON object"),
        )
        .arg(vhost())
        .arg(
            Arg::new("apply-to")
                .long("apply-to")
                .value_name("WHAT")
                .default_value("all")
                .value_parser(APPLY_TO)
                .help("To what it applies"),
        )
        .arg(
            Arg::new("priority")
                .long("priority")
                .value_name("NUMBER")
                .default_value("0")
                .allow_negative_numbers(true)
                .value_parser(value_parser!(i64))
                .help("Of several that fit, the one of the highest counts, alone"),
        )
        .arg(operator())
        .after_help(
            "Examples:\n  \
             tubepost policy set ci-limits '^ci\\.' '{\"max-length\": 10000}' --apply-to queues\n  \
             tubepost policy set ceiling '.*' '{\"max-length\": 1000000}' --operator",
        );
    let delete = Command::new("delete")
        .about("Remove a policy; it is not in force any more at once")
        .arg(name("name", "The policy"))
        .arg(vhost())
        .arg(operator())
        .after_help("Examples:\n  tubepost policy delete ci-limits");
    let command = Command::new("policy").about("Set, remove and list policies");
    group(command, [list, listing::with_options_of_one(show), set, delete])
}

fn operator() -> Arg {
    flag("operator", "An operator policy, which limits what users' policies and arguments ask for")
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else { return Err(no_command("policy")) };
    let session = Session::open(matches)?;
    let whose = if is_on(matches, "operator") { Policies::Operators } else { Policies::Users };
    let (name, vhost) = (given(matches, "name"), given(matches, "vhost"));
    let endpoint = Endpoint::policy(whose, vhost, name);
    let subject = format!("{} '{name}' in virtual host '{vhost}'", whose.singular());
    block_on(async {
        match verb {
            "show" => session.show(&endpoint).await,
            "set" => {
                let body = json!({
                    "pattern": given(matches, "pattern"),
                    "definition": matches.get_one::<Value>("definition"),
                    "apply-to": given(matches, "apply-to"),
                    "priority": matches.get_one::<i64>("priority"),
                });
                session.put(&endpoint, &body).await?;
                say(&format!("{subject} is set"));
                Ok(())
            }
            "delete" => session.delete(&endpoint, &format!("{subject} removed")).await,
            _ => {
                let list = Endpoint::policies(whose, vhost_of(matches));
                session.list(&list, &with_vhost(matches, &COLUMNS)).await
            }
        }
    })
}

fn definition(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("expected a JSON object such as {\"max-length\": 1000}".to_owned()),
        Err(error) => Err(format!("{error}; expected JSON such as {{\"max-length\": 1000}}")),
    }
}

const APPLY_TO: [&str; 6] =
    ["all", "queues", "exchanges", "classic_queues", "quorum_queues", "streams"];
const COLUMNS: [&str; 5] = ["name", "pattern", "apply-to", "priority", "definition"];
