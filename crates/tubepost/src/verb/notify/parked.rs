//! `tubepost notify parked`: notices that nobody takes, with the reason.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use notify::store::Parked;
use serde_json::json;

use super::{on_the_store, open_at, open_outbox};
use crate::{
    cli,
    config::Config,
    failure::Failure,
    listing::{self, Listing},
    terminal::print_line,
};

pub(super) fn command() -> Command {
    let which = |about: &'static str, verb: &'static str| {
        let command = Command::new(verb)
            .about(about)
            .after_help(format!(
                "Examples:\n  \
                 tubepost notify parked {verb} 7\n  \
                 tubepost notify parked {verb} --all"
            ))
            .arg(
                Arg::new("number")
                    .value_name("NUMBER")
                    .required_unless_present("all")
                    .conflicts_with("all")
                    .value_parser(value_parser!(u64).range(1..i64::MAX as u64))
                    .help("As parked list shows it"),
            )
            .arg(Arg::new("all").long("all").action(ArgAction::SetTrue).help("All of them"));
        on_the_store(command)
    };
    let list = Command::new("list").about("List them, oldest first").after_help(
        "Examples:\n  \
             tubepost notify parked list\n  \
             tubepost notify parked list --json | jq -r .reason | sort | uniq -c",
    );
    Command::new("parked")
        .about("Notices that were refused for good: list, try again, drop")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(listing::with_options(on_the_store(list)))
        .subcommand(which("Have them tried again, at once", "retry"))
        .subcommand(which("Forget them", "drop"))
        .after_help(
            "Examples:\n  \
             tubepost notify parked list\n  \
             tubepost notify parked retry 7\n  \
             tubepost notify parked drop --all",
        )
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("list", matches)) => list(matches),
        Some((verb @ ("retry" | "drop"), matches)) => {
            let Some(store) = open_outbox(matches)? else { return Err(nothing()) };
            let number = matches.get_one::<u64>("number").copied();
            let count = match verb {
                "retry" => {
                    let count = store.retry_parked(number)?;
                    nudge(&cli::config(matches)?)?;
                    count
                }
                _ => store.drop_parked(number)?,
            };
            match (count, number) {
                (0, Some(_)) => Err(nothing()),
                _ => print_line(&format!(
                    "{count} {}",
                    if count == 1 { "notice" } else { "notices" }
                )),
            }
        }
        _ => Err(Failure::called_wrongly("no command; see tubepost notify parked --help")),
    }
}

/// Without rules no notifier follows their store: it looks again by itself.
fn nudge(config: &Config) -> Result<(), Failure> {
    match config.notify_store.exists() {
        true => Ok(open_at(config, false)?.nudge()?),
        false => Ok(()),
    }
}

fn list(matches: &ArgMatches) -> Result<(), Failure> {
    let parked = open_outbox(matches)?.map_or(Ok(Vec::new()), |store| store.parked(LISTED_MAX))?;
    let object = |Parked { number, event_id, place, reason, at }| {
        json!({"number": number, "at": at.to_string(), "event": event_id, "to": place,
               "reason": reason})
    };
    let objects: Vec<_> = parked.into_iter().map(object).collect();
    Listing::of(matches).print(&objects, &COLUMNS, "nothing is parked")
}

fn nothing() -> Failure {
    Failure::failed("there is no such notice; see tubepost notify parked list")
}

const COLUMNS: [&str; 5] = ["number", "at", "event", "to", "reason"];
/// More are looked at when these are dealt with.
const LISTED_MAX: usize = 10_000;
