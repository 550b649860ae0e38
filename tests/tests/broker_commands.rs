//! The commands that administer a broker over its management API, on real ones. What they do is
//! the same on each, so the scenario takes the broker; RabbitMQ boots once, so this is one test.

use anyhow::{Context, Result, ensure};
use harness::{Authority, Finished, Is, RabbitMq, Site, run, wait_for};
use serde_json::{Value, json};

/// Slashes, spaces, what a URL or a pattern would read otherwise, and letters beyond ASCII.
const HARD_NAME: &str = "a/b c?d=%2F&e#f+ü 日本";

/// A broker, and how the commands reach it.
struct Target<'a> {
    /// Its bus is the broker's AMQP.
    site: &'a Site,
    /// `--url URL` or `--data-dir DIRECTORY`.
    reach: [&'a str; 2],
}

impl Target<'_> {
    fn run(&self, words: &[&str]) -> Result<Finished> {
        self.site.tubepost(&[words, &self.reach[..]].concat())
    }

    /// What a command prints that must be done.
    fn done(&self, words: &[&str]) -> Result<String> {
        let ended = self.run(words)?;
        ensure!(ended.code() == 0, "{words:?}: {}\n{}", ended.status, ended.stderr);
        Ok(ended.stdout)
    }

    /// What a command says that cannot be done.
    fn refused(&self, words: &[&str], expected: &str) -> Result<()> {
        let ended = self.run(words)?;
        let (code, stdout, stderr) = (ended.code(), &ended.stdout, &ended.stderr);
        ensure!(code == 1 && stdout.is_empty(), "{words:?}: {code}\n{stdout}\n{stderr}");
        ensure!(stderr.contains(expected), "{words:?}: no '{expected}' in {stderr}");
        ensure!(!stderr.contains("guest:guest"), "the password is shown: {stderr}");
        Ok(())
    }

    /// What a command says with `--json`.
    fn objects(&self, words: &[&str]) -> Result<Vec<Value>> {
        let text = self.done(&[words, &["--json"]].concat())?;
        let objects = text.lines().map(serde_json::from_str);
        objects.collect::<Result<_, _>>().with_context(|| format!("{words:?}: {text}"))
    }

    /// The one object among them whose field has this value.
    fn object(&self, words: &[&str], field: &str, value: &str) -> Result<Value> {
        let mut objects = self.objects(words)?;
        objects.retain(|object| object[field] == value);
        ensure!(objects.len() == 1, "{words:?}: {} have {field} '{value}'", objects.len());
        Ok(objects.remove(0))
    }
}

#[test]
fn the_commands_administer_rabbitmq() -> Result<()> {
    let certificates = Site::beside("")?;
    let authority = Authority::new(&certificates, "authority")?;
    let certificate = authority.sign(&certificates, "rabbitmq", &Is::Server(&["127.0.0.1"]))?;
    let rabbit = RabbitMq::start_with_management_and_tls(&authority, &certificate)?;
    let (url, tls_url) = rabbit.management_urls()?;
    let site = Site::on_bus(&rabbit.amqp_url())?;
    let target = Target { site: &site, reach: ["--url", &url] };
    administer(&target)?;
    wrong_logins(&target, &url).context("wrong logins")?;
    let trusting = format!("{tls_url}?cacertfile={}", authority.file.display());
    over_tls(&site, &tls_url, &trusting).context("TLS")
}

#[test]
fn the_commands_administer_tubepost() -> Result<()> {
    let site = Site::new()?;
    let mut server = site.serve()?;
    let data = site.path("data");
    let data = data.to_str().context("a path in UTF-8")?;
    // Whoever can open the data directory needs no password.
    administer(&Target { site: &site, reach: ["--data-dir", data] })?;
    let log = server.process().log();
    ensure!(!log.contains("panicked"), "{log}");
    Ok(())
}

/// All that operators do, on an empty broker.
fn administer(target: &Target<'_>) -> Result<()> {
    status(target).context("status")?;
    virtual_hosts(target).context("virtual hosts")?;
    permissions(target).context("permissions")?;
    queues(target).context("queues")?;
    messages(target).context("messages")?;
    exchanges_and_bindings(target).context("exchanges and bindings")?;
    policies(target).context("policies")?;
    clients(target).context("connections, channels, consumers")?;
    definitions(target).context("definitions")?;
    tables(target).context("tables")
}

fn status(target: &Target<'_>) -> Result<()> {
    let text = target.done(&["status"])?;
    for part in ["listens on:", "amqp", "messages:", "ready", "alarms:", "none"] {
        ensure!(text.contains(part), "no '{part}' in {text}");
    }
    let status = target.objects(&["status"])?;
    ensure!(status[0]["health_checks"]["alarms"]["status"] == "ok", "{status:?}");
    ensure!(status[0]["overview"]["object_totals"]["queues"].is_u64(), "{status:?}");
    Ok(())
}

fn virtual_hosts(target: &Target<'_>) -> Result<()> {
    let names = || target.done(&["vhost", "list", "--columns", "name", "--no-header"]);
    target.done(&["vhost", "add", HARD_NAME, "--description", "Builds", "--tags", "prod,eu"])?;
    target.refused(&["vhost", "add", HARD_NAME], "is there already")?;
    target.done(&["vhost", "set", HARD_NAME, "--description", "Logs"])?;
    let vhost = target.object(&["vhost", "list"], "name", HARD_NAME)?;
    ensure!(vhost["description"] == "Logs", "{vhost}");
    ensure!(vhost["tags"] == json!(["prod", "eu"]), "what was not named stays: {vhost}");
    let limit = ["--max-queues", "1", "--max-connections", "1000"];
    target.done(&[&["vhost", "limit", "set", HARD_NAME], &limit[..]].concat())?;
    let limits = target.object(&["vhost", "limit", "list"], "vhost", HARD_NAME)?;
    ensure!(limits["value"] == json!({"max-queues": 1, "max-connections": 1000}), "{limits}");
    ensure!(
        target.done(&["vhost", "show", HARD_NAME])?.contains("limits.max-queues:"),
        "no limits"
    );
    target.done(&["permission", "set", "guest", ".*", ".*", ".*", "--vhost", HARD_NAME])?;
    target.done(&["queue", "declare", "first", "--vhost", HARD_NAME])?;
    target.refused(&["queue", "declare", "second", "--vhost", HARD_NAME], "limit")?;
    target.done(&["vhost", "limit", "clear", HARD_NAME, "max-queues"])?;
    target.done(&["queue", "declare", "second", "--vhost", HARD_NAME])?;
    target.done(&["vhost", "limit", "clear", HARD_NAME])?;
    target.refused(&["vhost", "limit", "set", "nowhere", "--max-queues", "1"], "not found")?;
    ensure!(names()?.contains(HARD_NAME), "{}", names()?);
    target.done(&["vhost", "delete", HARD_NAME])?;
    ensure!(!names()?.contains(HARD_NAME), "{}", names()?);
    target.refused(&["vhost", "show", HARD_NAME], "see tubepost vhost list")?;
    target.refused(&["queue", "list", "--vhost", HARD_NAME], "not found")
}

fn permissions(target: &Target<'_>) -> Result<()> {
    target.done(&["vhost", "add", "ci"])?;
    let at = ["--vhost", "ci"];
    target.done(&[&["permission", "set", "guest", "^ci\\.", "", "-x"], &at[..]].concat())?;
    let permission = target.object(&["permission", "list", "--vhost", "ci"], "user", "guest")?;
    let expected =
        json!({"user": "guest", "vhost": "ci", "configure": "^ci\\.", "write": "", "read": "-x"});
    ensure!(permission == expected, "{permission}");
    let all = target.objects(&["permission", "list", "--all-vhosts", "--user", "guest"])?;
    ensure!(all.len() == 2, "{all:?}");
    target.done(&["permission", "clear", "guest", "--vhost", "ci"])?;
    ensure!(target.objects(&["permission", "list", "--vhost", "ci"])?.is_empty(), "cleared");
    target.refused(&["permission", "set", "nobody", "", "", ""], "see tubepost user list")?;
    let topic = ["permission", "topic"];
    target.done(&[&topic[..], &["set", "guest", "amq.topic", "^a\\.", ".*"]].concat())?;
    let words = [&topic[..], &["list"]].concat();
    let permission = target.object(&words, "user", "guest")?;
    ensure!(
        permission["write"] == "^a\\." && permission["exchange"] == "amq.topic",
        "{permission}"
    );
    target.done(&[&topic[..], &["clear", "guest"]].concat())?;
    ensure!(target.objects(&words)?.is_empty(), "cleared");
    target.done(&["vhost", "delete", "ci"])?;
    Ok(())
}

fn queues(target: &Target<'_>) -> Result<()> {
    let declare = |name: &str, more: &[&str]| {
        let words = [&["queue", "declare", name], more].concat();
        let ended = target.run(&words)?;
        ensure!(ended.code() == 0, "{words:?}: {}", ended.stderr);
        Ok(ended.stderr)
    };
    let bounded = ["--argument", "x-max-length=10"];
    ensure!(declare(HARD_NAME, &bounded)?.contains(" declared"), "the first");
    ensure!(declare(HARD_NAME, &bounded)?.contains("is there already"), "the second");
    let other = ["queue", "declare", HARD_NAME, "--argument", "x-max-length=11"];
    target.refused(&other, "inequivalent arg 'x-max-length'")?;
    declare("votes", &["--type", "quorum", "--argument", "x-delivery-limit=5"])?;
    declare("log", &["--type", "stream", "--argument", "x-max-age=7D"])?;
    declare("passing", &["--durable=false", "--auto-delete"])?;
    let queue = target.object(&["queue", "list"], "name", HARD_NAME)?;
    ensure!(queue["arguments"]["x-max-length"] == 10 && queue["durable"] == true, "{queue}");
    let passing = &target.objects(&["queue", "show", "passing"])?[0];
    ensure!(passing["durable"] == false && passing["auto_delete"] == true, "{passing}");
    for (name, kind) in [("votes", "quorum"), ("log", "stream"), ("passing", "classic")] {
        let queue = target.object(&["queue", "list"], "name", name)?;
        ensure!(queue["type"] == kind, "{name}: {queue}");
        target.done(&["queue", "delete", name])?;
    }
    target.done(&["queue", "delete", HARD_NAME, "--if-empty", "--if-unused"])?;
    for verb in ["show", "delete", "purge", "get"] {
        target.refused(&["queue", verb, HARD_NAME], "not found")?;
    }
    Ok(())
}

fn messages(target: &Target<'_>) -> Result<()> {
    target.done(&["queue", "declare", "inbox"])?;
    target.done(&["binding", "add", "amq.topic", "inbox", "--routing-key", "org.example.in.#"])?;
    for number in 1..=3 {
        target.site.publish("org.example.in.box", &json!({ "number": number }))?;
    }
    wait_for("three messages in the list", 30, || {
        let queue = target.object(&["queue", "list"], "name", "inbox");
        let queue = queue.map_err(|error| format!("{error:#}"))?;
        if queue["messages"] == 3 { Ok(()) } else { Err(queue["messages"].to_string()) }
    })?;
    let get = |more: &[&str]| target.objects(&[&["queue", "get", "inbox"], more].concat());
    let first = get(&[])?;
    ensure!(first.len() == 1 && first[0]["payload"] == r#"{"number":1}"#, "{first:?}");
    ensure!(first[0]["routing_key"] == "org.example.in.box", "{first:?}");
    let again = get(&["2"])?;
    ensure!(again.len() == 2 && again[0]["redelivered"] == true, "it went back: {again:?}");
    target.refused(&["queue", "delete", "inbox", "--if-empty"], "not empty")?;
    let taken = get(&["--take"])?;
    ensure!(taken[0]["payload"] == first[0]["payload"], "{taken:?}");
    ensure!(get(&["5"])?.len() == 2, "what was taken is gone");
    target.done(&["queue", "purge", "inbox"])?;
    ensure!(get(&[])?.is_empty(), "nothing is left");
    target.done(&["queue", "delete", "inbox"])?;
    Ok(())
}

fn exchanges_and_bindings(target: &Target<'_>) -> Result<()> {
    let declare = ["exchange", "declare", HARD_NAME, "--type", "topic"];
    let more = ["--internal", "--argument", "alternate-exchange=amq.fanout"];
    target.done(&[&declare[..], &more].concat())?;
    target.refused(&declare, "inequivalent arg")?;
    let exchange = target.object(&["exchange", "list"], "name", HARD_NAME)?;
    ensure!(exchange["internal"] == true && exchange["type"] == "topic", "{exchange}");
    target.refused(&["exchange", "delete", "amq.topic"], "refused")?;
    target.done(&["queue", "declare", HARD_NAME])?;
    let bind = |verb: &'static str, more: &[&str]| {
        let words = ["binding", verb, "amq.headers", HARD_NAME, "--routing-key", "k/ü ~"];
        target.done(&[&words[..], more].concat())
    };
    bind("add", &[])?;
    bind("add", &["--argument", "x-match=all", "--argument", "build:=7"])?;
    bind("add", &["--argument", "x-match=all", "--argument", "build=7"])?;
    let arguments = || -> Result<Vec<Value>> {
        let list = target.objects(&["binding", "list", "--source", "amq.headers"])?;
        Ok(list.iter().map(|binding| binding["arguments"].clone()).collect())
    };
    ensure!(arguments()?.len() == 3, "{:?}", arguments()?);
    bind("delete", &["--argument", "build:=7", "--argument", "x-match=all"])?;
    let left = arguments()?;
    ensure!(left.len() == 2 && !left.contains(&json!({"x-match": "all", "build": 7})), "{left:?}");
    let wrong = ["binding", "delete", "amq.headers", HARD_NAME, "--routing-key", "other"];
    target.refused(&wrong, "are not bound by key 'other'")?;
    let words = ["binding", "list", "--queue", HARD_NAME];
    ensure!(target.objects(&words)?.len() == 3, "with that of the default exchange");
    let between = ["amq.topic", HARD_NAME, "--destination-type", "exchange"];
    target.done(&[&["binding", "add"], &between[..]].concat())?;
    let words = ["binding", "list", "--exchange", HARD_NAME];
    let binding = target.object(&words, "source", "amq.topic")?;
    ensure!(binding["destination_type"] == "exchange", "{binding}");
    target.done(&[&["binding", "delete"], &between[..]].concat())?;
    ensure!(target.objects(&words)?.is_empty(), "unbound");
    target.done(&["queue", "delete", HARD_NAME])?;
    target.done(&["exchange", "delete", HARD_NAME, "--if-unused"])?;
    target.refused(&["exchange", "show", HARD_NAME], "not found")
}

fn policies(target: &Target<'_>) -> Result<()> {
    target.done(&["queue", "declare", "ci.jobs"])?;
    let definition = r#"{"max-length": 7}"#;
    let set = ["policy", "set", HARD_NAME, "^ci\\.", definition];
    let more = ["--apply-to", "queues", "--priority", "-3"];
    target.done(&[&set[..], &more].concat())?;
    let policy = target.object(&["policy", "list"], "name", HARD_NAME)?;
    ensure!(policy["pattern"] == "^ci\\." && policy["priority"] == -3, "{policy}");
    ensure!(policy["definition"] == json!({"max-length": 7}), "{policy}");
    wait_for("the policy on the queue", 30, || {
        let queue = target.objects(&["queue", "show", "ci.jobs"]);
        let queue = queue.map_err(|error| format!("{error:#}"))?.remove(0);
        if queue["policy"] == HARD_NAME { Ok(()) } else { Err(queue["policy"].to_string()) }
    })?;
    target.refused(&["policy", "set", "p", "(", definition], "Validation failed")?;
    let operator = ["--operator"];
    let set = ["policy", "set", "ceiling", ".*", definition, "--apply-to", "queues"];
    target.done(&[&set[..], &operator].concat())?;
    let shown = target.objects(&["policy", "show", "ceiling", "--operator"])?;
    ensure!(shown[0]["apply-to"] == "queues", "{shown:?}");
    ensure!(target.objects(&["policy", "list"])?.len() == 1, "operators' are others");
    target.done(&["policy", "delete", "ceiling", "--operator"])?;
    target.done(&["policy", "delete", HARD_NAME])?;
    target.refused(&["policy", "delete", HARD_NAME], "see tubepost policy list")?;
    target.done(&["queue", "delete", "ci.jobs"])?;
    Ok(())
}

fn clients(target: &Target<'_>) -> Result<()> {
    let mut tail = target.site.tail_json(&["#"])?;
    // Tubepost's own services are clients, too.
    let one = |words: &[&str], field: &str, value: &str| {
        wait_for(&format!("{words:?} with {field} '{value}'"), 30, || {
            let mut objects = target.objects(words).map_err(|error| format!("{error:#}"))?;
            // RabbitMQ lists one that was just opened before it knows all of it.
            objects.retain(|object| object.pointer(field).is_some_and(|found| found == value));
            if objects.len() == 1 { Ok(objects.remove(0)) } else { Err(format!("{objects:?}")) }
        })
    };
    let words = ["connection", "list", "--vhost", "/"];
    let connection = one(&words, "/client_properties/app", "tubepost tail")?;
    let name = connection["name"].as_str().context("a name")?;
    let shown = target.objects(&["connection", "show", name])?;
    ensure!(shown[0]["user"] == "guest" && shown[0]["vhost"] == "/", "{shown:?}");
    let channel = one(&["channel", "list"], "/connection_details/name", name)?;
    let channel = channel["name"].as_str().context("a name")?;
    let shown = target.objects(&["channel", "show", channel])?;
    ensure!(shown[0]["consumer_count"] == 1, "{shown:?}");
    let consumer = one(&["consumer", "list"], "/channel_details/connection_name", name)?;
    ensure!(consumer["ack_required"] == true, "{consumer}");
    target.done(&["connection", "close", name, "--reason", "maintenance at noon"])?;
    tail.wait_for_line("the reason", 20, |line| line.contains("maintenance at noon"))?;
    tail.terminate(20)?;
    wait_for("it to be gone", 30, || match target.run(&["connection", "close", name]) {
        Ok(ended) if ended.stderr.contains("see tubepost connection list") => Ok(()),
        Ok(ended) => Err(ended.stderr),
        Err(error) => Err(format!("{error:#}")),
    })
}

fn definitions(target: &Target<'_>) -> Result<()> {
    target.done(&["queue", "declare", HARD_NAME, "--argument", "x-max-length=5"])?;
    target.done(&["binding", "add", "amq.topic", HARD_NAME, "--routing-key", "a.#"])?;
    let ended = target.run(&["definitions", "export", "all.json"])?;
    ensure!(ended.code() == 0 && ended.stdout.is_empty(), "{}", ended.stderr);
    ensure!(ended.stderr.contains("all.json: ") && ended.stderr.contains("1 queue"), "{ended:?}");
    let printed: Value = serde_json::from_str(&target.done(&["definitions", "export"])?)?;
    let written: Value = serde_json::from_slice(&std::fs::read(target.site.path("all.json"))?)?;
    ensure!(printed == written && printed["users"].is_array(), "{printed}");
    target.done(&["queue", "delete", HARD_NAME])?;
    let ended = target.run(&["definitions", "import", "all.json"])?;
    ensure!(ended.code() == 0 && ended.stderr.contains("imported: "), "{}", ended.stderr);
    let queue = target.object(&["queue", "list"], "name", HARD_NAME)?;
    ensure!(queue["arguments"]["x-max-length"] == 5, "{queue}");
    let bound =
        target.object(&["binding", "list", "--source", "amq.topic"], "routing_key", "a.#")?;
    ensure!(bound["destination"] == HARD_NAME, "{bound}");
    target.done(&["vhost", "add", "copy"])?;
    target.done(&["permission", "set", "guest", ".*", ".*", ".*", "--vhost", "copy"])?;
    target.done(&["definitions", "export", "one.json", "--vhost", "/"])?;
    target.done(&["definitions", "import", "one.json", "--vhost", "copy"])?;
    target.object(&["queue", "list", "--vhost", "copy"], "name", HARD_NAME)?;
    target.site.write("bad.json", "{\"queues\": [{\"name\": \"x\"")?;
    target.refused(&["definitions", "import", "bad.json"], "bad.json: is no JSON: ")?;
    target.site.write("bad.json", r#"{"queues": [{"name": "x", "vhost": "nowhere"}]}"#)?;
    target.refused(&["definitions", "import", "bad.json"], "definitions: is refused")?;
    target.refused(&["definitions", "import", "none.json"], "none.json: cannot be read")?;
    target.done(&["vhost", "delete", "copy"])?;
    target.done(&["queue", "delete", HARD_NAME])?;
    Ok(())
}

fn tables(target: &Target<'_>) -> Result<()> {
    target.done(&["vhost", "add", "second"])?;
    target.done(&["permission", "set", "guest", ".*", ".*", ".*", "--vhost", "second"])?;
    let list = |more: &[&'static str]| [&["queue", "list", "--vhost", "second"], more].concat();
    let ended = target.run(&list(&[]))?;
    ensure!(ended.code() == 0 && ended.stdout.is_empty(), "{}", ended.stdout);
    ensure!(ended.stderr.contains("there are no queues of virtual host 'second'"), "{ended:?}");
    let long = "q".repeat(120);
    target.done(&["queue", "declare", &long, "--vhost", "second"])?;
    let columns = list(&["--columns", "name,durable,type"]);
    let text = target.done(&columns)?;
    let header = format!("name{}  durable  type", " ".repeat(116));
    ensure!(text.trim_end() == format!("{header}\n{long}  true     classic"), "{text:?}");
    let text = target.done(&["vhost", "list", "--no-header", "--columns", "name"])?;
    let mut names: Vec<&str> = text.lines().collect();
    names.sort_unstable();
    ensure!(names == ["/", "second"], "{text}");
    let ended = target.run(&list(&["--columns", "name,colour"]))?;
    ensure!(ended.stdout.ends_with('-'), "a field that is not there: {}", ended.stdout);
    ensure!(ended.stderr.contains("no object has a field 'colour'"), "{}", ended.stderr);
    let shown = on_a_terminal(target, 60, &columns)?;
    let lines: Vec<&str> = shown.lines().collect();
    ensure!(lines.len() == 2 && lines[0].starts_with("\u{1b}[1mname"), "{shown:?}");
    ensure!(lines[1].chars().count() == 60 && lines[1].contains('…'), "{shown:?}");
    target.done(&["vhost", "delete", "second"])?;
    Ok(())
}

/// What a command shows on a terminal of so many columns.
fn on_a_terminal(target: &Target<'_>, columns: u16, words: &[&str]) -> Result<String> {
    let command = target.site.command(&[words, &target.reach[..]].concat());
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.display())).collect();
    let line = format!("stty cols {columns}; {}", words.join(" "));
    let mut terminal = std::process::Command::new("script");
    target.site.furnish(&mut terminal).env("TERM", "xterm").env_remove("NO_COLOR");
    terminal.env_remove("COLUMNS").args(["-qec", &line, "/dev/null"]);
    let ended = run("a command on a terminal", &mut terminal, b"", 30)?;
    ensure!(ended.code() == 0, "{ended:?}");
    Ok(ended.stdout.replace('\r', ""))
}

fn wrong_logins(target: &Target<'_>, url: &str) -> Result<()> {
    for login in ["guest:wrong", "nobody:guest"] {
        let url = url.replace("guest:guest", login);
        let other = Target { reach: ["--url", &url], ..*target };
        other.refused(&["queue", "list"], "is refused: Login failed")?;
        let ended = other.run(&["queue", "list"])?;
        ensure!(!ended.stderr.contains(login), "the password is shown: {}", ended.stderr);
    }
    Ok(())
}

fn over_tls(site: &Site, url: &str, trusting: &str) -> Result<()> {
    let target = Target { site, reach: ["--url", trusting] };
    target.done(&["queue", "declare", "sealed"])?;
    target.object(&["queue", "list"], "name", "sealed")?;
    target.done(&["queue", "delete", "sealed"])?;
    let stranger = Target { site, reach: ["--url", url] };
    stranger.refused(&["queue", "list"], "?cacertfile=FILE")
}
