//! Tubepost's services run on any AMQP bus: here on RabbitMQ, one URL away. It boots once, so this
//! is one test.

use std::fs;

use anyhow::{Context, Result, ensure};
use harness::{Consumer, RabbitMq, Repository, Site, own_events, wait_for, wait_for_events};
use serde_json::{Value, json};

#[test]
fn publish_tail_on_and_the_git_hook_work_on_rabbitmq() -> Result<()> {
    let rabbit = RabbitMq::start()?;
    let site = Site::on_bus(&rabbit.amqp_url())?;
    events_both_ways(&site).context("publish and tail")?;
    a_command(&site).context("on")?;
    a_push(&site).context("the git hook")
}

fn events_both_ways(site: &Site) -> Result<()> {
    let tail = site.tail_json(&["#"])?;
    let consumer = Consumer::start_public(site, &["#"])?;
    let events = own_events()?;
    for event in &events {
        site.publish(event["topic"].as_str().unwrap_or_default(), &event["body"])?;
    }
    let lists = [
        ("tail", wait_for_events(&tail, events.len(), 30)?),
        ("fedora-messaging", consumer.wait_for_messages(events.len(), 30)?),
    ];
    for (who, received) in lists {
        for (received, published) in received.iter().zip(&events) {
            for key in ["topic", "body"] {
                ensure!(
                    received[key] == published[key],
                    "{who}: {key} was {}, came as {}",
                    published[key],
                    received[key]
                );
            }
        }
    }
    Ok(())
}

fn a_command(site: &Site) -> Result<()> {
    let file = site.path("runs");
    let name = file.display().to_string();
    let script = "cat >> \"$0\"; echo >> \"$0\"";
    let words = ["on", "org.example.on.#", "--queue", "worker", "--", "sh", "-c", script, &name];
    let mut on = site.start(&words)?;
    let runs = |wanted: u64| {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found: Vec<u64> = events.filter_map(|event| event["body"]["number"].as_u64()).collect();
        if found.contains(&wanted) { Ok(found) } else { Err(format!("runs for {found:?}")) }
    };
    wait_for("`on` to receive", 20, || {
        let body = json!({"number": 0});
        site.publish("org.example.on.probe", &body).map_err(|error| format!("{error:#}"))?;
        runs(0)
    })?;
    ensure!(on.terminate(20)?.success(), "`on` does not end in order:\n{}", on.log());
    // Its queue is durable: what comes while it is away waits.
    site.publish("org.example.on.step", &json!({"number": 7}))?;
    let _on = site.start(&words)?;
    wait_for("the run that waited", 20, || runs(7)).map(|_| ())
}

fn a_push(site: &Site) -> Result<()> {
    let repository = Repository::new(site, "engine")?;
    let bare = repository.bare.display().to_string();
    let done =
        site.tubepost(&["hook", "git", "install", &bare, "--topic-prefix", "org.example"])?;
    ensure!(done.code() == 0, "hook git install: {}\n{}", done.status, done.stderr);
    let tail = site.tail_json(&["org.example.git.#"])?;
    let rev = repository.commit("engine.txt", "wheels\n", "Add the engine")?;
    ensure!(repository.push(&["main"])?.code() == 0, "the push failed");
    let events = wait_for_events(&tail, 1, 30)?;
    ensure!(events[0]["topic"] == "org.example.git.receive", "{}", events[0]);
    ensure!(events[0]["body"]["commit"]["rev"] == json!(rev), "{}", events[0]);
    Ok(())
}
