//! People's rules by command: made, changed, previewed, explained, imported, without any bus.

use serde_json::{Value, json};

use crate::home::{Ended, Home};

fn notify(home: &Home, arguments: &[&str]) -> Ended {
    home.run(&[&["notify"], arguments].concat())
}

fn lines(ended: &Ended) -> Vec<Value> {
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Adds a rule and gives its id.
fn add(home: &Home, arguments: &[&str]) -> String {
    let added = lines(&notify(home, &[&["rule", "add"], arguments, &["--json"]].concat()));
    added[0]["id"].as_str().unwrap().to_owned()
}

const TO: [&str; 2] = ["--to", "mail:ada@example.org"];

#[test]
fn a_rule_is_made_listed_changed_and_removed() {
    let home = Home::new();
    let none = notify(&home, &["rule", "list"]);
    assert_eq!(none.code, 1, "{none:?}");
    assert!(none.said.contains("make one with tubepost notify rule add"), "{none:?}");
    let mine = ["ada", "--name", "mine", "--people", "@me", "--not-mine"];
    let id = add(&home, &[&mine[..], &TO].concat());
    let listed = lines(&notify(&home, &["rule", "list", "ada", "--json"]));
    let what = json!({"all": [{"people": ["@me"]}, {"not": {"agent": ["@me"]}}]});
    assert_eq!(listed[0]["what"], what);
    assert_eq!(listed[0]["outlets"], json!([{"to": ["mail:ada@example.org"]}]));
    let table = notify(&home, &["rule", "list"]);
    assert!(table.out.contains("mine") && table.out.starts_with("id"), "{table:?}");
    assert_eq!(lines(&notify(&home, &["destination", "list", "ada", "--json"])).len(), 1);

    let off = notify(&home, &["rule", "disable", &id]);
    assert!(off.code == 0 && off.said.contains("not in force"), "{off:?}");
    let shown = notify(&home, &["rule", "show", &id]).out.replace("\"mine\"", "\"yours\"");
    let file = home.write("rule.json", &shown);
    let edited = notify(&home, &["rule", "edit", &id, "--file", file.to_str().unwrap(), "--json"]);
    assert_eq!(lines(&edited)[0]["name"], "yours");
    assert_eq!(lines(&edited)[0]["enabled"], false);
    notify(&home, &["rule", "enable", &id]);
    let edited = notify(&home, &["rule", "edit", &id, "--package", "kernel", "--json"]);
    assert_eq!(lines(&edited)[0]["what"], json!({"package": ["kernel"]}));
    assert_eq!(lines(&edited)[0]["enabled"], true);
    assert_eq!(notify(&home, &["rule", "remove", &id]).code, 0);
    let again = notify(&home, &["rule", "remove", &id]);
    assert!(again.code == 1 && again.said.contains("is not there"), "{again:?}");
    // The data directory is one that serve takes.
    assert!(home.path("tubepost-data/format").exists());
}

#[test]
fn a_rule_of_a_file_may_be_json_or_toml_and_a_wrong_one_is_told_where() {
    let home = Home::new();
    let toml = "name = \"builds\"\n[owner]\nperson = \"ada\"\n[what]\n\
        any = [{ app = \"koji\" }, { topic = \"#.buildsys.#\" }]\n[[outlets]]\nto = [\"@mail\"]\n\
        when = { digest = { daily = \"08:00\" }, zone = \"Europe/Berlin\" }\n";
    home.write("rule.toml", toml);
    add(&home, &["--file", "rule.toml"]);
    for (text, said) in [
        (toml.replace("app", "application"), "rule.toml: line 5, column"),
        (toml.replace("08:00", "8:00"), "line 8, column"),
        (toml.replace("Europe/Berlin", "Mars"), "outlets[0].when.zone: 'Mars' is no time zone"),
        (toml.replace("[owner]\nperson = \"ada\"\n", ""), "rule.toml: owner: is missing"),
        (String::from("{\"name\": "), "line 1, column"),
    ] {
        home.write("rule.toml", &text);
        let ended = notify(&home, &["rule", "add", "--file", "rule.toml"]);
        assert!(ended.code == 2 && ended.said.contains(said), "{said}\n{ended:?}");
    }
    let flags =
        |more: &[&str]| notify(&home, &[&["rule", "add", "ada", "--name", "n"], more].concat());
    for (arguments, said) in [
        (vec!["--cel", "owner == 'ada'", "--to", "@mail"], "what.cel, line 1, column 1: 'owner'"),
        (vec!["--people", "@you", "--to", "@mail"], "--people: '@you' is nobody"),
        (vec!["--severity", "loud", "--to", "@mail"], "--severity: 'loud' is not a severity"),
        (vec!["--app", "koji"], "--to is missing"),
        (vec!["--app", "koji", "--to", "pigeon:ada"], "of no kind that is known"),
    ] {
        let ended = flags(&arguments);
        assert!(ended.code == 2 && ended.said.contains(said), "{said}\n{ended:?}");
    }
}

fn event(n: u32, day: &str, agent: &str) -> String {
    let body = json!({"agent": agent, "n": n});
    let headers =
        json!({"sent-at": format!("{day}T10:00:00+00:00"), "fedora_messaging_rpm_kernel": true});
    json!({"topic": "org.example.door", "id": format!("e{n}"), "body": body, "headers": headers})
        .to_string()
}

#[test]
fn a_preview_counts_the_days_and_why_names_the_test_that_did_not_hold() {
    let home = Home::new();
    let events = [
        event(1, "2026-11-24", "ada"),
        event(2, "2026-11-25", "grace"),
        event(3, "2026-11-25", "grace"),
    ];
    home.write("events.jsonl", &events.join("\n"));
    let preview = |more: &[&str]| {
        notify(&home, &[&["preview", "ada", "--events", "events.jsonl", "--json"], more].concat())
    };
    let seen = &lines(&preview(&["--package", "kernel", "--not-mine"]))[0];
    assert_eq!((&seen["events"], &seen["matched"]), (&json!(3), &json!(2)));
    assert_eq!(seen["days"], json!({"2026-11-25": 2}));
    assert_eq!(seen["last"].as_array().unwrap().len(), 2);
    let seen = &lines(&preview(&["--cel", "body.x == 1"]))[0];
    assert_eq!((&seen["matched"], &seen["failed"]), (&json!(0), &json!(3)));
    assert!(seen["failure"].as_str().unwrap().contains("ask has(…) first"), "{seen}");

    notify(&home, &["group", "set", "core", "--member", "ada"]);
    add(&home, &[&["ada", "--name", "mine", "--people", "@me"], &TO[..]].concat());
    let group = ["group:core", "--name", "ours", "--package", "kernel", "--not-mine"];
    add(&home, &[&group[..], &TO].concat());
    add(&home, &[&["bob", "--name", "other", "--app", "koji"], &TO[..]].concat());
    let why = |arguments: &[&str], input: &str| {
        home.run_with(&[&["notify", "why", "-", "--json"], arguments].concat(), &[], input)
    };
    let of_ada = lines(&why(&["ada"], &events[1]));
    assert_eq!(of_ada.len(), 2, "hers and her group's: {of_ada:?}");
    assert_eq!((&of_ada[0]["matches"], &of_ada[0]["path"]), (&json!(false), &json!("what.people")));
    assert_eq!(of_ada[1]["to"], json!(["mail:ada@example.org"]));
    assert_eq!(of_ada[1]["event"], "e2");
    let all = lines(&why(&[], &events[0]));
    assert_eq!(all.len(), 1, "only what wants it: {all:?}");
    let silenced = notify(&home, &["silence", "ada", "--snooze", "2h"]);
    assert!(silenced.out.contains("snoozed_until"), "{silenced:?}");
    assert_eq!(lines(&why(&["ada"], &events[0]))[0]["path"], "silence");
    let words = home.run_with(&["notify", "why", "-", "bob"], &[], &events[0]);
    assert!(words.out.contains("what.app: the application is"), "{words:?}");
    let nobody = why(&["eve"], &events[0]);
    assert!(nobody.code == 1 && nobody.said.contains("eve has no rules"), "{nobody:?}");
}

#[test]
fn rules_of_fmn_are_imported_again_and_again_as_the_same() {
    let home = Home::new();
    let rule = |id: u32, tracking: Value| {
        json!({"id": id, "name": null, "disabled": false, "user": {"id": 1, "name": "ada"},
            "tracking_rule": tracking, "generation_rules": [{"destinations": [
            {"protocol": "email", "address": "ada@example.org"}], "filters": {"severities": [],
            "topic": null, "my_actions": false, "applications": [], "excluded_applications": []}}]})
    };
    let good = rule(1, json!({"name": "related-events", "params": null}));
    let empty = rule(2, json!({"name": "users-followed", "params": []}));
    home.write("rules.json", &json!([good, empty]).to_string());
    let dry = notify(&home, &["import", "rules.json", "--dry-run"]);
    assert!(dry.code == 1 && dry.said.contains("rule 2 left out"), "{dry:?}");
    assert!(!home.path("tubepost-data").exists());
    for _ in 0..2 {
        let ended = notify(&home, &["import", "rules.json"]);
        assert!(ended.said.contains("rules imported: 1, left out: 1"), "{ended:?}");
    }
    let listed = lines(&notify(&home, &["rule", "list", "--json"]));
    assert_eq!((listed.len(), &listed[0]["id"]), (1, &json!("fmn.1")));
    home.write("rules.json", "[\n{\"id\": 1}]");
    let wrong = notify(&home, &["import", "rules.json"]);
    assert!(wrong.code == 2 && wrong.said.contains("rules.json: line 2"), "{wrong:?}");
}

#[test]
fn a_feed_is_made_its_addresses_are_shown_once_and_can_be_changed() {
    let home = Home::new();
    let made =
        notify(&home, &["destination", "add", "ada", "feed:", "--feed-url", "https://b.org/"]);
    let addresses: Vec<&str> = made.out.lines().collect();
    let [atom, rss] = addresses.as_slice() else { panic!("{made:?}") };
    let secret = atom.strip_prefix("https://b.org/feeds/").and_then(|it| it.strip_suffix(".atom"));
    let secret = secret.unwrap_or_else(|| panic!("{made:?}"));
    assert!(secret.len() == 32 && rss.ends_with(&format!("{secret}.rss")), "{made:?}");
    assert!(!made.said.contains(secret), "{made:?}");
    let listed = lines(&notify(&home, &["destination", "list", "ada", "--json"]));
    let id = listed[0]["id"].as_str().unwrap();
    assert!(id.starts_with("feed:") && !id.contains(secret), "{id}");
    let rotated = notify(&home, &["destination", "rotate", "ada", id]);
    assert!(rotated.out.starts_with("http://127.0.0.1:15670/feeds/"), "{rotated:?}");
    assert!(!rotated.out.contains(secret), "{rotated:?}");
    let not_hers = notify(&home, &["destination", "rotate", "bob", id]);
    assert!(not_hers.code == 2 && not_hers.said.contains("is no feed of bob's"), "{not_hers:?}");
    let no_user = notify(&home, &["destination", "add", "ada", "desktop:a/b"]);
    assert!(no_user.code == 2 && no_user.said.contains("no user of the bus"), "{no_user:?}");
}

#[test]
fn a_browser_is_added_by_what_it_says_and_nothing_of_that_is_shown() {
    let home = Home::new();
    let key = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNto\
               IAiw4";
    let subscription = json!({"endpoint": "https://push.example.org/s3cret", "expirationTime": null,
        "keys": {"p256dh": key, "auth": "BTBZMqHH6r4Tts7J_aSIgg"}});
    let contact = [("TUBEPOST_PUSH_CONTACT", "mailto:ops@example.org")];
    let add = |variables: &[(&str, &str)], text: &str| {
        let words = ["notify", "destination", "add", "ada", "push:"];
        home.run_with(&words, variables, text)
    };
    let refused = add(&[], &subscription.to_string());
    assert!(refused.code == 1 && refused.said.contains("set notify.push.contact"), "{refused:?}");
    let wrong = add(&contact, "{\"endpoint\": \"s3cret\"}");
    assert!(wrong.code == 2 && wrong.said.contains("JSON.stringify(subscription)"), "{wrong:?}");
    let added = add(&contact, &subscription.to_string());
    assert!(added.code == 0 && added.said.contains("push:https://push.example.org/…"), "{added:?}");
    let shown = lines(&notify(&home, &["destination", "list", "ada", "--json"]));
    let shown = shown[0]["id"].as_str().unwrap().to_owned();
    for ended in [refused, wrong, added] {
        assert!(!ended.said.contains("s3cret") && !shown.contains("s3cret"), "{ended:?}");
    }
    let key = |file: &str| {
        let words = ["notify", "push-key"];
        home.run_with(&words, &[contact[0], ("TUBEPOST_PUSH_KEY_FILE", file)], "")
    };
    let (one, again, other) = (key("one.key"), key("one.key"), key("other.key"));
    assert!(one.code == 0 && one.out.trim().len() == 87 && one.out == again.out, "{one:?}");
    assert_ne!(one.out, other.out);
    assert_eq!(notify(&home, &["destination", "remove", "ada", &shown]).code, 0);
}
