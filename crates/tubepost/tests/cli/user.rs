//! `tubepost user`.

use serde_json::Value;

use crate::home::Home;

#[test]
fn users_are_created_listed_changed_and_removed() {
    let home = Home::new();
    let ended = home.run_with(&["user", "add", "ada", "--password-stdin"], &[], "correct horse\n");
    assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{ended:?}");
    let ended = home.run(&["user", "add", "ci", "--generate"]);
    assert_eq!(ended.code, 0);
    assert_eq!(ended.out.trim().len(), 24, "the generated password, once: {ended:?}");
    assert_eq!(home.run(&["user", "list"]).out, "ada\nci\n");
    let listed = home.run(&["user", "list", "--json"]).out;
    let first: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    assert_eq!(first["name"], "ada");
    assert_eq!(home.run_with(&["user", "passwd", "ada", "--password-stdin"], &[], "x\n").code, 0);
    assert_eq!(home.run(&["user", "delete", "ada"]).code, 0);
    assert_eq!(home.run(&["user", "list"]).out, "ci\n");
    let kept = std::fs::read_to_string(home.path("tubepost-data/users.json")).unwrap();
    assert!(kept.contains("$argon2id$") && !kept.contains(ended.out.trim()), "{kept}");
}

#[test]
fn tags_are_given_changed_and_taken_away() {
    let home = Home::new();
    let add = ["user", "add", "ada", "--generate", "--tag", "monitoring", "--tag", "ops,eu"];
    assert_eq!(home.run(&add).code, 0);
    let ci = ["user", "add", "ci", "--no-password", "--no-permissions"];
    let ended = home.run(&ci);
    assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{ended:?}");
    assert_eq!(home.run(&["user", "list"]).out, "ada  monitoring,ops,eu\nci\n");
    let listed = home.run(&["user", "list", "--json"]).out;
    let users: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(users[0]["tags"], serde_json::json!(["monitoring", "ops", "eu"]));
    assert_eq!(
        (&users[0]["has_password"], &users[0]["default_access"]),
        (&true.into(), &true.into())
    );
    assert_eq!(
        (&users[1]["has_password"], &users[1]["default_access"]),
        (&false.into(), &false.into())
    );
    assert_eq!(home.run(&["user", "set-tags", "ci", "administrator"]).code, 0);
    assert_eq!(home.run(&["user", "set-tags", "ada"]).code, 0);
    assert_eq!(home.run(&["user", "list"]).out, "ada\nci   administrator\n");
    assert_eq!(home.run(&["user", "change-password", "ci", "--generate"]).out.trim().len(), 24);
    assert_eq!(home.run(&["user", "passwd", "ada", "--no-password"]).code, 0);
    let listed = home.run(&["user", "list", "--json"]).out;
    assert!(listed.lines().next().unwrap().contains(r#""has_password":false"#), "{listed}");
}

#[test]
fn what_cannot_be_done_is_said_with_the_mend() {
    let home = Home::new();
    home.run(&["user", "add", "ada", "--generate"]);
    for (arguments, code, expected) in [
        (&["user", "add", "ada", "--generate"][..], 1, "tubepost user passwd ada"),
        (&["user", "delete", "bob"], 1, "no user 'bob'"),
        (&["user", "passwd", "bob", "--generate"], 1, "no user 'bob'"),
        (&["user", "add", "", "--generate"], 2, "is empty"),
        (&["user", "add", "bob", "--generate", "--tag", "a b"], 2, "tag 'a b' has"),
        (&["user", "add", "bob", "--generate", "--no-password"], 2, "cannot be used with"),
        (&["user", "set-tags", "bob", "ops"], 1, "no user 'bob'"),
        (&["user", "add", "bob", "--password-stdin"], 2, "the password is empty"),
        (&["user", "list", "--data-dir", "/proc/x"], 1, "data directory /proc/x"),
    ] {
        let ended = home.run(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {ended:?}");
        assert!(ended.said.contains(expected), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn without_a_terminal_the_other_ways_are_named() {
    let home = Home::new();
    let mut command = std::process::Command::new("setsid");
    // A session of its own has no terminal, also where the tests are run from one.
    let output = home
        .furnish(&mut command)
        .arg("--wait")
        .arg(crate::home::binary())
        .args(["user", "add", "ada"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--password-stdin"), "{said}");
}
