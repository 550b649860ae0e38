//! What it costs to publish: events a second with confirms from one process, and the time that a
//! service spends with an event that it hands to an agent.
//!
//!     cargo bench -p tubepost-client --bench publish -- amqp://127.0.0.1 /run/tubepost/agent.sock

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

use std::{
    io::{BufRead, BufReader, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use client::{AgentConnection, BusUrl, Event, Publisher, Queue, Subscriber, Subscription};
use serde_json::json;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.as_slice() {
        [bus, rest @ ..] => {
            let bus = bus.parse().unwrap();
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            // First what one event takes: the many afterwards keep others busy for a while.
            if let [socket, ..] = rest {
                for (count, pace) in [(20_000, Duration::ZERO), (5000, Duration::from_millis(2))] {
                    answered(count, pace);
                    handed_over(Path::new(socket), count, pace);
                }
            }
            runtime.block_on(confirmed(&bus));
        }
        [] => println!("usage: … --bench publish -- BUS [SOCKET]"),
    }
}

fn event(n: usize) -> Event {
    let topic = "org.example.bench.publish".parse().unwrap();
    Event::new(topic, json!({"agent": "ada", "n": n})).unwrap()
}

/// To a durable queue, which is emptied again.
async fn confirmed(bus: &BusUrl) {
    let subscription = Subscription {
        queue: Queue::Durable("tubepost.bench.publish".to_owned()),
        patterns: vec!["org.example.bench.publish".parse().unwrap()],
        prefetch: 1,
    };
    Subscriber::connect(bus, "bench", subscription).await.unwrap().close().await;
    let publisher = Publisher::connect(bus, "bench").await.unwrap();
    let events: Vec<Event> = (0..EVENTS).map(event).collect();
    for round in 0..ROUNDS {
        let begun = Instant::now();
        for outcome in publisher.publish_all(&events).await {
            outcome.unwrap();
        }
        let took = begun.elapsed();
        println!(
            "round {round}: {EVENTS} events confirmed in {took:.2?}: {:.0} a second",
            EVENTS as f64 / took.as_secs_f64()
        );
    }
    publisher.close().await;
}

/// One after the other, each answered before the next; `pace` is the time from one to the next.
fn handed_over(socket: &Path, count: usize, pace: Duration) {
    let mut agent = AgentConnection::open(socket).unwrap();
    times("events handed over", count, pace, |n| {
        agent.hand_over(&[event(n)]).unwrap().pop().unwrap().unwrap();
    });
}

/// What of it the machine takes: a line to another thread and one back, and nothing done with it.
fn answered(count: usize, pace: Duration) {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let echo = std::thread::spawn(move || {
        let mut writer = theirs.try_clone().unwrap();
        for line in BufReader::new(theirs).lines() {
            writer.write_all(line.unwrap().as_bytes()).unwrap();
            writer.write_all(b"\n").unwrap();
        }
    });
    let mut answers = BufReader::new(ours.try_clone().unwrap());
    let mut answer = String::new();
    times("lines answered", count, pace, |_| {
        ours.write_all(b"a line\n").unwrap();
        answer.clear();
        answers.read_line(&mut answer).unwrap();
    });
    ours.shutdown(Shutdown::Both).unwrap();
    echo.join().unwrap();
}

fn times(what: &str, count: usize, pace: Duration, mut once: impl FnMut(usize)) {
    let mut times: Vec<Duration> = (0..count)
        .map(|n| {
            std::thread::sleep(pace);
            let begun = Instant::now();
            once(n);
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{count} {what}, {pace:?} between: p50 {:.1?}, p90 {:.1?}, p99 {:.1?}, p99.9 {:.1?}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999)
    );
}

const EVENTS: usize = 200_000;
const ROUNDS: usize = 3;
