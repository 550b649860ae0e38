//! The schemas known, by name and by topic; and what is done with them: complete an event before
//! it is published, check it, say it to a person.

use std::sync::{
    Arc, LazyLock, Mutex, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use serde_json::Value;

use crate::{
    Description, Error, Event, Schema, Severity, Topic, filter_headers, generic, plain_text,
    schema::{self, Shipped},
    schema_index::SchemaIndex,
    template::Said,
};

/// All schemas known to a process. Cheap to clone; clones count template failures together, and
/// [`Registry::replace`] gives all of them other schemas while they are in use. One that gets more
/// by [`Registry::add`] goes its own way from there.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// What is in force: the outer one is shared by the clones, the inner one by who reads now.
    index: Arc<RwLock<Arc<SchemaIndex>>>,
    failures: Arc<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    count: AtomicU64,
    last: Mutex<Option<String>>,
}

impl Registry {
    /// The schemas that ship with Tubepost. Each is read and compiled on its first use.
    pub fn builtin() -> Registry {
        static BUILTIN: LazyLock<Arc<SchemaIndex>> = LazyLock::new(|| {
            let mut index = SchemaIndex::default();
            for shipped in SHIPPED {
                let schema = Schema::shipped(shipped).expect("a test makes every shipped schema");
                index.add(shipped.file, schema).expect("a test adds every shipped schema");
            }
            Arc::new(index)
        });
        Registry::of(Arc::clone(&BUILTIN))
    }

    fn of(index: Arc<SchemaIndex>) -> Registry {
        Registry { index: Arc::new(RwLock::new(index)), failures: Arc::default() }
    }

    fn index(&self) -> Arc<SchemaIndex> {
        Arc::clone(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds one schema file's text; `name` is for messages. A schema of the same name is replaced.
    ///
    /// # Errors
    /// [`Error::Schema`] with the place; the registry is as it was.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), Error> {
        let schema = Schema::parse(name, text)?;
        // Without clones there is nobody to leave alone: thousands of files are added so.
        if let Some(own) = Arc::get_mut(&mut self.index) {
            let index = own.get_mut().unwrap_or_else(PoisonError::into_inner);
            return Arc::make_mut(index).add(name, schema);
        }
        let mut index = self.index();
        Arc::make_mut(&mut index).add(name, schema)?;
        self.index = Arc::new(RwLock::new(index));
        Ok(())
    }

    /// Takes over the schemas of another, in this one and all its clones, at once: an event is
    /// said by the old ones or by the new ones. Failures counted so far stay counted.
    pub fn replace(&self, other: &Registry) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = other.index();
    }

    /// All schemas, by name.
    pub fn schemas(&self) -> Vec<Arc<Schema>> {
        self.index().schemas().cloned().collect()
    }

    /// The schema a header value or name means.
    pub fn schema(&self, name: &str) -> Option<Arc<Schema>> {
        self.index().by_name(name).cloned()
    }

    /// The schema of an event: the one it names; else the one whose topic pattern is the most
    /// specific; among equally specific ones the one whose form the body has.
    pub fn schema_of(&self, event: &Event) -> Option<Arc<Schema>> {
        self.chosen(event).map(|chosen| chosen.schema)
    }

    fn chosen(&self, event: &Event) -> Option<Chosen> {
        let named = event.schema.as_deref().and_then(|name| self.schema(name));
        match named {
            Some(schema) => Some(Chosen { schema, fits: false }),
            None => choose(&self.index().by_topic(&event.topic), event),
        }
    }

    /// Fills in what the schema knows: its name and version, severity, object and the filter
    /// headers (`fedora_messaging_user_…`, `fedora_messaging_rpm_…`), before publishing. An event
    /// that names a schema not known here, or whose topic no schema has, stays as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the body does not fit its schema.
    pub fn complete(&self, event: &mut Event) -> Result<(), Error> {
        let chosen = match event.schema.as_deref() {
            Some(name) => self.schema(name).map(|schema| Chosen { schema, fits: false }),
            None => {
                let candidates = self.index().by_topic(&event.topic);
                // Current ones stand first.
                let current = candidates.partition_point(|schema| !schema.is_deprecated());
                choose(candidates.get(..current).unwrap_or_default(), event)
            }
        };
        let Some(chosen) = chosen else { return Ok(()) };
        chosen.validate(event)?;
        let schema = chosen.schema;
        event.schema = Some(schema.wire_name().to_owned());
        event.schema_version = Some(schema.version());
        if let Some(package) = schema.wire_package() {
            event.headers.insert(crate::wire::SCHEMA_PACKAGE.to_owned(), package.into());
        }
        match schema.say(event) {
            Ok(said) => {
                event.severity = severity(event, &said);
                let object = plain_text::one_line(&said.object, SUMMARY_CHARS_MAX);
                event.object = event.object.take().or(Some(object).filter(|it| !it.is_empty()));
                filter_headers::add(&mut event.headers, &said);
            }
            Err(reason) => self.failed(&schema, &event.topic, &reason),
        }
        Ok(())
    }

    /// Says the event to a person. Never fails: no schema, or a template that fails, gives the
    /// generic description.
    pub fn describe(&self, event: &Event) -> Description {
        self.schema_of(event).map_or_else(|| generic::describe(event), |it| self.say(&it, event))
    }

    fn say(&self, schema: &Schema, event: &Event) -> Description {
        match schema.say(event) {
            Ok(said) => description(schema, event, said),
            Err(reason) => {
                self.failed(schema, &event.topic, &reason);
                generic::describe(event)
            }
        }
    }

    /// What [`Registry::validate`] and [`Registry::describe`] say, for about half of what both
    /// take: the schema is looked for once, and the body held against it once.
    pub fn receive(&self, event: &Event) -> (Result<(), Error>, Description) {
        let Some(chosen) = self.chosen(event) else { return (Ok(()), generic::describe(event)) };
        let names_it = event.schema.as_deref().is_some_and(|name| self.schema(name).is_some());
        let promised = match event.schema {
            Some(_) => names_it,
            None => !chosen.schema.is_deprecated(),
        };
        let outcome = if promised { chosen.validate(event) } else { Ok(()) };
        (outcome, self.say(&chosen.schema, event))
    }

    /// A schema's examples: topic, body, and what is said of it now.
    pub fn told_examples(&self, schema: &Schema) -> Vec<(String, Value, Description)> {
        let tell = |(topic, body): (&str, &Value)| {
            let mut event = Event::new(topic.parse().ok()?, body.clone()).ok()?;
            event.schema = Some(schema.name().to_owned());
            Some((topic.to_owned(), body.clone(), self.describe(&event)))
        };
        schema.examples().filter_map(tell).collect()
    }

    /// Checks the body against the event's schema. An event without a known schema passes, and
    /// one that merely has the topic of a deprecated schema: it never promised to fit.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn validate(&self, event: &Event) -> Result<(), Error> {
        let chosen = match event.schema.as_deref() {
            Some(name) => self.schema(name).map(|schema| Chosen { schema, fits: false }),
            None => self.chosen(event).filter(|chosen| !chosen.schema.is_deprecated()),
        };
        chosen.map_or(Ok(()), |chosen| chosen.validate(event))
    }

    /// How often a template failed since the process began, and an event was said generically.
    pub fn failures(&self) -> u64 {
        self.failures.count.load(Ordering::Relaxed)
    }

    /// The last failure, one line: schema, topic, reason.
    pub fn last_failure(&self) -> Option<String> {
        self.failures.last.lock().ok()?.clone()
    }

    fn failed(&self, schema: &Schema, topic: &Topic, reason: &str) {
        self.failures.count.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut last) = self.failures.last.lock() {
            *last = Some(format!("schema {}: {topic}: {reason}", schema.name()));
        }
    }
}

/// A schema, and whether it is known already that the body fits.
struct Chosen {
    schema: Arc<Schema>,
    fits: bool,
}

impl Chosen {
    fn validate(&self, event: &Event) -> Result<(), Error> {
        if self.fits { Ok(()) } else { self.schema.validate(event) }
    }
}

/// Of schemas that fit a topic equally well, the first the body fits; current ones stand first.
fn choose(candidates: &[Arc<Schema>], event: &Event) -> Option<Chosen> {
    let (schema, fits) = match candidates {
        [] => return None,
        [only] => (only, false),
        [first, ..] => match candidates.iter().find(|schema| schema.fits(event)) {
            Some(found) => (found, true),
            None => (first, false),
        },
    };
    Some(Chosen { schema: Arc::clone(schema), fits })
}

/// The schema's severity, where the publisher had none of their own.
fn severity(event: &Event, said: &Said) -> Severity {
    match event.severity {
        Severity::Info => schema::severity(said).unwrap_or(Severity::Info),
        own => own,
    }
}

/// What the templates said, made fit for a person.
pub(crate) fn description(schema: &Schema, event: &Event, said: Said) -> Description {
    let some = |text: &str| {
        let line = plain_text::one_line(text, SUMMARY_CHARS_MAX);
        (!line.is_empty()).then_some(line)
    };
    let severity = severity(event, &said);
    let object = event.object.as_deref().and_then(some).or_else(|| some(&said.object));
    let generic = || generic::describe(event);
    let with_headers = |mut names: Vec<String>, more: std::collections::BTreeSet<&str>| {
        if !more.is_empty() {
            names
                .extend(more.into_iter().map(|name| plain_text::one_line(name, SUMMARY_CHARS_MAX)));
            names.retain(|name| !name.is_empty());
            names.sort_unstable();
            names.dedup();
        }
        names
    };
    Description {
        summary: some(&said.summary).unwrap_or_else(|| generic().summary),
        link: plain_text::link(&said.link),
        icon: plain_text::link(&said.icon),
        app: some(&said.app).unwrap_or_else(|| generic().app),
        agent: some(&said.agent),
        people: with_headers(said.people, filter_headers::people(&event.headers)),
        packages: with_headers(said.packages, filter_headers::packages(&event.headers)),
        objects: match said.objects.is_empty() {
            true => object.iter().cloned().collect(),
            false => said.objects,
        },
        object,
        text: (!said.text.trim().is_empty()).then(|| plain_text::lines(said.text, TEXT_BYTES_MAX)),
        patch: (!said.patch.trim().is_empty()).then(|| plain_text::patch(said.patch)),
        severity,
        schema: Some(schema.name().to_owned()),
    }
}

/// A mail's subject, a line of a terminal.
pub(crate) const SUMMARY_CHARS_MAX: usize = 300;
const TEXT_BYTES_MAX: usize = 256 << 10;

/// The files of `schemas/`.
pub(crate) static SHIPPED: &[Shipped] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(name: &str, summary: &str) -> String {
        json!({
            "name": name, "version": 1, "title": "t", "description": "", "owner": "o",
            "topics": [format!("#.{name}")], "body": {}, "render": {"app": "t", "summary": summary},
            "examples": [{"topic": name, "body": {}, "expect": {}}],
        })
        .to_string()
    }

    fn event(topic: &str) -> Event {
        Event::new(topic.parse().unwrap(), json!({})).unwrap()
    }

    #[test]
    fn clones_see_what_is_replaced_and_others_do_not() {
        let mut first = Registry::default();
        first.add("a.json", &file("a", "one")).unwrap();
        let (clone, mut second) = (first.clone(), first.clone());
        second.add("a.json", &file("a", "two")).unwrap();
        assert_eq!(clone.describe(&event("a")).summary, "one");
        first.replace(&second);
        assert_eq!(clone.describe(&event("a")).summary, "two");
        second.add("b.json", &file("b", "three")).unwrap();
        assert!(clone.schema("b").is_none());
        Registry::builtin().replace(&Registry::default());
        assert!(Registry::builtin().schema("git.receive").is_some());
    }

    #[test]
    fn a_template_that_fails_and_a_schema_that_is_unknown_give_the_generic_words() {
        let mut registry = Registry::default();
        registry.add("a.json", &file("a", "{{ body.n + body.missing.far }}")).unwrap();
        let mut event = event("org.example.b.a");
        let told = registry.describe(&event);
        assert_eq!((told.summary.as_str(), told.schema), ("b.a", None));
        assert_eq!(registry.failures(), 1);
        let said = registry.last_failure().unwrap();
        assert!(said.starts_with("schema a: org.example.b.a: "), "{said}");
        event.schema = Some("nobody.knows.it".to_owned());
        event.topic = "org.example.b.c".parse().unwrap();
        let told = registry.describe(&event);
        assert_eq!((told.summary.as_str(), told.schema), ("b.c", None));
        assert_eq!(registry.failures(), 1);
    }
}
