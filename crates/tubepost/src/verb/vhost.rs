//! `tubepost vhost`: the virtual hosts.

mod limit;

use clap::{Arg, ArgMatches, Command};
use serde_json::{Map, Value, json};

use super::{
    block_on,
    management::{Session, given, group, name, no_command, optional, say},
};
use crate::{
    failure::Failure,
    listing,
    management_client::{Endpoint, Written},
};

pub(crate) fn command() -> Command {
    let list = listing::with_options(Command::new("list").about("List the virtual hosts"))
        .after_help(
            "Examples:\n  \
             tubepost vhost list\n  \
             tubepost vhost list --columns name --no-header",
        );
    let show = Command::new("show")
        .about("Show a virtual host with all its fields, and its limits")
        .arg(vhost())
        .after_help("Examples:\n  tubepost vhost show events");
    let add = Command::new("add")
        .about("Create a virtual host")
        .arg(vhost())
        .args(described())
        .after_help(
            "Examples:\n  \
             tubepost vhost add events\n  \
             tubepost vhost add ci --description 'Builds' --tags prod,eu --default-queue-type quorum\n\n\
             Who may use it is said with tubepost permission set.",
        );
    let set = Command::new("set")
        .about("Change a virtual host's description, tags or default queue type; the rest stays")
        .arg(vhost())
        .args(described())
        .after_help("Examples:\n  tubepost vhost set ci --description 'Builds and their logs'");
    let delete = Command::new("delete")
        .about("Remove a virtual host with all that is in it")
        .arg(vhost())
        .after_help("Examples:\n  tubepost vhost delete ci");
    let command = Command::new("vhost").about("Create, change, remove and list virtual hosts");
    let show = listing::with_options_of_one(show);
    group(command, [list, show, add, set, delete, limit::command()])
}

fn vhost() -> Arg {
    name("name", "The virtual host")
}

fn described() -> [Arg; 3] {
    [
        Arg::new("description").long("description").value_name("TEXT").help("What it is for"),
        Arg::new("tags")
            .long("tags")
            .value_name("TAGS")
            .help("Words of yours, with commas between"),
        Arg::new("default-queue-type")
            .long("default-queue-type")
            .value_name("TYPE")
            .value_parser(["classic", "quorum", "stream"])
            .help("The type of durable queues that name none"),
    ]
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else { return Err(no_command("vhost")) };
    if verb == "limit" {
        return limit::run(matches);
    }
    let session = Session::open(matches)?;
    let name = given(matches, "name");
    let endpoint = Endpoint::vhost(name);
    block_on(async {
        match verb {
            "show" => show(&session, name).await,
            "add" => add(&session, name, matches).await,
            "set" => set(&session, name, matches).await,
            "delete" => session.delete(&endpoint, &format!("virtual host '{name}' removed")).await,
            _ => session.list(&Endpoint::vhosts(), &COLUMNS).await,
        }
    })
}

async fn show(session: &Session, name: &str) -> Result<(), Failure> {
    let mut vhost = session.client.get(&Endpoint::vhost(name)).await?;
    if !session.listing.is_json()
        && let Value::Object(fields) = &mut vhost
    {
        let limits = session.client.list(&Endpoint::vhost_limits(Some(name))).await?;
        let limits = limits.first().and_then(|of| of.get("value")).cloned();
        fields.insert("limits".to_owned(), limits.unwrap_or(Value::Null));
    }
    session.listing.print_one(&vhost)
}

// PUT changes one that is there; who adds does not expect that.
async fn add(session: &Session, name: &str, matches: &ArgMatches) -> Result<(), Failure> {
    let endpoint = Endpoint::vhost(name);
    let is_there = || {
        Failure::failed(format!(
            "virtual host '{name}': is there already; change it with tubepost vhost set"
        ))
    };
    if session.client.find(&endpoint).await?.is_some() {
        return Err(is_there());
    }
    match session.put(&endpoint, &Value::Object(said(matches))).await? {
        Written::Created => say(&format!("virtual host '{name}' created")),
        Written::Updated => return Err(is_there()),
    }
    Ok(())
}

// PUT forgets what it is not told.
async fn set(session: &Session, name: &str, matches: &ArgMatches) -> Result<(), Failure> {
    let said = said(matches);
    if said.is_empty() {
        return Err(Failure::called_wrongly(
            "nothing to change; give --description, --tags or --default-queue-type",
        ));
    }
    let endpoint = Endpoint::vhost(name);
    let before = session.client.get(&endpoint).await?;
    let mut body = Map::new();
    for field in ["description", "default_queue_type"] {
        if let Some(Value::String(text)) = before.get(field).filter(|text| *text != "undefined") {
            body.insert(field.to_owned(), json!(text));
        }
    }
    if let Some(Value::Array(tags)) = before.get("tags") {
        let tags: Vec<&str> = tags.iter().filter_map(Value::as_str).collect();
        body.insert("tags".to_owned(), json!(tags.join(",")));
    }
    body.extend(said);
    session.put(&endpoint, &Value::Object(body)).await?;
    say(&format!("virtual host '{name}' changed"));
    Ok(())
}

fn said(matches: &ArgMatches) -> Map<String, Value> {
    let fields = [
        ("description", "description"),
        ("tags", "tags"),
        ("default_queue_type", "default-queue-type"),
    ];
    let said = fields.iter().filter_map(|(field, option)| {
        Some(((*field).to_owned(), json!(optional(matches, option)?)))
    });
    said.collect()
}

const COLUMNS: [&str; 5] = ["name", "messages", "default_queue_type", "tags", "description"];
