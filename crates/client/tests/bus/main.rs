//! The client against a real broker: a RabbitMQ that the tests start, or any AMQP bus named by
//! TUBEPOST_TEST_BUS. Where neither is, the tests say that they are skipped.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

#[path = "../rabbitmq/mod.rs"]
mod rabbitmq;

mod agents;
mod amqp10;
mod handing_over;
mod handling;
mod outages;
mod publishing;
mod refusals;
mod signing;

use std::{future::Future, time::Duration};

use client::{BusUrl, Queue, Subscriber, Subscription};
use event::Event;
use serde_json::{Value, json};

use rabbitmq::RabbitMq;

/// The bus to test against.
fn a_bus() -> Option<String> {
    match std::env::var("TUBEPOST_TEST_BUS") {
        Ok(url) => Some(url),
        Err(_) => or_skip(RabbitMq::shared()).map(RabbitMq::url),
    }
}

fn or_skip<T>(broker: Option<T>) -> Option<T> {
    if broker.is_none() {
        eprintln!("skipped: RabbitMQ is not installed (Debian: apt-get install rabbitmq-server)");
    }
    broker
}

/// A word that no other test uses.
fn unique() -> String {
    format!("t{}", uuid::Uuid::new_v4().simple())
}

fn url(text: &str) -> BusUrl {
    text.parse().unwrap()
}

fn event(topic: &str, n: usize) -> Event {
    event_of(topic, json!({"n": n}))
}

fn event_of(topic: &str, body: Value) -> Event {
    Event::new(topic.parse().unwrap(), body).unwrap()
}

fn number(event: &Event) -> u64 {
    event.body.object()["n"].as_u64().unwrap()
}

fn durable(queue: &str, pattern: &str) -> Subscription {
    Subscription {
        queue: Queue::Durable(queue.to_owned()),
        patterns: vec![pattern.parse().unwrap()],
        prefetch: 50,
    }
}

fn temporary(pattern: &str) -> Subscription {
    Subscription { queue: Queue::Temporary, ..durable("", pattern) }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(value) => value,
        Err(_) => panic!("not within 60 s: {what}"),
    }
}

async fn next(subscriber: &mut Subscriber) -> client::Delivery {
    within("the next event", subscriber.next()).await
}

/// A bare lapin channel, to see and do what the client does not.
async fn raw(url: &str) -> (lapin::Connection, lapin::Channel) {
    let connection = lapin::Connection::connect(url, Default::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}
