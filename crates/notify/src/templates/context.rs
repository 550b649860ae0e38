//! What a template sees of a notice: what is said of its event, and of a digest all of them.

use std::sync::Arc;

use event::{Description, Event};
use jiff::Timestamp;
use minijinja::{
    Value, context,
    value::{Serde, merge_maps},
};

use crate::{Matter, Notice, Reason, chat_text::web_link, mail::one_line};

/// The names there are, and those of the engine.
pub(super) const NAMES: [&str; 24] = [
    "summary",
    "text",
    "link",
    "app",
    "agent",
    "people",
    "packages",
    "object",
    "objects",
    "patch",
    "severity",
    "id",
    "topic",
    "schema",
    "sent_at",
    "body",
    "events",
    "count",
    "is_digest",
    "reasons",
    "loop",
    "range",
    "dict",
    "namespace",
];

/// The values of the names.
pub(super) fn of(notice: &Notice, with_body: bool) -> Value {
    let events: Vec<Value> = notice
        .matters()
        .take(EVENTS_MAX)
        .map(|(event, told)| matter(event, told, with_body))
        .collect();
    let first = events.first().cloned().unwrap_or_default();
    let reasons: Vec<Value> = notice
        .reasons
        .iter()
        .map(|Reason { subscription, pattern, rule }| {
            context! { name => subscription, pattern => pattern, rule => rule }
        })
        .collect();
    let whole = context! {
        events => events,
        count => notice.more.len() + 1,
        is_digest => notice.is_digest(),
        reasons => reasons,
    };
    merge_maps([whole, first])
}

fn matter(event: &Event, told: &Description, with_body: bool) -> Value {
    let body = || Value::from(Serde(event.body.object()));
    let line = |text: &str| one_line(text, LINE_CHARS_MAX);
    context! {
        summary => line(&told.summary),
        text => told.text.as_deref(),
        // What is written into an address may be opened.
        link => told.link.as_deref().and_then(web_link).map(String::from),
        app => line(&told.app),
        agent => told.agent.as_deref().map(line),
        people => &told.people,
        packages => &told.packages,
        object => told.object.as_deref().map(line),
        objects => &told.objects,
        patch => told.patch.as_deref(),
        severity => told.severity.name(),
        id => line(&event.id),
        topic => event.topic.as_str(),
        schema => event.schema.as_deref().map(line),
        sent_at => event.sent_at.map(|at| at.to_string()),
        body => if with_body { body() } else { Value::UNDEFINED },
    }
}

/// What templates are tried on: an event, one of which nothing is known, and both as a digest.
pub(super) fn samples() -> Vec<Notice> {
    let Ok(topic) = "org.example.git.receive".parse() else { return Vec::new() };
    let Ok(event) = Event::new(topic, serde_json::json!({"agent": "ada"})) else {
        return Vec::new();
    };
    let event = Arc::new(event);
    let text = |text: &str| Some(text.to_owned());
    let bare = Description::bare("example", "an event");
    let whole = Description {
        link: text("https://example.org/"),
        agent: text("ada"),
        people: vec!["ada".to_owned()],
        packages: vec!["kernel".to_owned()],
        object: text("git/kernel"),
        objects: vec!["git/kernel".to_owned()],
        text: text("some lines"),
        patch: text("+a line\n"),
        ..bare.clone()
    };
    let Ok(address) = lettre::Address::new("ada", "example.org") else { return Vec::new() };
    let notice = |description: Description, more: Vec<Matter>| Notice {
        event: Arc::clone(&event),
        description: description.into(),
        more,
        to: lettre::message::Mailbox::new(None, address.clone()).into(),
        reasons: vec![Reason {
            subscription: "mine".to_owned(),
            pattern: "#".to_owned(),
            rule: None,
        }],
        received_at: Timestamp::UNIX_EPOCH,
    };
    let other = Matter { event: Arc::clone(&event), description: bare.clone().into() };
    vec![notice(whole.clone(), Vec::new()), notice(bare, Vec::new()), notice(whole, vec![other])]
}

/// Of a larger digest the first; `count` has all.
const EVENTS_MAX: usize = 100;
const LINE_CHARS_MAX: usize = 1000;
