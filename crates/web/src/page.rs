//! The pages as HTML, from templates that are in the binary.

use std::sync::{Arc, LazyLock};

use event::{Description, Field, Pattern, Schema};
use minijinja::{AutoEscape, Environment, Error, Output, State, Value, context, value::Serde};
use serde_json as json;

use crate::{
    asset::{ICON, SCRIPT, STYLE},
    entry::{Entry, Position},
    feed::{Bus, Feed},
    filter::Problem,
    json_view,
    limits::ROWS_MAX,
    query::Asked,
    shown,
    view::{DetailView, EventView, TimeView, encoded},
};

/// The feed's page. `problem` is shown beside its field, and then there are no rows.
pub(crate) fn feed(
    feed: &Feed,
    asked: &Asked,
    found: Result<(Vec<Arc<Entry>>, Position), Problem>,
    notice: Option<&str>,
) -> String {
    let now = jiff::Timestamp::now();
    let (list_html, position, problem) = match found {
        Ok((rows, position)) => (list(feed, asked, &rows), position.to_string(), None),
        Err(problem) => (String::new(), String::new(), Some(problem)),
    };
    let problem =
        problem.map(|problem| context! { field => problem.field, message => problem.message });
    render(
        "feed.html",
        context! {
            asked => Serde(asked), problem, list_html, position, notice,
            filtered => asked.is_filtered(),
            bus => bus(&feed.bus()),
            now => Serde(TimeView::new(now, now)),
            rows_max => ROWS_MAX,
        },
    )
}

/// The rows, newest first, or what to do when there are none.
pub(crate) fn list(feed: &Feed, asked: &Asked, rows: &[Arc<Entry>]) -> String {
    let rows_html: String = rows.iter().map(|entry| row(entry)).collect();
    let kept = feed.len();
    let has_older = rows.len() >= asked.limit && kept > asked.limit && asked.limit < ROWS_MAX;
    render(
        "list.html",
        context! {
            rows_html, kept,
            count => rows.len(),
            filtered => asked.is_filtered(),
            older_href => has_older.then(|| older_href(asked)),
            undecodable => feed.undecodable(),
        },
    )
}

/// One row; made once, the same for all.
pub(crate) fn row(entry: &Entry) -> &str {
    entry.row.get_or_init(|| render("row.html", context! { event => Serde(EventView::row(entry)) }))
}

/// The page of one event.
pub(crate) fn event_page(entry: &Entry) -> String {
    render(
        "event.html",
        context! {
            event => Serde(EventView::page(entry)),
            detail => Serde(DetailView::new(entry)),
        },
    )
}

/// The catalogue: those of `count` schemas that were found.
pub(crate) fn schemas(found: &[&Arc<Schema>], count: usize, text: &str) -> String {
    let row = |schema: &&Arc<Schema>| {
        context! {
            name => schema.name(),
            path => schema_path(schema.name()),
            title => shown::line(schema.title(), 200),
            owner => shown::line(schema.owner(), 200),
            deprecated => schema.is_deprecated(),
            topics => schema.topics().iter().map(|it| it.as_str().to_owned()).collect::<Vec<_>>(),
        }
    };
    let rows: Vec<Value> = found.iter().map(row).collect();
    render("schemas.html", context! { rows, count, text })
}

/// The page of one schema, with examples: topic, body, what is said.
pub(crate) fn schema(schema: &Schema, examples: &[(String, json::Value, Description)]) -> String {
    let topic = |pattern: &Pattern| {
        let href = format!("/?pattern={}", encoded(pattern.as_str()));
        context! { href, pattern => pattern.as_str() }
    };
    let example = |(topic, body, told): &(String, json::Value, Description)| {
        context! {
            topic => shown::line(topic, 255),
            body_html => json_view::render(&body.to_string()).html,
            summary => told.summary.as_str(),
            link => told.link.as_deref(),
            severity => told.severity.name(),
            people => told.people.join(", "),
            packages => told.packages.join(", "),
            objects => told.objects.join(", "),
        }
    };
    let field = |field: &Field| {
        context! {
            path => shown::line(&field.path, 400),
            kind => shown::line(&field.kind, 400),
            required => field.required,
            description => shown::line(&field.description, 1000),
        }
    };
    render(
        "schema.html",
        context! {
            name => schema.name(),
            path => schema_path(schema.name()),
            title => shown::line(schema.title(), 200),
            description => shown::paragraph(schema.description(), 4000),
            version => schema.version(),
            owner => shown::line(schema.owner(), 200),
            deprecated => schema.is_deprecated(),
            wire_name => schema.wire_name(),
            topics => schema.topics().iter().map(topic).collect::<Vec<_>>(),
            fields => schema.fields().iter().map(field).collect::<Vec<_>>(),
            examples => examples.iter().map(example).collect::<Vec<_>>(),
        },
    )
}

/// Where a schema is, as an address: `/schemas/git.receive`.
pub(crate) fn schema_path(name: &str) -> String {
    format!("/schemas/{}", event::schema_segment(name))
}

/// What mails came of these names, and the button that ends it; or that it is done.
pub(crate) fn unsubscribe(names: &[String], done: bool) -> String {
    render("unsubscribe.html", context! { names => names.to_vec(), done })
}

/// A page that says why there is no other: `title` in a few words, `said` with the mend.
pub(crate) fn refusal(title: &str, said: &str) -> String {
    render("refusal.html", context! { title, said })
}

fn older_href(asked: &Asked) -> String {
    let [pattern, text] = [&asked.pattern, &asked.text].map(|value| encoded(value));
    format!("/?pattern={pattern}&text={text}&limit={ROWS_MAX}")
}

fn bus(bus: &Bus) -> Value {
    match bus {
        Bus::Connecting => context! { state => "connecting" },
        Bus::Connected => context! { state => "connected" },
        Bus::Away { since, reason } => {
            let since = Serde(TimeView::new(*since, jiff::Timestamp::now()));
            context! { state => "away", since, reason => shown::line(reason, 300) }
        }
    }
}

pub(crate) fn render(template: &str, context: Value) -> String {
    let rendered = TEMPLATES.get_template(template).and_then(|template| template.render(context));
    rendered.unwrap_or_else(|error| {
        // Unreachable as long as the tests render every template; not worth a panic.
        tracing::error!(template, %error, "a page could not be rendered");
        "<!doctype html><title>Tubepost</title><p>This page is broken; the log says why.".to_owned()
    })
}

/// minijinja's escaping also makes `&#x2f;` of every slash, which nothing here needs and which
/// hides every address from who reads the source. Everything else is minijinja's.
fn format(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() && *state.auto_escape() == AutoEscape::Html => {
            let mut html = String::with_capacity(text.len());
            shown::escape(text, &mut html);
            output.write_str(&html).map_err(Error::from)
        }
        _ => minijinja::escape_formatter(output, state, value),
    }
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    // A name that is not given is a mistake here, not an empty string.
    templates.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    templates.set_formatter(format);
    templates.add_global("style_path", STYLE.path.as_str());
    templates.add_global("script_path", SCRIPT.path.as_str());
    templates.add_global("icon_path", ICON.path.as_str());
    for (name, source) in SOURCES {
        if let Err(error) = templates.add_template(name, source) {
            tracing::error!(name, %error, "a template cannot be read");
        }
    }
    templates
});

const SOURCES: [(&str, &str); 20] = [
    ("base.html", include_str!("../templates/base.html")),
    ("parts.html", include_str!("../templates/parts.html")),
    ("feed.html", include_str!("../templates/feed.html")),
    ("list.html", include_str!("../templates/list.html")),
    ("row.html", include_str!("../templates/row.html")),
    ("event.html", include_str!("../templates/event.html")),
    ("refusal.html", include_str!("../templates/refusal.html")),
    ("unsubscribe.html", include_str!("../templates/unsubscribe.html")),
    ("schemas.html", include_str!("../templates/schemas.html")),
    ("schema.html", include_str!("../templates/schema.html")),
    ("me/frame.html", include_str!("../templates/me/frame.html")),
    ("me/token.html", include_str!("../templates/me/token.html")),
    ("me/sign_in.html", include_str!("../templates/me/sign_in.html")),
    ("me/signed_in.html", include_str!("../templates/me/signed_in.html")),
    ("me/rules.html", include_str!("../templates/me/rules.html")),
    ("me/rule.html", include_str!("../templates/me/rule.html")),
    ("me/destinations.html", include_str!("../templates/me/destinations.html")),
    ("me/quiet.html", include_str!("../templates/me/quiet.html")),
    ("me/history.html", include_str!("../templates/me/history.html")),
    ("me/why.html", include_str!("../templates/me/why.html")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{described, event};

    #[test]
    fn every_template_is_whole_and_escapes() {
        assert_eq!(TEMPLATES.templates().count(), SOURCES.len());
        let site = Feed::default();
        let mut told = described("<b>'\"&");
        told.people = (0..20).map(|n| format!("<i>{n}")).collect();
        site.push(event("org.example.a"), told);
        let asked = Asked { limit: 1, ..Asked::default() };
        let (rows, position) = site.newest(&crate::filter::Filter::default(), 1);
        let problem = Problem { field: "text", message: "<u>".to_owned() };
        for html in [
            row(&rows[0]).to_owned(),
            event_page(&rows[0]),
            feed(&site, &asked, Ok((rows.clone(), position)), None),
            feed(&site, &asked, Err(problem), Some("look out")),
            refusal("<s>", "<s>"),
        ] {
            assert!(!html.contains("is broken"), "{html}");
            for tag in ["<b>", "<i>", "<u>", "<s>"] {
                assert!(!html.contains(tag), "{html}");
            }
        }
        assert!(row(&rows[0]).contains("&lt;b&gt;&#39;&quot;&amp;"));
        assert!(row(&rows[0]).contains("14 more"));
    }

    #[test]
    fn older_events_are_offered_when_there_are_any() {
        let site = Feed::default();
        let mut asked = Asked { pattern: "#".to_owned(), text: "a&b".to_owned(), limit: 1 };
        site.push(event("a"), described("1"));
        let (rows, _) = site.newest(&crate::filter::Filter::default(), 1);
        assert!(!list(&site, &asked, &rows).contains("id=\"older\""));
        site.push(event("a"), described("2"));
        let address = "href=\"/?pattern=%23&amp;text=a%26b&amp;limit=500\"";
        assert!(list(&site, &asked, &rows).contains(address));
        asked.limit = ROWS_MAX;
        assert!(!list(&site, &asked, &rows).contains("id=\"older\""));
    }
}
