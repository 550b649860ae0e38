//! A peer that says nothing must cost a bounded wait.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod rabbitmq;

use std::time::{Duration, Instant};

use client::{BusUrl, Error, Publisher, Queue, Subscriber, Subscription};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_is_given_up_after_ten_seconds() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bus = format!("amqp://u:s3cret@{}", listener.local_addr().unwrap()).parse().unwrap();
    let began = Instant::now();
    let error = Publisher::connect(&bus, "test").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert!(error.to_string().contains("10 s"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_broker_is_left_soon() {
    let Some(broker) = rabbitmq::RabbitMq::start() else {
        return eprintln!("skipped: RabbitMQ is not installed");
    };
    let bus: BusUrl = broker.url().parse().unwrap();
    let subscription = Subscription { queue: Queue::Temporary, patterns: Vec::new(), prefetch: 1 };
    let dropped = Subscriber::connect(&bus, "test", subscription.clone()).await.unwrap();
    let closed = Subscriber::connect(&bus, "test", subscription).await.unwrap();
    let publisher = Publisher::connect(&bus, "test").await.unwrap();
    broker.freeze();
    drop(dropped);
    let began = Instant::now();
    closed.close().await;
    publisher.close().await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    broker.thaw();
}
