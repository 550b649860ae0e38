//! A rule as it is given to a command: a JSON or TOML document, or flags for the usual cases.

use std::{io::Read, path::Path};

use clap::{Arg, ArgAction, ArgMatches, Command};
use event::Severity;
use notify::rule::{Condition, Fault, Names, Outlet, Owner, Rule, When, Who};

use crate::{failure::Failure, terminal::shown};

/// The flags that say what a rule wants and where it tells.
pub(super) fn with_flags(command: Command) -> Command {
    let many = |id: &'static str, value: &'static str, help: &'static str| {
        Arg::new(id).long(id).value_name(value).action(ArgAction::Append).help(help)
    };
    command
        .arg(Arg::new("name").long("name").value_name("TEXT").help("What its owner calls it"))
        .arg(
            Arg::new("file")
                .long("file")
                .value_name("FILE")
                .help("The whole rule as JSON or TOML; '-' is standard input")
                .conflicts_with_all(TESTS),
        )
        .arg(many("topic", "PATTERN", "The topic fits: * is one word, # any number"))
        .arg(many("app", "NAME", "This application said it"))
        .arg(many("people", "WHO", "It concerns them: NAME, @me, @my-groups or @group:NAME"))
        .arg(many("agent", "WHO", "They did it"))
        .arg(many("not-agent", "WHO", "They did not do it"))
        .arg(
            Arg::new("not-mine")
                .long("not-mine")
                .action(ArgAction::SetTrue)
                .help("Not what the owner did: --not-agent @me"),
        )
        .arg(many("package", "NAME", "It concerns this package"))
        .arg(many("maintainer", "WHO", "It concerns a package that they maintain"))
        .arg(many("object", "PATH", "It touches this object, or all below: project/infra/*"))
        .arg(many("text", "TEXT", "This stands in its summary or text"))
        .arg(many("schema", "NAME", "It is of this schema"))
        .arg(many("severity", "NAME", "It is of this severity: debug, info, warning, error"))
        .arg(
            Arg::new("cel")
                .long("cel")
                .value_name("EXPRESSION")
                .help("A CEL expression that is true of it"),
        )
        .arg(many("to", "DESTINATION", "Where it tells: mail:ADDRESS, or @mail for all there are"))
}

/// Whether one of the flags of tests was given.
pub(super) fn has_tests(matches: &ArgMatches) -> bool {
    TESTS
        .iter()
        .any(|test| matches.value_source(test) == Some(clap::parser::ValueSource::CommandLine))
}

/// The condition of the flags: kinds must all hold, within a kind one must.
pub(super) fn condition(matches: &ArgMatches) -> Result<Condition, Failure> {
    let texts = |id: &str| -> Vec<String> {
        matches.get_many::<String>(id).into_iter().flatten().cloned().collect()
    };
    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        id: &str,
        texts: &[String],
    ) -> Result<Vec<T>, Failure> {
        let parse = |text: &String| {
            let wrong = |error| Failure::called_wrongly(shown(&format!("--{id}: {error}")));
            text.parse().map_err(wrong)
        };
        texts.iter().map(parse).collect()
    }
    let mut all = Vec::new();
    let mut add = |is_given: bool, condition: Condition| {
        if is_given {
            all.push(condition);
        }
    };
    for (id, make) in NAMED {
        let names = texts(id);
        add(!names.is_empty(), make(Names(names)));
    }
    for (id, make) in WITH_PEOPLE {
        let who: Vec<Who> = parsed(id, &texts(id))?;
        add(!who.is_empty(), make(who));
    }
    let topics = texts("topic");
    add(!topics.is_empty(), Condition::Topic(parsed("topic", &topics)?));
    let severities: Vec<Severity> = parsed("severity", &texts("severity"))?;
    add(!severities.is_empty(), Condition::Severity(severities));
    let mut not: Vec<Who> = parsed("not-agent", &texts("not-agent"))?;
    if matches.get_flag("not-mine") {
        not.push(Who::Me);
    }
    add(!not.is_empty(), Condition::Not(Box::new(Condition::Agent(not))));
    let cel = matches.get_one::<String>("cel").cloned();
    add(cel.is_some(), Condition::Cel(cel.unwrap_or_default()));
    Ok(match <[Condition; 1]>::try_from(all) {
        Ok([one]) => one,
        Err(all) => Condition::All(all),
    })
}

/// The outlets of `--to`; none when it was not given.
pub(super) fn outlets(matches: &ArgMatches) -> Vec<Outlet> {
    let to: Vec<String> = matches.get_many::<String>("to").into_iter().flatten().cloned().collect();
    match to.is_empty() {
        true => Vec::new(),
        false => vec![Outlet { severities: Vec::new(), to, when: When::default() }],
    }
}

/// The rule of a document. What the document leaves out of `id` and `owner` is put in.
///
/// # Errors
/// It cannot be read; every fault with its place.
pub(super) fn of_document(
    file: &str,
    owner: Option<&Owner>,
    id: Option<&str>,
) -> Result<Rule, Failure> {
    let place = match file {
        "-" => "standard input".to_owned(),
        file => shown(file).into_owned(),
    };
    let text = read(file).map_err(|error| {
        Failure::failed(format!("{place}: cannot be read: {error}; name a file of one rule"))
    })?;
    let wrong = |fault: &Fault| shown(&format!("{place}: {fault}")).into_owned();
    let mut rule = document(&text).map_err(|fault| Failure::CalledWrongly(vec![wrong(&fault)]))?;
    let other = |key: &str, there: &str, asked: &str| {
        Failure::called_wrongly(shown(&format!(
            "{place}: {key}: is {there}, but {asked} was asked for; leave one of them out"
        )))
    };
    match (owner, &rule.owner) {
        (Some(asked), None) => rule.owner = Some(asked.clone()),
        (Some(asked), Some(there)) if asked != there => {
            return Err(other("owner", &there.to_string(), &asked.to_string()));
        }
        _ => {}
    }
    if let Some(asked) = id {
        if !rule.id.is_empty() && rule.id != asked {
            return Err(other("id", &rule.id, asked));
        }
        asked.clone_into(&mut rule.id);
    }
    let Some(owner) = rule.owner else {
        return Err(Failure::called_wrongly(format!(
            "{place}: owner: is missing; name it before the file, or write \"owner\": \
             {{\"person\": \"ada\"}}"
        )));
    };
    let Document { version, id, name, enabled, what, outlets, .. } = rule;
    let rule = Rule { version, id, owner, name, enabled, what, outlets };
    rule.check().map_err(|faults| Failure::CalledWrongly(faults.iter().map(wrong).collect()))?;
    Ok(rule)
}

/// A rule whose owner may be said beside it.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default = "version")]
    version: u32,
    #[serde(default)]
    id: String,
    owner: Option<Owner>,
    name: String,
    #[serde(default = "yes")]
    enabled: bool,
    what: Condition,
    outlets: Vec<Outlet>,
}

fn version() -> u32 {
    notify::rule::VERSION
}

fn yes() -> bool {
    true
}

fn document(text: &str) -> Result<Document, Fault> {
    match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text).map_err(|error| Fault::syntax(&error)),
        false => toml::from_str(text).map_err(|error| of_toml(text, &error)),
    }
}

fn of_toml(text: &str, error: &toml::de::Error) -> Fault {
    let at = error.span().map(|span| {
        let before = text.get(..span.start).unwrap_or_default();
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count());
        (before.matches('\n').count() + 1, column + 1)
    });
    Fault { path: String::new(), at, problem: error.message().trim().replace('\n', "; ") }
}

fn read(file: &str) -> std::io::Result<String> {
    let mut text = String::new();
    let read = match file {
        "-" => std::io::stdin().lock().take(DOCUMENT_BYTES_MAX).read_to_string(&mut text),
        file => {
            let opened = std::fs::File::open(Path::new(file))?;
            opened.take(DOCUMENT_BYTES_MAX).read_to_string(&mut text)
        }
    };
    read.map(|_| text)
}

type OfNames = (&'static str, fn(Names) -> Condition);
type OfPeople = (&'static str, fn(Vec<Who>) -> Condition);

const NAMED: [OfNames; 5] = [
    ("app", Condition::App),
    ("package", Condition::Package),
    ("object", Condition::Object),
    ("text", Condition::Text),
    ("schema", Condition::Schema),
];
const WITH_PEOPLE: [OfPeople; 3] = [
    ("people", Condition::People),
    ("agent", Condition::Agent),
    ("maintainer", Condition::Maintainer),
];
const TESTS: [&str; 13] = [
    "topic",
    "app",
    "people",
    "agent",
    "not-agent",
    "not-mine",
    "package",
    "maintainer",
    "object",
    "text",
    "schema",
    "severity",
    "cel",
];
const DOCUMENT_BYTES_MAX: u64 = 1 << 20;
