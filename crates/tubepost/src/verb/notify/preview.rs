//! `tubepost notify preview`: what a rule would have told of past events, before it is kept.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use notify::{
    Past, Preview,
    rule::{Directory, Owner, Rule, When},
};

use super::{on_the_store, open_at, owner, rule_text};
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

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let config = cli::config(matches)?;
    let registry = schemas::registry(&config.schemas)?;
    let store = match config.notify_store.exists() {
        true => Some(open_at(&config, false)?),
        false => None,
    };
    let directory = match &store {
        Some(store) => store.directory()?,
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
    let files: Vec<&PathBuf> = matches.get_many("events").into_iter().flatten().collect();
    let show = matches.get_one::<usize>("show").copied().unwrap_or(0);
    let mut preview = Preview::new(rule, show, &directory).map_err(Failure::called_wrongly)?;
    let wrong = event_lines::of_files(&files, &mut |place, input| {
        event_lines::read(place, input, |_, event| {
            preview.look(&event, &registry.describe(&event), &directory);
            Ok(())
        })
    })?;
    print(&preview, matches.get_flag("json"))?;
    match wrong {
        0 => Ok(()),
        _ => Err(Failure::Said(1)),
    }
}

fn print(preview: &Preview, is_json: bool) -> Result<(), Failure> {
    if is_json {
        return print_line(&serde_json::to_string(preview).unwrap_or_default());
    }
    for (day, count) in &preview.days {
        print_line(&format!("{day}  {count:>8}"))?;
    }
    for Past { topic, sent_at, summary, .. } in &preview.last {
        let sent_at = sent_at.as_deref().unwrap_or("-");
        print_line(&shown(&format!("  {sent_at}  {topic}  {summary}")))?;
    }
    remark(&format!("{} of {} events match", preview.matched, preview.events));
    if let Some(failure) = &preview.failure {
        let line = format!(
            "the expression could not be worked out for {} events; the last: {failure}",
            preview.failed
        );
        remark(&shown(&line));
    }
    Ok(())
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
