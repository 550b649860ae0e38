//! The form of rules, what is wrong with one, and why one did not want an event.

use super::*;

fn faults(json: &str) -> String {
    let faults = Rule::from_json(json).unwrap_err();
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

const RULE: &str = r##"{"version": 1, "id": "r1", "owner": {"person": "ada"}, "name": "mine",
    "enabled": true,
    "what": {"all": [{"topic": ["#.git.#"]}, {"any": [{"package": ["kernel"]},
        {"maintainer": ["@me", "@my-groups"]}]}, {"not": {"agent": ["@me"]}},
        {"severity": ["warning", "error"]}, {"text": ["CVE-"]}, {"object": ["git/*"]},
        {"topic_glob": ["*git*"]}, {"schema": ["git.receive"]}, {"app": ["git"]},
        {"people": ["@group:kernel", "grace"]}, {"cel": "size(people) > 1"}]},
    "outlets": [{"severities": ["error"], "to": ["mail:ada@example.org"],
        "when": {"digest": {"daily": "08:00"}, "zone": "Europe/Berlin",
        "quiet": [{"from": "22:00", "to": "07:00", "days": ["saturday"]}],
        "rate": {"max": 20, "per_minutes": 60}, "fallback": "mail:ada@example.net"}}]}"##;

#[test]
fn what_is_written_is_read_again_and_says_the_same() {
    let rule = Rule::from_json(RULE).unwrap();
    assert_eq!(Rule::from_json(&rule.to_json()).unwrap(), rule);
    let written: serde_json::Value = serde_json::from_str(&rule.to_json()).unwrap();
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(RULE).unwrap());
}

#[test]
fn one_alone_needs_no_list_and_what_is_left_out_has_its_default() {
    let rule = Rule::from_json(
        r##"{"owner": {"group": "kernel"}, "name": "n", "what": {"topic": "#.koji.#"},
        "outlets": [{"to": ["@mail"]}]}"##,
    )
    .unwrap();
    assert!(rule.enabled && rule.id.is_empty() && rule.outlets[0].when.is_at_once());
    assert_eq!(rule.what.pattern_for(&"org.koji.build".parse().unwrap()), "#.koji.#");
}

#[test]
fn wrong_syntax_has_line_and_column() {
    for (change, place, said) in [
        ((r##""#.git.#""##, r##""\u0007""##), "line 3", "control character"),
        ((r#""@me", "@my"#, r#""@mee", "@my"#), "line", "write a name, @me"),
        ((r#"{"app""#, r#"{"application""#), "line 6", "unknown variant `application`, expected"),
        ((r#""warning""#, r#""loud""#), "line", "not a severity"),
        ((r#""08:00""#, r#""8:00""#), "line", "write 00:00 to 23:59"),
        ((r#""saturday""#, r#""Samstag""#), "line", "unknown variant `Samstag`"),
        ((r#""name""#, r#""nmae""#), "line 1", "unknown field `nmae`"),
    ] {
        let text = RULE.replacen(change.0, change.1, 1);
        assert_ne!(text, RULE, "{change:?}");
        let fault = faults(&text);
        assert!(fault.contains(place) && fault.contains(said), "{change:?}: {fault}");
    }
}

#[test]
fn everything_wrong_is_said_at_once_by_path_with_the_mend() {
    let said = faults(
        r##"{"version": 2, "id": "a b", "owner": {"person": " "}, "name": "",
        "what": {"all": [{"any": []}, {"package": [" "]}, {"people": []},
            {"object": ["a*b", "*", "a/"]}, {"cel": "app =="}, {"cel": "owner == 'ada'"}]},
        "outlets": [{"to": []}, {"to": ["mail:a@b.c"], "when": {"fallback": "mail:a@b.c"}},
            {"to": ["x"], "when": {"zone": "Mars", "digest": {}}}]}"##,
    );
    for line in [
        "version: is 2; this release reads version 1",
        "id: 'a b' is not an id",
        "owner: ' ' is nobody's name",
        "name: \"\" is not a line",
        "what.all[0].any: is empty, which no event fulfils; remove it",
        "what.all[1].package[0]: \" \" is not a name",
        "what.all[2].people: is empty",
        "what.all[3].object[0]: 'a*b': '*' stands only at the end",
        "what.all[3].object[1]: '*': '*' stands only",
        "what.all[3].object[2]: 'a/' ends with '/'; write 'a/*'",
        "what.all[4].cel, line 1, column",
        "what.all[5].cel, line 1, column 1: 'owner' is not known",
        "outlets[0].to: has 0 destinations",
        "outlets[1].when.fallback: 'mail:a@b.c' is where it goes already",
        "outlets[2].when.zone: 'Mars' is no time zone",
        "outlets[2].when.digest: says nothing",
    ] {
        assert!(said.contains(line), "{line}\nnot in\n{said}");
    }
}

#[test]
fn depth_and_size_are_bounded() {
    let with = |what: String| {
        format!(
            r#"{{"owner": {{"person": "ada"}}, "name": "n", "what": {what},
            "outlets": [{{"to": ["@mail"]}}]}}"#
        )
    };
    let deep =
        |n: usize| with(format!("{}{{\"app\": \"git\"}}{}", "{\"not\": ".repeat(n), "}".repeat(n)));
    assert!(Rule::from_json(&deep(15)).is_ok());
    assert!(faults(&deep(16)).contains("nested deeper than 16"));
    assert!(faults(&deep(5000)).contains("recursion limit"), "{}", faults(&deep(5000)));
    let many = vec![r#"{"app": "git"}"#; 300].join(",");
    assert!(faults(&with(format!("{{\"all\": [{many}]}}"))).contains("more than 256 tests"));
    let names = vec!["\"kernel\""; 2001].join(",");
    assert!(faults(&with(format!("{{\"package\": [{names}]}}"))).contains("more than 2000 names"));
    let expressions = [r#"{"cel": "app == 'git'"}"#; 5].join(",");
    assert!(faults(&with(format!("{{\"any\": [{expressions}]}}"))).contains("more than 4"));
}

#[test]
fn the_first_test_that_did_not_hold_is_named_with_its_path() {
    let (event, description) = crate::notice::sample();
    let facts = Facts::new(&event, &description);
    let why = |what: &str| {
        let rule =
            Rule { what: serde_json::from_str(what).unwrap(), ..Rule::from_json(RULE).unwrap() };
        let miss = rule.explain(&facts, &Directory::default()).unwrap();
        miss.map_or_else(|| "wanted".to_owned(), |miss| miss.to_string())
    };
    for (what, expected) in [
        (r##"{"all": [{"topic": "#.git.*"}, {"people": "@me"}]}"##, "wanted"),
        (
            r##"{"all": [{"topic": "#.git.*"}, {"app": "koji"}]}"##,
            "what.all[1].app: the application is git",
        ),
        (
            r#"{"any": [{"package": "bash"}, {"agent": "grace"}]}"#,
            "what.any: none of the 2 holds; the first: what.any[0].package: it concerns none of \
             them; packages: kernel",
        ),
        (r#"{"not": {"agent": "@me"}}"#, "what.not: agent holds, and must not"),
        (
            r#"{"not": {"cel": "body.nothing == 1"}}"#,
            "what.not: could not be worked out: there is no 'nothing' in this event; ask has(…) \
             first",
        ),
        (r#"{"cel": "app == 'koji'"}"#, "what.cel: the expression is false"),
        (r#"{"severity": ["warning", "error"]}"#, "what.severity: the severity is info"),
        (r#"{"text": "WRONG task"}"#, "wanted"),
        (r#"{"object": "git/*"}"#, "wanted"),
        (r#"{"object": "git"}"#, "what.object: it touches none of them; objects: git/kernel"),
    ] {
        assert_eq!(why(what), expected, "{what}");
    }
    let rule = Rule { enabled: false, ..Rule::from_json(RULE).unwrap() };
    let miss = rule.explain(&facts, &Directory::default()).unwrap().unwrap();
    assert_eq!(miss.to_string(), "enabled: the rule is not enabled");
}

#[test]
fn an_expression_that_fails_is_no_match_on_either_side_of_a_not() {
    let (event, description) = crate::notice::sample();
    let facts = Facts::new(&event, &description);
    let wants = |what: &str| {
        let what: Condition = serde_json::from_str(what).unwrap();
        let owner = Owner::Person("ada".to_owned());
        let compiled = Compiled::of(&what, &owner, &Directory::default()).unwrap();
        let mut failures = 0;
        let wants = compiled.wants(&facts, &Directory::default(), &mut |_| failures += 1);
        (wants, failures)
    };
    assert_eq!(wants(r#"{"cel": "body.nothing == 1"}"#), (false, 1));
    assert_eq!(wants(r#"{"not": {"cel": "body.nothing == 1"}}"#), (false, 1));
    assert_eq!(wants(r#"{"any": [{"cel": "body.nothing == 1"}, {"app": "git"}]}"#), (true, 1));
    assert_eq!(wants(r#"{"all": [{"app": "koji"}, {"cel": "body.nothing == 1"}]}"#), (false, 0));
}
