//! `tubepost notify destination`: where somebody can be told.

use clap::{Arg, ArgMatches, Command};
use notify::{rule::Owner, store::Destination};

use super::{on_the_store, open, owner};
use crate::{
    failure::{Failure, remark},
    listing::{self, Listing},
    terminal::shown,
};

pub(super) fn command() -> Command {
    let owner = || owner().required(true);
    let list = listing::with_options(Command::new("list").about("List an owner's destinations"))
        .arg(owner())
        .after_help("Examples:\n  tubepost notify destination list ada");
    let add = Command::new("add")
        .about("Add a destination; the rules that say @KIND tell there from now on")
        .arg(owner())
        .arg(id())
        .after_help(
            "Examples:\n  tubepost notify destination add ada mail:ada@example.org\n\n\
             Nobody asks the address: who may write to the store answers for it.",
        );
    let remove = Command::new("remove")
        .about("Remove a destination; rules that name it tell nothing there")
        .arg(owner())
        .arg(id())
        .after_help("Examples:\n  tubepost notify destination remove ada mail:ada@example.org");
    [list, add, remove].into_iter().fold(
        Command::new("destination")
            .about("Where somebody can be told")
            .subcommand_required(true)
            .arg_required_else_help(true),
        |command, subcommand| command.subcommand(on_the_store(subcommand)),
    )
}

fn id() -> Arg {
    Arg::new("id")
        .value_name("KIND:ADDRESS")
        .required(true)
        .help("mail:ADDRESS; of other kinds, matrix and irc, this release only keeps them")
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else {
        return Err(Failure::called_wrongly("no command; see tubepost notify destination --help"));
    };
    let Some(owner) = matches.get_one::<Owner>("owner") else {
        return Err(Failure::called_wrongly("the owner is missing"));
    };
    let id = |matches: &ArgMatches| matches.get_one::<String>("id").cloned().unwrap_or_default();
    match verb {
        "add" => {
            let destination = Destination::new(&id(matches))?;
            open(matches, true)?.put_destination(owner, &destination)?;
            remark(&shown(&format!("{owner} can be told at {}", destination.id)));
            Ok(())
        }
        "remove" => {
            let id = id(matches);
            match open(matches, false)?.remove_destination(owner, &id)? {
                true => {
                    remark(&shown(&format!("{owner} is not told at {id} any more")));
                    Ok(())
                }
                false => Err(Failure::failed(shown(&format!(
                    "destination {id}: {owner} has none such; see tubepost notify destination list"
                )))),
            }
        }
        _ => {
            let all = open(matches, false)?.destinations(owner)?;
            let objects: Vec<_> =
                all.iter().filter_map(|one| serde_json::to_value(one).ok()).collect();
            let nothing = format!("{owner} has no destinations");
            Listing::of(matches).print(&objects, &["id", "enabled"], &nothing)
        }
    }
}
