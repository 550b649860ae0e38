//! `tubepost bench`: it measures any AMQP broker, finds what a broker loses, and leaves nothing
//! behind. How fast things are is not looked at here: that is for `cargo xtask bench`.

use std::fs;

use anyhow::{Context, Result, ensure};
use harness::{Finished, Process, RabbitMq, Site, wait_for};
use rustix::process::Signal;
use serde_json::Value;

/// Runs it with these words; the figures of each case, and how it ended.
fn bench(site: &Site, url: &str, words: &[&str]) -> Result<(Vec<Value>, Finished)> {
    let words = [&["bench", "--url", url, "--json"][..], words].concat();
    let done = site.tubepost(&words)?;
    let lines = done.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    Ok((lines.with_context(|| done.stdout.clone())?, done))
}

/// Every shape of traffic, a few messages each.
const SHAPES: [&[&str]; 7] = [
    &["--size", "16", "--auto-ack"],
    &["--durable", "--confirm", "100", "--producers", "2", "--consumers", "2", "--queues", "2"],
    &["--fan-out", "--queues", "5", "--consumers", "5", "--prefetch", "10"],
    &["--patterns", "40", "--queues", "4", "--consumers", "2"],
    &["--consumers", "3", "--queues", "1"],
    &["--rate", "2000", "--confirm", "50", "--durable"],
    &["--size", "300000", "--durable", "--confirm", "4", "--afterwards"],
];

fn every_shape_arrives(site: &Site, url: &str, protocol: &str) -> Result<()> {
    for shape in SHAPES {
        let count = if shape.contains(&"300000") { "40" } else { "3000" };
        let words = [shape, &["--messages", count, "--protocol", protocol]].concat();
        let (findings, done) = bench(site, url, &words)?;
        ensure!(done.code() == 0, "{shape:?}: {}", done.stderr);
        let [finding] = &findings[..] else { anyhow::bail!("{shape:?}: {findings:?}") };
        ensure!(finding["published"] == count.parse::<u64>()?, "{shape:?}: {finding}");
        let copies = if shape.contains(&"--fan-out") { 5 } else { 1 };
        ensure!(finding["delivered"] == copies * count.parse::<u64>()?, "{shape:?}: {finding}");
        ensure!(finding["verdict"]["lost"] == 0, "{shape:?}: {finding}");
        if shape.contains(&"--rate") {
            let confirm = &finding["confirm"];
            ensure!(confirm["measured"] == 3000, "{shape:?}: {finding}");
            ensure!(confirm["p50_ms"].as_f64() > Some(0.0), "{shape:?}: {finding}");
        }
    }
    Ok(())
}

/// The queues that are there.
fn queues(site: &Site) -> Result<Vec<String>> {
    let data = site.path("data").display().to_string();
    let words = ["queue", "list", "--columns", "name", "--no-header", "--data-dir", &data];
    let listed = site.tubepost(&words)?;
    ensure!(listed.code() == 0, "queue list: {}", listed.stderr);
    let names = listed.stdout.lines().map(str::trim).filter(|it| it.starts_with('b'));
    Ok(names.map(str::to_owned).collect())
}

#[test]
fn every_shape_of_traffic_arrives_whole_and_nothing_is_left_behind() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    for protocol in ["amqp091", "amqp10"] {
        every_shape_arrives(&site, &site.amqp_url(), protocol)?;
        let stream = ["--stream", "--consumers", "3", "--messages", "500", "--confirm", "100"];
        let by = ["--protocol", protocol];
        let (findings, done) = bench(&site, &site.amqp_url(), &[&stream[..], &by].concat())?;
        ensure!(done.code() == 0, "{protocol}: {}", done.stderr);
        ensure!(findings[0]["delivered"] == 1500, "each reader reads all: {findings:?}");
        let idle = ["--connections", "50"];
        let (findings, done) = bench(&site, &site.amqp_url(), &[&idle[..], &by].concat())?;
        let [idle] = &findings[..] else { anyhow::bail!("{protocol}: {}", done.stderr) };
        ensure!(done.code() == 0 && idle["connections"] == 50, "{idle} {}", done.stderr);
        ensure!(idle["resident_bytes_each"].is_number(), "the server is ours: {idle}");
    }
    ensure!(queues(&site)?.is_empty(), "left behind: {:?}", queues(&site)?);
    let report = site.path("report.html");
    let html = report.display().to_string();
    let words = ["--messages", "2000", "--html", &html];
    let (_, done) = bench(&site, &site.amqp_url(), &words)?;
    ensure!(done.code() == 0, "{}", done.stderr);
    let page = fs::read_to_string(&report)?;
    ensure!(page.contains("all once, in order") && !page.contains("guest:guest"), "{page}");
    Ok(())
}

#[test]
fn every_shape_of_traffic_arrives_on_rabbitmq_too() -> Result<()> {
    let rabbit = RabbitMq::start()?;
    every_shape_arrives(&Site::new()?, &rabbit.amqp_url(), "amqp091")
}

#[test]
fn a_queue_that_is_there_is_used_and_stays() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let data = site.path("data").display().to_string();
    let made = site.tubepost(&["queue", "declare", "b-jobs", "--data-dir", &data])?;
    ensure!(made.code() == 0, "queue declare: {}", made.stderr);
    for protocol in [&["amqp091"][..], &["amqp10"], &["amqp10", "--addresses", "names"]] {
        let words = ["--existing", "b-jobs", "--messages", "2000", "--confirm", "50", "--protocol"];
        let (findings, done) = bench(&site, &site.amqp_url(), &[&words, protocol].concat())?;
        ensure!(done.code() == 0, "{protocol:?}: {findings:?} {}", done.stderr);
        ensure!(findings[0]["delivered"] == 2000, "{protocol:?}: {findings:?}");
    }
    ensure!(queues(&site)? == ["b-jobs"], "{:?}", queues(&site)?);
    Ok(())
}

#[test]
fn what_the_broker_refuses_by_amqp_1_0_is_said_in_its_words() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let by10 = ["--messages", "10", "--protocol", "amqp10"];
    let missing = [&by10[..], &["--existing", "nowhere"]].concat();
    let (_, done) = bench(&site, &site.amqp_url(), &missing)?;
    ensure!(done.code() == 1, "{}", done.stderr);
    ensure!(done.stderr.contains("amqp:not-found: no queue 'nowhere'"), "{}", done.stderr);
    let stranger = site.amqp_url().replace("guest:guest", "ada:s3cret");
    let (_, done) = bench(&site, &stranger, &[&by10[..], &["--existing", "q"]].concat())?;
    ensure!(done.code() == 1 && done.stderr.contains("user 'ada'"), "{}", done.stderr);
    ensure!(!done.stderr.contains("s3cret"), "{}", done.stderr);
    Ok(())
}

#[test]
fn what_a_broker_loses_is_counted_and_is_a_failure() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let data = site.path("data").display().to_string();
    let policy = ["policy", "set", "short", "^b", r#"{"max-length": 100}"#, "--data-dir", &data];
    let set = site.tubepost(&policy)?;
    ensure!(set.code() == 0, "policy set: {}", set.stderr);
    let words = ["--messages", "1000", "--afterwards"];
    let (findings, done) = bench(&site, &site.amqp_url(), &words)?;
    ensure!(done.code() == 1, "{findings:?}");
    ensure!(findings[0]["verdict"]["lost"] == 900, "{findings:?}");
    ensure!(done.stderr.contains("900 lost"), "{}", done.stderr);
    Ok(())
}

#[test]
fn who_is_told_to_stop_removes_what_it_made() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let url = site.amqp_url();
    let mut running =
        Process::start("bench", &mut site.command(&["bench", "--url", &url, "--seconds", "600"]))?;
    let queues_are = |there: bool| match queues(&site).map_err(|error| format!("{error:#}"))? {
        names if names.is_empty() != there => Ok(()),
        names => Err(format!("{names:?}")),
    };
    wait_for("its queue", 20, || queues_are(true))?;
    running.signal(Signal::INT)?;
    let status = running.wait(30)?;
    ensure!(status.code() == Some(1), "{status}: {}", running.log());
    wait_for("no queue", 20, || queues_are(false))?;
    Ok(())
}

#[test]
fn a_wrong_call_is_refused_with_the_mend() -> Result<()> {
    let site = Site::new()?;
    let nowhere = "amqp://ada:s3cret@127.0.0.1:1";
    for (words, code, text) in [
        (&["B7"][..], 2, "no case is called 'B7'; there are A16"),
        (&["G"], 2, "--restart"),
        (&["--size", "8"], 2, "16"),
        (&["--afterwards"], 2, "number of messages"),
        (&["--stream", "--auto-ack"], 2, "acknowledgements"),
        (&["--patterns", "2", "--queues", "3"], 2, "fewer patterns"),
        (&["--seconds", "1", "--messages", "1"], 2, "cannot be used with"),
        (&["--addresses", "names"], 2, "--protocol amqp10"),
        (&["--existing", "q", "--fan-out"], 2, "existing queues"),
        (&["--messages", "1"], 1, "is the broker running"),
        // Before anything is measured.
        (&["--html", "/nowhere/report.html"], 1, "cannot be written"),
    ] {
        let (_, done) = bench(&site, nowhere, words)?;
        ensure!(done.code() == code, "{words:?}: {} {}", done.code(), done.stderr);
        ensure!(done.stderr.contains(text), "{words:?}: {}", done.stderr);
        ensure!(!done.stderr.contains("s3cret"), "{words:?}: {}", done.stderr);
    }
    let listed = site.tubepost(&["bench", "--list"])?;
    ensure!(listed.stdout.contains("C10k") && listed.code() == 0, "{}", listed.stdout);
    Ok(())
}
