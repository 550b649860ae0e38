//! docs/mail.md and docs/notify.md say what is so: their configurations are read, the headers of a
//! mail are those that are sent.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use event::{Event, Registry};
use notify::{Audience, Letterhead, Settings, Unsubscriber, rule::Rule};

const PAGE: &str = include_str!("../../../docs/mail.md");

fn blocks(language: &str) -> Vec<&'static str> {
    let opening = format!("```{language}\n");
    PAGE.split(opening.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[derive(serde::Deserialize)]
struct File {
    notify: Settings,
}

#[test]
fn the_configurations_shown_are_valid_and_show_every_key() {
    let [smallest, every] = blocks("toml").try_into().unwrap();
    let smallest: File = toml::from_str(smallest).unwrap();
    assert!(smallest.notify.check().unwrap().is_some());

    let text = every.replace("# password = ", "password = ");
    let every: File = toml::from_str(&text).unwrap();
    let read = serde_json::to_value(&every.notify).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().len();
    assert_eq!((keys(&read["mail"]), keys(&read["subscription"][0])), (16, 8), "{read}");
}

#[test]
fn every_header_that_is_sent_is_in_the_table_and_the_other_way_round() {
    let [smallest, _] = blocks("toml").try_into().unwrap();
    let mut config = toml::from_str::<File>(smallest).unwrap().notify.check().unwrap().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    let unsubscriber = Unsubscriber::with_key_file(&key, "https://bus.example.org").unwrap();
    config.mail.unsubscriber = Some(unsubscriber);
    let topic = "org.example.git.receive".parse().unwrap();
    let event = Event::new(topic, serde_json::json!({"agent": "ada"})).unwrap();
    let mut description = Registry::builtin().describe(&event);
    description.agent = Some("ada".to_owned());
    description.people = vec!["ada".to_owned()];
    description.packages = vec!["kernel".to_owned()];
    description.object = Some("git/kernel".to_owned());
    let event = Event { schema: Some("git.receive".to_owned()), ..event };
    let mut notices = Audience::of(&config.subscriptions).notices(
        &Arc::new(event),
        &Arc::new(description),
        jiff::Timestamp::now(),
    );
    notices[0].reasons[0].rule = Some("r7".to_owned());
    let mail = Letterhead::new(&config.mail).render(&notices[0]).unwrap();
    let sent = mail.headers().to_string();
    let mut sent: Vec<&str> = sent
        .lines()
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split(':').next().unwrap())
        .filter(|name| !["From", "To", "MIME-Version"].contains(name))
        .collect();
    let mut shown: Vec<&str> = PAGE
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|line| line.split('|').nth(1).unwrap().split('`').skip(1).step_by(2))
        .collect();
    sent.sort_unstable();
    shown.sort_unstable();
    assert_eq!(sent, shown);
}

#[test]
fn the_configurations_of_other_kinds_are_read_and_show_every_key() {
    const RULES: &str = include_str!("../../../docs/notify.md");
    let section = |name: &str| {
        let (_, behind) = RULES.split_once(&format!("[notify.{name}]\n")).unwrap();
        behind.split("```").next().unwrap()
    };
    let keys = |value: serde_json::Value| value.as_object().unwrap().len();
    let webhook: notify::WebhookSettings = toml::from_str(section("webhook")).unwrap();
    assert_eq!(keys(serde_json::to_value(webhook).unwrap()), 5);
    let ntfy: notify::NtfySettings = toml::from_str(section("ntfy")).unwrap();
    assert_eq!(keys(serde_json::to_value(ntfy).unwrap()), 4);
    let push: notify::PushSettings = toml::from_str(section("push")).unwrap();
    assert_eq!(keys(serde_json::to_value(push).unwrap()), 5);
    // The two ways to log in do not go together: the second is a comment.
    let irc = section("irc").replace("# certificate_file", "certificate_file");
    let irc: notify::IrcSettings = toml::from_str(&irc.replace("# key_file", "key_file")).unwrap();
    assert_eq!(keys(serde_json::to_value(irc).unwrap()), 10);
    let matrix = section("matrix").replace("# user", "user");
    let matrix = matrix.replace("# password_file", "password_file");
    let matrix: notify::MatrixSettings = toml::from_str(&matrix).unwrap();
    assert_eq!(keys(serde_json::to_value(matrix).unwrap()), 8);
}

#[test]
fn the_slip_that_is_shown_is_one() {
    const RULES: &str = include_str!("../../../docs/notify.md");
    let (_, behind) = RULES.split_once("a *slip*:\n\n```json\n").unwrap();
    let slip: notify::Slip = serde_json::from_str(behind.split("```").next().unwrap()).unwrap();
    let keys = serde_json::to_value(&slip).unwrap().as_object().unwrap().len();
    assert_eq!((slip.count, keys), (1, 10));
}

#[test]
fn the_rule_that_is_shown_and_the_expressions_are_right_and_show_every_key() {
    const RULES: &str = include_str!("../../../docs/notify.md");
    let (_, behind) = RULES.split_once("```json\n").unwrap();
    let text = behind.split("```").next().unwrap();
    let rule = Rule::from_json(text).unwrap();
    let shown: serde_json::Value = serde_json::from_str(text).unwrap();
    let keys = shown.as_object().unwrap().len();
    assert_eq!(keys, serde_json::to_value(&rule).unwrap().as_object().unwrap().len());
    let (_, section) = RULES.split_once("### Expressions").unwrap();
    let expressions: Vec<&str> =
        section.lines().filter_map(|line| line.strip_prefix("    ")).take(3).collect();
    assert_eq!(expressions.len(), 3);
    for text in expressions {
        notify::rule::Expression::parse(text).unwrap();
    }
}
