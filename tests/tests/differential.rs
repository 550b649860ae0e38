//! The same scripts against Debian's RabbitMQ and Tubepost, frame by frame: every reply is the
//! same, or the difference is listed in `docs/differences.md` with its reason.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use harness::{RabbitMq, Server, Site, differential, root};

/// Users, rights, limits and policies that both brokers have in this test.
fn definitions() -> PathBuf {
    root().join("tests/data/differential_definitions.json")
}

fn differences() -> PathBuf {
    root().join("docs/differences.md")
}

fn defined(variables: &[(&str, &str)]) -> Result<(Site, Server)> {
    let site = Site::new()?;
    // Its first start makes the data directory.
    site.serve()?.terminate()?;
    site.define(&definitions())?;
    let server = site.serve_with(variables)?;
    Ok((site, server))
}

#[test]
fn every_reply_is_that_of_rabbitmq_or_a_listed_difference() -> Result<()> {
    let rabbit = RabbitMq::start_defined(&definitions())?;
    let (site, mut server) = defined(&[])?;
    let done = differential(rabbit.port(), site.amqp_port, &differences())?;
    let report = format!("{}\n{}", done.stdout, done.stderr);
    ensure!(done.code() == 0, "{report}");
    ensure!(report.contains("scripts: ") && report.contains(", 0 failed; "), "{report}");
    ensure!(server.process().ended().is_none(), "the server ended");
    let log = server.process().log();
    ensure!(!log.contains("panicked"), "a panic is reachable from the network:\n{log}");
    Ok(())
}

/// Two Tubeposts, one of which offers another heartbeat: where they differ nothing is listed, and
/// where a difference is listed they do not differ.
#[test]
fn the_comparison_fails_for_what_is_not_listed_and_for_what_no_longer_differs() -> Result<()> {
    let (one, _first) = defined(&[])?;
    let (other, _second) = defined(&[("TUBEPOST_AMQP_HEARTBEAT", "30s")])?;
    let text = fs::read_to_string(differences())?;
    let listed: Vec<&str> = names(&text).collect();
    let (removed, kept) = listed.split_first().context("nothing is listed")?;
    let shortened: Vec<&str> =
        text.lines().filter(|line| !line.starts_with(&format!("| `{removed}` |"))).collect();
    let file = one.write("differences.md", shortened.join("\n"))?;
    let done = differential(one.amqp_port, other.amqp_port, &file)?;
    ensure!(done.code() == 1, "it ended with {}:\n{}", done.status, done.stderr);
    let says = |what: &str| {
        ensure!(done.stdout.contains(what), "it does not say: {what}\n{}", done.stdout);
        Ok(())
    };
    says("FAIL the_greeting")?;
    says("connection.tune channel-max=2047 frame-max=131072 heartbeat=30")?;
    says(&format!("{removed} is not listed"))?;
    for name in kept {
        says(&format!("{name} is listed"))?;
    }
    says("ok   a_topic_exchange_matches_words")
}

/// The names in the table that the comparison reads.
fn names(document: &str) -> impl Iterator<Item = &str> {
    let table = document.split_once("## Shown by the differential test").map_or("", |it| it.1);
    let table = table.split_once("\n## ").map_or(table, |it| it.0);
    table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |").map(|it| it.0))
}
