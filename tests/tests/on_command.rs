//! `tubepost on`: once per event, with retries, dead letters, and a durable queue that misses
//! nothing while it is away.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use harness::{Process, Site, wait_for};
use serde_json::{Value, json};

/// Every run adds one line: the event's body, and how many runs this event had.
const NOTE: &str = "cat >> \"$0\"; echo >> \"$0\"";

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn wait_for_lines(file: &Path, count: usize) -> Result<Vec<Value>> {
    wait_for(&format!("{count} runs of the command"), 40, || {
        let found = lines(file);
        if found.len() >= count { Ok(found) } else { Err(format!("{} runs", found.len())) }
    })
}

/// Starts `on` with a durable queue and waits until it has run for a probe; the file is empty then.
fn start(site: &Site, queue: &str, more: &[&str], script: &str, file: &Path) -> Result<Process> {
    let file_text = file.display().to_string();
    let words = [
        &["on", "org.example.#", "--queue", queue][..],
        more,
        &["--", "sh", "-c", script, &file_text],
    ]
    .concat();
    let mut on = site.start(&words)?;
    wait_for("`on` to receive", 20, || {
        if on.ended().is_some() {
            return Ok(Err(anyhow::anyhow!("on ended:\n{}", on.log())));
        }
        site.publish("org.example.probe", &json!({})).map_err(|error| error.to_string())?;
        if file.exists() { Ok(Ok(())) } else { Err("no run".to_owned()) }
    })??;
    Ok(on)
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().filter_map(|event| event["body"]["number"].as_u64()).collect()
}

fn wait_for_number(file: &Path, number: u64) -> Result<Vec<u64>> {
    wait_for(&format!("a run for number {number}"), 40, || {
        let found = numbers(&lines(file));
        if found.contains(&number) { Ok(found) } else { Err(format!("{found:?}")) }
    })
}

#[test]
fn a_durable_queue_misses_nothing_while_the_command_and_the_bus_are_away() -> Result<()> {
    let site = Site::new()?;
    let server = site.serve()?;
    let file = site.path("runs");
    let mut on = start(&site, "worker", &[], NOTE, &file)?;
    site.publish("org.example.step", &json!({"number": 0}))?;
    wait_for_number(&file, 0)?;
    ensure!(on.terminate(20)?.success(), "`on` does not end in order on SIGTERM");
    for number in 1..=3 {
        site.publish("org.example.step", &json!({"number": number}))?;
    }
    server.kill()?;
    let _server = site.serve()?;
    let _on = start(&site, "worker", &[], NOTE, &file)?;
    let found = wait_for_number(&file, 3)?;
    ensure!(found == [0, 1, 2, 3], "once each and in order: {found:?}");
    Ok(())
}

#[test]
fn on_reconnects_when_the_bus_was_restarted() -> Result<()> {
    let site = Site::new()?;
    let server = site.serve()?;
    let file = site.path("runs");
    let _on = start(&site, "worker", &[], NOTE, &file)?;
    server.kill()?;
    let _server = site.serve()?;
    site.publish("org.example.step", &json!({"number": 7}))?;
    wait_for_number(&file, 7)?;
    Ok(())
}

#[test]
fn a_command_that_fails_is_retried_and_then_the_event_is_a_dead_letter_with_the_reason()
-> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let file = site.path("runs");
    let script = "cat >> \"$0\"; echo >> \"$0\"; echo the oven is cold >&2; exit 7";
    let on = start(&site, "worker", &["--retry", "2"], script, &file)?;
    site.publish("org.example.cake", &json!({"number": 1}))?;
    let runs = wait_for("three runs", 60, || {
        let count = numbers(&lines(&file)).len();
        if count >= 3 { Ok(count) } else { Err(format!("{count} runs")) }
    })?;
    ensure!(runs == 3, "{runs} runs of a first try and 2 retries");
    let letter = wait_for("the dead letter", 20, || {
        let letters = dead_letters(&site, "worker.dead").map_err(|error| error.to_string())?;
        letters.into_iter().find(|letter| letter["body"]["number"] == 1).ok_or("none".to_owned())
    })?;
    let reason = &letter["headers"]["x-tubepost-reason"];
    let text = reason.as_str().unwrap_or_default();
    ensure!(text.contains("exit status: 7"), "the reason: {letter}");
    ensure!(letter["headers"]["x-tubepost-attempts"] == "3", "the attempts: {letter}");
    ensure!(numbers(&lines(&file)).len() == 3, "it ran again after it was a dead letter");
    drop(on);
    Ok(())
}

#[test]
fn a_command_that_hangs_is_ended_by_the_timeout() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let file = site.path("runs");
    // Hangs for one event only, and must not hold up the next.
    let script = "cat >> \"$0\"; echo >> \"$0\"; \
                  case \"$TUBEPOST_TOPIC\" in *.hang) exec tail -f /dev/null;; esac";
    let more = ["--timeout", "1s", "--retry", "0"];
    let _on = start(&site, "worker", &more, script, &file)?;
    site.publish("org.example.hang", &json!({"number": 1}))?;
    site.publish("org.example.step", &json!({"number": 2}))?;
    wait_for_number(&file, 2)?;
    wait_for("the dead letter", 20, || {
        let letters = dead_letters(&site, "worker.dead").map_err(|error| error.to_string())?;
        let letter = letters.iter().find(|letter| letter["body"]["number"] == 1);
        letter.map(|_| ()).ok_or_else(|| format!("{} letters", letters.len()))
    })
}

#[test]
fn jobs_run_beside_each_other() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let file = site.path("runs");
    // Each run waits for the other: alone neither ends.
    let script = "cat >> \"$0\"; echo >> \"$0\"; \
                  case \"$TUBEPOST_TOPIC\" in \
                  *.meet.a) me=a; it=b;; *.meet.b) me=b; it=a;; *) exit 0;; esac; \
                  touch \"$0.$me\"; until [ -e \"$0.$it\" ]; do :; done; touch \"$0.met.$me\"";
    let more = ["--jobs", "2", "--timeout", "20s"];
    let _on = start(&site, "worker", &more, script, &file)?;
    site.publish("org.example.meet.a", &json!({}))?;
    site.publish("org.example.meet.b", &json!({}))?;
    wait_for("both runs to meet", 30, || {
        let met = |me: &str| site.path(format!("runs.met.{me}")).exists();
        if met("a") && met("b") { Ok(()) } else { Err("they did not".to_owned()) }
    })
}

#[test]
fn the_command_sees_the_event_on_its_input_and_in_variables() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let file = site.path("runs");
    // The file has its name once it is whole: a redirection makes it before `env` has written.
    let script = "cat >> \"$0\"; echo >> \"$0\"; \
                  env > \"$0.part\"; mv \"$0.part\" \"$0.env.$TUBEPOST_ID\"";
    let _on = start(&site, "worker", &[], script, &file)?;
    site.publish("org.example.door.open", &json!({"agent": "ada", "number": 5}))?;
    wait_for_number(&file, 5)?;
    let events = wait_for_lines(&file, 2)?;
    let event = events.iter().find(|event| event["body"]["number"] == 5).expect("seen above");
    let id = event["id"].as_str().unwrap_or("?");
    let variables = wait_for("the variables", 10, || {
        let text = fs::read_to_string(site.path(format!("runs.env.{id}")));
        text.map_err(|error| error.to_string())
    })?;
    for wanted in
        ["TUBEPOST_TOPIC=org.example.door.open\n", "TUBEPOST_SEVERITY=", "TUBEPOST_SUMMARY="]
    {
        ensure!(variables.contains(wanted), "{wanted:?} is not in:\n{variables}");
    }
    Ok(())
}

/// Looks into a queue without taking: each message's body and headers.
fn dead_letters(site: &Site, queue: &str) -> Result<Vec<Value>> {
    let script = "import sys, json, pika\n\
                  channel = pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel()\n\
                  while True:\n\
                  \x20   method, properties, body = channel.basic_get(sys.argv[2])\n\
                  \x20   if method is None: break\n\
                  \x20   headers = {k: str(v) for k, v in (properties.headers or {}).items()}\n\
                  \x20   print(json.dumps({'body': json.loads(body), 'headers': headers}))\n\
                  channel.connection.close()\n";
    let mut command = std::process::Command::new(harness::python()?);
    command.args(["-c", script, &site.amqp_url(), queue]);
    let done = harness::run("dead letters", &mut command, b"", 20)?;
    let last = done.stderr.lines().last().unwrap_or_default();
    ensure!(done.code() == 0, "{last}");
    Ok(done.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}
