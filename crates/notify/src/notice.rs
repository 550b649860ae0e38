//! What one address is told of one event.

use std::{collections::HashMap, sync::Arc};

use event::{Description, Event};
use jiff::Timestamp;
use lettre::message::Mailbox;

use crate::Subscription;

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
    /// The subscription's name.
    pub subscription: String,
    /// The pattern that matched.
    pub pattern: String,
}

impl Notice {
    /// The notices of one event: one for each address, however many subscriptions ask for it.
    pub fn all(
        subscriptions: &[Subscription],
        event: &Arc<Event>,
        description: &Arc<Description>,
        received_at: Timestamp,
    ) -> Vec<Notice> {
        let mut notices: Vec<Notice> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for subscription in subscriptions {
            let Ok(pattern) = subscription.rule.test(event, description) else { continue };
            let place = *places.entry(address(&subscription.to)).or_insert(notices.len());
            let reason =
                Reason { subscription: subscription.name.clone(), pattern: pattern.to_owned() };
            match notices.get_mut(place) {
                Some(notice) => notice.reasons.push(reason),
                None => notices.push(Notice {
                    event: Arc::clone(event),
                    description: Arc::clone(description),
                    to: subscription.to.clone(),
                    reasons: vec![reason],
                    received_at,
                }),
            }
        }
        notices
    }

    /// The address as a key.
    pub(crate) fn address(&self) -> String {
        address(&self.to)
    }
}

/// RFC 5321 §2.4: the local part has its case, the domain has none.
fn address(mailbox: &Mailbox) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rule;

    fn subscription(name: &str, to: &str, pattern: &str) -> Subscription {
        let rule = Rule { patterns: vec![pattern.parse().unwrap()], ..Rule::default() };
        Subscription { name: name.to_owned(), to: to.parse().unwrap(), rule }
    }

    fn told(subscriptions: &[Subscription]) -> Vec<(String, Vec<String>)> {
        let (event, description) = sample();
        Notice::all(subscriptions, &event.into(), &description.into(), Timestamp::UNIX_EPOCH)
            .into_iter()
            .map(|notice| {
                let names = notice.reasons.into_iter().map(|r| r.subscription).collect();
                (notice.to.email.to_string(), names)
            })
            .collect()
    }

    #[test]
    fn an_address_is_told_once_and_hears_every_reason() {
        let told = told(&[
            subscription("one", "ada@example.org", "#"),
            subscription("two", "grace@example.org", "#.git.*"),
            subscription("three", "Ada <ada@EXAMPLE.org>", "org.#"),
            subscription("four", "ada@example.org", "#.koji.#"),
        ]);
        let names = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
        assert_eq!(
            told,
            [
                ("ada@example.org".to_owned(), names(&["one", "three"])),
                ("grace@example.org".to_owned(), names(&["two"])),
            ]
        );
    }

    #[test]
    fn two_local_parts_of_different_case_are_two_people() {
        let told = told(&[
            subscription("one", "ada@example.org", "#"),
            subscription("two", "Ada@example.org", "#"),
        ]);
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn nobody_is_told_what_nobody_asked_for() {
        assert!(told(&[subscription("one", "ada@example.org", "#.koji.#")]).is_empty());
    }
}
