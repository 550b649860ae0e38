//! What expressions say, and which are refused.

use super::*;
use crate::notice::sample;

fn ask(text: &str) -> Result<bool, String> {
    let (event, description) = sample();
    let expression = Expression::parse(text).map_err(|fault| fault.to_string())?;
    expression.run(&Facts::new(&event, &description))
}

#[test]
fn it_asks_the_event_and_what_is_said_of_it() {
    for (text, expected) in [
        ("app == 'git'", true),
        ("agent == 'ada' && 'kernel' in packages", true),
        ("people.exists(p, p.startsWith('gr'))", true),
        ("people.all(p, p == 'ada')", false),
        ("topic.endsWith('.receive') && severity != 'error'", true),
        ("summary.matches('sched[a-z]+r')", true),
        ("matches(summary, '^nothing')", false),
        ("has(body.agent) && body.agent == 'ada'", true),
        ("has(body.nothing)", false),
        ("size(people) + 1 == 3", true),
        ("packages.filter(p, p != 'kernel').size() == 0", true),
        ("people.map(p, p + '!').exists(p, p == 'ada!')", true),
        ("source == '' && schema == 'git.receive'", true),
        ("type(body.agent) == string", true),
    ] {
        assert_eq!(ask(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_wrong_is_refused_with_its_place_and_the_mend() {
    for (text, place, said) in [
        ("", "", "is empty"),
        ("app ==", "line 1, column", "an expression is such as"),
        ("app == 'git' &&\n  owner == 'ada'", "line 2, column 3", "body.owner"),
        ("app.like('g')", "line 1, column", "'like' is no function; known are contains"),
        ("summary.matches('(')", "line 1, column", "cannot be used"),
        ("summary.matches('(a{1000}){1000}')", "line 1, column", "cannot be used"),
        ("summary.matches(body.pattern)", "line 1, column", "a pattern in quotes"),
        ("size(people)", "line 1, column", "compare it with something"),
        ("1 + 1", "line 1, column", "compare it with something"),
        ("'a'", "line 1, column 1", "compare it with something"),
        ("Thing{a: 1} == 1", "line 1, column", "no such values"),
    ] {
        let fault = Expression::parse(text).expect_err(text).to_string();
        assert!(fault.starts_with(place) && fault.contains(said), "{text}: {fault}");
    }
}

#[test]
fn what_fails_on_an_event_is_said_and_is_neither_true_nor_false() {
    for (text, said) in [
        ("body.nothing == 1", "there is no 'nothing' in this event; ask has(…) first"),
        ("body.agent", "not true or false"),
        ("body.agent + 1 == 2", "nsupported binary operator"),
        ("1 / (size(people) - 2) == 1", "ivision by zero"),
        ("-9223372036854775807 - 2 < size(people)", "verflow"),
    ] {
        let error = ask(text).expect_err(text);
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn too_large_too_deep_and_too_expensive_are_refused_before_they_run() {
    let long = format!("app == '{}'", "x".repeat(2000));
    assert!(Expression::parse(&long).unwrap_err().problem.contains("more than 2000"));
    // On a thread with the smallest stack that any of ours has.
    let reading = std::thread::Builder::new().stack_size(2 << 20).spawn(|| {
        for text in [
            format!("{}true{}", "(".repeat(500), ")".repeat(500)),
            format!("{}true", "!".repeat(1900)),
            format!("{}1 == 1", "-".repeat(1900)),
            format!("{}1", "1+".repeat(900)),
            format!("app{}", ".a".repeat(900)),
            format!("{}true", "true?true:".repeat(190)),
            format!("{}app{}", "[".repeat(500), "]".repeat(500)),
            format!("app{}", "[0]".repeat(600)),
        ] {
            assert!(Expression::parse(&text).is_err(), "{text}");
        }
        // Long and flat is well.
        for text in [
            format!("{}true", "true&&".repeat(40)),
            format!("{}app == ''", "app == 'x' || ".repeat(40)),
        ] {
            assert!(Expression::parse(&text).is_ok(), "{text}");
        }
    });
    reading.unwrap().join().unwrap();
    for text in [
        "people.all(a, people.all(b, people.all(c, people.all(d, a + b == c + d))))",
        "body.list.map(a, body.list.map(b, body.list.map(c, a + b + c))).size() > 0",
    ] {
        let fault = Expression::parse(text).unwrap_err().to_string();
        assert!(fault.contains("too expensive") && fault.contains("nest fewer"), "{fault}");
    }
}

#[test]
fn an_expression_that_is_cheap_for_most_events_is_not_run_on_one_that_is_too_large() {
    let expression =
        Expression::parse("body.list.exists(a, body.list.exists(b, a == b + 1))").unwrap();
    let (mut event, description) = sample();
    let list = |count: u64| serde_json::json!({"list": (0..count).rev().collect::<Vec<_>>()});
    event.body = list(30).try_into().unwrap();
    assert_eq!(expression.run(&Facts::new(&event, &description)), Ok(true));
    event.body = list(20_000).try_into().unwrap();
    let error = expression.run(&Facts::new(&event, &description)).unwrap_err();
    assert!(error.contains("too expensive for this event"), "{error}");
    event.body = serde_json::json!({"text": "x".repeat(2 << 20)}).try_into().unwrap();
    let error = expression.run(&Facts::new(&event, &description)).unwrap_err();
    assert!(error.contains("bytes of text, more than"), "{error}");
}

#[test]
fn what_it_is_found_by_is_what_an_event_must_have() {
    let keys = |text: &str| {
        let expression = Expression::parse(text).unwrap();
        let keys = expression.keys()?;
        Some(keys.into_iter().map(|(kind, name)| (kind, name.to_owned())).collect::<Vec<_>>())
    };
    let one = |kind, name: &str| Some(vec![(kind, name.to_owned())]);
    assert_eq!(keys("agent == 'ada'"), one(Kind::Agent, "ada"));
    assert_eq!(keys("'koji' == app && body.n > 1"), one(Kind::App, "koji"));
    assert_eq!(keys("app == 'koji' && 'bash' in packages"), one(Kind::Package, "bash"));
    assert_eq!(keys("'x' in headers"), one(Kind::Header, "x"));
    assert_eq!(keys("agent == 'ada' || 'bash' in packages").map(|keys| keys.len()), Some(2));
    assert_eq!(keys("app == 'Koji'"), None, "an application is found by its name in lower case");
    assert_eq!(keys("agent == ''"), None);
    assert_eq!(keys("agent == 'ada' || size(people) > 3"), None);
    assert_eq!(keys("!(agent == 'ada')"), None);
}

#[test]
fn no_text_brings_it_down() {
    let words = [
        "app",
        "body",
        ".",
        "x",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "'a",
        "'",
        "\"",
        "==",
        "&&",
        "||",
        "!",
        "?",
        ":",
        ",",
        "1",
        "1u",
        "1.5",
        "-",
        "+",
        "in",
        "has(",
        "all(",
        "map(",
        "true",
        "null",
        "b'\\x00'",
        "\\",
        "\n",
        "\u{1f980}",
        "r'",
        "0x",
        "e9",
    ];
    let mut seed: u64 = 7;
    for _ in 0..800 {
        let mut text = String::new();
        for _ in 0..12 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push_str(words[(seed >> 33) as usize % words.len()]);
            text.push(' ');
        }
        drop(ask(&text));
    }
}
