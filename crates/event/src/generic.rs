//! What is said of an event whose schema is not known: topic, agent and subject by the keys that
//! services commonly use.

use serde_json::{Map, Value};

use crate::{Description, Event, Topic, filter_headers, plain_text};

/// The description by topic, body keys and filter headers alone.
pub(crate) fn describe(event: &Event) -> Description {
    let object = event.body.object();
    let agent = agent(object);
    let topic = without_prefix(&event.topic);
    let mut summary = topic.to_owned();
    if let Some(agent) = &agent {
        summary.push_str(" by ");
        summary.push_str(agent);
    }
    let subjects = subjects(object, agent.as_deref());
    if !subjects.is_empty() {
        summary.push_str(": ");
        summary.push_str(&subjects.join(", "));
    }
    let (people, packages) = names(event, agent.as_deref());
    let about = event.object.as_deref().and_then(|object| {
        let object = plain_text::one_line(object, super::registry::SUMMARY_CHARS_MAX);
        (!object.is_empty()).then_some(object)
    });
    Description {
        summary: plain_text::one_line(&summary, super::registry::SUMMARY_CHARS_MAX),
        link: link(object),
        icon: None,
        app: topic.split('.').next().unwrap_or(topic).to_owned(),
        agent,
        people,
        packages,
        objects: about.iter().cloned().collect(),
        object: about,
        text: None,
        patch: None,
        severity: event.severity,
        schema: None,
    }
}

fn names(event: &Event, agent: Option<&str>) -> (Vec<String>, Vec<String>) {
    let mut people = filter_headers::people(&event.headers);
    people.extend(agent);
    let clean = |name: &str| plain_text::one_line(name, WORD_CHARS_MAX);
    let sorted = |names: Vec<String>| {
        let mut names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let packages = filter_headers::packages(&event.headers);
    (
        sorted(people.into_iter().map(clean).collect()),
        sorted(packages.into_iter().map(clean).collect()),
    )
}

/// The topic without its organisation and environment: `org.example.prod.git.receive` is
/// `git.receive`, `org.example.door.open` is `door.open`.
pub(crate) fn without_prefix(topic: &Topic) -> &str {
    let words: Vec<&str> = topic.words().collect();
    let prefix = match words.as_slice() {
        [_, _, environment, _, ..] if ENVIRONMENTS.contains(environment) => 3,
        [top, _, _, _, ..] if TOP_LEVELS.contains(top) => 2,
        _ => 0,
    };
    let bytes: usize = words.iter().take(prefix).map(|word| word.len() + 1).sum();
    topic
        .as_str()
        .get(bytes..)
        .filter(|rest| !rest.trim_matches('.').is_empty())
        .unwrap_or(topic.as_str())
}

fn agent(object: &Map<String, Value>) -> Option<String> {
    AGENT.iter().find_map(|key| word(object.get(*key)?))
}

/// Up to three words on what it is about, none twice, none that was said already.
fn subjects(object: &Map<String, Value>, agent: Option<&str>) -> Vec<String> {
    let mut subjects: Vec<String> = Vec::new();
    let nested = object.values().filter_map(Value::as_object).take(NESTED_MAX);
    for object in std::iter::once(object).chain(nested) {
        for key in SUBJECT {
            let Some(word) = object.get(key).and_then(word) else { continue };
            if subjects.contains(&word) || agent == Some(&word) {
                continue;
            }
            subjects.push(word);
            if subjects.len() == SUBJECTS_MAX {
                return subjects;
            }
        }
        if !subjects.is_empty() {
            break;
        }
    }
    subjects
}

fn link(object: &Map<String, Value>) -> Option<String> {
    LINK.iter().find_map(|key| plain_text::link(object.get(*key)?.as_str()?))
}

/// A string or number as a word; of an object, its name.
fn word(value: &Value) -> Option<String> {
    let word = match value {
        Value::String(text) => plain_text::one_line(text, WORD_CHARS_MAX),
        Value::Number(number) => number.to_string(),
        Value::Object(object) => {
            let name = NAME.iter().find_map(|key| object.get(*key)?.as_str())?;
            plain_text::one_line(name, WORD_CHARS_MAX)
        }
        _ => return None,
    };
    (!word.is_empty()).then_some(word)
}

const ENVIRONMENTS: [&str; 8] =
    ["prod", "production", "stg", "stage", "staging", "dev", "test", "qa"];
const TOP_LEVELS: [&str; 6] = ["org", "com", "net", "io", "edu", "gov"];
const AGENT: [&str; 10] = [
    "agent",
    "user",
    "username",
    "sender",
    "actor",
    "author",
    "owner",
    "submitter",
    "pusher",
    "by",
];
const SUBJECT: [&str; 14] = [
    "summary",
    "title",
    "subject",
    "name",
    "package",
    "repo",
    "repository",
    "project",
    "branch",
    "tag",
    "version",
    "status",
    "message",
    "id",
];
const NAME: [&str; 6] = ["login", "username", "full_name", "name", "nick", "id"];
const LINK: [&str; 4] = ["url", "link", "html_url", "href"];
const WORD_CHARS_MAX: usize = 100;
const SUBJECTS_MAX: usize = 3;
const NESTED_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(topic: &str, body: Value) -> Description {
        describe(&Event::new(topic.parse().unwrap(), body).unwrap())
    }

    #[test]
    fn topic_agent_and_subject_make_a_line() {
        for (topic, body, expected) in [
            ("org.example.prod.door.open", json!({}), "door.open"),
            (
                "org.example.door.open",
                json!({"agent": "ada", "name": "north"}),
                "door.open by ada: north",
            ),
            ("door.open", json!({"sender": {"login": "bob"}}), "door.open by bob"),
            (
                "a.b",
                json!({"user": "u", "package": "p", "version": 3, "branch": "b", "id": 1}),
                "a.b by u: p, b, 3",
            ),
            ("a.b", json!({"issue": {"title": "Broken\ndoor"}}), "a.b: Broken door"),
            ("org.fedoraproject.prod.x", json!({}), "x"),
            ("x", json!({"agent": ["a"], "name": null}), "x"),
        ] {
            assert_eq!(said(topic, body).summary, expected);
        }
    }

    #[test]
    fn people_and_packages_come_from_the_filter_headers() {
        let mut event = Event::new("a.b".parse().unwrap(), json!({"agent": "ada"})).unwrap();
        for key in ["user_bob", "user_ada", "rpm_kernel"] {
            event.headers.insert(format!("fedora_messaging_{key}"), true.into());
        }
        let said = describe(&event);
        assert_eq!(said.people, ["ada", "bob"]);
        assert_eq!(said.packages, ["kernel"]);
    }

    #[test]
    fn what_is_hostile_is_one_bounded_line() {
        let said = said(
            "a.b",
            json!({"agent": "\u{202e}x\n\0".repeat(9999), "title": "y\n".repeat(9999)}),
        );
        assert!(said.summary.chars().count() <= 300, "{}", said.summary.len());
        assert!(!said.summary.contains(['\n', '\0', '\u{202e}']), "{}", said.summary);
    }
}
