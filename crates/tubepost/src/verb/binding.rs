//! `tubepost binding`: which exchange leads where.

use clap::{Arg, ArgMatches, Command, builder::NonEmptyStringValueParser};
use serde_json::{Map, Value, json};

use super::{
    block_on,
    management::{
        Session, given, group, name, no_command, optional, say, vhost, vhost_of, vhost_or_all,
        with_vhost,
    },
    named_value::{arguments, arguments_of},
};
use crate::{
    failure::Failure,
    listing,
    management_client::{Destination, Endpoint},
};

pub(crate) fn command() -> Command {
    let one_of = |id: &'static str, help| {
        Arg::new(id)
            .long(id)
            .value_name("NAME")
            .conflicts_with("all-vhosts")
            .value_parser(NonEmptyStringValueParser::new())
            .help(help)
    };
    let list = listing::with_options(
        Command::new("list")
            .about("List the bindings")
            .args(vhost_or_all())
            .arg(one_of("source", "Only those from this exchange").conflicts_with("queue"))
            .arg(one_of("queue", "Only those to this queue").conflicts_with("exchange"))
            .arg(one_of("exchange", "Only those to this exchange").conflicts_with("source")),
    )
    .after_help(
        "Examples:\n  \
         tubepost binding list\n  \
         tubepost binding list --source amq.topic\n  \
         tubepost binding list --queue jobs",
    );
    let add = Command::new("add")
        .about("Bind a queue or an exchange to an exchange")
        .args(binding())
        .after_help(
            "Examples:\n  \
             tubepost binding add amq.topic jobs --routing-key 'org.example.build.#'\n  \
             tubepost binding add amq.headers jobs --argument x-match=all --argument arch=arm64\n  \
             tubepost binding add amq.topic audit --destination-type exchange --routing-key '#'",
        );
    let delete = Command::new("delete")
        .about("Remove the binding of exactly this routing key and these arguments")
        .args(binding())
        .after_help(
            "Examples:\n  \
             tubepost binding delete amq.topic jobs --routing-key 'org.example.build.#'",
        );
    let command = Command::new("binding").about("Add, remove and list bindings");
    group(command, [list, add, delete])
}

fn binding() -> [Arg; 6] {
    [
        name("source", "The exchange from which"),
        name("destination", "The queue or exchange to which"),
        Arg::new("destination-type")
            .long("destination-type")
            .value_name("TYPE")
            .default_value("queue")
            .value_parser(["queue", "exchange"])
            .help("What the destination is"),
        Arg::new("routing-key")
            .long("routing-key")
            .value_name("KEY")
            .default_value("")
            .allow_hyphen_values(true)
            .help("The routing key or pattern"),
        arguments(),
        vhost(),
    ]
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else { return Err(no_command("binding")) };
    let session = Session::open(matches)?;
    block_on(async {
        match verb {
            "add" => add(&session, &Asked::of(matches)?).await,
            "delete" => delete(&session, &Asked::of(matches)?).await,
            _ => list(&session, matches).await,
        }
    })
}

async fn list(session: &Session, matches: &ArgMatches) -> Result<(), Failure> {
    let vhost = given(matches, "vhost");
    let endpoint = if let Some(source) = optional(matches, "source") {
        Endpoint::exchange_bindings(vhost, source, "source")
    } else if let Some(exchange) = optional(matches, "exchange") {
        Endpoint::exchange_bindings(vhost, exchange, "destination")
    } else if let Some(queue) = optional(matches, "queue") {
        Endpoint::queue_bindings(vhost, queue)
    } else {
        Endpoint::bindings(vhost_of(matches))
    };
    session.list(&endpoint, &with_vhost(matches, &COLUMNS)).await
}

struct Asked<'a> {
    vhost: &'a str,
    source: &'a str,
    kind: Destination,
    destination: &'a str,
    routing_key: &'a str,
    arguments: Map<String, Value>,
}

impl Asked<'_> {
    fn of(matches: &ArgMatches) -> Result<Asked<'_>, Failure> {
        Ok(Asked {
            vhost: given(matches, "vhost"),
            source: given(matches, "source"),
            kind: match given(matches, "destination-type") {
                "exchange" => Destination::Exchange,
                _ => Destination::Queue,
            },
            destination: given(matches, "destination"),
            routing_key: given(matches, "routing-key"),
            arguments: arguments_of(matches)?,
        })
    }

    fn between(&self) -> Endpoint {
        Endpoint::bindings_between(self.vhost, self.source, self.kind, self.destination)
    }

    fn is(&self, binding: &Value) -> bool {
        binding.get("routing_key") == Some(&Value::from(self.routing_key))
            && match binding.get("arguments") {
                Some(Value::Object(arguments)) => *arguments == self.arguments,
                _ => self.arguments.is_empty(),
            }
    }

    fn ends(&self) -> String {
        let kind = self.kind.word();
        format!(
            "{kind} '{}' and exchange '{}' in virtual host '{}'",
            self.destination, self.source, self.vhost
        )
    }
}

async fn add(session: &Session, asked: &Asked<'_>) -> Result<(), Failure> {
    let body = json!({ "routing_key": asked.routing_key, "arguments": asked.arguments });
    session.client.post(&asked.between(), &body).await?;
    say(&format!("{} are bound by key '{}'", asked.ends(), asked.routing_key));
    Ok(())
}

// One is named by a key that the server made of routing key and arguments.
async fn delete(session: &Session, asked: &Asked<'_>) -> Result<(), Failure> {
    let bindings = session.client.list(&asked.between()).await?;
    let found = bindings.iter().find(|binding| asked.is(binding));
    let Some(key) = found.and_then(|binding| binding.get("properties_key")?.as_str()) else {
        return Err(Failure::failed(format!(
            "{}: are not bound by key '{}' with these arguments; see tubepost binding list",
            asked.ends(),
            asked.routing_key
        )));
    };
    let Asked { vhost, source, kind, destination, routing_key, .. } = *asked;
    let endpoint = Endpoint::binding(vhost, source, kind, destination, key);
    let done = format!("{} are not bound by key '{routing_key}' any more", asked.ends());
    session.delete(&endpoint, &done).await
}

const COLUMNS: [&str; 5] =
    ["source=(default)", "destination", "destination_type", "routing_key", "arguments"];
