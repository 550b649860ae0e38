//! `tubepost notify preview`: what a rule would have told of past events, before it is kept.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use jiff::tz::TimeZone;
use notify::rule::{Directory, Facts, Owner, Rule, When};
use serde_json::json;

use super::{on_the_store, open_at, owner, rule_text, why::directory};
use crate::{
    cli, event_lines,
    failure::{Failure, remark},
    schemas,
    terminal::{print_line, shown},
};

pub(super) fn command() -> Command {
    let command = rule_text::with_flags(
        Command::new("preview")
            .about("Show what a rule would have told of past events, with counts for each day")
            .arg(owner().help("Whose it would be; may stand in the file instead"))
            .arg(
                Arg::new("rule")
                    .long("rule")
                    .value_name("ID")
                    .help("A rule that is kept, instead of one given here"),
            )
            .arg(
                Arg::new("events")
                    .long("events")
                    .value_name("FILE")
                    .action(ArgAction::Append)
                    .value_parser(value_parser!(PathBuf))
                    .required(true)
                    .help("Past events, as tail --json prints them; '-' is standard input"),
            )
            .arg(
                Arg::new("show")
                    .long("show")
                    .value_name("COUNT")
                    .default_value("10")
                    .value_parser(value_parser!(usize))
                    .help("Of so many of the last that match, the summaries"),
            )
            .arg(
                Arg::new("json")
                    .long("json")
                    .action(ArgAction::SetTrue)
                    .help("One JSON object"),
            ),
    )
    .after_help(
        "Examples:\n  \
         tubepost notify preview ada --people @me --not-mine --events past.jsonl\n  \
         tubepost notify preview ada --file rule.json --events past.jsonl --json\n  \
         tubepost notify preview --rule fmn.7 --events past.jsonl\n\n\
         Days are UTC's. Groups and maintainers are those of the store, if there is one. Lines that are\n\
         no events are told of and passed over, and then the exit code is 1.",
    );
    on_the_store(command)
}

#[derive(Default)]
struct Preview {
    events: u64,
    matched: u64,
    days: BTreeMap<String, u64>,
    last: std::collections::VecDeque<serde_json::Value>,
    failed: u64,
    failure: Option<String>,
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let config = cli::config(matches)?;
    let registry = schemas::registry(&config.schemas)?;
    let store = match config.notify_store.exists() {
        true => Some(open_at(&config, false)?),
        false => None,
    };
    let directory = match &store {
        Some(store) => directory(store)?,
        None => Directory::default(),
    };
    let rule = match (matches.get_one::<String>("rule"), &store) {
        (Some(id), Some(store)) => store.rule(id)?,
        (Some(_), None) => None,
        (None, _) => Some(given(matches)?),
    };
    let Some(rule) = rule else {
        let id = matches.get_one::<String>("rule").map_or("", String::as_str);
        return Err(Failure::failed(shown(&format!(
            "rule {id}: is not there; tubepost notify rule list shows those that are"
        ))));
    };
    let rule = Rule { enabled: true, ..rule };
    let probe = rule.probe(&directory).map_err(Failure::called_wrongly)?;
    let files: Vec<&PathBuf> = matches.get_many("events").into_iter().flatten().collect();
    let show = matches.get_one::<usize>("show").copied().unwrap_or(0);
    let mut preview = Preview::default();
    let wrong = event_lines::of_files(&files, &mut |place, input| {
        event_lines::read(place, input, |_, event| {
            let told = registry.describe(&event);
            preview.events += 1;
            let wants = probe.wants(&Facts::new(&event, &told), &directory, &mut |reason| {
                preview.failed += 1;
                preview.failure = Some(reason.to_owned());
            });
            if !wants || !rule.outlets.iter().any(|outlet| outlet.takes(told.severity)) {
                return Ok(());
            }
            preview.matched += 1;
            let day = event.sent_at.map_or("without a time".to_owned(), |sent_at| {
                sent_at.to_zoned_datetime(TimeZone::UTC).date().to_string()
            });
            *preview.days.entry(day).or_default() += 1;
            if show > 0 {
                if preview.last.len() == show {
                    preview.last.pop_front();
                }
                preview.last.push_back(json!({
                    "id": event.id,
                    "topic": event.topic.as_str(),
                    "sent_at": event.sent_at.map(|at| at.to_string()),
                    "summary": told.summary,
                }));
            }
            Ok(())
        })
    })?;
    preview.print(matches.get_flag("json"))?;
    match wrong {
        0 => Ok(()),
        _ => Err(Failure::Said(1)),
    }
}

impl Preview {
    fn print(&self, is_json: bool) -> Result<(), Failure> {
        if is_json {
            let object = json!({
                "events": self.events,
                "matched": self.matched,
                "days": self.days,
                "last": self.last,
                "failed": self.failed,
                "failure": self.failure,
            });
            return print_line(&object.to_string());
        }
        for (day, count) in &self.days {
            print_line(&format!("{day}  {count:>8}"))?;
        }
        for event in &self.last {
            let field =
                |name: &str| event.get(name).and_then(|value| value.as_str()).unwrap_or("-");
            let line = format!("  {}  {}  {}", field("sent_at"), field("topic"), field("summary"));
            print_line(&shown(&line))?;
        }
        remark(&format!("{} of {} events match", self.matched, self.events));
        if let Some(failure) = &self.failure {
            let line = format!(
                "the expression could not be worked out for {} events; the last: {failure}",
                self.failed
            );
            remark(&shown(&line));
        }
        Ok(())
    }
}

/// The rule of flags or a file.
fn given(matches: &ArgMatches) -> Result<Rule, Failure> {
    let owner = matches.get_one::<Owner>("owner");
    if let Some(file) = matches.get_one::<String>("file") {
        return rule_text::of_document(file, owner, None);
    }
    let Some(owner) = owner else {
        return Err(Failure::called_wrongly(
            "the owner is missing: name ada; or give the whole rule with --file, or one that is \
             kept with --rule",
        ));
    };
    let mut outlets = rule_text::outlets(matches);
    if outlets.is_empty() {
        let to = vec!["@mail".to_owned()];
        outlets.push(notify::rule::Outlet { severities: Vec::new(), to, when: When::default() });
    }
    let rule = Rule {
        version: notify::rule::VERSION,
        id: String::new(),
        owner: owner.clone(),
        name: "preview".to_owned(),
        enabled: true,
        what: rule_text::condition(matches)?,
        outlets,
    };
    rule.check().map_err(notify::store::Error::Rule)?;
    Ok(rule)
}
