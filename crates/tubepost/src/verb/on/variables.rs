//! What a command learns of its event from its environment.

use event::{Description, Event};

/// Names and values. What an event does not have is an empty value, so that a shell with `set -u`
/// needs no defaults. Lists are one item a line.
pub(super) fn variables(event: &Event, told: &Description) -> [(&'static str, String); 12] {
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let list = |items: &[String]| items.join("\n");
    [
        ("TUBEPOST_ID", event.id.clone()),
        ("TUBEPOST_TOPIC", event.topic.to_string()),
        ("TUBEPOST_SUMMARY", told.summary.clone()),
        ("TUBEPOST_LINK", optional(&told.link)),
        ("TUBEPOST_APP", told.app.clone()),
        ("TUBEPOST_AGENT", optional(&told.agent)),
        ("TUBEPOST_PEOPLE", list(&told.people)),
        ("TUBEPOST_PACKAGES", list(&told.packages)),
        ("TUBEPOST_SEVERITY", event.severity.to_string()),
        ("TUBEPOST_SCHEMA", optional(&event.schema)),
        ("TUBEPOST_VERDICT", verdict(event)),
        ("TUBEPOST_SENT_AT", event.sent_at.map(|time| time.to_string()).unwrap_or_default()),
    ]
    .map(|(name, value)| (name, presentable(value)))
}

/// What the signature is worth, where that was asked: `valid KEY`, `unsigned`, `invalid …`.
fn verdict(event: &Event) -> String {
    let said = event.headers.get(client::VERDICT_HEADER).and_then(|it| it.as_str());
    said.unwrap_or_default().to_owned()
}

// The system refuses an environment with NUL in it, and a single value over 128 KiB (Linux,
// MAX_ARG_STRLEN); an event's whole text is on standard input anyway.
fn presentable(value: String) -> String {
    let end = value.floor_char_boundary(value.len().min(VALUE_BYTES_MAX));
    value.get(..end).unwrap_or_default().replace('\0', "\u{fffd}")
}

const VALUE_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use event::Registry;
    use serde_json::json;

    use super::*;
    use crate::config::options;

    #[test]
    fn no_value_can_keep_a_command_from_starting() {
        let topic = "org.example.x".parse().unwrap();
        let event = Event::new(topic, json!({"agent": "a\0b"})).unwrap();
        let mut told = Registry::builtin().describe(&event);
        told.people = vec!["p\0".to_owned(), "ü".repeat(100_000)];
        for (name, value) in variables(&event, &told) {
            assert!(!value.contains('\0') && value.len() < 64 * 1024, "{name}");
        }
    }

    #[test]
    fn what_a_command_is_told_is_no_option_to_a_tubepost_that_it_runs() {
        let topic = "org.example.x".parse().unwrap();
        let event = Event::new(topic, json!({})).unwrap();
        let told = Registry::builtin().describe(&event);
        for (name, _) in variables(&event, &told) {
            assert!(options().all(|option| option.declaration().variable != name), "{name}");
        }
    }
}
