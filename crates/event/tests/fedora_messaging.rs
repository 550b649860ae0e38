//! Against the real thing: fedora-messaging's own Python classes, when the environment variable
//! `TUBEPOST_PYTHON` names a Python that has `fedora-messaging` 3.9 installed.

#![allow(clippy::print_stdout, reason = "what was skipped, and the table of coverage")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it should do")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use event::{Event, Registry};
use serde_json::{Value, json};

/// Runs a script with a line on its standard input; `None` when there is no such Python.
fn python(script: &str, input: &str) -> Option<Value> {
    let Some(python) = std::env::var_os("TUBEPOST_PYTHON") else {
        println!("skipped: TUBEPOST_PYTHON names no Python with fedora-messaging");
        return None;
    };
    let mut child = Command::new(python)
        .args(["-c", script])
        .env("FEDORA_MESSAGING_CONF", "/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the script failed");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// What fedora-messaging makes of a message as it comes from the bus.
const RECEIVE: &str = r#"
import json, sys, pika, logging
from fedora_messaging import message
wire = json.load(sys.stdin)
props = pika.BasicProperties(delivery_mode=2, **{key: wire[key] for key in
    ("content_type", "content_encoding", "headers", "message_id", "priority")})
got = message.get_message(wire["routing_key"], props, wire["body"].encode())
print(json.dumps({"class": type(got).__name__, "summary": got.summary, "url": got.url, "id": got.id,
    "topic": got.topic, "body": got.body, "severity": got.severity, "priority": got.priority,
    "usernames": got.usernames, "packages": got.packages, "app": got.app_name,
    "filter": got._filter_headers(), "dump": message.dumps(got)}))
"#;

/// What fedora-messaging puts on the bus, and the dump of it.
const SEND: &str = r#"
import json, sys
from fedora_messaging import message
body = json.load(sys.stdin)
made = message.Message(topic="org.example.door.open", body=body, severity=message.WARNING)
props = made._properties
print(json.dumps({"routing_key": made._encoded_routing_key, "content_type": props.content_type,
    "content_encoding": props.content_encoding, "message_id": props.message_id,
    "priority": props.priority, "delivery_mode": props.delivery_mode, "headers": props.headers,
    "body": made._encoded_body.decode(), "dump": message.dumps(made)}))
"#;

fn as_json(event: &Event) -> Value {
    let wire = event.to_wire();
    json!({
        "routing_key": wire.routing_key, "content_type": wire.content_type,
        "content_encoding": wire.content_encoding, "message_id": wire.message_id,
        "priority": wire.priority, "headers": wire.headers,
        "body": String::from_utf8(wire.body.to_vec()).unwrap(),
    })
}

#[test]
fn fedora_messaging_reads_ours_and_says_the_same() {
    let registry = Registry::builtin();
    let schema = registry.schema("git.receive").unwrap();
    let (topic, body) = schema.examples().next().unwrap();
    let mut event = Event::new(topic.parse().unwrap(), body.clone()).unwrap();
    event.priority = Some(3);
    registry.complete(&mut event).unwrap();
    let Some(got) = python(RECEIVE, &as_json(&event).to_string()) else { return };
    let said = registry.describe(&event);
    if got["class"] == "CommitV1" {
        assert_eq!(got["summary"], said.summary.as_str());
        assert_eq!(got["url"], json!(said.link));
        assert_eq!(got["usernames"], json!(said.people));
        assert_eq!(got["packages"], json!(said.packages));
        assert_eq!(got["app"], said.app.as_str());
        for (key, value) in got["filter"].as_object().unwrap() {
            assert_eq!(event.headers.get(key), Some(value), "{key}");
        }
    } else {
        println!("fedora-messaging-git-hook-messages is not installed: class not compared");
        assert_eq!(got["class"], "Message");
    }
    assert_eq!(got["body"], Value::from(event.body.object().clone()));
    assert_eq!(got["id"], event.id.as_str());
    assert_eq!((&got["severity"], &got["priority"]), (&json!(20), &json!(3)));
    assert_eq!(got["dump"].as_str().unwrap().trim_end(), event.to_dump());
}

#[test]
fn we_read_fedora_messagings_and_would_send_the_same() {
    let numbers = json!([1, 2.5, null, true, 10_000_000_000u64]);
    let body = json!({"agent": "ada", "name": "wörld \u{1f600}", "n": numbers});
    let Some(sent) = python(SEND, &body.to_string()) else { return };
    let text = |key: &str| sent[key].as_str().map(str::to_owned);
    let wire = event::Wire {
        routing_key: text("routing_key").unwrap(),
        content_type: text("content_type"),
        content_encoding: text("content_encoding"),
        message_id: text("message_id"),
        priority: sent["priority"].as_u64().map(|n| n as u8),
        persistent: sent["delivery_mode"] == 2,
        headers: sent["headers"].as_object().unwrap().clone(),
        body: text("body").unwrap().into(),
    };
    let event = Event::from_wire(wire.clone()).unwrap();
    let mut again = event.to_wire();
    assert_eq!(serde_json::from_slice::<Value>(&again.body).unwrap(), body);
    // The order of a header table's entries means nothing.
    again.headers.sort_keys();
    let mut sent_wire = wire;
    sent_wire.headers.sort_keys();
    assert_eq!(again, sent_wire);
    let dump = text("dump").unwrap();
    assert_eq!(Event::from_dump(&dump).unwrap().to_dump(), dump.trim_end());
    assert_eq!(event.to_dump(), dump.trim_end());
}
