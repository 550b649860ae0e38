//! `tubepost notify destination`: where somebody can be told.

use clap::{Arg, ArgMatches, Command};
use notify::{Kind, Place, rule::Owner, store::Destination};
use serde_json::json;

use super::{on_the_store, open, owner};
use crate::{
    cli, config,
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
            "Examples:\n  tubepost notify destination add ada mail:ada@example.org\n  \
             tubepost notify destination add ada webhook:https://example.org/hook\n  \
             tubepost notify destination add ada webhook:slack+https://chat.example.org/x7\n  \
             tubepost notify destination add ada ntfy:ada-9f27c1\n\n\
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
        .help("mail:ADDRESS, webhook:URL (slack+, mattermost+ or discord+ before it) or ntfy:TOPIC")
}

/// Where a destination is, if this server's configuration reaches its kind.
pub(super) fn reachable(matches: &ArgMatches, destination: &Destination) -> Result<Place, Failure> {
    let place: Place =
        destination.id.parse().map_err(|why: String| Failure::called_wrongly(why))?;
    let kind = place.kind();
    // Mail goes without a word: there is a default of everything.
    if kind == Kind::Mail || notifier(matches)?.kinds().contains(&kind) {
        return Ok(place);
    }
    let everywhere = "in the configuration of the server that tells and of this command";
    let reason = match kind {
        Kind::Webhook => format!("is not set up; set notify.webhook.secret_file, {everywhere}"),
        Kind::Ntfy => format!("is not set up; set notify.ntfy.url, {everywhere}"),
        _ => {
            "is not told by this release yet; add a mail:, webhook: or ntfy: destination".to_owned()
        }
    };
    Err(Failure::failed(shown(&format!("destination {}: {kind} {reason}", destination.shown()))))
}

fn notifier(matches: &ArgMatches) -> Result<notify::Config, Failure> {
    let config = config::notifier(&cli::settings(matches)?)?;
    config.ok_or_else(|| Failure::failed("nobody is told: there is no [notify.mail]"))
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
            let place = reachable(matches, &destination)?;
            open(matches, true)?.put_destination(owner, &destination)?;
            remark(&shown(&format!("{owner} can be told at {}", destination.shown())));
            if let (Some(webhook), Kind::Webhook) = (notifier(matches)?.webhook, place.kind()) {
                let secret = webhook.secret_of(&place);
                remark(&format!("what it receives is signed, to be checked with {secret}"));
            }
            Ok(())
        }
        "remove" => {
            let id = id(matches);
            match open(matches, false)?.remove_destination(owner, &id)? {
                true => {
                    let gone = Destination { id, enabled: true };
                    remark(&shown(&format!("{owner} is not told at {} any more", gone.shown())));
                    Ok(())
                }
                false => Err(Failure::failed(shown(&format!(
                    "destination {id}: {owner} has none such; see tubepost notify destination list"
                )))),
            }
        }
        _ => {
            let store = open(matches, false)?;
            let mut objects = Vec::new();
            for one in store.destinations(owner)? {
                let bounced = store.bounced(&one)?;
                let reason = bounced.map(|bounced| bounced.reason);
                // An address may be all the secret there is.
                objects.push(json!({
                    "id": one.shown(),
                    "enabled": one.enabled,
                    "bounced": reason.unwrap_or_default(),
                }));
            }
            let nothing = format!("{owner} has no destinations");
            Listing::of(matches).print(&objects, &["id", "enabled", "bounced"], &nothing)
        }
    }
}
