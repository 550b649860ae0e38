//! The instruments work: a mail sent is a mail read, a page shows what its server sent, and a
//! problem of the page is reported. Without this, a broken instrument would look like a broken
//! product.

use std::process::Command;

use anyhow::{Result, ensure};
use harness::{Mailbox, Page, Process, Repository, Site, free_port, python, run};
use serde_json::json;

const LIVE_PAGE: &str = "<!doctype html><title>t</title><body><p>first</p><input name=pattern>\
    <script>setTimeout(() => { document.body.append('second'); }, 50);</script>";
const BROKEN_PAGE: &str = "<!doctype html><title>t</title><body><p>first</p>\
    <script src=missing.js></script><script>throw new Error('broken on purpose')</script>";

fn web_server(site: &Site) -> Result<(Process, String)> {
    site.write("www/live.html", LIVE_PAGE)?;
    site.write("www/broken.html", BROKEN_PAGE)?;
    site.write("www/favicon.ico", "")?;
    let port = free_port();
    let mut command = Command::new(python()?);
    command.args(["-u", "-m", "http.server", &port.to_string(), "--bind", "127.0.0.1"]);
    command.arg("--directory").arg(site.path("www"));
    let mut process = Process::start("web server", &mut command)?;
    process.wait_for_line("its port", 20, |line| line.contains("Serving HTTP"))?;
    Ok((process, format!("http://127.0.0.1:{port}/")))
}

#[test]
fn a_page_shows_what_comes_later_and_its_problems_are_seen() -> Result<()> {
    let site = Site::beside("amqp://127.0.0.1:1/")?;
    let (_server, url) = web_server(&site)?;
    let mut page = Page::open(&format!("{url}live.html"))?;
    page.wait_for_text("second")?;
    page.run("fill", json!({"selector": "input[name=pattern]", "text": "org.#"}))?;
    page.check_health()?;
    page.run("screenshot", json!({"file": site.path("page.png").display().to_string()}))?;
    ensure!(site.path("page.png").metadata()?.len() > 1000, "an empty picture");
    ensure!(
        page.run("wait_text", json!({"text": "nowhere", "seconds": 1})).is_err(),
        "saw nothing"
    );
    let mut broken = Page::open(&format!("{url}broken.html"))?;
    let complaint = broken.check_health().expect_err("the page is broken").to_string();
    ensure!(complaint.contains("missing.js"), "{complaint}");
    ensure!(complaint.contains("broken on purpose"), "{complaint}");
    Ok(())
}

#[test]
fn a_mail_sent_is_a_mail_read() -> Result<()> {
    let mailbox = Mailbox::start_on(free_port(), &["--user", "ada", "--password", "x"])?;
    let script = "import smtplib, sys\n\
        server = smtplib.SMTP('127.0.0.1', int(sys.argv[1]))\n\
        try:\n\
        \x20   server.sendmail('a@example.org', ['b@example.org'], 'Subject: no\\n\\nno\\n')\n\
        \x20   sys.exit('taken without a login')\n\
        except smtplib.SMTPException: pass\n\
        server.login('ada', 'x')\n\
        mail = 'Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\\nList-Id: <x>\\n\\nbody\\n'\n\
        server.sendmail('a@example.org', ['b@example.org'], mail)\n";
    let mut command = Command::new(python()?);
    command.args(["-c", script, &mailbox.port.to_string()]);
    let sent = run("smtplib", &mut command, b"", 20)?;
    ensure!(sent.code() == 0, "{}", sent.stderr);
    let mail = mailbox.wait_for_mails(1, 10)?.remove(0);
    ensure!(mail.to == ["b@example.org"] && mail.header("subject") == "grüße", "{mail:?}");
    ensure!(mail.text.trim() == "body" && mail.header("List-ID") == "<x>", "{mail:?}");
    ensure!(mailbox.stop()?.success(), "the mail server ends in order");
    Ok(())
}

#[test]
fn a_repository_takes_a_push() -> Result<()> {
    let site = Site::beside("amqp://127.0.0.1:1/")?;
    let repository = Repository::new(&site, "engine")?;
    let rev = repository.commit("a.txt", "a\n", "A change")?;
    ensure!(repository.push(&["main"])?.code() == 0, "the push failed");
    let head = std::fs::read_to_string(repository.bare.join("refs/heads/main"))?;
    ensure!(head.trim() == rev, "{head} is not {rev}");
    Ok(())
}
