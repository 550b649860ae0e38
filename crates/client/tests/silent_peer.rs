//! A peer that takes the connection and says nothing must cost a bounded wait and no thread.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    time::{Duration, Instant},
};

use client::{Error, Publisher};

fn lapin_threads() -> usize {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .filter(|name| name.starts_with("lapin"))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_is_given_up_after_ten_seconds_and_leaves_no_thread() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bus = format!("amqp://u:s3cret@{}", listener.local_addr().unwrap()).parse().unwrap();
    let began = Instant::now();
    let error = Publisher::connect(&bus, "test").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert!(error.to_string().contains("10 s"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let deadline = Instant::now() + Duration::from_secs(10);
    while lapin_threads() > 0 {
        assert!(Instant::now() < deadline, "{} threads are left", lapin_threads());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
