//! How fast records get to the medium: throughput and latency of append + commit, for one publisher
//! that waits for each commit, and for several that share them.
//!
//! `cargo run --release -p tubepost-journal --example commit_rate -- [DIRECTORY] [SECONDS]`
//! The directory must lie on the disk to be measured; a tmpfs measures nothing.

#![allow(clippy::print_stdout, reason = "a measuring tool prints")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use journal::{Error, FileDisk, Journal, Options, Position};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let below = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let run = Duration::from_secs(seconds);
    println!("threads  batch   bytes   records/s     MB/s   commits/s   p50 ms   p99 ms   max ms");
    for (threads, batch, bytes) in [
        (1, 1, 1024),
        (1, 100, 1024),
        (8, 1, 1024),
        (8, 100, 1024),
        (64, 10, 1024),
        (8, 1000, 64),
        (8, 10, 65_536),
    ] {
        let dir = tempfile::tempdir_in(&below)?;
        let disk = Arc::new(FileDisk::open(dir.path())?);
        let (journal, _) = Journal::open(disk, Options::default(), &mut |_| {})?;
        let measured = measure(&journal, threads, batch, bytes, run)?;
        measured.print(threads, batch, bytes, run);
    }
    Ok(())
}

struct Measured {
    batches: Vec<Duration>,
    commits: u64,
}

impl Measured {
    fn print(mut self, threads: usize, batch: usize, bytes: usize, run: Duration) {
        self.batches.sort();
        let at = |share: f64| {
            let index = (self.batches.len() as f64 * share) as usize;
            let latency = self.batches.get(index.min(self.batches.len().saturating_sub(1)));
            latency.map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
        };
        let records = (self.batches.len() * batch) as f64 / run.as_secs_f64();
        let megabytes = records * bytes as f64 / 1e6;
        let commits = self.commits as f64 / run.as_secs_f64();
        let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
        println!(
            "{threads:7} {batch:6} {bytes:7} {records:11.0} {megabytes:8.1} {commits:11.0} \
             {p50:8.2} {p99:8.2} {max:8.2}"
        );
    }
}

/// Each thread appends a batch, waits until it is durable, and appends the next.
fn measure(
    journal: &Journal,
    threads: usize,
    batch: usize,
    bytes: usize,
    run: Duration,
) -> Result<Measured, Error> {
    let stop = AtomicBool::new(false);
    let payload = vec![0x5a; bytes];
    let began = Instant::now();
    thread::scope(|scope| {
        let publishers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut latencies = Vec::new();
                    while began.elapsed() < run {
                        let sent = Instant::now();
                        let last = append(journal, batch, &payload)?;
                        while !journal.is_durable(last) && journal.failed().is_none() {
                            thread::park_timeout(Duration::from_micros(50));
                        }
                        latencies.push(sent.elapsed());
                    }
                    Ok(latencies)
                })
            })
            .collect();
        let writer = scope.spawn(|| {
            let mut commits = 0;
            while !stop.load(Ordering::Acquire) {
                if journal.wait_pending(Duration::from_millis(10)) {
                    commits += u64::from(journal.commit()?);
                }
            }
            Ok::<_, Error>(commits)
        });
        let mut batches = Vec::new();
        let mut outcome = Ok(());
        for publisher in publishers {
            match publisher.join() {
                Ok(Ok(latencies)) => batches.extend(latencies),
                Ok(Err(error)) => outcome = Err(error),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        stop.store(true, Ordering::Release);
        journal.wake();
        let commits = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        outcome.map(|()| Measured { batches, commits })
    })
}

fn append(journal: &Journal, batch: usize, payload: &[u8]) -> Result<Position, Error> {
    let mut appender = journal.appender()?;
    let mut last = appender.append(1, &[payload])?;
    for _ in 1..batch {
        last = appender.append(1, &[payload])?;
    }
    Ok(last)
}
