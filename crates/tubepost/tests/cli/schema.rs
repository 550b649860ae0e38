//! `tubepost schema` and `tubepost event render`: files that are written, checked, compared and
//! imported.

use std::process::Command;

use serde_json::Value;

use crate::home::{Ended, Home};

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// A new schema in `schemas/`.
fn begun(home: &Home) {
    home.write("schemas/.keep", "");
    let made = home.run(&["schema", "new", "door.open", "--into", "schemas"]);
    assert_eq!((made.code, made.out.trim()), (0, "schemas/door.open.json"), "{made:?}");
}

fn edit(home: &Home, from: &str, to: &str) {
    let path = home.path("schemas/door.open.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_new_schema_passes_check_and_test_and_says_events() {
    let home = Home::new();
    begun(&home);
    for verb in ["check", "test"] {
        let ended = home.run(&["schema", verb, "schemas", "--json"]);
        assert_eq!((ended.code, &json(&ended)["ok"]), (0, &Value::from(true)), "{ended:?}");
    }
    let again = home.run(&["schema", "new", "door.open", "--into", "schemas"]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.said.contains("remove it, or name another directory"), "{again:?}");
    let wrong = home.run(&["schema", "new", "door open"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    let event = r#"{"topic": "org.example.door.open", "body": {"agent": "ada", "id": 7}}"#;
    let input = format!("{event}\nnonsense\n");
    let said = home.run_with(&["event", "render", "--schemas", "schemas"], &[], &input);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(json(&said)["summary"], "ada: door.open");
    assert_eq!(json(&said)["objects"], serde_json::json!(["door.open/7"]));
    assert!(said.said.contains("standard input, line 2: is no event"), "{said:?}");
}

#[test]
fn what_is_wrong_is_named_with_file_and_path() {
    let home = Home::new();
    begun(&home);
    edit(&home, "\"type\": \"integer\"", "\"type\": \"intger\"");
    home.write("schemas/gate.json", r#"{"name": 1}"#);
    let ended = home.run(&["schema", "check", "schemas"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    for wanted in ["schemas/door.open.json: $.body.properties.id", "schemas/gate.json: $.name: "] {
        assert!(ended.said.contains(wanted), "{ended:?}");
    }
    let missing = home.run(&["schema", "check", "nowhere"]);
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(missing.said.contains("nowhere: schemas cannot be read"), "{missing:?}");
    edit(&home, "intger", "integer");
    edit(&home, "ada: door.open\"", "bob: door.open\"");
    let ended = home.run(&["schema", "test", "schemas/door.open.json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let wanted =
        "$.examples[0].expect.summary: expected \"bob: door.open\", found \"ada: door.open\"";
    assert!(ended.said.contains(wanted), "{ended:?}");
}

#[test]
fn a_change_that_breaks_needs_a_version_and_a_schema_must_not_go() {
    let home = Home::new();
    begun(&home);
    let git = |words: &[&str]| {
        let mut git = Command::new("git");
        home.furnish(&mut git).args(["-c", "user.name=ada", "-c", "user.email=ada@example.org"]);
        let done = git.args(words).output().unwrap();
        assert!(done.status.success(), "{words:?}: {done:?}");
    };
    for words in [&["init", "-q"][..], &["add", "schemas"], &["commit", "-qm", "one"]] {
        git(words);
    }
    let against = |what: &str| home.run(&["schema", "check", "schemas", "--against", what]);
    assert_eq!(against("HEAD").code, 0);
    // Optional keys may come.
    edit(&home, "\"url\": {", "\"more\": {\"type\": \"string\"},\n      \"url\": {");
    assert_eq!(against("HEAD").code, 0);
    edit(&home, "\"required\": [\"agent\"]", "\"required\": [\"agent\", \"id\"]");
    let refused = against("HEAD");
    assert_eq!(refused.code, 1, "{refused:?}");
    let wanted = "schemas/door.open.json: $.id: in old it may be missing, new requires it";
    assert!(refused.said.contains(wanted), "{refused:?}");
    assert!(refused.said.contains("raise version above 1"), "{refused:?}");
    edit(&home, "\"version\": 1", "\"version\": 2");
    assert_eq!(against("HEAD").code, 0);
    let diff =
        ["schema", "diff", "--json", "HEAD:schemas/door.open.json", "schemas/door.open.json"];
    let diff = home.run(&diff);
    assert_eq!(diff.code, 1, "{diff:?}");
    assert_eq!(json(&diff)["backward"]["verdict"], "no");
    assert_eq!(json(&diff)["forward"]["verdict"], "yes");
    std::fs::create_dir(home.path("older")).unwrap();
    std::fs::rename(home.path("schemas/door.open.json"), home.path("older/door.open.json"))
        .unwrap();
    home.write("schemas/.keep", "");
    assert_eq!(home.run(&["schema", "new", "gate", "--into", "schemas"]).code, 0);
    for what in ["HEAD", "older"] {
        let gone = against(what);
        assert_eq!(gone.code, 1, "{gone:?}");
        assert!(gone.said.contains("door.open"), "{gone:?}");
        assert!(gone.said.contains("keep it, with \"deprecated\": true"), "{gone:?}");
    }
    let unknown = against("no-such-revision");
    assert_eq!(unknown.code, 1, "{unknown:?}");
}

const MESSAGES: &str = r#"
from fedora_messaging import message

SCHEMA_URL = "http://example.org/message-schema/"
USER = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}

# Nobody runs this.
open("/nonexistent/ran", "w")


class DoorMessage(message.Message):
    @property
    def app_name(self):
        return "Doors"

    @property
    def usernames(self):
        return sorted([self.body["user"]["name"]])

    def _room(self, kind):
        if self.body.get("kind") == kind:
            return [self.body["room"]]
        return []


class OpenedV1(DoorMessage):
    """A door was opened."""

    topic = "door.opened"
    body_schema = {
        "id": SCHEMA_URL + topic,
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "properties": {"user": USER, "room": {"type": "string"}, "kind": {"type": "string"}},
        "required": ["user", "room"],
    }

    @property
    def summary(self):
        return f"{self.body['user']['name']} opened {self.body['room']}"

    @property
    def url(self):
        return "https://doors.example.org/{}".format(self.body["room"])

    @property
    def packages(self):
        return self._room("package")


class ClosedV1(OpenedV1):
    topic = "door.closed"

    @property
    def summary(self):
        for word in self.body:
            print(word)
"#;

#[test]
fn a_message_package_becomes_schemas_that_pass_and_is_not_run() {
    let home = Home::new();
    home.write("package/door_messages/__init__.py", MESSAGES);
    home.write(
        "package/pyproject.toml",
        "[project]\nname = \"door-messages\"\n[project.entry-points.\"fedora.messages\"]\n\
         \"door.opened.v1\" = \"door_messages:OpenedV1\"\n\"door.closed.v1\" = \"door_messages:ClosedV1\"\n",
    );
    home.write(
        "package/tests/test_messages.py",
        "BODY = {'user': {'name': 'ada'}, 'room': 'north', 'kind': 'package'}\n",
    );
    home.write("schemas/.keep", "");
    let done = home.run(&["schema", "import", "package", "--into", "schemas", "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    let told = json(&done);
    let written = told["written"].as_array().unwrap().iter();
    let names: Vec<&str> = written.filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(names, ["door.opened.v1", "door.closed.v1"]);
    assert!(
        done.said.contains("door.closed.v1.json: summary is code and was left out"),
        "{done:?}"
    );
    for verb in ["check", "test"] {
        let ended = home.run(&["schema", verb, "schemas"]);
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    let text = std::fs::read_to_string(home.path("schemas/door.opened.v1.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["topics"], serde_json::json!(["#.door.opened"]));
    assert_eq!(file["body"]["id"], "http://example.org/message-schema/door.opened");
    assert_eq!(file["body"]["properties"]["user"]["required"][0], "name");
    assert_eq!(file["fedora"]["package"], "door_messages");
    let expected = serde_json::json!({
        "summary": "ada opened north", "link": "https://doors.example.org/north",
        "people": ["ada"], "packages": ["north"],
    });
    assert_eq!(file["examples"][0]["expect"], expected);
    let nothing = home.run(&["schema", "import", "schemas", "--into", "schemas"]);
    assert_eq!(nothing.code, 1, "{nothing:?}");
    assert!(nothing.said.contains("has no message class"), "{nothing:?}");
    assert_eq!(home.run(&["schema", "import", "nowhere"]).code, 2);
}

#[test]
fn the_catalogue_is_written_as_a_site_that_is_a_registry() {
    let home = Home::new();
    begun(&home);
    edit(&home, "\"owner\": \"", "\"owner\": \"<b>|");
    let ended = home.run(&["schema", "docs", "schemas", "--into", "site", "--json"]);
    assert_eq!((ended.code, &json(&ended)["schemas"]), (0, &Value::from(1)), "{ended:?}");
    let read = |name: &str| std::fs::read_to_string(home.path(name)).unwrap();
    let (index, page) = (read("site/index.md"), read("site/schemas/door.open.md"));
    assert!(index.contains("| [`door.open`](schemas/door.open.md) | "), "{index}");
    for wanted in ["## Body", "| `agent` | string", "> ada: door.open", "\\<b\\>\\|", "    {"] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    assert_eq!(read("site/schemas/door.open.json"), read("schemas/door.open.json"));
    let list: Value = serde_json::from_str(&read("site/schemas.json")).unwrap();
    assert_eq!((&list["count"], &list["schemas"][0]["name"]), (&1.into(), &"door.open".into()));
    // Any file server does, such as Python's.
    let mut server = Command::new("python3");
    server.args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]);
    server.current_dir(home.path("site")).stderr(std::process::Stdio::null());
    let mut server = server.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut greeting = String::new();
    let mut said = std::io::BufReader::new(server.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut said, &mut greeting).unwrap();
    let port = greeting.split_whitespace().nth(5).unwrap_or_default().to_owned();
    let address = format!("http://127.0.0.1:{port}/schemas/");
    let input =
        "{\"topic\": \"org.example.door.open\", \"body\": {\"agent\": \"ada\", \"id\": 7}}\n";
    let told = home.run_with(&["event", "render", "--schemas", &address], &[], input);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(json(&told)["schema"], "door.open", "{greeting} {told:?}");
    let nowhere = home.run(&["schema", "docs", "schemas", "--into", "schemas/door.open.json"]);
    assert_eq!(nowhere.code, 1, "{nowhere:?}");
}
