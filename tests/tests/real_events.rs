//! Every event goes through the bus and comes out equal, none lost, in order: our own few of every
//! shape, and Fedora's 427 real ones where their data lies beside the checkout.

use anyhow::{Result, ensure};
use harness::{
    Consumer, Site, fedora_events, own_events, publish_by_fedora_messaging, wait_for_events,
};
use serde_json::Value;

/// Who hears what `tubepost publish --dump` said.
const DUMP: &str = "tail of a dump";

/// fedora-messaging says them; Tubepost and fedora-messaging hear them.
fn through_the_bus(events: &[Value], pattern: &str) -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let tail = site.tail_json(&[pattern])?;
    let consumer = Consumer::start_named(&site, "all.events", &[pattern])?;
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    let published = publish_by_fedora_messaging(&site, &lines)?;
    ensure!(published.code() == 0, "publish: {}\n{}", published.status, published.stderr);
    equal("tail", &wait_for_events(&tail, events.len(), 60)?, events)?;
    equal("fedora-messaging", &consumer.wait_for_messages(events.len(), 60)?, events)
}

fn equal(who: &str, received: &[Value], published: &[Value]) -> Result<()> {
    for (number, (received, published)) in received.iter().zip(published).enumerate() {
        for key in ["id", "topic", "body"] {
            ensure!(
                received[key] == published[key],
                "{who}: {key} of event {number} was published as {} and came as {}",
                published[key],
                received[key]
            );
        }
        for (name, value) in published["headers"].as_object().into_iter().flatten() {
            // fedora-messaging publishes an event of a schema that it does not know as a plain one.
            if name == "fedora_messaging_schema" && who != DUMP {
                continue;
            }
            let found = &received["headers"][name];
            ensure!(found == value, "{who}: header {name} of event {number}: {value}, {found}");
        }
    }
    let (got, sent) = (received.len(), published.len());
    ensure!(got == sent, "{who}: {got} events of {sent}");
    Ok(())
}

#[test]
fn events_of_every_shape_come_out_equal_and_in_order() -> Result<()> {
    through_the_bus(&own_events()?, "#")
}

#[test]
fn all_real_events_of_fedora_come_out_equal_and_in_order() -> Result<()> {
    match fedora_events()? {
        Some(events) => through_the_bus(&events, "#"),
        None => Ok(()),
    }
}

#[test]
fn a_dump_of_tail_published_again_comes_out_equal() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let tail = site.tail_json(&["#"])?;
    let events = own_events()?;
    let dump = |events: &[Value]| events.iter().map(|event| format!("{event}\n")).collect();
    let first: String = dump(&events);
    let done = site.tubepost_with_input(&["publish", "--dump"], first.as_bytes())?;
    ensure!(done.code() == 0, "publish --dump: {}\n{}", done.status, done.stderr);
    let shown = wait_for_events(&tail, events.len(), 30)?;
    equal(DUMP, &shown, &events)?;
    let second: String = dump(&shown);
    let done = site.tubepost_with_input(&["publish", "--dump"], second.as_bytes())?;
    ensure!(done.code() == 0, "publish --dump: {}\n{}", done.status, done.stderr);
    let again = wait_for_events(&tail, 2 * events.len(), 30)?.split_off(events.len());
    equal(DUMP, &again, &events)
}

#[test]
fn what_tubepost_publishes_fedora_messaging_validates_and_prints() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let consumer = Consumer::start_public(&site, &["#"])?;
    let events = own_events()?;
    for event in &events {
        let topic = event["topic"].as_str().unwrap_or_default();
        site.publish(topic, &event["body"])?;
    }
    let received = consumer.wait_for_messages(events.len(), 60)?;
    for (received, published) in received.iter().zip(&events) {
        ensure!(received["topic"] == published["topic"], "{received}");
        ensure!(received["body"] == published["body"], "{received}");
        ensure!(received["headers"]["fedora_messaging_severity"] == 20, "{received}");
        ensure!(received["headers"]["sent-at"].is_string(), "{received}");
    }
    Ok(())
}
