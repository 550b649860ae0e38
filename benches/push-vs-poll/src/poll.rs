//! The watchers who ask.

use std::{
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep_until},
};

use crate::{Plan, outcome::Outcome, server_process::ServerProcess};

/// When each change was made; the first number is 2, as the state at the beginning is 1.
type Changes = Arc<Mutex<Vec<Instant>>>;

/// Measures it.
pub(crate) async fn measure(plan: &Plan) -> Result<Outcome> {
    let itself = std::env::current_exe()?;
    let mut server = ServerProcess::start(Command::new(itself).arg("serve"))?;
    let port: u16 = server.line()?.trim().parse().context("the service says its port")?;
    let mut watchers = Vec::new();
    for _ in 0..plan.watchers {
        let mut watcher = Watcher::connect(port).await?;
        watcher.ask().await?;
        watchers.push(watcher);
    }
    let processor_before = server.processor()?;
    let changes = Changes::default();
    let begin = Instant::now();
    let end = begin + plan.long;
    let mut watching = Vec::new();
    for mut watcher in watchers {
        let (changes, every) = (Arc::clone(&changes), plan.every);
        // Watchers begin whenever they do.
        let first = begin + every.mul_f64(fastrand::f64());
        watching.push(tokio::spawn(async move {
            watcher.watch(first, every, end, &changes).await.map(|()| watcher)
        }));
    }
    for at in plan.changes() {
        sleep_until(begin + at).await;
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
        changes.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        socket.write_all(b"POST /builds/1478312 HTTP/1.1\r\nHost: x\r\n\r\n").await?;
        read_answer(&mut socket, &mut Vec::new()).await?;
    }
    let mut known_after = Vec::new();
    let (mut messages, mut received, mut sent, mut missed) = (0, 0, 0, 0);
    for watcher in watching {
        let watcher = watcher.await??;
        known_after.extend(watcher.known_after);
        messages += watcher.requests;
        received += watcher.sent;
        sent += watcher.received;
        missed += watcher.missed;
    }
    known_after.sort_unstable();
    let processor = server.processor()? - processor_before;
    let resident = server.resident()?;
    Ok(Outcome {
        messages,
        received,
        sent,
        processor,
        processor_before,
        resident,
        known_after,
        missed,
    })
}

struct Watcher {
    socket: TcpStream,
    known: u64,
    requests: u64,
    sent: u64,
    received: u64,
    missed: u64,
    known_after: Vec<Duration>,
}

impl Watcher {
    async fn connect(port: u16) -> Result<Watcher> {
        let socket = TcpStream::connect(("127.0.0.1", port)).await?;
        socket.set_nodelay(true)?;
        let (known, requests, sent, received, missed) = (0, 0, 0, 0, 0);
        Ok(Watcher { socket, known, requests, sent, received, missed, known_after: Vec::new() })
    }

    async fn watch(
        &mut self,
        first: Instant,
        every: Duration,
        end: Instant,
        changes: &Changes,
    ) -> Result<()> {
        (self.requests, self.sent, self.received) = (0, 0, 0);
        let mut next = first;
        while next < end {
            sleep_until(next).await;
            next += every;
            let before = self.known;
            self.ask().await?;
            let now = Instant::now();
            let changes = changes.lock().unwrap_or_else(PoisonError::into_inner);
            for number in before + 1..=self.known {
                let made = usize::try_from(number - 2).ok().and_then(|at| changes.get(at));
                let made = made.context("a state that nobody made")?;
                if number == self.known {
                    self.known_after.push(now - *made);
                } else {
                    self.missed += 1;
                }
            }
        }
        Ok(())
    }

    /// As `curl` asks, with what is known already.
    async fn ask(&mut self) -> Result<()> {
        let request = format!(
            "GET /builds/1478312 HTTP/1.1\r\nHost: koji.example.org\r\nUser-Agent: watcher/1.0\r\n\
             Accept: */*\r\nIf-None-Match: \"{}\"\r\n\r\n",
            self.known
        );
        self.socket.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        let body = read_answer(&mut self.socket, &mut answer).await?;
        self.requests += 1;
        self.sent += request.len() as u64;
        self.received += answer.len() as u64;
        if answer.starts_with(b"HTTP/1.1 200") {
            let build: serde_json::Value = serde_json::from_slice(answer.split_at(body).1)?;
            self.known = build["number"].as_u64().context("a build has a number")?;
        } else if !answer.starts_with(b"HTTP/1.1 304") {
            bail!("{}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }
}

/// Reads one answer; returns where its body begins.
async fn read_answer(socket: &mut TcpStream, answer: &mut Vec<u8>) -> Result<usize> {
    loop {
        if socket.read_buf(answer).await? == 0 {
            bail!("the service hung up");
        }
        let Some(head) = answer.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let body = head + 4;
        let text = String::from_utf8_lossy(answer.split_at(head).0).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        // Neither 204 nor 304 has a body, whatever it says of one (RFC 9110 §8.6).
        let bare = ["http/1.1 304", "http/1.1 204"].iter().any(|it| text.starts_with(it));
        let length: usize = length.filter(|_| !bare).map_or(Ok(0), |it| it.trim().parse())?;
        if answer.len() >= body + length {
            return Ok(body);
        }
    }
}
