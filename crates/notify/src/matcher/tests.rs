//! The index, by example and against asking each rule.

use std::collections::BTreeSet;

use event::Severity;
use proptest::prelude::*;

use super::*;
use crate::{
    notice::sample,
    rule::{Condition, Names, Owner, Who},
};

fn rule(id: &str, owner: &str, what: &str) -> Arc<Rule> {
    let what = serde_json::from_str(what).unwrap();
    Arc::new(of(id, owner, what))
}

fn of(id: &str, owner: &str, what: Condition) -> Rule {
    Rule {
        version: 1,
        id: id.to_owned(),
        owner: owner.parse().unwrap(),
        name: id.to_owned(),
        enabled: true,
        what,
        outlets: Vec::new(),
    }
}

fn ids<'a>(rules: impl IntoIterator<Item = &'a Arc<Rule>>) -> Vec<String> {
    let mut ids: Vec<String> = rules.into_iter().map(|rule| rule.id.clone()).collect();
    ids.sort();
    ids
}

fn matching(matcher: &Matcher) -> Vec<String> {
    let (event, description) = sample();
    ids(matcher.matches(&event, &description, &mut Scratch::default()))
}

#[test]
fn a_rule_is_in_force_from_when_it_is_put_to_when_it_is_removed() {
    let mut matcher = Matcher::default();
    matcher.put(rule("a", "ada", r#"{"package": "kernel"}"#)).unwrap();
    matcher.put(rule("b", "ada", r#"{"package": "bash"}"#)).unwrap();
    assert_eq!(matching(&matcher), ["a"]);
    matcher.put(rule("b", "ada", r#"{"people": "@me"}"#)).unwrap();
    assert_eq!(matching(&matcher), ["a", "b"]);
    matcher.remove("a");
    matcher.remove("a");
    assert_eq!((matching(&matcher), matcher.len()), (vec!["b".to_owned()], 1));
    let mut off = of("b", "ada", Condition::everything());
    off.enabled = false;
    matcher.put(Arc::new(off)).unwrap();
    assert!(matching(&matcher).is_empty() && matcher.is_empty());
    assert!(matcher.put(rule("c", "ada", r#"{"cel": "("}"#)).is_err());
    assert!(matcher.is_empty());
}

#[test]
fn only_rules_without_any_key_are_broad() {
    let mut matcher = Matcher::default();
    for (id, what) in [
        ("1", r##"{"all": [{"topic": "#"}, {"package": "kernel"}]}"##),
        ("2", r##"{"all": [{"topic": "#"}, {"text": "scheduler"}]}"##),
        ("3", r#"{"not": {"not": {"app": "git"}}}"#),
        ("4", r#"{"not": {"any": [{"agent": "x"}, {"not": {"schema": "git.receive"}}]}}"#),
        ("5", r#"{"cel": "agent == 'ada' && size(people) > 1"}"#),
        ("6", r##"{"any": [{"topic": "a.#"}, {"object": "git/*"}]}"##),
    ] {
        matcher.put(rule(id, "ada", what)).unwrap();
    }
    assert_eq!((matcher.broad(), matching(&matcher).len()), (0, 6));
    for (id, what) in [
        ("7", r##"{"topic": "#"}"##),
        ("8", r#"{"any": [{"package": "kernel"}, {"text": "it"}]}"#),
        ("9", r#"{"not": {"agent": "x"}}"#),
    ] {
        matcher.put(rule(id, "ada", what)).unwrap();
    }
    assert_eq!((matcher.broad(), matching(&matcher).len()), (3, 9));
}

#[test]
fn groups_and_maintainers_count_as_they_are_now() {
    let mut matcher = Matcher::default();
    matcher.put(rule("group", "bob", r#"{"people": "@group:core"}"#)).unwrap();
    matcher.put(rule("mine", "bob", r#"{"people": "@my-groups"}"#)).unwrap();
    matcher.put(rule("owned", "group:core", r#"{"agent": "@me"}"#)).unwrap();
    matcher.put(rule("care", "bob", r#"{"maintainer": "@me"}"#)).unwrap();
    matcher.put(rule("cares", "eve", r#"{"maintainer": "@group:core"}"#)).unwrap();
    assert!(matching(&matcher).is_empty());

    matcher.set_group("core", &["ada".to_owned()]);
    assert_eq!(matching(&matcher), ["group", "owned"]);
    matcher.set_group("core", &["ada".to_owned(), "bob".to_owned()]);
    assert_eq!(matching(&matcher), ["group", "mine", "owned"]);
    let by = |people: &[&str], groups: &[&str]| Maintainers {
        people: people.iter().map(|&name| name.to_owned()).collect(),
        groups: groups.iter().map(|&name| name.to_owned()).collect(),
    };
    matcher.set_maintainers("kernel", by(&[], &["core"]));
    assert_eq!(matching(&matcher), ["care", "cares", "group", "mine", "owned"]);
    matcher.set_maintainers("kernel", by(&["ada"], &[]));
    assert_eq!(matching(&matcher), ["cares", "group", "mine", "owned"]);
    matcher.set_group("core", &[]);
    assert!(matching(&matcher).is_empty());
}

#[test]
fn an_expression_that_fails_is_counted_with_its_rule() {
    let mut matcher = Matcher::default();
    matcher.put(rule("a", "ada", r#"{"cel": "body.nothing > 1"}"#)).unwrap();
    assert!(matching(&matcher).is_empty());
    let failures = matcher.failures();
    assert_eq!(failures.count, 1);
    let (id, reason) = failures.last.unwrap();
    assert!(id == "a" && reason.contains("'nothing'"), "{id} {reason}");
}

#[test]
fn a_pattern_of_many_hashes_costs_no_more_than_the_words_of_the_topic() {
    let mut matcher = Matcher::default();
    for n in 0..50 {
        let what = format!(r##"{{"topic": "{}x{n}"}}"##, "#.a.".repeat(60));
        matcher.put(rule(&n.to_string(), "ada", &what)).unwrap();
    }
    let (mut event, description) = sample();
    event.topic = vec!["a"; 127].join(".").parse().unwrap();
    let began = std::time::Instant::now();
    assert!(matcher.matches(&event, &description, &mut Scratch::default()).is_empty());
    // Without the bound it would not end.
    assert!(began.elapsed().as_secs() < 10);
    for n in 0..50 {
        matcher.remove(&n.to_string());
    }
    assert_eq!(format!("{:?}", matcher.index), format!("{:?}", Index::default()));
}

const PEOPLE: [&str; 5] = ["ada", "bob", "eve", "grace", "linus"];
const PACKAGES: [&str; 4] = ["bash", "glibc", "kernel", "zsh"];
const GROUPS: [&str; 3] = ["core", "docs", "infra"];
const APPS: [&str; 3] = ["git", "Koji", "bodhi"];
const WORDS: [&str; 5] = ["org", "git", "koji", "build", "x"];
const TEXTS: [&str; 6] = ["cve", "CVE-2026", "failed", "ker", "no", "\u{e9}t\u{e9}"];
const SEVERITIES: [Severity; 4] =
    [Severity::Debug, Severity::Info, Severity::Warning, Severity::Error];

fn some(names: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(names).prop_map(str::to_owned), 1..3)
}

fn who() -> impl Strategy<Value = Vec<Who>> {
    let one = prop_oneof![
        Just(Who::Me),
        Just(Who::MyGroups),
        prop::sample::select(&GROUPS[..]).prop_map(|name| Who::Group(name.to_owned())),
        prop::sample::select(&PEOPLE[..]).prop_map(|name| Who::Person(name.to_owned())),
    ];
    prop::collection::vec(one, 1..3)
}

fn pattern() -> impl Strategy<Value = Condition> {
    let word = prop_oneof![prop::sample::select(&WORDS[..]), Just("#"), Just("*")];
    prop::collection::vec(word, 1..6)
        .prop_map(|words| Condition::Topic(vec![words.join(".").parse().unwrap()]))
}

fn condition() -> impl Strategy<Value = Condition> {
    let object = ["git/kernel", "git/*", "git/bash", "builds/*"];
    let object: Vec<String> = object.iter().map(|&name| name.to_owned()).collect();
    let cel = [
        "agent == 'ada'",
        "'kernel' in packages && size(people) > 1",
        "app == 'git'",
        "body.n > 3",
        "agent == 'bob' || 'bash' in packages && app != 'x'",
        "people.exists(p, p == 'bob') || severity == 'error'",
    ];
    let leaf = prop_oneof![
        pattern(),
        pattern(),
        some(&APPS).prop_map(|names| Condition::App(Names(names))),
        some(&PACKAGES).prop_map(|names| Condition::Package(Names(names))),
        some(&TEXTS).prop_map(|names| Condition::Text(Names(names))),
        some(&["git.receive", "koji"]).prop_map(|names| Condition::Schema(Names(names))),
        prop::sample::select(object).prop_map(|name| Condition::Object(Names(vec![name]))),
        prop::collection::vec(prop::sample::select(&SEVERITIES[..]), 1..3)
            .prop_map(Condition::Severity),
        who().prop_map(Condition::People),
        who().prop_map(Condition::Agent),
        who().prop_map(Condition::Maintainer),
        prop::sample::select(cel.to_vec()).prop_map(|text| Condition::Cel(text.to_owned())),
        prop::sample::select(vec!["*git*", "org.?*", "*"])
            .prop_map(|glob| Condition::TopicGlob(vec![glob.parse().unwrap()])),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Condition::All),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Condition::Any),
            inner.prop_map(|part| Condition::Not(Box::new(part))),
        ]
    })
}

fn event() -> impl Strategy<Value = (Event, Description)> {
    (
        prop::collection::vec(prop::sample::select(&WORDS[..]), 1..6),
        prop::option::of(prop::sample::select(&PEOPLE[..])),
        prop::collection::btree_set(prop::sample::select(&PEOPLE[..]), 0..3),
        prop::collection::btree_set(prop::sample::select(&PACKAGES[..]), 0..3),
        prop::sample::select(&APPS[..]),
        prop::sample::select(&SEVERITIES[..]),
        prop::collection::vec(prop::sample::select(&TEXTS[..]), 0..3),
        prop::option::of(prop::sample::select(vec!["git.receive", "koji"])),
        0..6_u32,
    )
        .prop_map(|(words, agent, people, packages, app, severity, texts, schema, n)| {
            let strings = |names: BTreeSet<&str>| names.into_iter().map(str::to_owned).collect();
            let (mut event, mut told) = sample();
            event.topic = words.join(".").parse().unwrap();
            event.schema = schema.map(str::to_owned);
            event.body = serde_json::json!({"n": n}).try_into().unwrap();
            told.objects = packages.iter().map(|name| format!("git/{name}")).collect();
            told.object = told.objects.first().cloned();
            told.agent = agent.map(str::to_owned);
            (told.people, told.packages) = (strings(people), strings(packages));
            (told.app, told.severity) = (app.to_owned(), severity);
            (told.summary, told.text) = (texts.concat(), texts.first().map(|&t| t.to_owned()));
            (event, told)
        })
}

fn owner() -> impl Strategy<Value = Owner> {
    prop_oneof![
        4 => prop::sample::select(&PEOPLE[..]).prop_map(|name| Owner::Person(name.to_owned())),
        1 => prop::sample::select(&GROUPS[..]).prop_map(|name| Owner::Group(name.to_owned())),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, Owner, Condition),
    Remove(u8),
    Group(usize, Vec<String>),
    Maintainers(usize, Vec<String>, Vec<String>),
}

fn step() -> impl Strategy<Value = Step> {
    let members = prop::collection::vec(prop::sample::select(&PEOPLE[..]), 0..3)
        .prop_map(|names| names.into_iter().map(str::to_owned).collect());
    prop_oneof![
        8 => (0..20_u8, owner(), condition())
            .prop_map(|(id, owner, what)| Step::Put(id, owner, what)),
        2 => (0..20_u8).prop_map(Step::Remove),
        2 => (0..GROUPS.len(), members)
            .prop_map(|(group, members)| Step::Group(group, members)),
        1 => (0..PACKAGES.len(), some(&PEOPLE), some(&GROUPS))
            .prop_map(|(package, people, groups)| Step::Maintainers(package, people, groups)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Whatever was put, changed and removed: the index finds what asking each rule finds, and what
    /// a matcher finds that was given the last state only.
    #[test]
    fn the_index_finds_what_asking_every_rule_finds(
        steps in prop::collection::vec(step(), 1..40),
        events in prop::collection::vec(event(), 1..8),
    ) {
        let (mut matcher, mut last) = (Matcher::default(), Matcher::default());
        let mut rules: HashMap<u8, Rule> = HashMap::new();
        for step in steps {
            match step {
                Step::Put(id, owner, what) => {
                    let rule = Rule { owner, ..of(&id.to_string(), "ada", what) };
                    rules.insert(id, rule.clone());
                    matcher.put(Arc::new(rule)).unwrap();
                }
                Step::Remove(id) => {
                    rules.remove(&id);
                    matcher.remove(&id.to_string());
                }
                Step::Group(group, members) => {
                    matcher.set_group(GROUPS[group], &members);
                    last.set_group(GROUPS[group], &members);
                }
                Step::Maintainers(package, people, groups) => {
                    let maintainers = Maintainers { people, groups };
                    matcher.set_maintainers(PACKAGES[package], maintainers.clone());
                    last.set_maintainers(PACKAGES[package], maintainers);
                }
            }
        }
        for rule in rules.into_values() {
            last.put(Arc::new(rule)).unwrap();
        }
        let mut scratch = Scratch::default();
        for (event, told) in &events {
            let found = ids(matcher.matches(event, told, &mut scratch));
            prop_assert_eq!(&found, &ids(matcher.matches_linearly(event, told)));
            prop_assert_eq!(&found, &ids(last.matches(event, told, &mut Scratch::default())));
        }
    }
}
