//! What the templates are given: an event's parts as short, clean strings and addresses. Escaping
//! is the templates' (minijinja escapes by the `.html` of their names).

use event::Description;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

use crate::{
    entry::Entry,
    filter, json_view,
    json_view::Rendered,
    limits::{CHIP_CHARS_MAX, CHIPS_IN_ROW_MAX, CHIPS_ON_PAGE_MAX, HEADERS_SHOWN_MAX},
    limits::{SUMMARY_CHARS_MAX, TEXT_CHARS_MAX},
    page, patch_view, shown,
};

/// What row and page both show.
#[derive(Debug, Serialize)]
pub(crate) struct EventView {
    key: String,
    href: String,
    id: String,
    topic: TopicView,
    time: TimeView,
    summary: String,
    severity: &'static str,
    chips: Vec<Chip>,
    /// How many chips were left out.
    chips_more: usize,
}

/// A topic in two parts: where it is from, and what it is.
#[derive(Debug, Serialize)]
struct TopicView {
    full: String,
    lead: String,
    tail: String,
    href: String,
}

/// A time for the eye and for the machine.
#[derive(Debug, Serialize)]
pub(crate) struct TimeView {
    iso: String,
    exact: String,
    short: String,
}

/// A person or a package; leads to the feed of it.
#[derive(Debug, Serialize)]
struct Chip {
    kind: &'static str,
    name: String,
    href: Option<String>,
}

/// What only the page of an event shows.
#[derive(Debug, Serialize)]
pub(crate) struct DetailView {
    app: String,
    agent: Option<String>,
    object: Option<String>,
    /// Only http and https: no other address may be followed from an event.
    link: Option<String>,
    link_text: Option<String>,
    text: Option<String>,
    sent: Option<TimeView>,
    received: TimeView,
    schema: Option<String>,
    /// The page of the schema that said it.
    schema_href: Option<String>,
    priority: Option<u8>,
    patch_html: Option<String>,
    patch_cut: bool,
    body_html: String,
    body_cut: bool,
    headers: Vec<(String, String)>,
    headers_more: usize,
}

impl EventView {
    pub(crate) fn row(entry: &Entry) -> EventView {
        EventView::new(entry, CHIPS_IN_ROW_MAX)
    }

    pub(crate) fn page(entry: &Entry) -> EventView {
        EventView::new(entry, CHIPS_ON_PAGE_MAX)
    }

    fn new(entry: &Entry, chips_max: usize) -> EventView {
        let told = &entry.description;
        EventView {
            key: entry.key.clone(),
            href: event_href(&entry.key),
            id: shown::line(&entry.event.id, 255),
            topic: TopicView::new(entry.event.topic.as_str()),
            time: TimeView::new(entry.time(), entry.received_at),
            summary: match shown::line(told.summary.trim(), SUMMARY_CHARS_MAX) {
                // An event always has something to click.
                empty if empty.is_empty() => entry.event.topic.to_string(),
                summary => summary,
            },
            severity: told.severity.name(),
            chips: chips(told, chips_max),
            chips_more: (told.people.len() + told.packages.len()).saturating_sub(chips_max),
        }
    }
}

impl DetailView {
    pub(crate) fn new(entry: &Entry) -> DetailView {
        let (event, told) = (&entry.event, &entry.description);
        let line = |text: &Option<String>| text.as_deref().map(|text| shown::line(text, 1000));
        let patch = told.patch.as_deref().filter(|patch| !patch.is_empty()).map(patch_view::render);
        let body: Rendered = json_view::render(&String::from_utf8_lossy(event.body.bytes()));
        let text = told.text.as_deref().map(|text| shown::paragraph(text.trim(), TEXT_CHARS_MAX));
        DetailView {
            app: shown::line(&told.app, 100),
            agent: line(&told.agent),
            object: line(&told.object),
            link: told.link.as_deref().and_then(web_address),
            link_text: line(&told.link),
            text: text.filter(|text| !text.is_empty()),
            sent: event.sent_at.map(|sent_at| TimeView::new(sent_at, entry.received_at)),
            received: TimeView::new(entry.received_at, entry.received_at),
            schema: line(&event.schema),
            schema_href: told.schema.as_deref().map(page::schema_path),
            priority: event.priority,
            patch_cut: patch.as_ref().is_some_and(|patch| patch.cut),
            patch_html: patch.map(|patch| patch.html),
            body_html: body.html,
            body_cut: body.cut,
            headers: event
                .headers
                .iter()
                .take(HEADERS_SHOWN_MAX)
                .map(|(name, value)| (shown::line(name, 255), header_text(value)))
                .collect(),
            headers_more: event.headers.len().saturating_sub(HEADERS_SHOWN_MAX),
        }
    }
}

impl TopicView {
    fn new(topic: &str) -> TopicView {
        let tail = topic.get(lead_length(topic)..).unwrap_or(topic);
        let lead = topic.strip_suffix(tail).unwrap_or_default();
        TopicView {
            full: shown::line(topic, 255),
            lead: shown::line(lead, 255),
            tail: shown::line(tail, 255),
            href: filter_href("pattern", topic),
        }
    }
}

/// Bytes of a topic that say where it is from: `org.example.`, and fedora-messaging's
/// environment after it (`org.fedoraproject.prod.`). The rest says what happened.
fn lead_length(topic: &str) -> usize {
    let dots: Vec<usize> = topic.match_indices('.').map(|(at, _)| at).collect();
    let (Some(&second), false) = (dots.get(1), dots.len() < 2) else { return 0 };
    match dots.get(2) {
        Some(&third) if matches!(topic.get(second + 1..third), Some("prod" | "stg" | "dev")) => {
            third + 1
        }
        _ => second + 1,
    }
}

impl TimeView {
    /// Short is the time of day, or the day when that is another than `now`'s. UTC: the server
    /// does not know the reader's zone; the page's script does.
    pub(crate) fn new(time: Timestamp, now: Timestamp) -> TimeView {
        let day = |time: Timestamp| time.strftime("%Y-%m-%d").to_string();
        TimeView {
            iso: time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            exact: time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            short: match day(time) == day(now) {
                true => time.strftime("%H:%M:%S").to_string(),
                false => day(time),
            },
        }
    }
}

fn chips(told: &Description, max: usize) -> Vec<Chip> {
    let people = told.people.iter().map(|name| ("person", name));
    let packages = told.packages.iter().map(|name| ("package", name));
    people.chain(packages).take(max).map(|(kind, name)| Chip::new(kind, name)).collect()
}

impl Chip {
    fn new(kind: &'static str, name: &str) -> Chip {
        let href = filter::asking_for(kind, name).map(|text| filter_href("text", &text));
        let name = match shown::line(name, CHIP_CHARS_MAX) {
            blank if blank.trim().is_empty() => "(no name)".to_owned(),
            name => name,
        };
        Chip { kind, name, href }
    }
}

/// The page of an event.
pub(crate) fn event_href(key: &str) -> String {
    format!("/events/{}", utf8_percent_encode(key, KEY))
}

/// The feed, filtered.
fn filter_href(field: &str, value: &str) -> String {
    format!("/?{field}={}", encoded(value))
}

/// A query parameter's value.
pub(crate) fn encoded(value: &str) -> String {
    utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()
}

/// RFC 3986 §3.3: what a path's segment cannot hold. Keys are made of less; this is the net.
const KEY: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'/').add(b'<').add(b'>').add(b'?');

fn web_address(link: &str) -> Option<String> {
    let known = |scheme: &str| {
        link.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let fits = link.len() <= 2000 && !link.contains(|c: char| c.is_control() || c.is_whitespace());
    (fits && (known("https://") || known("http://"))).then(|| link.to_owned())
}

fn header_text(value: &Value) -> String {
    match value {
        Value::String(text) => shown::line(text, 1000),
        other => shown::line(&other.to_string(), 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_parted_where_its_origin_ends() {
        for (topic, lead) in [
            ("org.example.git.receive", "org.example."),
            ("org.fedoraproject.prod.git.receive", "org.fedoraproject.prod."),
            ("org.fedoraproject.stg.git", "org.fedoraproject.stg."),
            ("org.example.hello", "org.example."),
            ("git.receive", ""),
            ("hello", ""),
            ("...", ".."),
            ("ä.ö.ü", "ä.ö."),
        ] {
            let view = TopicView::new(topic);
            assert_eq!(view.lead, lead);
            assert_eq!(format!("{}{}", view.lead, view.tail), topic);
        }
    }

    #[test]
    fn only_web_addresses_can_be_followed() {
        for link in ["https://example.org/a?b", "HTTP://example.org"] {
            assert_eq!(web_address(link).as_deref(), Some(link));
        }
        for link in [
            "javascript:alert(1)",
            "java\nscript:alert(1)",
            "data:text/html,x",
            " https://x",
            "https://x\n",
            "//evil.example",
            "/",
            "",
            "ftp://x",
        ] {
            assert_eq!(web_address(link), None, "{link}");
        }
    }

    #[test]
    fn the_short_time_is_of_the_day_or_the_day() {
        let now: Timestamp = "2026-11-25T09:41:47Z".parse().unwrap();
        let short = |time: &str| TimeView::new(time.parse().unwrap(), now).short;
        assert_eq!(short("2026-11-25T00:00:01Z"), "00:00:01");
        assert_eq!(short("2026-11-24T23:59:59.9Z"), "2026-11-24");
    }
}
