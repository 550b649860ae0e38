//! fedora-messaging 3.9.1 on both ends: what it publishes, it receives, validates and prints.

use anyhow::{Result, ensure};
use harness::{Consumer, Site, own_events, publish_by_fedora_messaging};
use serde_json::Value;

/// Publishes our own events and receives them on a public queue and on a durable one.
pub(crate) fn run_all(site: &Site) -> Result<()> {
    let events = own_events()?;
    let public = Consumer::start_public(site, &["#"])?;
    let named = Consumer::start_named(site, "test.named", &["org.example.#"])?;
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    let published = publish_by_fedora_messaging(site, &lines)?;
    ensure!(
        published.code() == 0,
        "publish ended with {}:\n{}",
        published.code(),
        published.stderr
    );

    let received = public.wait_for_messages(events.len(), 30)?;
    equal(&received, &events)?;
    let under_example: Vec<Value> = events
        .iter()
        .filter(|event| event["topic"].as_str().is_some_and(|topic| topic != "a"))
        .cloned()
        .collect();
    equal(&named.wait_for_messages(under_example.len(), 30)?, &under_example)?;
    public.stop()?;

    // What is published while the owner of a durable queue is away, waits for it.
    named.stop()?;
    let first = events.first().map(|event| format!("{event}\n")).unwrap_or_default();
    publish_by_fedora_messaging(site, &first)?;
    let named = Consumer::start_named(site, "test.named", &["org.example.#"])?;
    let waited = named.wait_for_messages(1, 30)?;
    equal(&waited, &events[..1])?;
    named.stop()
}

fn equal(received: &[Value], published: &[Value]) -> Result<()> {
    ensure!(
        received.len() == published.len(),
        "{} messages published, {} received",
        published.len(),
        received.len()
    );
    for (received, published) in received.iter().zip(published) {
        for key in ["topic", "id", "body"] {
            ensure!(
                received[key] == published[key],
                "{key} of {} was published as {} and came as {}",
                published["id"],
                published[key],
                received[key]
            );
        }
        let severity = "fedora_messaging_severity";
        ensure!(received["headers"][severity] == published["headers"][severity], "{severity}");
    }
    Ok(())
}
