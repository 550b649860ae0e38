//! The mail server being away loses nothing, and being back brings each mail once.

use anyhow::{Result, ensure};
use harness::{Mailbox, Site, free_port, wait_for};
use serde_json::json;

fn configure(site: &Site, port: u16, login: &str) -> Result<()> {
    let text = format!(
        "[notify.mail]\nhost = \"127.0.0.1\"\nport = {port}\n\
         from = \"tubepost@example.org\"\n{login}\
         [[notify.subscription]]\nto = \"grace@example.org\"\npatterns = [\"org.example.#\"]\n"
    );
    site.write("tubepost.toml", text).map(|_| ())
}

/// Published so that it can be told from others by its subject.
fn publish(site: &Site, number: usize) -> Result<()> {
    site.publish(&format!("org.example.step.n{number}"), &json!({"number": number}))
}

#[test]
fn mails_that_could_not_be_sent_come_when_the_server_is_back() -> Result<()> {
    let site = Site::new()?;
    let port = free_port();
    configure(&site, port, "")?;
    let server = site.serve()?;
    // Away; then the notifier restarts too; then the mail server comes back.
    let mailbox = Mailbox::start_on(port, &[])?;
    mailbox.wait_for_notifier(&site)?;
    mailbox.stop()?;
    for number in 1..=3 {
        publish(&site, number)?;
    }
    server.terminate()?;
    let _server = site.serve()?;
    publish(&site, 4)?;
    let mailbox = Mailbox::start_on(port, &[])?;
    let mails = mailbox.wait_for_mails(4, 90)?;
    let mut topics: Vec<&str> = mails.iter().map(|mail| mail.header("X-Tubepost-Topic")).collect();
    topics.sort_unstable();
    let wanted: Vec<String> = (1..=4).map(|number| format!("org.example.step.n{number}")).collect();
    ensure!(topics == wanted, "{topics:?}");
    let mut ids: Vec<&str> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    ids.sort_unstable();
    ids.dedup();
    ensure!(ids.len() == 4, "Message-ID of 4 mails: {ids:?}");
    let data = site.path("data").display().to_string();
    let id = mails[0].header("X-Tubepost-Id");
    let why = site.tubepost(&["notify", "why", id, "--data-dir", &data])?;
    ensure!(why.stdout.contains("told   grace@example.org at "), "{} {}", why.stdout, why.stderr);
    let why = site.tubepost(&["notify", "why", "no-such-id", "--data-dir", &data])?;
    ensure!(why.code() == 1 && why.stderr.contains("no such file, and nobody"), "{}", why.stderr);
    let parked = site.tubepost(&["notify", "parked", "list", "--data-dir", &data])?;
    ensure!(parked.code() == 0 && parked.stderr.contains("nothing is parked"), "{}", parked.stderr);
    wait_for("the mails to be counted", 10, || {
        let metrics = site.get("/metrics").map_err(|error| format!("{error:#}"))?;
        let counted =
            metrics.lines().find(|it| it.starts_with("tubepost_notify_notices_delivered"));
        // A probe may have been under way when the first mailbox went.
        let wanted = format!("tubepost_notify_notices_delivered_total {}", mailbox.all().len());
        match counted {
            Some(counted) if counted == wanted => Ok(()),
            other => Err(format!("{other:?}, not {wanted}")),
        }
    })?;
    Ok(())
}

#[test]
fn a_login_at_the_mail_server_works() -> Result<()> {
    let site = Site::new()?;
    let more = ["--user", "tubepost", "--password", "s3cret"];
    let mailbox = Mailbox::start_on(free_port(), &more)?;
    configure(&site, mailbox.port, "tls = \"none\"\nuser = \"tubepost\"\npassword = \"s3cret\"\n")?;
    let mut server = site.serve()?;
    mailbox.wait_for_notifier(&site)?;
    publish(&site, 0)?;
    mailbox.wait_for_mails(1, 30)?;
    let log = server.process().log();
    ensure!(!log.contains("s3cret"), "the password is in the log:\n{log}");
    Ok(())
}
