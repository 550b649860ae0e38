//! docs/events.md says what is so: its messages are those that are written, its signature holds.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it should do")]

use event::{Clothing, Event, HttpMode, Registry, Severity, SigningKey, Verdict, Verifier, Wire};
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../docs/events.md");

/// The blocks that begin with this line.
fn blocks(opening: &str) -> Vec<&'static str> {
    let blocks = PAGE.split("\n```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix(opening)?.strip_prefix('\n')).collect()
}

fn door() -> Event {
    let topic = "org.example.door.open".parse().unwrap();
    let mut event = Event::new(topic, json!({"agent": "ada", "door": "north"})).unwrap();
    event.id = "01a21228-e12a-7580-bd3f-6647cb7bca63".to_owned();
    event.sent_at = Some("2026-11-25T10:03:19Z".parse().unwrap());
    event.source = Some("//hall/doors".to_owned());
    event.severity = Severity::Warning;
    (event.schema, event.schema_version) = (Some("door.open".to_owned()), Some(2));
    event.object = Some("door/north".to_owned());
    event.headers.insert("fedora_messaging_user_ada".to_owned(), json!(true));
    event
}

/// As the page shows a message: properties, headers by name with their types, the body.
fn shown(wire: &Wire) -> String {
    let mut text = format!("routing key       {}\n", wire.routing_key);
    let some = |text: &Option<String>| text.clone().unwrap();
    text.push_str(&format!("content-type      {}\n", some(&wire.content_type)));
    text.push_str(&format!("content-encoding  {}\n", some(&wire.content_encoding)));
    text.push_str("delivery-mode     2\n");
    text.push_str(&format!("message-id        {}\n", some(&wire.message_id)));
    let mut names: Vec<&String> = wire.headers.keys().collect();
    names.sort();
    let width = names.iter().map(|name| name.len()).max().unwrap();
    for (index, name) in names.into_iter().enumerate() {
        let (kind, value) = match &wire.headers[name] {
            Value::String(text) => ('S', text.clone()),
            Value::Bool(bool) => ('t', bool.to_string()),
            number if name.starts_with("cloudEvents_") => ('l', number.to_string()),
            number => ('I', number.to_string()),
        };
        let label = if index == 0 { "headers" } else { "" };
        text.push_str(&format!("{label:<18}{name:<width$}  {kind}  {value}\n"));
    }
    text
}

/// What of the page begins so, to the end of its block.
fn block_from(opening: &str) -> &'static str {
    let from = PAGE.find(opening).map(|at| &PAGE[at..]).unwrap_or_else(|| panic!("{opening}"));
    from.split("```").next().unwrap()
}

#[test]
fn the_messages_shown_are_those_that_are_published() {
    let block = block_from("routing key       org.example.door.open\n");
    let wire = door().to_wire_as(Clothing::CloudEventsBinary);
    let body = std::str::from_utf8(&wire.body).unwrap();
    assert_eq!(block, format!("{}body              {body}\n", shown(&wire)));

    let block = block_from("routing key       org.example.git.branch.create\n");
    let (message, body) = block.split_once("body ").unwrap();
    let body: String = body.lines().map(str::trim).collect();
    let topic = "org.example.git.branch.create".parse().unwrap();
    let mut event = Event::with_body(topic, event::Body::parse(body).unwrap());
    event.id = door().id;
    event.sent_at = door().sent_at;
    Registry::builtin().complete(&mut event).unwrap();
    assert_eq!(message, shown(&event.to_wire()));
}

#[test]
fn the_documents_and_the_headers_of_http_are_those_that_are_written() {
    let [document] = blocks("json")[..] else { panic!("there is one") };
    let http = door().to_http(HttpMode::Structured);
    assert_eq!(document.trim_end().as_bytes(), &http.body[..]);

    let [request] = blocks("http")[..] else { panic!("there is one") };
    let http = door().to_http(HttpMode::Binary);
    let headers: String =
        http.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let body = std::str::from_utf8(&http.body).unwrap();
    assert_eq!(request.trim_end(), format!("{headers}\n{body}"));
}

/// RFC 8032 §7.1, test 1.
const SECRET: &str = "-----BEGIN PRIVATE KEY-----\n\
                      MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
                      -----END PRIVATE KEY-----\n";

#[test]
fn the_signature_shown_is_that_of_the_key_shown() {
    let key = SigningKey::from_pem("hall", SECRET).unwrap();
    let mut event = door();
    key.sign(&mut event).unwrap();
    let line = event.to_dump();
    assert!(PAGE.contains(&line), "the page lacks this line: {line}");
    let public = key.public_pem();
    assert!(PAGE.contains(&public), "the page lacks this key: {public}");
    let mut verifier = Verifier::default();
    verifier.add("hall", &public).unwrap();
    let read = Event::from_dump(&line).unwrap();
    assert_eq!(verifier.verify(&read), Verdict::Valid { key: "hall".to_owned() });
}
