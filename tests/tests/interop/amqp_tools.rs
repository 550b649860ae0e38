//! rabbitmq-c, as Debian's `amqp-*` tools use it.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use harness::{Finished, Process, Site, run};

/// Declares, publishes, gets, consumes and deletes, and reads what the tools say of refusals.
pub(crate) fn run_all(site: &Site) -> Result<()> {
    publish_and_get(site).context("publish and get")?;
    consume_and_redeliver(site).context("consume and redeliver")?;
    consume_from_an_exchange(site).context("consume from an exchange")?;
    large_bodies(site).context("large bodies")?;
    refusals(site).context("refusals")
}

fn command(site: &Site, program: &str, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    site.furnish(&mut command).arg("--url").arg(site.amqp_url()).args(words);
    command
}

fn tool(site: &Site, program: &str, words: &[&str], input: &[u8]) -> Result<Finished> {
    run(&format!("{program} {}", words.join(" ")), &mut command(site, program, words), input, 30)
}

/// Runs a tool that must succeed, and returns what it wrote.
fn said(site: &Site, program: &str, words: &[&str], input: &[u8]) -> Result<String> {
    let done = tool(site, program, words, input)?;
    ensure!(done.code() == 0, "{program} {words:?}: {}\n{}", done.status, done.stderr);
    Ok(done.stdout)
}

fn same(what: &str, found: &str, expected: &str) -> Result<()> {
    ensure!(found == expected, "{what}: expected {expected:?}, found {found:?}");
    Ok(())
}

fn publish_and_get(site: &Site) -> Result<()> {
    let queue = "tools.get";
    same("declared", &said(site, "amqp-declare-queue", &["-d", "-q", queue], b"")?, queue)?;
    let words = ["-r", queue, "-p", "-C", "text/plain", "-H", "mine: 1", "-b", "hello"];
    said(site, "amqp-publish", &words, b"")?;
    said(site, "amqp-publish", &["-r", queue], b"from its input")?;
    for expected in ["hello", "from its input"] {
        same("got", &said(site, "amqp-get", &["-q", queue], b"")?, expected)?;
    }
    let empty = tool(site, "amqp-get", &["-q", queue], b"")?;
    ensure!(empty.code() == 2, "of an empty queue amqp-get ends with 2, not {}", empty.status);
    same("deleted", &said(site, "amqp-delete-queue", &["-q", queue], b"")?, "0")
}

fn consume_and_redeliver(site: &Site) -> Result<()> {
    let queue = "tools.consume";
    said(site, "amqp-declare-queue", &["-q", queue], b"")?;
    said(site, "amqp-publish", &["-r", queue, "-l"], b"one\ntwo\nthree\n")?;
    // A command that fails rejects its message, which comes again.
    let words = ["-q", queue, "-c", "1", "--", "sh", "-c", "cat; exit 3"];
    same("seen and rejected", &said(site, "amqp-consume", &words, b"")?, "one")?;
    let words = ["-q", queue, "-c", "2", "-p", "1", "--", "cat"];
    same("consumed", &said(site, "amqp-consume", &words, b"")?, "one\ntwo")?;
    same("deleted", &said(site, "amqp-delete-queue", &["-q", queue], b"")?, "1")
}

fn consume_from_an_exchange(site: &Site) -> Result<()> {
    let words = ["-e", "amq.topic", "-r", "tools.#", "-x", "-A", "-c", "2", "--", "cat"];
    let mut consumer = Process::start("amqp-consume", &mut command(site, "amqp-consume", &words))?;
    // It says the name, binds and consumes; then a message of ours comes through.
    consumer.wait_for_line("its queue", 20, |line| line.contains("amq.gen-"))?;
    harness::wait_for("two messages", 20, || {
        let published = ["tools.a", "other", "tools.b"].iter().try_for_each(|key| {
            said(site, "amqp-publish", &["-e", "amq.topic", "-r", key, "-b", key], b"").map(drop)
        });
        published.map_err(|error| format!("{error:#}"))?;
        let ended = consumer.ended_and_read();
        ended.map(drop).ok_or_else(|| consumer.log())
    })?;
    let text = consumer.stdout().join("");
    let bodies = text.rsplit_once("amq.gen-").map_or(text.as_str(), |(_, rest)| rest);
    ensure!(bodies.contains("tools.") && !bodies.contains("other"), "consumed {text:?}");
    Ok(())
}

fn large_bodies(site: &Site) -> Result<()> {
    let queue = "tools.large";
    said(site, "amqp-declare-queue", &["-q", queue], b"")?;
    let body = "0123456789".repeat(400_000);
    said(site, "amqp-publish", &["-r", queue], body.as_bytes())?;
    let got = said(site, "amqp-get", &["-q", queue], b"")?;
    ensure!(got == body, "a body of {} octets came back with {}", body.len(), got.len());
    said(site, "amqp-delete-queue", &["-q", queue], b"").map(drop)
}

fn refusals(site: &Site) -> Result<()> {
    let queue = "tools.refused";
    said(site, "amqp-declare-queue", &["-q", queue], b"")?;
    said(site, "amqp-publish", &["-r", queue, "-b", "one"], b"")?;
    let cases: [(&str, &[&str], &str); 4] = [
        ("amqp-get", &["-q", "none"], "404, message: NOT_FOUND - no queue 'none' in vhost '/'"),
        (
            "amqp-publish",
            &["-e", "none", "-r", "k", "-b", "x"],
            "404, message: NOT_FOUND - no exchange 'none' in vhost '/'",
        ),
        (
            "amqp-declare-queue",
            &["-d", "-q", queue],
            "406, message: PRECONDITION_FAILED - inequivalent arg 'durable' for queue \
             'tools.refused' in vhost '/': received 'true' but current is 'false'",
        ),
        (
            "amqp-delete-queue",
            &["--if-empty", "-q", queue],
            "406, message: PRECONDITION_FAILED - queue 'tools.refused' in vhost '/' not empty",
        ),
    ];
    for (program, words, text) in cases {
        let done = tool(site, program, words, b"")?;
        ensure!(
            done.code() == 1 && done.stderr.contains(text),
            "{program} {words:?}: expected {text:?}, found {} {:?}",
            done.status,
            done.stderr
        );
    }
    let mut wrong = Command::new("amqp-get");
    let url = site.amqp_url().replace("guest:guest", "guest:wrong");
    site.furnish(&mut wrong).args(["--url", &url, "-q", queue]);
    let done = run("amqp-get with a wrong password", &mut wrong, b"", 30)?;
    ensure!(done.code() == 1 && done.stderr.contains("403, message: ACCESS_REFUSED"), "{done:?}");
    same("deleted", &said(site, "amqp-delete-queue", &["-q", queue], b"")?, "1")
}
