//! Keys are made and events verified, without any bus.

use std::os::unix::fs::PermissionsExt as _;

use event::{Event, SigningKey};
use serde_json::{Value, json};

use crate::home::Home;

/// A home with a key pair `keys/hall`, and that key.
fn home() -> (Home, SigningKey) {
    let home = Home::new();
    std::fs::create_dir(home.path("keys")).unwrap();
    let made = home.run(&["key", "generate", "hall", "--directory", "keys"]);
    assert_eq!(made.code, 0, "{made:?}");
    let secret = std::fs::read_to_string(home.path("keys/hall.key")).unwrap();
    (home, SigningKey::from_pem("hall", &secret).unwrap())
}

fn event(key: Option<&SigningKey>) -> Event {
    let topic = "org.example.door.open".parse().unwrap();
    let mut event = Event::new(topic, json!({"door": "north"})).unwrap();
    if let Some(key) = key {
        key.sign(&mut event).unwrap();
    }
    event
}

#[test]
fn a_key_is_two_files_and_the_secret_is_its_owners() {
    let (home, _) = home();
    let mode = |name: &str| {
        let metadata = std::fs::metadata(home.path(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!((mode("keys/hall.key"), mode("keys/hall.pub")), (0o600, 0o644));
    let before = std::fs::read_to_string(home.path("keys/hall.key")).unwrap();
    let again = home.run(&["key", "generate", "hall", "--directory", "keys"]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.said.contains("hall.pub: is there already"), "{again:?}");
    std::fs::remove_file(home.path("keys/hall.pub")).unwrap();
    let again = home.run(&["key", "generate", "hall", "--directory", "keys"]);
    assert!(again.said.contains("hall.key: cannot be written: File exists"), "{again:?}");
    assert_eq!(std::fs::read_to_string(home.path("keys/hall.key")).unwrap(), before);
    let other = home.run(&["key", "generate", "../hall"]);
    assert_eq!(other.code, 2, "{other:?}");
    let json = home.run(&["key", "generate", "gate", "--json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["name"], &json["public"]), (&json!("gate"), &json!("./gate.pub")));
}

#[test]
fn each_line_is_judged_and_the_exit_code_says_whether_all_hold() {
    let (home, key) = home();
    let signed = event(Some(&key)).to_dump();
    let verify = |input: &str, more: &[&str]| {
        home.run_with(&[&["verify", "--keys", "keys"], more].concat(), &[], input)
    };
    let valid = verify(&format!("{signed}\n\n{signed}\n"), &[]);
    assert_eq!(valid.code, 0, "{valid:?}");
    assert!(valid.out.starts_with("valid    hall 0"), "{valid:?}");
    assert!(valid.said.contains("2 valid, 0 unsigned, 0 invalid"), "{valid:?}");

    let unsigned = event(None).to_dump();
    assert_eq!(verify(&unsigned, &[]).code, 1);
    assert_eq!(verify(&unsigned, &["--allow-unsigned"]).code, 0);

    let altered = signed.replace("north", "south");
    let lines = format!("{signed}\n{altered}\n{unsigned}\nnonsense\n");
    let judged = verify(&lines, &["--json", "--allow-unsigned"]);
    assert_eq!(judged.code, 1, "{judged:?}");
    let judged: Vec<Value> =
        judged.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<_> = judged
        .iter()
        .map(|line| (line["line"].as_u64(), line["verdict"].as_str(), line["key"].as_str()))
        .collect();
    let expected = [
        (Some(1), Some("valid"), Some("hall")),
        (Some(2), Some("invalid"), Some("hall")),
        (Some(3), Some("unsigned"), None),
        (Some(4), Some("invalid"), None),
    ];
    assert_eq!(found, expected);
    let reason = |line: &Value| line["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason(&judged[1]).contains("changed since, or copied"), "{}", judged[1]);
    assert!(reason(&judged[3]).contains("is no event: message line"), "{}", judged[3]);
    assert_eq!(judged[0]["topic"], "org.example.door.open");
}

#[test]
fn a_key_may_be_for_some_topics_only() {
    let (home, key) = home();
    let signed = event(Some(&key)).to_dump();
    home.write("keys/hall.topics", "#.gate.#\n#.window.*\n");
    let refused = home.run_with(&["verify", "--keys", "keys"], &[], &signed);
    assert_eq!(refused.code, 1);
    assert!(refused.out.contains("its key is not for this topic"), "{refused:?}");
    home.write("keys/hall.topics", "#.gate.#\n#.door.*\n");
    assert_eq!(home.run_with(&["verify", "--keys", "keys"], &[], &signed).code, 0);
}

#[test]
fn keys_that_are_none_are_named_with_the_file() {
    let (home, _) = home();
    for (file, text, reason) in [
        ("none/readme.txt", "", "none: has no keys; they are files NAME.pub, .pem or .crt"),
        ("bad/hall.pub", "nonsense", "bad/hall.pub: key 'hall': there is neither"),
        ("bad2/a b.pub", "", "bad2/a b.pub: key 'a b': a key's name is 1 to 64 letters"),
        ("bad3/hall.topics", "#.a", "bad3/hall.topics: key 'hall': there is no such key"),
    ] {
        home.write(file, text);
        let directory = file.split('/').next().unwrap();
        let refused = home.run(&["verify", "--keys", directory]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.said.contains(reason), "{refused:?}");
    }
    std::fs::copy(home.path("keys/hall.pub"), home.path("keys/hall.pem")).unwrap();
    let twice = home.run(&["verify", "--keys", "keys"]);
    assert!(twice.said.contains("hall.pub: there is another key named 'hall'"), "{twice:?}");
    let wrong = home.run(&["publish", "a.b", "{}", "--sign", "keys/hall.pub"]);
    assert!(wrong.said.contains("keys/hall.pub: key 'hall': there is no"), "{wrong:?}");
}
