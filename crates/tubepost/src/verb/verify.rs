//! `tubepost verify`: who vouches for the events of a dump.

use std::io::{BufReader, stdin};

use clap::{Arg, ArgAction, ArgMatches, Command};
use event::{Event, Verdict, Verifier};
use serde_json::{Value, json};

use crate::{
    cli,
    config::Verb,
    failure::{Failure, remark},
    terminal::{print_line, shown},
    verb::publish::read_line,
    verdict,
};

pub(crate) fn command() -> Command {
    let command = Command::new("verify")
        .about("Say of each event on standard input who signed it, and whether that holds")
        .arg(
            Arg::new("allow-unsigned")
                .long("allow-unsigned")
                .action(ArgAction::SetTrue)
                .help("An event that nobody signed is no failure"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("One JSON object a line: line, id, topic, verdict, key, reason"),
        )
        .after_help(
            "Examples:\n  \
             tubepost verify --keys /etc/tubepost/keys < events.jsonl\n  \
             tubepost tail --json -n 100 | tubepost verify --keys keys --json | jq -r .verdict\n\n\
             Lines are events as tail --json prints them and archives keep them. Exit code 0 when\n\
             every event is validly signed, 1 when one is not.",
        );
    cli::with_options(command, Verb::Verify)
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let signing = cli::config(matches)?.signing;
    let Some(directory) = &signing.keys else {
        return Err(Failure::called_wrongly(
            "no key is trusted; name a directory of keys with --keys, or event.keys",
        ));
    };
    let verifier = client::trusted_keys(directory, signing.authorities.as_deref())?;
    let as_json = matches.get_flag("json");
    let mut input = BufReader::new(stdin());
    let (mut valid, mut unsigned, mut invalid) = (0_u64, 0_u64, 0_u64);
    for number in 1.. {
        let line = read_line(&mut input, number)?;
        if line.is_empty() {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let judged = Judged::new(number, &line, &verifier);
        match &judged.outcome {
            Ok(Verdict::Valid { .. }) => valid += 1,
            Ok(Verdict::Unsigned) => unsigned += 1,
            Ok(Verdict::Invalid { .. }) | Err(_) => invalid += 1,
        }
        print_line(&if as_json { judged.for_programs() } else { judged.for_people() })?;
    }
    if !as_json {
        remark(&format!("{valid} valid, {unsigned} unsigned, {invalid} invalid"));
    }
    match invalid > 0 || (unsigned > 0 && !matches.get_flag("allow-unsigned")) {
        true => Err(Failure::Said(1)),
        false => Ok(()),
    }
}

/// One line, and what came of it.
struct Judged {
    number: usize,
    event: Option<Event>,
    /// Or why it is no event.
    outcome: Result<Verdict, String>,
}

impl Judged {
    fn new(number: usize, line: &[u8], verifier: &Verifier) -> Judged {
        let text = std::str::from_utf8(line).map_err(|error| format!("is not UTF-8: {error}"));
        let event = text.and_then(|text| Event::from_dump(text).map_err(|error| error.to_string()));
        match event {
            Ok(event) => {
                let outcome = Ok(verifier.verify(&event));
                Judged { number, event: Some(event), outcome }
            }
            Err(reason) => Judged { number, event: None, outcome: Err(reason) },
        }
    }

    /// `valid hall 01a21228-… org.example.door.open`, and the reason where there is one.
    fn for_people(&self) -> String {
        let (word, key, reason) = match &self.outcome {
            Ok(verdict) => (
                verdict::word(verdict),
                verdict::key(verdict).unwrap_or("-"),
                verdict::reason(verdict),
            ),
            Err(reason) => ("invalid", "-", Some(format!("is no event: {reason}"))),
        };
        let event = match &self.event {
            Some(event) => format!("{} {}", event.id, event.topic),
            None => format!("line {}", self.number),
        };
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        shown(&format!("{word:<8} {key} {event}{reason}")).into_owned()
    }

    fn for_programs(&self) -> String {
        let mut line = match &self.outcome {
            Ok(verdict) => verdict::json(verdict),
            Err(reason) => {
                let reason = format!("is no event: {reason}");
                json!({"verdict": "invalid", "key": null, "reason": reason})
            }
        };
        line["line"] = self.number.into();
        line["id"] = self.event.as_ref().map_or(Value::Null, |event| event.id.as_str().into());
        line["topic"] =
            self.event.as_ref().map_or(Value::Null, |event| event.topic.as_str().into());
        line.to_string()
    }
}
