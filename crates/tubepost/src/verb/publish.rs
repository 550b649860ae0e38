//! `tubepost publish`: says an event, and returns when the agent of this machine has it on disk, or
//! without one when the bus has it.

use std::io::{BufRead, BufReader, Read, stdin};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use client::{AgentConnection, BusUrl, Error, Published, Publisher};
use event::{Body, Clothing, Encoding, Event, Registry, Severity, SigningKey, Topic};
use serde_json::{Map, Value};

use crate::{
    cli,
    config::{Config, Verb},
    failure::{Failure, remark},
    schemas,
    terminal::print_line,
    verb::{block_on, named_value::named_value},
};

pub(crate) fn command() -> Command {
    let command = Command::new("publish")
        .about("Publish an event and wait until the agent or the bus has it")
        .arg(
            Arg::new("topic")
                .value_name("TOPIC")
                .required_unless_present("dump")
                .help("The event's topic, behind event.topic_prefix: org.example.door.open"),
        )
        .arg(
            Arg::new("body")
                .value_name("JSON")
                .default_value("-")
                .allow_hyphen_values(true)
                .help("The body, a JSON object; '-' reads it from standard input"),
        )
        .arg(
            Arg::new("severity")
                .long("severity")
                .value_name("SEVERITY")
                .value_parser(value_parser!(Severity))
                .help("debug, info, warning or error [default: the schema's, else info]"),
        )
        .arg(
            Arg::new("schema")
                .long("schema")
                .value_name("NAME")
                .help("The body's schema [default: the one known for the topic]"),
        )
        .arg(
            Arg::new("source")
                .long("source")
                .value_name("URI")
                .help("Which service says it, as https://git.example.org or //host/service"),
        )
        .arg(
            Arg::new("object")
                .long("object")
                .value_name("NAME")
                .help("What it is about; events about the same are one thread [default: the schema's]"),
        )
        .arg(
            Arg::new("priority")
                .long("priority")
                .value_name("0-9")
                .value_parser(value_parser!(u8).range(0..=9))
                .help("For queues that honour it, higher first"),
        )
        .arg(
            Arg::new("header")
                .long("header")
                .value_name("NAME=TEXT")
                .action(ArgAction::Append)
                .value_parser(header)
                .help("A further header; NAME:=JSON for a number or true; may be repeated"),
        )
        .arg(
            Arg::new("lines")
                .long("lines")
                .action(ArgAction::SetTrue)
                .help("Standard input holds one body a line, each becomes an event"),
        )
        .arg(
            Arg::new("direct")
                .long("direct")
                .action(ArgAction::SetTrue)
                .help("Straight to the bus, past any agent: waits for it, and says if nobody listens"),
        )
        .arg(
            Arg::new("dump")
                .long("dump")
                .action(ArgAction::SetTrue)
                .conflicts_with_all(OF_NEW_EVENTS)
                .help("Standard input holds one event a line, as tail --json prints them"),
        )
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .default_value("fedora")
                .value_parser(value_parser!(Clothing))
                .help("How it travels: fedora, cloudevents or cloudevents-structured"),
        )
        .arg(
            Arg::new("encoding")
                .long("encoding")
                .value_name("ENCODING")
                .default_value("json")
                .value_parser(value_parser!(Encoding))
                .help("How the body is written: json, cbor or protobuf"),
        )
        .after_help(
            "Examples:\n  \
             tubepost publish org.example.door.open '{\"agent\": \"ada\", \"door\": \"north\"}'\n  \
             jq -n '{load: 9}' | tubepost publish org.example.load - --severity warning\n  \
             tubepost publish org.example.reading --lines < readings.jsonl\n  \
             tubepost tail --json > events.jsonl; tubepost publish --dump < events.jsonl\n  \
             tubepost publish org.example.hello '{}' --format cloudevents --sign hello.key\n\n\
             Prints the event's id. An agent that is named, or found while no bus is named, takes it\n\
             over and delivers it, unless --format or --encoding is given. Else it goes to the bus; when\n\
             no queue wants the topic the bus drops the event; that is said, and is no failure.",
        );
    cli::with_options(command, Verb::Publish)
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let config = cli::config(matches)?;
    let bus: BusUrl = config.bus_url.parse()?;
    let finish = Finish::new(matches, &config)?;
    let mut way = match matches.get_flag("direct") || !finish.is_plain() {
        true => None,
        false => agent(&config)?.map(Way::Agent),
    };
    if matches.get_flag("dump") {
        return block_on(async {
            let mut way = or_direct(way, &bus, finish.clothing).await?;
            publish_lines(&mut way, |line| finish.event(from_dump(line)?)).await?;
            way.close().await
        });
    }
    let template = Template::new(matches, &config.topic_prefix)?;
    // The agent knows the schemas; to read them takes longer than all the rest. But it completes
    // nothing that is signed.
    let is_completed_there = way.is_some() && finish.key.is_none();
    let registry =
        match is_completed_there && template.severity.is_none() && template.schema.is_none() {
            true => Registry::default(),
            false => schemas::registry(&config.schemas)?,
        };
    let body = matches.get_one::<String>("body").map_or("-", String::as_str);
    if matches.get_flag("lines") {
        if body != "-" {
            return Err(Failure::called_wrongly(
                "--lines: bodies come from standard input; leave JSON out",
            ));
        }
        return block_on(async {
            let mut way = or_direct(way, &bus, finish.clothing).await?;
            publish_lines(&mut way, |line| finish.event(template.event(line, &registry)?)).await?;
            way.close().await
        });
    }
    let (place, text) = match body {
        "-" => ("standard input", read_input()?),
        body => ("JSON", body.as_bytes().to_vec()),
    };
    let event = template.event(&text, &registry).and_then(|event| finish.event(event));
    let events = [event.map_err(|reason| wrong(place, &reason))?];
    if let Some(Way::Agent(connection)) = &mut way {
        // Without a runtime: that, too, takes its time.
        return report_all(&events, by_agent(connection, &events)?);
    }
    block_on(async {
        let mut way = or_direct(way, &bus, finish.clothing).await?;
        way.publish(&events).await?;
        way.close().await
    })
}

/// How events leave.
enum Way {
    /// The agent keeps and delivers them.
    Agent(AgentConnection),
    /// The bus confirms them.
    Direct(Publisher),
}

/// The agent that is named; else one that is found, while no bus is named.
fn agent(config: &Config) -> Result<Option<AgentConnection>, Failure> {
    if config.agent.named {
        let opened = AgentConnection::open(&config.agent.socket);
        return opened.map(Some).map_err(|error| {
            Failure::failed(format!("{error}; or publish straight to the bus with --direct"))
        });
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let sockets = match config.bus_named {
        true => Vec::new(),
        false => client::usual_sockets(variable),
    };
    Ok(sockets.iter().find_map(|socket| AgentConnection::open(socket).ok()))
}

async fn or_direct(way: Option<Way>, bus: &BusUrl, clothing: Clothing) -> Result<Way, Failure> {
    match way {
        Some(way) => Ok(way),
        None => Ok(Way::Direct(Publisher::connect(bus, APP).await?.dressing(clothing))),
    }
}

/// Of each event, whether somebody receives it; an agent does not know.
type Outcomes = Vec<Result<Option<Published>, Error>>;

fn by_agent(connection: &mut AgentConnection, events: &[Event]) -> Result<Outcomes, Failure> {
    let outcomes = connection.hand_over(events)?;
    Ok(outcomes.into_iter().map(|outcome| outcome.map(|()| None)).collect())
}

impl Way {
    /// Publishes all, and reports each up to the first that failed.
    async fn publish(&mut self, events: &[Event]) -> Result<(), Failure> {
        let outcomes = match self {
            Way::Agent(connection) => by_agent(connection, events)?,
            Way::Direct(publisher) => {
                let outcomes = publisher.publish_all(events).await.into_iter();
                outcomes.map(|outcome| outcome.map(Some)).collect()
            }
        };
        report_all(events, outcomes)
    }

    async fn close(self) -> Result<(), Failure> {
        if let Way::Direct(publisher) = self {
            publisher.close().await;
        }
        Ok(())
    }
}

/// What the arguments say of every event.
struct Template {
    topic: Topic,
    severity: Option<Severity>,
    schema: Option<String>,
    source: Option<String>,
    object: Option<String>,
    priority: Option<u8>,
    headers: Map<String, Value>,
}

impl Template {
    fn new(matches: &ArgMatches, prefix: &str) -> Result<Template, Failure> {
        let topic = matches.get_one::<String>("topic").map_or("", String::as_str);
        let topic: Topic = topic.parse().map_err(|error| wrong("TOPIC", &error))?;
        let headers = matches.get_many::<(String, Value)>("header").unwrap_or_default();
        Ok(Template {
            topic: topic.prefixed(prefix).map_err(|error| wrong("TOPIC", &error))?,
            severity: matches.get_one("severity").copied(),
            schema: matches.get_one("schema").cloned(),
            source: matches.get_one("source").cloned(),
            object: matches.get_one("object").cloned(),
            priority: matches.get_one("priority").copied(),
            headers: headers.cloned().collect(),
        })
    }

    fn event(&self, body: &[u8], registry: &Registry) -> Result<Event, event::Error> {
        let mut event = Event::with_body(self.topic.clone(), Body::parse(body.to_vec())?);
        event.schema = self.schema.clone();
        event.source = self.source.clone();
        event.object = self.object.clone();
        event.priority = self.priority;
        event.headers = self.headers.clone();
        registry.complete(&mut event)?;
        event.severity = self.severity.unwrap_or(event.severity);
        Ok(event)
    }
}

/// What is done to every event last, wherever it comes from.
struct Finish {
    clothing: Clothing,
    encoding: Encoding,
    key: Option<SigningKey>,
}

impl Finish {
    fn new(matches: &ArgMatches, config: &Config) -> Result<Finish, Failure> {
        Ok(Finish {
            clothing: matches.get_one("format").copied().unwrap_or_default(),
            encoding: matches.get_one("encoding").copied().unwrap_or_default(),
            key: config.signing.signing_key()?,
        })
    }

    /// Whether an agent can take it: its lines are JSON, and it dresses and changes no event.
    fn is_plain(&self) -> bool {
        let plain = (Clothing::default(), Encoding::default());
        (self.clothing, self.encoding) == plain
    }

    fn event(&self, mut event: Event) -> Result<Event, event::Error> {
        event.check()?;
        event.body = event.body.encoded(self.encoding)?;
        // What is told again stays as its publisher signed it.
        if let Some(key) = self.key.as_ref().filter(|_| event.signature.is_none()) {
            key.sign(&mut event)?;
        }
        Ok(event)
    }
}

fn from_dump(line: &[u8]) -> Result<Event, event::Error> {
    let text = std::str::from_utf8(line)
        .map_err(|error| event::Error::Body(format!("it is not UTF-8: {error}")))?;
    Event::from_dump(text)
}

// In the order of the lines, many under way at once; stops at the first line that is wrong.
async fn publish_lines(
    way: &mut Way,
    event: impl Fn(&[u8]) -> Result<Event, event::Error>,
) -> Result<(), Failure> {
    let mut input = BufReader::new(stdin());
    let (mut number, mut wrong_line) = (0, None);
    while wrong_line.is_none() {
        let mut events = Vec::new();
        let mut size = 0;
        let mut ended = false;
        while events.len() < BATCH_EVENTS_MAX && size < BATCH_BYTES_MAX && !ended {
            number += 1;
            let line = read_line(&mut input, number)?;
            ended = line.is_empty();
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            size += line.len();
            match event(&line) {
                Ok(event) => events.push(event),
                Err(reason) => {
                    wrong_line = Some(wrong(&format!("standard input, line {number}"), &reason));
                    break;
                }
            }
        }
        way.publish(&events).await?;
        if ended {
            break;
        }
    }
    wrong_line.map_or(Ok(()), Err)
}

fn report_all(events: &[Event], outcomes: Outcomes) -> Result<(), Failure> {
    events.iter().zip(outcomes).try_for_each(|(event, outcome)| report(event, outcome?))
}

fn report(event: &Event, published: Option<Published>) -> Result<(), Failure> {
    if published == Some(Published::Unrouted) {
        remark(&format!(
            "nobody listens to {}: the bus dropped event {}; a durable queue (tubepost on --queue) would keep it",
            event.topic, event.id
        ));
    }
    print_line(&event.id)
}

fn read_input() -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    stdin().take(INPUT_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| unreadable(&error))?;
    match text.len() as u64 > INPUT_BYTES_MAX {
        true => {
            Err(Failure::failed("standard input: a body of more than 128 MiB cannot be published"))
        }
        false => Ok(text),
    }
}

/// A line of standard input with its line break; empty at the end.
pub(super) fn read_line(input: &mut impl BufRead, number: usize) -> Result<Vec<u8>, Failure> {
    let mut line = Vec::new();
    input.take(INPUT_BYTES_MAX).read_until(b'\n', &mut line).map_err(|error| unreadable(&error))?;
    match line.len() as u64 == INPUT_BYTES_MAX {
        true => Err(Failure::failed(format!("standard input, line {number}: more than 128 MiB"))),
        false => Ok(line),
    }
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::failed(format!("standard input: cannot be read: {error}"))
}

fn wrong(place: &str, reason: &event::Error) -> Failure {
    match reason {
        // The arguments were right, the body does not fit what the schema or a signature asks for.
        event::Error::Invalid { .. } | event::Error::Unsignable { .. } => {
            Failure::failed(format!("{place}: {reason}"))
        }
        reason => Failure::called_wrongly(format!("{place}: {reason}")),
    }
}

fn header(text: &str) -> Result<(String, Value), String> {
    let expected = "expected NAME=TEXT, or NAME:=JSON with a number, a text, true or false";
    let (name, value) = named_value(text).ok_or(expected)?;
    if !matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_)) {
        return Err(expected.to_owned());
    }
    match name.len() > 128 {
        true => Err(format!("a header's name has 1 to 128 bytes; {expected}")),
        false => Ok((name, value)),
    }
}

const APP: &str = "tubepost publish";
/// What events that were once published have already.
const OF_NEW_EVENTS: [&str; 8] =
    ["topic", "lines", "severity", "schema", "source", "object", "priority", "header"];
const INPUT_BYTES_MAX: u64 = 128 * 1024 * 1024;
const BATCH_EVENTS_MAX: usize = 256;
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_text_unless_they_are_said_to_be_json() {
        for (text, expected) in [
            ("a=1", ("a", Value::from("1"))),
            ("a:=1", ("a", Value::from(1))),
            ("a:=true", ("a", Value::from(true))),
            ("a=b=c", ("a", Value::from("b=c"))),
        ] {
            assert_eq!(header(text), Ok((expected.0.to_owned(), expected.1)), "{text}");
        }
        for text in ["a", "=1", "a:=[1]", "a:=nonsense", ":=1"] {
            assert!(header(text).is_err(), "{text}");
        }
    }
}
