//! The main job: a push to a real git repository reaches a mailbox, a page, a terminal, a command
//! and an unmodified fedora-messaging consumer, pushed and not polled.

use std::fs;

use anyhow::{Result, ensure};
use harness::{
    Consumer, Mailbox, Page, Repository, Site, events_of, publish_by_fedora_messaging, wait_for,
    wait_for_events,
};
use serde_json::json;

/// What a person on a git server writes down once: where topics begin.
const GIT_CONFIGURATION: &str = "[event]\ntopic_prefix = \"org.example\"\n";

fn configuration(mail_port: u16) -> String {
    format!(
        "[notify.mail]\n\
         host = \"127.0.0.1\"\n\
         port = {mail_port}\n\
         from = \"Tubepost <tubepost@example.org>\"\n\
         [[notify.subscription]]\n\
         to = \"Grace <grace@example.org>\"\n\
         patterns = [\"org.example.git.receive\", \"org.example.probe\"]\n\
         [[notify.subscription]]\n\
         to = \"other@example.org\"\n\
         patterns = [\"org.example.git.#\"]\n\
         people = [\"somebody-else\"]\n"
    )
}

fn repository<'a>(site: &'a Site, name: &str) -> Result<Repository<'a>> {
    let repository = Repository::new(site, name)?;
    let file = site.write("git-server.toml", GIT_CONFIGURATION)?;
    let config = file.display().to_string();
    let bare = repository.bare.display().to_string();
    let done = site.tubepost(&["hook", "git", "install", &bare, "--config", &config])?;
    ensure!(done.code() == 0, "hook git install: {}\n{}", done.status, done.stderr);
    Ok(repository)
}

#[test]
fn a_git_push_reaches_a_mailbox_a_page_a_terminal_a_command_and_fedora_messaging() -> Result<()> {
    let site = Site::new()?;
    let mailbox = Mailbox::start()?;
    site.write("tubepost.toml", configuration(mailbox.port))?;
    let _server = site.serve()?;
    let repository = repository(&site, "engine")?;

    let consumer = Consumer::start_public(&site, &["org.example.git.#"])?;
    let mut page = Page::open(&site.http_url())?;
    mailbox.wait_for_notifier(&site)?;
    let tail = site.tail_json(&["org.example.git.#"])?;
    let seen = site.path("seen.json");
    let script =
        "cat > \"$0.part\" && env | grep ^TUBEPOST_ >> \"$0.env\" && mv \"$0.part\" \"$0\"";
    let seen_text = seen.display().to_string();
    let words = [
        "on",
        "org.example.git.receive",
        "--queue",
        "builder",
        "--",
        "sh",
        "-c",
        script,
        &seen_text,
    ];
    let _on = site.start(&words)?;
    wait_for("the queue of `on`", 20, || has_consumer(&site, "builder"))?;

    let rev = repository.commit("engine.txt", "wheels\n", "Add the engine\n\nIt computes.\n")?;
    let pushed = repository.push(&["main"])?;
    ensure!(pushed.code() == 0, "the push failed: {}", pushed.stderr);

    let event = wait_for_events(&tail, 1, 20)?.remove(0);
    ensure!(event["topic"] == "org.example.git.receive", "{event}");
    ensure!(event["body"]["agent"] == "ada", "{event}");
    ensure!(event["body"]["commit"]["rev"] == json!(rev), "{event}");
    ensure!(event["body"]["commit"]["summary"] == "Add the engine", "{event}");

    page.wait_for_text("Add the engine")?;
    page.check_health()?;

    let mail = mailbox.wait_for_mails(1, 30)?.remove(0);
    ensure!(mail.to == ["grace@example.org"], "{:?}", mail.to);
    let subject = mail.header("Subject");
    let application = subject.to_lowercase().starts_with("[git] ");
    ensure!(application && subject.contains("Add the engine"), "{subject:?}");
    ensure!(mail.header("Auto-Submitted") == "auto-generated", "{:?}", mail.headers);
    ensure!(mail.header("X-Tubepost-Topic") == "org.example.git.receive", "{:?}", mail.headers);
    ensure!(mail.header("X-Tubepost-Id") == event["id"].as_str().unwrap_or("?"), "{event}");
    for name in ["Message-ID", "List-Id", "References", "Date", "From"] {
        ensure!(!mail.header(name).is_empty(), "no {name} in {:?}", mail.headers);
    }
    ensure!(mail.text.contains("+wheels"), "no patch in:\n{}", mail.text);

    let stdin = wait_for("the command of `on`", 20, || {
        fs::read_to_string(&seen).map_err(|error| error.to_string())
    })?;
    let stdin: serde_json::Value = serde_json::from_str(&stdin)?;
    ensure!(stdin["id"] == event["id"], "the command's input: {stdin}");
    let variables = fs::read_to_string(site.path("seen.json.env"))?;
    ensure!(variables.contains("=org.example.git.receive\n"), "variables:\n{variables}");

    let received = consumer.wait_for_messages(1, 20)?.remove(0);
    ensure!(received["id"] == event["id"] && received["body"] == event["body"], "{received}");
    ensure!(received["summary"].as_str().is_some_and(|text| !text.is_empty()), "{received}");
    Ok(())
}

#[test]
fn each_commit_is_an_event_and_branches_and_tags_are_their_own() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let repository = repository(&site, "engine")?;
    let tail = site.tail_json(&["org.example.git.#"])?;
    for number in 1..=3 {
        repository.commit("engine.txt", format!("{number}\n"), &format!("Step {number}"))?;
    }
    repository.in_clone(&["tag", "-a", "v1", "-m", "One"])?;
    for words in
        [&["main"][..], &["v1"], &["main:topic"], &["--delete", "topic"], &["--delete", "v1"]]
    {
        let pushed = repository.push(words)?;
        ensure!(pushed.code() == 0, "push {words:?}: {}", pushed.stderr);
    }
    let topic = |event: &serde_json::Value| event["topic"].as_str().unwrap_or("?").to_owned();
    let last = "org.example.git.tag.delete";
    wait_for("the tag's deletion", 20, || {
        let topics: Vec<String> = events_of(&tail).iter().map(topic).collect();
        if topics.iter().any(|topic| topic == last) { Ok(()) } else { Err(format!("{topics:?}")) }
    })?;
    let events = events_of(&tail);
    let commits: Vec<&str> = events
        .iter()
        .filter(|event| event["topic"] == "org.example.git.receive")
        .filter(|event| event["body"]["commit"]["branch"] == "main")
        .filter_map(|event| event["body"]["commit"]["summary"].as_str())
        .collect();
    ensure!(commits == ["Step 1", "Step 2", "Step 3"], "commits, oldest first: {commits:?}");
    for wanted in ["git.branch.create", "git.tag.create", "git.branch.delete", "git.tag.delete"] {
        let wanted = format!("org.example.{wanted}");
        ensure!(events.iter().any(|event| topic(event) == wanted), "no {wanted} in {events:?}");
    }
    Ok(())
}

#[test]
fn a_patch_that_is_not_utf_8_is_told_all_the_same() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let repository = repository(&site, "engine")?;
    let tail = site.tail_json(&["org.example.git.#"])?;
    repository.commit("latin1.txt", b"Gr\xfc\xdfe\n", "Add greetings in Latin-1")?;
    ensure!(repository.push(&["main"])?.code() == 0, "the push failed");
    let events = wait_for_events(&tail, 1, 20)?;
    let patch = events[0]["body"]["commit"]["patch"].as_str().unwrap_or_default();
    ensure!(patch.contains("latin1.txt"), "{}", events[0]);
    Ok(())
}

#[test]
fn an_event_published_by_fedora_messaging_shows_up_in_tail() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let tail = site.tail_json(&["org.fedora.#"])?;
    let mut readable = site.start(&["tail", "org.fedora.#"])?;
    let event = json!({
        "topic": "org.fedora.door.open",
        "id": "22222222-2222-4222-8222-222222222222",
        "body": {"agent": "ada", "text": "grüße"},
        "headers": {"fedora_messaging_severity": 30, "fedora_messaging_user_ada": true},
    });
    let readable_shows = wait_for("the readable tail", 30, || {
        let done = publish_by_fedora_messaging(&site, &format!("{event}\n"));
        let done = done.map_err(|error| error.to_string())?;
        if done.code() != 0 {
            return Err(format!("publish: {}", done.stderr));
        }
        let lines = readable.stdout();
        lines.first().cloned().ok_or_else(|| "no line".to_owned())
    })?;
    ensure!(readable_shows.contains("org.fedora.door.open"), "{readable_shows}");
    let shown = wait_for_events(&tail, 1, 20)?.remove(0);
    for key in ["topic", "id", "body"] {
        ensure!(shown[key] == event[key], "{key}: {shown}");
    }
    ensure!(shown["headers"]["fedora_messaging_severity"] == 30, "{shown}");
    ensure!(shown["headers"]["fedora_messaging_user_ada"] == true, "{shown}");
    ensure!(readable.terminate(10).is_ok(), "tail does not end on SIGTERM");
    Ok(())
}

#[test]
fn the_page_filters_opens_an_event_and_fits_a_phone() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let mut page = Page::open_as(&site.http_url(), 375, 700, "dark")?;
    site.publish("org.example.door.open", &json!({"agent": "ada", "door": "the north door"}))?;
    site.publish("org.example.lamp.on", &json!({"agent": "grace"}))?;
    page.wait_for_text("org.example.door.open")?;
    page.wait_for_text("org.example.lamp.on")?;
    let overflow = page.run("overflow", json!({}))?;
    ensure!(overflow["pixels"] == 0, "a phone scrolls sideways by {}", overflow["pixels"]);
    let dark = page.run("background", json!({}))?["colour"].clone();
    let mut light = Page::open(&site.http_url())?;
    let light = light.run("background", json!({}))?["colour"].clone();
    ensure!(dark != light, "light and dark are both {light}");

    page.run("fill", json!({"selector": "input[name=pattern]", "text": "org.example.door.#"}))?;
    page.run("press", json!({"key": "Enter"}))?;
    page.run("wait_no_text", json!({"text": "org.example.lamp.on"}))?;
    site.publish("org.example.lamp.off", &json!({"agent": "grace"}))?;
    site.publish("org.example.door.shut", &json!({"agent": "ada"}))?;
    page.wait_for_text("org.example.door.shut")?;
    let text = page.text()?;
    ensure!(!text.contains("org.example.lamp"), "the filter lets through:\n{text}");

    let summary = "[data-topic='org.example.door.open'] a.summary";
    page.run("click", json!({"selector": summary}))?;
    page.wait_for_text("the north door")?;
    Ok(())
}

/// Whether somebody consumes from the queue, by a passive declare of pika's.
fn has_consumer(site: &Site, queue: &str) -> Result<(), String> {
    let script = "import sys, pika\n\
                  channel = pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel()\n\
                  answer = channel.queue_declare(sys.argv[2], passive=True)\n\
                  sys.exit(0 if answer.method.consumer_count else 'no consumer')\n";
    let python = harness::python().map_err(|error| error.to_string())?;
    let mut command = std::process::Command::new(python);
    command.args(["-c", script, &site.amqp_url(), queue]);
    match harness::run("consumers of a queue", &mut command, b"", 20) {
        Ok(done) if done.code() == 0 => Ok(()),
        Ok(done) => Err(done.stderr.lines().last().unwrap_or("failed").to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
