//! Events to send through: our own few, and Fedora's real ones where they lie beside the checkout.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::root;

/// Our own, of every shape that JSON has: dump format, one object each.
///
/// # Errors
/// The file is damaged.
pub fn own_events() -> Result<Vec<Value>> {
    let text = fs::read_to_string(root().join("tests/data/events.jsonl"))?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// Fedora's 427, in dump format; none when the data is not there (a clone has it not), which the
/// test's output says.
///
/// # Errors
/// The data is there and damaged.
pub fn fedora_events() -> Result<Option<Vec<Value>>> {
    let shared =
        env::var_os("TUBEPOST_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let file = shared.join("data/fedora-events.jsonl");
    let Ok(text) = fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return Ok(None);
    };
    let mut events = Vec::new();
    for line in text.lines() {
        let source: Value = serde_json::from_str(line)?;
        let number = events.len();
        // Old messages have their id and agent outside of the body; what counts here is that
        // whatever was published comes out equal.
        let body = &source["message"]["msg"];
        let body = if body.is_object() { body.clone() } else { json!({"msg": body}) };
        events.push(json!({
            "topic": source["topic"],
            "id": format!("00000000-0000-4000-8000-{number:012}"),
            "body": body,
            "headers": {
                "fedora_messaging_schema": "base.message",
                "fedora_messaging_severity": 20,
                "sent-at": "2026-11-25T09:30:00+00:00",
            },
        }));
    }
    ensure!(events.len() == 427, "{} events of 427 in {}", events.len(), file.display());
    Ok(Some(events))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_events_can_be_read_and_have_ids_of_their_own() {
        let events = own_events().unwrap();
        let mut ids: Vec<&str> = events.iter().filter_map(|event| event["id"].as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), events.len());
        assert!(events.len() >= 10);
    }
}
