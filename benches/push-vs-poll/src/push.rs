//! The watchers who are told: each with a connection of its own, as it would be on machines of
//! their own.

use std::{
    net::TcpListener,
    process::Command,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use client::{BusUrl, Publisher, Queue, Subscriber, Subscription};
use event::Event;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, sleep_until},
};

use crate::{Plan, outcome::Outcome, server_process::ServerProcess, service};

const TOPIC: &str = "org.example.buildsys.build.state";

/// Measures it.
pub(crate) async fn measure(plan: &Plan) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let [amqp, http, management] = [free_port()?, free_port()?, free_port()?];
    let mut server = ServerProcess::start(
        Command::new(&plan.tubepost)
            .args(["serve", "--data-dir"])
            .arg(folder.path())
            .args(["--amqp", &local(amqp), "--http", &local(http)])
            .args(["--management", &local(management)])
            .env("XDG_RUNTIME_DIR", folder.path())
            .env("TUBEPOST_SPOOL", folder.path().join("spool")),
    )?;
    while !server.line()?.contains("listens") {}
    let bus: BusUrl = format!("amqp://guest:guest@{}", local(amqp)).parse()?;
    let changes: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let known_after: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let deliveries = Arc::new(AtomicU64::new(0));
    let before = server.processor()?;
    let mut watching = Vec::new();
    for _ in 0..plan.watchers {
        let subscription =
            Subscription { queue: Queue::Temporary, patterns: vec![TOPIC.parse()?], prefetch: 10 };
        let mut watcher = Subscriber::connect(&bus, "watcher", subscription).await?;
        let (changes, known_after) = (Arc::clone(&changes), Arc::clone(&known_after));
        let deliveries = Arc::clone(&deliveries);
        watching.push(tokio::spawn(async move {
            loop {
                let delivery = watcher.next().await;
                let now = Instant::now();
                deliveries.fetch_add(1, SeqCst);
                let number = match &delivery.event {
                    Ok(event) => event.body.object().get("number").and_then(Value::as_u64),
                    Err(_) => None,
                };
                let at = number.and_then(|it| usize::try_from(it).ok()?.checked_sub(2));
                if let Some(made) = at.and_then(|at| lock(&changes).get(at).copied()) {
                    lock(&known_after).push(now - made);
                }
                if delivery.ack().await.is_err() {
                    return;
                }
            }
        }));
    }
    let publisher = Publisher::connect(&bus, "build service").await?;
    // What the logins cost is over when the counters stand still.
    sleep(Duration::from_secs(6)).await;
    let processor_before = server.processor()? - before;
    let (received_before, sent_before) = octets(management).await?;
    let begin = Instant::now();
    for (at, number) in plan.changes().into_iter().zip(2..) {
        sleep_until(begin + at).await;
        let event = Event::new(TOPIC.parse()?, service::build(number))?;
        lock(&changes).push(Instant::now());
        publisher.publish(&event).await?;
    }
    sleep_until(begin + plan.long).await;
    let processor = server.processor()? - processor_before - before;
    let resident = server.resident()?;
    // They are counted every five seconds.
    sleep(Duration::from_secs(6)).await;
    let (received, sent) = octets(management).await?;
    for watcher in watching {
        watcher.abort();
    }
    let mut known_after = std::mem::take(&mut *lock(&known_after));
    known_after.sort_unstable();
    let wanted = (plan.watchers * plan.changes().len()) as u64;
    Ok(Outcome {
        messages: deliveries.load(SeqCst),
        received: received - received_before,
        sent: sent - sent_before,
        processor,
        processor_before,
        resident,
        missed: wanted - known_after.len() as u64,
        known_after,
    })
}

/// What all connections of the bus received and sent, as the server counts it.
async fn octets(management: u16) -> Result<(u64, u64)> {
    let mut socket = TcpStream::connect(("127.0.0.1", management)).await?;
    let request = "GET /api/connections HTTP/1.0\r\nHost: localhost\r\n\
                   Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n";
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer has a body")?;
    let connections: Vec<Value> =
        serde_json::from_str(body).with_context(|| answer.chars().take(300).collect::<String>())?;
    let sum = |key: &str| connections.iter().filter_map(|it| it[key].as_u64()).sum();
    Ok((sum("recv_oct"), sum("send_oct")))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
