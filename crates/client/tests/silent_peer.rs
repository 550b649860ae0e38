//! A peer that says nothing must cost a bounded wait and no thread.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod rabbitmq;

use std::{
    fs,
    time::{Duration, Instant},
};

use client::{BusUrl, Error, Publisher, Queue, Subscriber, Subscription};
use tokio::sync::Mutex;

/// The threads of a process are counted: one test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

fn lapin_threads() -> usize {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .filter(|name| name.starts_with("lapin"))
        .count()
}

async fn no_thread_is_left() {
    let deadline = Instant::now() + Duration::from_secs(10);
    while lapin_threads() > 0 {
        assert!(Instant::now() < deadline, "{} threads are left", lapin_threads());
        tokio::time::sleep(Duration::from_millis(20)).await; // tidy: looks again
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_is_given_up_after_ten_seconds_and_leaves_no_thread() {
    let _alone = ALONE.lock().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bus = format!("amqp://u:s3cret@{}", listener.local_addr().unwrap()).parse().unwrap();
    let began = Instant::now();
    let error = Publisher::connect(&bus, "test").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert!(error.to_string().contains("10 s"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    no_thread_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_a_frozen_broker_leaves_no_thread() {
    let _alone = ALONE.lock().await;
    let Some(broker) = rabbitmq::RabbitMq::start() else {
        return eprintln!("skipped: RabbitMQ is not installed");
    };
    let bus: BusUrl = broker.url().parse().unwrap();
    let subscription = Subscription { queue: Queue::Temporary, patterns: Vec::new(), prefetch: 1 };
    let dropped = Subscriber::connect(&bus, "test", subscription.clone()).await.unwrap();
    let closed = Subscriber::connect(&bus, "test", subscription).await.unwrap();
    let publisher = Publisher::connect(&bus, "test").await.unwrap();
    assert_eq!(lapin_threads(), 3);
    broker.freeze();
    drop(dropped);
    let began = Instant::now();
    closed.close().await;
    publisher.close().await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    no_thread_is_left().await;
    broker.thaw();
}
