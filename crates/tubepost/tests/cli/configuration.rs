//! `tubepost config`: what is in force and where it came from.

use serde_json::Value;

use crate::home::Home;

fn in_force(
    home: &Home,
    arguments: &[&str],
    variables: &[(&str, &str)],
    key: &str,
) -> (String, String) {
    let arguments: Vec<&str> = ["config", "--json"].iter().chain(arguments).copied().collect();
    let ended = home.run_with(&arguments, variables, "");
    assert_eq!(ended.code, 0, "{ended:?}");
    let all: Value = serde_json::from_str(&ended.out).unwrap();
    let text = |name: &str| all[key][name].as_str().unwrap_or_default().to_owned();
    (text("value"), text("origin"))
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let home = Home::new();
    let file = home.write("t.toml", "data_dir = \"/file\"\n");
    let file = file.to_str().unwrap();
    let (flag, variable) = (["--data-dir", "/flag"], [("TUBEPOST_DATA_DIR", "/variable")]);
    let with_file = ["--config", file];
    let both = [&flag[..], &with_file].concat();
    let line = format!("{file}:1: data_dir");
    for (arguments, variables, value, origin) in [
        (&both[..], &variable[..], "/flag", "--data-dir"),
        (&with_file, &variable, "/variable", "TUBEPOST_DATA_DIR"),
        (&with_file, &[], "/file", line.as_str()),
        (&[], &[], "./tubepost-data", "default"),
    ] {
        let expected = (value.to_owned(), origin.to_owned());
        assert_eq!(in_force(&home, arguments, variables, "data_dir"), expected);
    }
}

#[test]
fn the_file_is_found_by_variable_and_in_the_users_directory() {
    let home = Home::new();
    let named = home.write("named.toml", "data_dir = \"/named\"\n");
    home.write(".config/tubepost/tubepost.toml", "data_dir = \"/user\"\n");
    assert_eq!(in_force(&home, &[], &[], "data_dir").0, "/user");
    let variable = [("TUBEPOST_CONFIG", named.to_str().unwrap())];
    assert_eq!(in_force(&home, &[], &variable, "data_dir").0, "/named");
}

#[test]
fn secrets_are_never_shown() {
    let home = Home::new();
    home.write(
        ".config/tubepost/tubepost.toml",
        "[bus]\nurl = \"amqp://ada:s3cret@host\"\n[notify.mail]\nuser = \"u\"\npassword = \"s3cret\"\n",
    );
    for arguments in [&["config"][..], &["config", "--json"]] {
        let ended = home.run(arguments);
        assert_eq!(ended.code, 0);
        assert!(ended.out.contains("amqp://ada:********@host"), "{}", ended.out);
        assert!(!ended.out.contains("s3cret"), "{}", ended.out);
    }
}

#[test]
fn malformed_toml_is_shown_with_file_line_and_column() {
    let home = Home::new();
    home.write("bad.toml", "[amqp]\nlisten = \"127.0.0.1:5672\nframe_max = 1\n");
    for verb in ["config", "tail", "serve"] {
        let ended = home.run(&[verb, "--config", "bad.toml"]);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{ended:?}");
        assert!(ended.said.starts_with("tubepost: bad.toml:2:"), "{ended:?}");
        assert!(ended.said.contains("    2 | listen = \"127.0.0.1:5672\n"), "{ended:?}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
    let home = Home::new();
    home.write("t.toml", "[http]\nlistn = \"127.0.0.1:1\"\n");
    let ended = home.run(&["config", "--config", "t.toml"]);
    assert_eq!(ended.code, 2);
    let expected = "tubepost: t.toml:2:1: unknown key 'http.listn'; did you mean 'http.listen'?\n";
    assert!(ended.said.starts_with(expected), "{ended:?}");
}

#[test]
fn a_wrong_value_in_the_file_is_shown_with_its_line() {
    let home = Home::new();
    home.write("t.toml", "[amqp]\nlisten = \"nowhere\"\n");
    let ended = home.run(&["config", "--config", "t.toml"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.said.starts_with(
            "tubepost: t.toml:2: amqp.listen: 'nowhere' is not an address: expected HOST:PORT"
        ),
        "{ended:?}"
    );
    assert!(
        ended.said.contains("    2 | listen = \"nowhere\"\n      |          ^^^^^^^^^"),
        "{ended:?}"
    );
}

#[test]
fn a_named_file_that_is_not_there_is_refused() {
    let ended = Home::new().run(&["config", "--config", "nowhere.toml"]);
    assert_eq!(ended.code, 2);
    assert!(ended.said.contains("nowhere.toml: cannot be read"), "{ended:?}");
}

#[test]
fn check_says_whether_serve_could_start_with_it() {
    let home = Home::new();
    let subscription = "[[notify.subscription]]\nto = \"ada@example.org\"\n";
    home.write("good.toml", subscription);
    let ended = home.run(&["config", "--check", "--config", "good.toml"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{ended:?}");
    assert!(ended.said.contains("mail subscriptions: 1"), "{ended:?}");
    home.write(
        "bad.toml",
        &format!("[notify.mail]\npassword_file = \"/nowhere\"\nuser = \"u\"\n{subscription}"),
    );
    let ended = home.run(&["config", "--check", "--config", "bad.toml"]);
    assert_eq!(ended.code, 2);
    assert!(ended.said.contains("password_file /nowhere"), "{ended:?}");
}
