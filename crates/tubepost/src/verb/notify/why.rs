//! `tubepost notify why`: which rules want an event, or the first test that did not hold.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use event::Event;
use jiff::Timestamp;
use notify::{
    rule::{Directory, Facts, Owner, Rule},
    store::{Silence, Store, Told},
};
use serde_json::{Value, json};

use super::{on_the_store, open_at, outbox_of, owner};
use crate::{
    cli, config, event_lines,
    failure::Failure,
    schemas,
    terminal::{print_line, shown},
};

pub(super) fn command() -> Command {
    let command = Command::new("why")
        .about("Say which rules want an event, or the first test of each that did not hold")
        .arg(
            Arg::new("event")
                .value_name("EVENT")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help(
                    "A file of events, as tail --json prints them; '-' is standard input; or the \
                     id of one that was told, as a mail's X-Tubepost-Id has it",
                ),
        )
        .arg(owner().value_name("PERSON").help("Whose rules; all that want it, if not said"))
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("One JSON object a line, for each event and rule"),
        )
        .after_help(
            "Examples:\n  \
             tubepost notify why event.json ada\n  \
             tubepost notify why 0199d0c4-7b1e-7000-8000-00000000002a\n  \
             tubepost tail --json --limit 1 | tubepost notify why - ada\n  \
             tubepost notify why events.jsonl --json | jq 'select(.matches)'\n\n\
             A person's rules are those of their groups, too. Without a person, rules that do not want\n\
             the event are left out. Subscriptions of the configuration file are looked at, too.\n\
             Below the rules stands what was told, where, when, with which answer, and what waits.\n\
             Of an id it is all there is to say: rules are asked of the event itself.",
        );
    on_the_store(command)
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = cli::settings(matches)?;
    let config = config::Config::check(&settings)?;
    let person = matches.get_one::<Owner>("owner");
    let file = matches.get_one::<PathBuf>("event").cloned().unwrap_or_default();
    let is_json = matches.get_flag("json");
    let history = History { outbox: outbox_of(&config)?, person, is_json };
    if file.as_os_str() != "-" && !file.exists() {
        return history.of_id(&file.to_string_lossy());
    }
    let registry = schemas::registry(&config.schemas)?;
    let mut rules = match person {
        // The file's have addresses, and nobody's names.
        Some(_) => Vec::new(),
        None => config::notifier(&settings)?.map_or_else(Vec::new, |notifier| notifier.rules()),
    };
    let mut directory = Directory::default();
    let mut store = None;
    if config.notify_store.exists() {
        let opened = open_at(&config, false)?;
        directory = opened.directory()?;
        rules.extend(rules_of(&opened, person, &directory)?);
        store = Some(opened);
    }
    if rules.is_empty() {
        let whose = person
            .map_or("there are no rules".to_owned(), |person| format!("{person} has no rules"));
        return Err(Failure::failed(format!("{whose}; make one with tubepost notify rule add")));
    }
    let mut asked = 0_u64;
    let wrong = event_lines::of_files(&[&file], &mut |place, input| {
        event_lines::read(place, input, |_, event| {
            asked += 1;
            let told = registry.describe(&event);
            let facts = Facts::new(&event, &told);
            if !is_json {
                print_line(&shown(&format!("{}  {}  {}", event.id, event.topic, told.summary)))?;
            }
            for rule in &rules {
                let answer = answer(rule, &facts, &directory, store.as_ref())?;
                if answer["matches"] == Value::Bool(false) && person.is_none() {
                    continue;
                }
                match is_json {
                    true => print_line(&with_event(answer, &event).to_string())?,
                    false => print_line(&shown(&in_words(&answer)))?,
                }
            }
            for told in history.told(&event.id)? {
                match is_json {
                    true => print_line(&with_event(told_json(&told), &event).to_string())?,
                    false => print_line(&shown(&told_in_words(&told)))?,
                }
            }
            Ok(())
        })
    })?;
    match (wrong, asked) {
        (0, 0) => Err(Failure::failed("there is no event to ask of; give a line of JSON")),
        (0, _) => Ok(()),
        _ => Err(Failure::Said(1)),
    }
}

/// What became of events.
struct History<'a> {
    outbox: Option<Store>,
    person: Option<&'a Owner>,
    is_json: bool,
}

impl History<'_> {
    /// What was told of one, and what waits: to the person, if one was named.
    fn told(&self, id: &str) -> Result<Vec<Told>, Failure> {
        let Some(outbox) = &self.outbox else { return Ok(Vec::new()) };
        let mut told = outbox.told(id)?;
        if let Some(person) = self.person.map(ToString::to_string) {
            told.retain(|told| told.owners.contains(&person));
        }
        Ok(told)
    }

    /// Says that of an event that is not at hand.
    fn of_id(&self, id: &str) -> Result<(), Failure> {
        let told = self.told(id)?;
        if told.is_empty() {
            return Err(Failure::failed(shown(&format!(
                "{id}: there is no such file, and nobody was told of an event of this id in the \
                 last 30 days; give the event itself, as tubepost tail --json prints it"
            ))));
        }
        for told in &told {
            let mut said = told_json(told);
            said["event"] = id.into();
            match self.is_json {
                true => print_line(&said.to_string())?,
                false => print_line(&shown(&told_in_words(told)))?,
            }
        }
        Ok(())
    }
}

/// What a rule says of an event.
fn answer(
    rule: &Rule,
    facts: &Facts<'_>,
    directory: &Directory,
    store: Option<&Store>,
) -> Result<Value, Failure> {
    let silence = match store {
        Some(store) => store.silence(&rule.owner)?,
        None => Silence::default(),
    };
    let verdict =
        rule.judge(facts, directory, &silence, Timestamp::now()).map_err(Failure::failed)?;
    let mut answer = serde_json::to_value(verdict).unwrap_or_default();
    answer["rule"] = rule.id.as_str().into();
    answer["owner"] = rule.owner.to_string().into();
    answer["name"] = rule.name.as_str().into();
    Ok(answer)
}

/// What became of it at one place.
fn told_json(told: &Told) -> Value {
    let state = if told.waits { "waits" } else { "ended" };
    json!({"told": told.place, "owners": told.owners, "state": state, "at": told.at.to_string(),
           "answer": told.answer})
}

fn told_in_words(Told { place, owners, at, answer, waits }: &Told) -> String {
    let whose = match owners.is_empty() {
        true => String::new(),
        false => format!(" for {}", owners.join(", ")),
    };
    match waits {
        true if answer.is_empty() => format!("  waits  {place}{whose}: goes at {at}"),
        true => format!("  waits  {place}{whose}: tried next at {at}, the last time: {answer}"),
        false => format!("  told   {place}{whose} at {at}: {answer}"),
    }
}

fn with_event(mut answer: Value, event: &Event) -> Value {
    answer["event"] = event.id.as_str().into();
    answer["topic"] = event.topic.as_str().into();
    answer
}

fn in_words(answer: &Value) -> String {
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    let rule = format!("rule {} of {} ({})", text("rule"), text("owner"), text("name"));
    match answer["matches"] == Value::Bool(true) {
        true => {
            let to = answer["to"].as_array().into_iter().flatten().filter_map(Value::as_str);
            format!("  yes  {rule}: tells {}", to.collect::<Vec<_>>().join(", "))
        }
        false => format!("  no   {rule}: {}: {}", text("path"), text("reason")),
    }
}

/// The rules of somebody and of their groups; all, of nobody in particular.
fn rules_of(
    store: &Store,
    person: Option<&Owner>,
    directory: &Directory,
) -> Result<Vec<Rule>, Failure> {
    let mut rules = store.rules(person)?;
    if let Some(Owner::Person(name)) = person {
        for group in directory.groups_of(name) {
            rules.extend(store.rules(Some(&Owner::Group(group.to_string())))?);
        }
    }
    Ok(rules)
}
