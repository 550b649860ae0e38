//! Commands called rightly and wrongly, without any bus.

use crate::home::Home;

/// Nothing listens on the discard port of a test machine.
const NO_BUS: &str = "amqp://guest:guest@127.0.0.1:9";

#[test]
fn help_of_every_command_is_printed_with_examples_and_exit_0() {
    let home = Home::new();
    for words in [
        "serve",
        "config",
        "event render",
        "schema check",
        "schema diff",
        "schema test",
        "schema new",
        "schema import",
        "user add",
        "user passwd",
        "user set-tags",
        "user delete",
        "user list",
        "status",
        "vhost list",
        "vhost show",
        "vhost add",
        "vhost set",
        "vhost delete",
        "vhost limit list",
        "vhost limit set",
        "vhost limit clear",
        "permission list",
        "permission set",
        "permission clear",
        "permission topic list",
        "permission topic set",
        "permission topic clear",
        "policy list",
        "policy show",
        "policy set",
        "policy delete",
        "queue list",
        "queue show",
        "queue declare",
        "queue delete",
        "queue purge",
        "queue get",
        "exchange list",
        "exchange show",
        "exchange declare",
        "exchange delete",
        "binding list",
        "binding add",
        "binding delete",
        "connection list",
        "connection show",
        "connection close",
        "channel list",
        "channel show",
        "consumer list",
        "definitions export",
        "definitions import",
        "publish",
        "tail",
        "verify",
        "key generate",
        "on",
        "agent",
        "hook git install",
        "hook git run",
        "completions",
        "man",
    ] {
        let arguments: Vec<&str> = words.split(' ').chain(["--help"]).collect();
        let ended = home.run(&arguments);
        assert_eq!((ended.code, ended.said.as_str()), (0, ""), "{words}");
        assert!(ended.out.contains("Examples:") && ended.out.contains(words), "{words}");
    }
}

#[test]
fn what_is_called_wrongly_exits_2_and_says_so_on_standard_error() {
    let home = Home::new();
    for arguments in [
        &[][..],
        &["fly"],
        &["tail", "--fly"],
        &["tail", "-n", "0"],
        &["on", "#"],
        &["on", "#", "--jobs", "0", "--", "true"],
        &["on", "#", "--queue", "amq.x", "--", "true"],
        &["publish"],
        &["publish", "a b", "{}"],
        &["publish", "a.b", "{}", "--severity", "loud"],
        &["publish", "a.b", "{}", "--priority", "10"],
        &["publish", "a.b", "{}", "--header", "x"],
        &["publish", "a.b", "{}", "--bus", "http://host"],
        &["tail", "--bus", "amqp://host:port"],
        &["user"],
        &["queue"],
        &["queue", "declare"],
        &["queue", "declare", ""],
        &["queue", "declare", "q", "--type", "round"],
        &["queue", "declare", "q", "--argument", "x"],
        &["queue", "declare", "q", "--argument", "x-max-length=many"],
        &["queue", "declare", "q", "--argument", "a=1", "--argument", "a=2"],
        &["queue", "declare", "q", "--type", "quorum", "--argument", "x-queue-type=quorum"],
        &["queue", "list", "--vhost", "v", "--all-vhosts"],
        &["queue", "list", "--url", "ftp://host"],
        &["queue", "list", "--url", "http://ada@host"],
        &["queue", "get", "q", "0"],
        &["exchange", "declare", "x"],
        &["binding", "list", "--queue", "q", "--source", "x"],
        &["connection", "close", "c", "--reason", "two\nlines"],
        &["policy", "set", "p", ".*", "[]"],
        &["policy", "set", "p", ".*", "{", "--apply-to", "queues"],
        &["policy", "set", "p", ".*", "{}", "--apply-to", "everything"],
        &["vhost", "set", "v"],
        &["vhost", "limit", "set", "v"],
        &["vhost", "limit", "clear", "v", "max-users"],
        &["definitions", "import"],
        &["hook", "git"],
        &["completions", "no-shell"],
    ] {
        let ended = home.run(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments:?}: {ended:?}");
        assert!(!ended.said.is_empty(), "{arguments:?}");
    }
}

#[test]
fn bad_json_is_refused_with_line_and_column_before_any_bus_is_asked() {
    let home = Home::new();
    for (arguments, input, expected) in [
        (&["publish", "a.b", "{\"a\": 1,\n \"b\" 2}"][..], "", "line 2 column 6"),
        (&["publish", "a.b"], "{\"a\": }", "standard input: "),
        (&["publish", "a.b", "[1]"], "", "an array"),
        (&["publish", "a.b", "-"], "", "line 1 column 0"),
    ] {
        let ended = home.run_with(arguments, &[("TUBEPOST_BUS", NO_BUS)], input);
        assert_eq!(ended.code, 2, "{arguments:?}: {ended:?}");
        assert!(ended.said.starts_with("tubepost: ") && ended.said.contains(expected), "{ended:?}");
    }
}

#[test]
fn a_body_that_does_not_fit_its_schema_is_refused() {
    let home = Home::new();
    let bus = [("TUBEPOST_BUS", NO_BUS)];
    let ended =
        home.run_with(&["publish", "org.example.git.receive", "{\"agent\": \"ada\"}"], &bus, "");
    assert_eq!(ended.code, 1);
    assert!(
        ended.said.contains("does not fit schema") && ended.said.contains("commit"),
        "{ended:?}"
    );
}

#[test]
fn a_bus_that_is_away_is_named_without_its_password_and_exits_1() {
    let home = Home::new();
    let bus = "amqp://ada:s3cret@127.0.0.1:9";
    for arguments in [
        &["publish", "a.b", "{}", "--bus", bus][..],
        &["tail", "--bus", bus],
        &["on", "#", "--bus", bus, "--", "true"],
    ] {
        let ended = home.run(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{ended:?}");
        assert!(ended.said.contains("127.0.0.1:9") && ended.said.contains("refused"), "{ended:?}");
        assert!(!ended.said.contains("s3cret"), "{ended:?}");
    }
}

#[test]
fn a_host_that_nobody_knows_is_named() {
    let home = Home::new();
    let ended = home.run(&["tail", "--bus", "amqp://no-such-host.invalid"]);
    assert_eq!(ended.code, 1);
    assert!(ended.said.contains("no-such-host.invalid"), "{ended:?}");
}

#[test]
fn a_command_that_is_not_there_is_said_before_the_first_event() {
    let home = Home::new();
    let ended = home.run(&["on", "#", "--bus", NO_BUS, "--", "no-such-command"]);
    assert_eq!(ended.code, 1);
    assert!(ended.said.contains("no-such-command: no such command"), "{ended:?}");
}

#[test]
fn completions_and_manual_pages_are_made() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.run(&["completions", shell]).out;
        for word in ["tubepost", "definitions", "default-queue-type", "apply-to"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert!(home.run(&["man"]).out.contains(".TH tubepost 1"));
    assert_eq!(home.run(&["man", "--directory", "man1"]).code, 0);
    for page in ["publish", "queue-declare", "permission-topic-set", "status"] {
        assert!(home.path(&format!("man1/tubepost-{page}.1")).exists(), "{page}");
    }
}

#[test]
fn an_operators_schemas_are_read_and_a_wrong_one_is_named() {
    let home = Home::new();
    home.write("schemas/door.json", "{\"name\": \"door\"");
    let ended = home.run(&["publish", "a.b", "{}", "--schemas", "schemas", "--bus", NO_BUS]);
    assert_eq!(ended.code, 1);
    assert!(ended.said.contains("schemas/door.json"), "{ended:?}");
    let ended = home.run(&["publish", "a.b", "{}", "--schemas", "nowhere", "--bus", NO_BUS]);
    assert!(ended.said.contains("nowhere: schemas cannot be read"), "{ended:?}");
}
