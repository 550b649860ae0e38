//! `NAME=TEXT` and `NAME:=JSON`, as headers and arguments are given.

use clap::{Arg, ArgAction, ArgMatches};
use serde_json::{Map, Value};

use crate::failure::Failure;

/// A name and a value; `None` when the text is neither of the two, or the name is empty.
pub(super) fn named_value(text: &str) -> Option<(String, Value)> {
    let (name, value) = text.split_once('=')?;
    let (name, value) = match name.strip_suffix(':') {
        None => (name, Value::from(value)),
        Some(name) => (name, serde_json::from_str(value).ok()?),
    };
    (!name.is_empty()).then(|| (name.to_owned(), value))
}

/// The arguments of a declaration or binding.
pub(super) fn arguments() -> Arg {
    Arg::new("argument")
        .long("argument")
        .value_name("NAME=TEXT")
        .action(ArgAction::Append)
        .allow_hyphen_values(true)
        .value_parser(argument)
        .help(
            "An argument, such as x-max-length=1000; NAME:=JSON for a number, true, a list or an \
             object; may be given again",
        )
}

/// What stands for [`arguments`].
///
/// # Errors
/// One was given twice.
pub(super) fn arguments_of(matches: &ArgMatches) -> Result<Map<String, Value>, Failure> {
    let mut arguments = Map::new();
    for (name, value) in matches.get_many::<(String, Value)>("argument").unwrap_or_default() {
        if arguments.insert(name.clone(), value.clone()).is_some() {
            return Err(Failure::called_wrongly(format!("--argument {name}: was given twice")));
        }
    }
    Ok(arguments)
}

// Of RabbitMQ's own arguments it is known which are no texts, so nobody has to say it.
fn argument(text: &str) -> Result<(String, Value), String> {
    let expected = "expected NAME=TEXT, or NAME:=JSON";
    let (name, value) = named_value(text).ok_or(expected)?;
    let value = match &value {
        Value::String(text) if NUMBERS.contains(&name.as_str()) => match text.parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => return Err(format!("{name} is a whole number: expected {name}=1000")),
        },
        Value::String(text) if SWITCHES.contains(&name.as_str()) => match text.parse::<bool>() {
            Ok(on) => Value::from(on),
            Err(_) => return Err(format!("{name} is true or false: expected {name}=true")),
        },
        _ => value,
    };
    Ok((name, value))
}

/// Arguments of queues and exchanges that are whole numbers (RabbitMQ: optional queue arguments).
const NUMBERS: [&str; 17] = [
    "x-cache-size",
    "x-cache-ttl",
    "x-consumer-timeout",
    "x-delivery-limit",
    "x-expires",
    "x-initial-cluster-size",
    "x-max-in-memory-bytes",
    "x-max-in-memory-length",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-message-ttl",
    "x-priority",
    "x-quorum-initial-group-size",
    "x-quorum-target-group-size",
    "x-stream-filter-size-bytes",
    "x-stream-max-segment-size-bytes",
];
/// Those that are true or false.
const SWITCHES: [&str; 2] = ["x-message-deduplication", "x-single-active-consumer"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_argument_is_text_unless_it_is_known_or_said_to_be_something_else() {
        for (text, name, value) in [
            ("x-queue-mode=lazy", "x-queue-mode", json!("lazy")),
            ("x-max-length=10", "x-max-length", json!(10)),
            ("x-single-active-consumer=true", "x-single-active-consumer", json!(true)),
            ("build=10", "build", json!("10")),
            ("build:=10", "build", json!(10)),
            ("x-max-age=7D", "x-max-age", json!("7D")),
            ("list:=[1,\"a\"]", "list", json!([1, "a"])),
            ("a=b=c", "a", json!("b=c")),
        ] {
            assert_eq!(argument(text), Ok((name.to_owned(), value)), "{text}");
        }
        for (text, expected) in [
            ("x", "expected NAME=TEXT"),
            ("=x", "expected NAME=TEXT"),
            ("x:={", "expected NAME=TEXT"),
            ("x-max-length=ten", "x-max-length is a whole number"),
            ("x-single-active-consumer=1", "x-single-active-consumer is true or false"),
        ] {
            assert!(argument(text).unwrap_err().contains(expected), "{text}");
        }
    }
}
