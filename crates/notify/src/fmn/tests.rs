//! FMN's forms by example: each tracking rule and each filter, and events that it would have told
//! or not, by the code of FMN 3.4 (`rules/tracking_rules.py`, `rules/filter.py`).

use event::{Description, Event};

use super::*;
use crate::rule::{Directory, Facts, Maintainers};

fn fmn(tracking: &str, filters: &str) -> String {
    format!(
        r#"{{"id": 7, "name": null, "disabled": false, "user": {{"id": 3, "name": "ada"}},
        "tracking_rule": {tracking}, "generation_rules": [{{"id": 1,
        "destinations": [{{"protocol": "email", "address": "ada@example.org"}}],
        "filters": {filters}}}], "generated_last_week": 0}}"#
    )
}

const NO_FILTERS: &str = r#"{"applications": [], "excluded_applications": [], "severities": [],
    "topic": null, "my_actions": true}"#;

fn only(text: &str) -> Imported {
    let import = import(text).unwrap();
    assert_eq!(import.left_out, []);
    let [imported] = <[Imported; 1]>::try_from(import.rules).unwrap();
    imported
}

/// Whether the rule tells of the sample, changed.
fn tells(text: &str, change: impl FnOnce(&mut Event, &mut Description)) -> bool {
    let (mut event, mut told) = crate::notice::sample();
    event.headers.insert("fedora_messaging_container_box".to_owned(), true.into());
    change(&mut event, &mut told);
    let mut directory = Directory::default();
    directory.set_group("kernel-team", &["linus".to_owned()]);
    let by_linus = Maintainers { people: vec!["linus".to_owned()], groups: Vec::new() };
    directory.set_maintainers("kernel", by_linus);
    let rule = only(text).rule;
    let outlet = rule.outlets.iter().any(|outlet| outlet.takes(told.severity));
    outlet && rule.explain(&Facts::new(&event, &told), &directory).unwrap().is_none()
}

#[test]
fn each_tracking_rule_tells_what_it_told_there() {
    for (tracking, expected) in [
        (r#"{"name": "artifacts-owned", "params": ["linus"]}"#, true),
        (r#"{"name": "artifacts-owned", "params": ["ada"]}"#, false),
        (r#"{"name": "artifacts-group-owned", "params": ["kernel-team"]}"#, true),
        (r#"{"name": "artifacts-group-owned", "params": ["docs"]}"#, false),
        (
            r#"{"name": "artifacts-followed", "params": [{"name": "bash", "type": "rpms"},
            {"name": "kernel", "type": "rpms"}]}"#,
            true,
        ),
        (r#"{"name": "artifacts-followed", "params": [{"name": "ker", "type": "rpms"}]}"#, false),
        (
            r#"{"name": "artifacts-followed", "params": [{"name": "web", "type": "flatpaks"},
            {"name": "box", "type": "containers"}]}"#,
            true,
        ),
        (r#"{"name": "artifacts-followed", "params": [{"name": "web", "type": "rpms"}]}"#, false),
        (
            r#"{"name": "artifacts-followed", "params": [{"name": "box", "type": "modules"}]}"#,
            false,
        ),
        (r#"{"name": "related-events", "params": null}"#, true),
        (r#"{"name": "related-events"}"#, true),
        (r#"{"name": "users-followed", "params": ["ada"]}"#, true),
        (r#"{"name": "users-followed", "params": ["grace"]}"#, false),
    ] {
        assert_eq!(tells(&fmn(tracking, NO_FILTERS), |_, _| ()), expected, "{tracking}");
    }
    let related = fmn(r#"{"name": "related-events", "params": null}"#, NO_FILTERS);
    assert!(!tells(&related, |_, told| told.people = vec!["grace".to_owned()]));
}

#[test]
fn each_filter_holds_back_what_it_held_back_there() {
    let with = |filters: &str| {
        fmn(
            r#"{"name": "artifacts-followed", "params": [{"name": "kernel", "type": "rpms"}]}"#,
            filters,
        )
    };
    // The sample is of git, by ada, of severity info, on org.example.git.receive.
    for (filters, expected) in [
        (r#"{"my_actions": true}"#, true),
        (r#"{"my_actions": false}"#, false),
        ("{}", false),
        (r#"{"my_actions": true, "applications": ["GIT", "koji"]}"#, true),
        (r#"{"my_actions": true, "applications": ["koji"]}"#, false),
        (r#"{"my_actions": true, "excluded_applications": ["koji"]}"#, true),
        (r#"{"my_actions": true, "excluded_applications": ["Git"]}"#, false),
        (r#"{"my_actions": true, "severities": ["info"]}"#, true),
        (r#"{"my_actions": true, "severities": ["warning", "error"]}"#, false),
        (r#"{"my_actions": true, "topic": "*"}"#, true),
        (r#"{"my_actions": true, "topic": "org.*.receive"}"#, true),
        (r#"{"my_actions": true, "topic": "*git*"}"#, true),
        (r#"{"my_actions": true, "topic": "*.git"}"#, false),
        (r#"{"my_actions": true, "topic": "org.example.[gh]it.receiv?"}"#, true),
        (r#"{"my_actions": true, "topic": ""}"#, true),
    ] {
        assert_eq!(tells(&with(filters), |_, _| ()), expected, "{filters}");
    }
    let debug = |_: &mut Event, told: &mut Description| told.severity = Severity::Debug;
    assert!(!tells(&with(r#"{"my_actions": true}"#), debug), "debug is told only when asked for");
    assert!(tells(&with(r#"{"my_actions": true, "severities": ["debug"]}"#), debug));
    let by_grace = |_: &mut Event, told: &mut Description| told.agent = Some("grace".to_owned());
    assert!(tells(&with(r#"{"my_actions": false}"#), by_grace));
}

#[test]
fn a_topic_without_half_words_becomes_a_topic_pattern() {
    let what = |topic: &str| {
        let filters = format!(r#"{{"my_actions": true, "topic": "{topic}"}}"#);
        only(&fmn(r#"{"name": "related-events", "params": null}"#, &filters)).rule.what
    };
    let json = |what: Condition| serde_json::to_value(what).unwrap()["all"][1].clone();
    assert_eq!(json(what("org.*.bodhi.*")), serde_json::json!({"topic": ["org.*.#.bodhi.*.#"]}));
    assert_eq!(json(what("*bodhi*")), serde_json::json!({"topic_glob": ["*bodhi*"]}));
}

#[test]
fn severities_of_one_rule_are_outlets_and_other_filters_make_rules() {
    let text = r#"[{"id": 1, "name": "mine", "disabled": true, "user": {"name": "ada"},
        "tracking_rule": {"name": "related-events", "params": null}, "generation_rules": [
        {"destinations": [{"protocol": "email", "address": "a@example.org"}],
         "filters": {"severities": ["info"], "my_actions": false}},
        {"destinations": [{"protocol": "matrix", "address": "matrix:/ada:example.org"},
                          {"protocol": "irc", "address": "irc://libera.chat/ada"}],
         "filters": {"severities": ["error"], "my_actions": false}},
        {"destinations": [{"protocol": "email", "address": "a@example.org"}],
         "filters": {"severities": ["error"], "my_actions": true}}]}]"#;
    let rules = import(text).unwrap().rules;
    assert_eq!(rules.len(), 2);
    let (first, second) = (&rules[0], &rules[1]);
    assert_eq!((first.rule.id.as_str(), first.rule.name.as_str()), ("fmn.1.1", "mine (1)"));
    assert!(!first.rule.enabled);
    assert_eq!(first.rule.outlets.len(), 2);
    let ids: Vec<&str> = first.destinations.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["mail:a@example.org", "matrix:@ada:example.org", "irc:ada"]);
    assert_eq!((second.rule.id.as_str(), second.rule.outlets.len()), ("fmn.1.2", 1));
}

#[test]
fn what_cannot_be_kept_is_named_and_a_wrong_form_has_its_place() {
    let related = r#"{"name": "related-events", "params": null}"#;
    for (text, said) in [
        (fmn(r#"{"name": "users-followed", "params": []}"#, "{}"), "matches nothing"),
        (fmn(related, "{}").replace("email", "pigeon"), "of no kind that is known"),
        (fmn(related, "{}").replace("ada@example.org", "ada"), "has no address"),
        (fmn(related, r#"{"severities": ["loud"]}"#), "not a severity"),
    ] {
        let import = import(&text).unwrap();
        assert!(import.rules.is_empty(), "{text}");
        assert!(import.left_out[0].0 == 7 && import.left_out[0].1.contains(said), "{import:?}");
    }
    let fault = import("[\n{\"id\": 1}]").unwrap_err().to_string();
    assert!(fault.contains("line 2") && fault.contains("missing field `user`"), "{fault}");
    let other = fmn(r#"{"name": "full-moon", "params": []}"#, "{}");
    assert!(import(&other).unwrap_err().to_string().contains("unknown variant `full-moon`"));
}
