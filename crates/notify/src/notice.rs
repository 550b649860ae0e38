//! What somebody is told at one place: of one event, or of several at once.

use std::sync::Arc;

use event::{Description, Event};
use jiff::Timestamp;
use uuid::Uuid;

use crate::Place;

/// What is on its way to one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What happened.
    pub event: Arc<Event>,
    /// What is said of it.
    pub description: Arc<Description>,
    /// In a digest, what else: in the order it happened.
    pub more: Vec<Matter>,
    /// Where it is told.
    pub to: Place,
    /// Why: at least one, in the order of the subscriptions.
    pub reasons: Vec<Reason>,
    /// When it was received: the mail's date if the event has none that can be believed.
    pub received_at: Timestamp,
}

/// One of the events of a digest.
#[derive(Debug, Clone, PartialEq)]
pub struct Matter {
    /// What happened.
    pub event: Arc<Event>,
    /// What is said of it.
    pub description: Arc<Description>,
}

/// Why somebody is told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reason {
    /// The rule's name, as its owner or the file has it.
    pub subscription: String,
    /// The topic pattern of it that fits; `#` when it asks for no topic.
    pub pattern: String,
    /// The rule's id in the store; `None` when it stands in the configuration file.
    pub rule: Option<String>,
}

impl Notice {
    /// Everything it tells, in order.
    pub fn matters(&self) -> impl Iterator<Item = (&Arc<Event>, &Arc<Description>)> {
        let more = self.more.iter().map(|matter| (&matter.event, &matter.description));
        std::iter::once((&self.event, &self.description)).chain(more)
    }

    /// Whether it gathers several events.
    pub fn is_digest(&self) -> bool {
        !self.more.is_empty()
    }

    /// Whether Tubepost itself says it, and nobody's rule: a code for an address, or that one is
    /// disabled.
    pub(crate) fn is_tubeposts_own(&self) -> bool {
        self.event.topic.as_str().starts_with("tubepost.notify.")
            && self.reasons.iter().all(|reason| reason.rule.is_none())
    }

    /// The same for each try to tell this there, and for nothing else: for media that can tell a
    /// repetition by it.
    pub fn key(&self) -> Uuid {
        let mut name = self.to.key();
        for (event, _) in self.matters() {
            name.push('\n');
            name.push_str(&event.id);
        }
        Uuid::new_v5(&KEYS, name.as_bytes())
    }
}

/// The namespace of keys: as good as any, and never another.
const KEYS: Uuid = Uuid::from_u128(0x7b3f_6c1e_52a9_4d0c_9c64_0d6f_31a8_e5b7);

/// An event and its description, for the tests of this crate.
#[cfg(test)]
pub(crate) fn sample() -> (Event, Description) {
    let topic = "org.example.git.receive".parse().unwrap();
    let mut event = Event::new(topic, serde_json::json!({"agent": "ada"})).unwrap();
    event.id = "0199d0c4-7b1e-7000-8000-00000000002a".to_owned();
    event.sent_at = Some("2026-11-25T09:41:39Z".parse().unwrap());
    event.schema = Some("git.receive".to_owned());
    let description = Description {
        summary: "ada pushed to kernel (main): fix the scheduler".to_owned(),
        link: Some("https://git.example.org/kernel/c/1f2e3d".to_owned()),
        icon: None,
        app: "git".to_owned(),
        agent: Some("ada".to_owned()),
        people: vec!["ada".to_owned(), "grace".to_owned()],
        packages: vec!["kernel".to_owned()],
        object: Some("git/kernel".to_owned()),
        objects: vec!["git/kernel".to_owned()],
        text: Some("fix the scheduler\n\nIt woke the wrong task.".to_owned()),
        patch: Some("diff --git a/s.c b/s.c\n-\twake(a);\n+\twake(b);\n".to_owned()),
        severity: event::Severity::Info,
        schema: Some("git.receive".to_owned()),
    };
    (event, description)
}
