//! Names and texts chosen by an enemy, in every place an event has, never become markup: every
//! tag of every page is one of the templates', with their attributes and harmless addresses.

use crate::sample::{HOSTILE, described, event};
use crate::site::Site;
use event::{Description, Event, Severity};
use web::{Bus, Options};

const ELEMENTS: &[&str] = &[
    "!doctype", "a", "article", "bdi", "body", "button", "code", "dd", "div", "dl", "dt", "footer",
    "form", "h1", "h2", "h3", "head", "header", "html", "img", "input", "kbd", "label", "li",
    "link", "main", "meta", "noscript", "ol", "p", "pre", "script", "section", "span", "table",
    "tbody", "td", "th", "time", "title", "tr",
];

const ATTRIBUTES: &[&str] = &[
    "action",
    "alt",
    "aria-describedby",
    "aria-hidden",
    "aria-invalid",
    "aria-label",
    "aria-live",
    "aria-pressed",
    "autocapitalize",
    "autocomplete",
    "autocorrect",
    "charset",
    "class",
    "content",
    "data-bus",
    "data-empty",
    "data-event-id",
    "data-key",
    "data-kind",
    "data-limit",
    "data-position",
    "data-rows-max",
    "data-severity",
    "data-show",
    "data-state",
    "data-topic",
    "datetime",
    "dir",
    "for",
    "height",
    "hidden",
    "href",
    "html",
    "id",
    "lang",
    "maxlength",
    "method",
    "name",
    "placeholder",
    "rel",
    "reversed",
    "role",
    "scope",
    "spellcheck",
    "src",
    "tabindex",
    "title",
    "type",
    "value",
    "width",
];

/// Reads HTML as a browser does, as far as these pages need it; panics at what is not ours.
fn check(html: &str, from: &str) {
    let mut rest = html;
    let mut scripts = 0;
    while let Some(at) = rest.find('<') {
        rest = rest[at + 1..].trim_start_matches('/');
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '!')).unwrap();
        let element = rest[..end].to_ascii_lowercase();
        assert!(ELEMENTS.contains(&element.as_str()), "<{element}> from {from:?} in {html}");
        scripts += usize::from(element == "script");
        rest = &rest[end..];
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break;
            }
            let end = rest.find(['=', '>', ' ']).unwrap();
            let name = rest[..end].to_owned();
            assert!(ATTRIBUTES.contains(&name.as_str()), "{name} from {from:?} in {html}");
            rest = &rest[end..];
            if let Some(after) = rest.strip_prefix("=\"") {
                let (value, after) = after.split_once('"').unwrap();
                check_address(&name, value, from);
                rest = after;
            }
        }
    }
    // One <script> and its end, both with an address and nothing between.
    assert!(scripts == 0 || (scripts == 2 && html.contains(".js\"></script>")), "{from:?}");
}

fn check_characters(html: &str, from: &str) {
    for c in ['\0', '\u{202E}', '\u{2066}'] {
        assert!(!html.contains(c), "{c:?} from {from:?}");
    }
}

fn check_address(name: &str, value: &str, from: &str) {
    if matches!(name, "href" | "src" | "action") {
        let ours = value.starts_with('/') && !value.starts_with("//");
        assert!(ours, "{name}={value} from {from:?}");
        assert!(!value.contains("/../"), "{value}");
    }
}

fn everywhere(name: &str) -> (Event, Description) {
    let mut event = event("org.example.hostile");
    if let Ok(topic) = format!("org.{name}.x").parse() {
        event.topic = topic;
    }
    event.id = name.to_owned();
    event.body = serde_json::json!({name: {"list": [name, {name: name}]}}).try_into().unwrap();
    event.schema = Some(name.to_owned());
    event.headers.insert(name.to_owned(), name.into());
    event.headers.insert("list".to_owned(), serde_json::json!([name, {name: name}]));
    let mut told = described(name);
    let name = || name.to_owned();
    (told.link, told.icon, told.agent, told.object) =
        (Some(name()), Some(name()), Some(name()), Some(name()));
    told.app = name();
    told.people = vec![name(), format!("x{}", name())];
    told.packages = vec![name()];
    told.text = Some(name());
    told.patch = Some(format!("--- {0}\n@@ -1 +1 @@ {0}\n-{0}\n+{0}\n{0}", name()));
    told.severity = Severity::Error;
    told.schema = Some(name());
    (event, told)
}

#[tokio::test]
async fn nothing_in_an_event_becomes_markup_on_any_page() {
    let long = "<b>\"'&".repeat(64 * 1024 / 6);
    let names = HOSTILE.iter().copied().chain([long.as_str()]);
    for name in names {
        let site = Site::start(Options::default()).await;
        let mut live = site.live("", None).await;
        live.until("event: list").await;
        let (event, told) = everywhere(name);
        site.feed.push(event, told);
        let since = jiff::Timestamp::UNIX_EPOCH;
        site.feed.set_bus(Bus::Away { since, reason: name.to_owned() });

        let from = &name[..name.len().min(40)];
        let page = site.get("/").await;
        assert_eq!(page.status, 200);
        check(&page.body, from);
        check_characters(&page.body, from);
        let list: serde_json::Value =
            serde_json::from_str(&site.get("/events.json").await.body).unwrap();
        assert_eq!(list["events"][0]["id"], name, "the JSON is exact");

        let path = list["events"][0]["path"].as_str().unwrap();
        let event_page = site.get(path).await;
        assert_eq!(event_page.status, 200, "{path}");
        check(&event_page.body, from);
        check_characters(&event_page.body, from);
        let json = site.get(&format!("{path}.json")).await;
        let whole: serde_json::Value = serde_json::from_str(&json.body).unwrap();
        assert_eq!(whole["description"]["summary"], name);

        live.until("event: row\ndata: ").await;
        let row = live.until("\n\n").await;
        let row: serde_json::Value = serde_json::from_str(&row).unwrap();
        check(row["html"].as_str().unwrap(), from);
    }
}

#[tokio::test]
async fn nothing_in_an_address_becomes_markup() {
    let site = Site::start(Options::default()).await;
    for name in HOSTILE {
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for path in [
            format!("/?pattern={encoded}&text={encoded}"),
            format!("/?pattern=a*{encoded}"),
            format!("/?limit={encoded}"),
            format!("/events/{encoded}"),
            format!("/nothing/{encoded}"),
        ] {
            check(&site.get(&path).await.body, name);
        }
    }
}
