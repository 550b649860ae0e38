//! What one address is told of one event.

use std::sync::Arc;

use event::{Description, Event};
use jiff::Timestamp;
use lettre::message::Mailbox;

/// An event on its way to one address.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What happened.
    pub event: Arc<Event>,
    /// What is said of it.
    pub description: Arc<Description>,
    /// Whom it is told.
    pub to: Mailbox,
    /// Why: at least one, in the order of the subscriptions.
    pub reasons: Vec<Reason>,
    /// When it was received: the mail's date if the event has none that can be believed.
    pub received_at: Timestamp,
}

/// Why somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The rule's name, as its owner or the file has it.
    pub subscription: String,
    /// The topic pattern of it that fits; `#` when it asks for no topic.
    pub pattern: String,
    /// The rule's id in the store; `None` when it stands in the configuration file.
    pub rule: Option<String>,
}

impl Notice {
    /// The address as a key.
    pub(crate) fn address(&self) -> String {
        address(&self.to)
    }
}

/// RFC 5321 §2.4: the local part has its case, the domain has none.
pub(crate) fn address(mailbox: &Mailbox) -> String {
    format!("{}@{}", mailbox.email.user(), mailbox.email.domain().to_ascii_lowercase())
}

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
