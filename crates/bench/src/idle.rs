//! Connections that do nothing: how fast they are opened, and what each costs the broker.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::{Error, outcome::IdleOutcome, protocol::Protocol, server_use::Pid, wire::Wire};

/// Opens so many, holds them for a moment, and lets them go.
///
/// # Errors
/// One of them cannot be opened.
pub(crate) fn run(
    protocol: &dyn Protocol,
    connections: u32,
    server: Option<Pid>,
    progress: &(dyn Fn(u32) + Sync),
) -> Result<IdleOutcome, Error> {
    allow_files(connections)?;
    let before = server.and_then(Pid::look);
    let (begun, next) = (Instant::now(), AtomicU32::new(0));
    let open: Mutex<Vec<Wire>> = Mutex::default();
    let failed: Mutex<Option<Error>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..OPENERS {
            scope.spawn(|| {
                let mut mine = Vec::new();
                while next.fetch_add(1, Relaxed) < connections {
                    match protocol.idle() {
                        Ok(wire) => mine.push(wire),
                        Err(error) => {
                            next.store(connections, Relaxed);
                            failed.lock().unwrap_or_else(|it| it.into_inner()).replace(error);
                            return;
                        }
                    }
                }
                open.lock().unwrap_or_else(|it| it.into_inner()).append(&mut mine);
            });
        }
        while next.load(Relaxed) < connections {
            progress(next.load(Relaxed));
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let took = begun.elapsed();
    if let Some(error) = failed.into_inner().unwrap_or_else(|it| it.into_inner()) {
        return Err(error);
    }
    let open = open.into_inner().unwrap_or_else(|it| it.into_inner());
    // What is only there for the opening is given back meanwhile.
    std::thread::sleep(SETTLE);
    let after = server.and_then(Pid::look);
    let each = before.zip(after).map(|(before, after)| {
        after.resident_bytes.saturating_sub(before.resident_bytes) as f64 / f64::from(connections)
    });
    let opened_per_s = open.len() as f64 / took.as_secs_f64();
    Ok(IdleOutcome { connections, opened_per_s, resident_bytes_each: each })
}

/// Each connection is a file.
fn allow_files(connections: u32) -> Result<(), Error> {
    let needed = u64::from(connections) + 100;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    limit.current = Some(needed);
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        limit.maximum = Some(needed);
    }
    setrlimit(Resource::Nofile, limit).map_err(|_| {
        Error::Wrong(format!(
            "{connections} connections need {needed} open files, more than this process may have; \
             raise the limit (ulimit -n)"
        ))
    })
}

/// At once.
const OPENERS: usize = 8;

const SETTLE: Duration = Duration::from_secs(1);
