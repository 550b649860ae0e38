//! The services of `integrations/`, each run as its README says, against a real server.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result, ensure};
use harness::{
    Process, Site, free_port, python_with_tubepost, root, run, wait_for, wait_for_events,
};
use serde_json::{Value, json};

/// Lines that events may cost a service.
const LINES_MAX: usize = 5;

#[test]
fn a_flask_service_says_what_happened() -> Result<()> {
    costs_few_lines("flask/tickets.py")?;
    let site = Site::new()?;
    let _server = site.serve()?;
    let tail = site.tail_json(&["org.example.#"])?;
    let port = free_port();
    let words = ["-m", "flask", "--app", "tickets", "run", "--port", &port.to_string()];
    let service = start(&site, "flask", &words)?;
    let tickets = Http { service, port };
    tickets.wait_until_ready("/tickets")?;
    tickets.ask("POST", "/tickets", r#"{"title": "The north door is jammed"}"#, 201)?;
    tickets.ask("POST", "/tickets", r#"{"title": " "}"#, 400)?;
    tickets.ask("POST", "/tickets/1/close", "", 204)?;
    tickets.ask("POST", "/tickets/1/close", "", 404)?;
    let events = wait_for_events(&tail, 2, 30)?;
    let said = [
        ("org.example.ticket.new", json!({"id": 1, "title": "The north door is jammed"})),
        ("org.example.ticket.closed", json!({"id": 1})),
    ];
    are(&events, &said)
}

#[test]
fn a_django_service_says_what_was_committed() -> Result<()> {
    costs_few_lines("django/wiki/views.py")?;
    let site = Site::new()?;
    let _server = site.serve()?;
    let tail = site.tail_json(&["org.example.#"])?;
    let migrated =
        start(&site, "django", &["manage.py", "migrate", "--verbosity", "0"])?.wait(60)?;
    ensure!(migrated.success(), "migrate: {migrated}");
    let port = free_port();
    let words = ["manage.py", "runserver", "--noreload", &port.to_string()];
    let wiki = Http { service: start(&site, "django", &words)?, port };
    wiki.wait_until_ready("/pages/doors")?;
    let page = |text: &str| json!({"agent": "ada", "text": text}).to_string();
    wiki.ask("PUT", "/pages/doors", &page("The north door sticks."), 201)?;
    wiki.ask("PUT", "/pages/doors", &page("<script>"), 400)?;
    wiki.ask("PUT", "/pages/doors", &page("It is mended."), 204)?;
    wiki.ask("GET", "/pages/doors", "", 200)?;
    let events = wait_for_events(&tail, 2, 30)?;
    let body = json!({"agent": "ada", "page": "doors"});
    are(
        &events,
        &[("org.example.wiki.page.new", body.clone()), ("org.example.wiki.page.edit", body)],
    )
}

#[test]
fn a_shell_service_says_how_it_went_and_works_without_anybody_to_say_it_to() -> Result<()> {
    costs_few_lines("shell/backup.sh")?;
    let site = Site::new()?;
    let server = site.serve()?;
    let tail = site.tail_json(&["org.example.backup.#"])?;
    site.write("doors/north", "open")?;
    let archive = site.path("doors.tar.gz");
    let backup = |folder: &str| {
        let mut command = Command::new("sh");
        site.furnish(&mut command).arg(root().join("integrations/shell/backup.sh"));
        command.arg(site.path(folder)).arg(&archive);
        command.env("TUBEPOST_AGENT_SOCKET", site.agent_socket());
        run("backup.sh", &mut command, b"", 30)
    };
    let done = backup("doors")?;
    ensure!(done.code() == 0 && done.stderr.contains("ok "), "{}: {}", done.status, done.stderr);
    ensure!(backup("nothing")?.code() == 1, "there was nothing to pack");
    let events = wait_for_events(&tail, 2, 30)?;
    for (event, outcome) in events.iter().zip(["done", "failed"]) {
        ensure!(event["topic"] == format!("org.example.backup.{outcome}"), "{event}");
        ensure!(event["body"]["outcome"] == outcome, "{event}");
    }
    drop(server);
    fs::remove_file(&archive)?;
    let done = backup("doors")?;
    ensure!(done.code() == 0 && archive.exists(), "{}: {}", done.status, done.stderr);
    Ok(())
}

fn costs_few_lines(file: &str) -> Result<()> {
    let path = root().join("integrations").join(file);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let marked = text.lines().filter(|line| line.contains("# event")).count();
    ensure!((1..=LINES_MAX).contains(&marked), "{file}: {marked} lines are marked `# event`");
    Ok(())
}

fn are(events: &[Value], said: &[(&str, Value)]) -> Result<()> {
    for (event, (topic, body)) in events.iter().zip(said) {
        ensure!(
            event["topic"] == *topic && event["body"] == *body,
            "{event} is not {topic} {body}"
        );
    }
    ensure!(events.len() == said.len(), "{} events: {events:?}", events.len());
    Ok(())
}

fn start(site: &Site, folder: &str, words: &[&str]) -> Result<Process> {
    let mut command = Command::new(python_with_tubepost()?);
    site.furnish(&mut command).current_dir(root().join("integrations").join(folder));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
    command.env("TUBEPOST_TOPIC_PREFIX", "org.example");
    let file: fn(&Site, &str) -> PathBuf = |site, name| site.path(name);
    command.env("TICKETS", file(site, "tickets.sqlite")).env("WIKI", file(site, "wiki.sqlite"));
    Process::start(folder, command.args(words))
}

/// A service with a port.
struct Http {
    service: Process,
    port: u16,
}

impl Http {
    fn wait_until_ready(&self, path: &str) -> Result<()> {
        wait_for("the service", 60, || self.status("GET", path, "").map_err(|it| it.to_string()))
            .with_context(|| self.service.log())
            .map(|_| ())
    }

    fn ask(&self, method: &str, path: &str, body: &str, wanted: u16) -> Result<()> {
        let status = self.status(method, path, body)?;
        let log = || self.service.log();
        ensure!(status == wanted, "{method} {path}: {status}, not {wanted}\n{}", log());
        Ok(())
    }

    fn status(&self, method: &str, path: &str, body: &str) -> Result<u16> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
        let length = body.len();
        write!(
            socket,
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        status.with_context(|| format!("{method} {path}: '{answer}'"))
    }
}
