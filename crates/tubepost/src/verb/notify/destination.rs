//! `tubepost notify destination`: where somebody can be told.

use std::io::{Read, stdin};

use clap::{Arg, ArgMatches, Command};
use notify::{
    Form, Kind, Place, PushSubscription, Secret, feed_url, rule::Owner, store::Destination,
};
use serde_json::json;

use super::{on_the_store, open, open_at, open_outbox, owner};
use crate::{
    cli,
    config::{self, Config},
    failure::{Failure, remark},
    listing::{self, Listing},
    terminal::{print_line, shown},
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
             tubepost notify destination add ada ntfy:ada-9f27c1\n  \
             tubepost notify destination add ada irc:ada\n  \
             tubepost notify destination add group:kernel 'irc:#kernel'\n  \
             tubepost notify destination add ada matrix:@ada:example.org\n  \
             tubepost notify destination add ada desktop:ada\n  \
             tubepost notify destination add ada feed:\n  \
             tubepost notify destination add ada push: < subscription.json\n\n\
             Nobody asks the address: who may write to the store answers for it. feed: makes a feed \
             and prints its addresses, as Atom and as RSS, this once: who has one reads the feed.",
        );
    let remove = Command::new("remove")
        .about("Remove a destination; rules that name it tell nothing there")
        .arg(owner())
        .arg(id())
        .after_help("Examples:\n  tubepost notify destination remove ada mail:ada@example.org");
    let rotate = Command::new("rotate")
        .about("Give a feed other addresses; the ones it had open nothing any more")
        .arg(owner())
        .arg(id())
        .after_help("Examples:\n  tubepost notify destination rotate ada feed:3f9a0b12c4d5");
    [list, add, rotate, remove].into_iter().fold(
        Command::new("destination")
            .about("Where somebody can be told")
            .subcommand_required(true)
            .arg_required_else_help(true),
        |command, subcommand| command.subcommand(on_the_store(subcommand)),
    )
}

fn id() -> Arg {
    Arg::new("id").value_name("KIND:ADDRESS").required(true).help(
        "mail:ADDRESS; webhook:URL, maybe slack+, mattermost+ or discord+ before it; \
         ntfy:TOPIC; irc:NICK, irc:#CHANNEL; matrix:@USER:SERVER, matrix:#ALIAS:SERVER, \
         matrix:!ROOM; desktop:USER, of the bus; feed:NAME, to make one feed:; push: for a \
         browser, whose subscription is read from standard input",
    )
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
        Kind::Irc => format!("is not set up; set notify.irc.url, {everywhere}"),
        Kind::Matrix => format!("is not set up; set notify.matrix.url, {everywhere}"),
        Kind::Push => format!("is not set up; set notify.push.contact, {everywhere}"),
        _ => "is not told by this release yet; add one of another kind".to_owned(),
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
        "add" if id(matches) == "feed:" => {
            let config = cli::config(matches)?;
            let (destination, secret) = open_at(&config, true)?.make_feed(owner)?;
            print_addresses(&config, &secret)?;
            remark(&format!(
                "{owner} has the feed {}; its addresses are shown only now, and are its key",
                destination.id
            ));
            Ok(())
        }
        "rotate" => {
            let config = cli::config(matches)?;
            let id = id(matches);
            let secret = open_at(&config, false)?.rotate_feed(owner, &id)?;
            print_addresses(&config, &secret)?;
            remark(&format!("{id} has these addresses now, and no other; they are its key"));
            Ok(())
        }
        "add" => {
            let id = match id(matches).as_str() {
                "push:" => subscription()?,
                id => id.to_owned(),
            };
            let destination = Destination::new(&id)?;
            let place = reachable(matches, &destination)?;
            open(matches, true)?.put_destination(owner, &destination)?;
            if let Some(outbox) = open_outbox(matches)? {
                outbox.forgive(&destination)?;
            }
            remark(&shown(&format!("{owner} can be told at {}", destination.shown())));
            if let (Some(webhook), Kind::Webhook) = (notifier(matches)?.webhook, place.kind()) {
                let secret = webhook.secret_of(&place);
                remark(&format!("what it receives is signed, to be checked with {secret}"));
            }
            Ok(())
        }
        "remove" => {
            let store = open(matches, false)?;
            let id = named(&store.destinations(owner)?, id(matches));
            match store.remove_destination(owner, &id)? {
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
            let (store, outbox) = (open(matches, false)?, open_outbox(matches)?);
            let mut objects = Vec::new();
            for one in store.destinations(owner)? {
                let bounced = outbox.as_ref().map(|outbox| outbox.bounced(&one)).transpose()?;
                let bounced = bounced.flatten();
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

/// The id of the one that is meant: by its id, or as the list shows it.
fn named(there: &[Destination], said: String) -> String {
    let shown: Vec<&Destination> = there.iter().filter(|one| one.shown() == said).collect();
    match shown.as_slice() {
        [one] if there.iter().all(|one| one.id != said) => one.id.clone(),
        _ => said,
    }
}

/// The address of the browser whose subscription is on standard input.
fn subscription() -> Result<String, Failure> {
    let mut text = String::new();
    let read = stdin().lock().take(SUBSCRIPTION_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| Failure::failed(format!("standard input cannot be read: {error}")))?;
    let subscription = PushSubscription::from_json(&text)
        .map_err(|why| Failure::called_wrongly(format!("standard input: {why}")))?;
    Ok(format!("push:{}", subscription.address()))
}

pub(super) fn push_key_command() -> Command {
    on_the_store(
        Command::new("push-key")
            .about("Print the key that a page subscribes browsers with; made when there is none")
            .after_help("Examples:\n  tubepost notify push-key"),
    )
}

pub(super) fn run_push_key(matches: &ArgMatches) -> Result<(), Failure> {
    let Some(push) = notifier(matches)?.push else {
        return Err(Failure::failed("push is not set up; set notify.push.contact"));
    };
    let key =
        push.key().map_err(|error| Failure::failed(format!("notify.push.key_file {error}")))?;
    print_line(&key.public())
}

fn print_addresses(config: &Config, secret: &Secret) -> Result<(), Failure> {
    [Form::Atom, Form::Rss]
        .into_iter()
        .try_for_each(|form| print_line(&feed_url(&config.feed_url, secret.expose(), form)))
}

/// A browser says some hundred.
const SUBSCRIPTION_BYTES_MAX: u64 = 16 * 1024;
