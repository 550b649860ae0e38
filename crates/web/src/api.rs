//! The same for programs: JSON. Documented in docs/http.md; what is there stays as it is.

use std::sync::Arc;

use axum::Json;
use event::Description;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    entry::{Entry, Position},
    feed::{Bus, Feed},
};

/// `GET /events.json`
#[derive(Debug, Serialize)]
pub(crate) struct Events<'a> {
    events: Vec<Listed<'a>>,
    kept: usize,
    position: String,
    bus: &'static str,
    undecodable: u64,
}

/// An event in a list: no body, no patch.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    id: &'a str,
    path: String,
    topic: &'a str,
    time: String,
    severity: &'static str,
    summary: &'a str,
    app: &'a str,
    agent: Option<&'a str>,
    people: &'a [String],
    packages: &'a [String],
    link: Option<&'a str>,
}

/// `GET /events/ID.json`
#[derive(Debug, Serialize)]
struct Whole<'a> {
    id: &'a str,
    topic: &'a str,
    sent_at: Option<String>,
    received_at: String,
    severity: &'static str,
    schema: Option<&'a str>,
    priority: Option<u8>,
    headers: &'a event::Headers,
    body: Body<'a>,
    description: &'a Description,
}

/// As published, digit for digit.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Published(Box<RawValue>),
    Parsed(&'a serde_json::Map<String, serde_json::Value>),
}

pub(crate) fn events<'a>(feed: &Feed, rows: &'a [Arc<Entry>], position: Position) -> Events<'a> {
    Events {
        events: rows.iter().map(|entry| Listed::new(entry)).collect(),
        kept: feed.len(),
        position: position.to_string(),
        bus: match feed.bus() {
            Bus::Connecting => "connecting",
            Bus::Connected => "connected",
            Bus::Away { .. } => "away",
        },
        undecodable: feed.undecodable(),
    }
}

pub(crate) fn event(entry: &Entry) -> Json<impl Serialize> {
    let event = &entry.event;
    let published = String::from_utf8(event.body.bytes().to_vec()).ok();
    let published = published.and_then(|text| RawValue::from_string(text).ok());
    Json(Whole {
        id: &event.id,
        topic: event.topic.as_str(),
        sent_at: event.sent_at.map(|time| time.to_string()),
        received_at: entry.received_at.to_string(),
        severity: event.severity.name(),
        schema: event.schema.as_deref(),
        priority: event.priority,
        headers: &event.headers,
        body: published.map_or(Body::Parsed(event.body.object()), Body::Published),
        description: &entry.description,
    })
}

impl Listed<'_> {
    fn new(entry: &Entry) -> Listed<'_> {
        let told = &entry.description;
        Listed {
            id: &entry.event.id,
            path: crate::view::event_href(&entry.key),
            topic: entry.event.topic.as_str(),
            time: entry.time().to_string(),
            severity: told.severity.name(),
            summary: &told.summary,
            app: &told.app,
            agent: told.agent.as_deref(),
            people: &told.people,
            packages: &told.packages,
            link: told.link.as_deref(),
        }
    }
}
