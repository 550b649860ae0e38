//! The thread that drives the journal: one write and one sync for everybody whose messages
//! arrived while the last one ran.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use broker::{Broker, error::Kind};

use crate::worker::{Failed, Worker};

/// Starts the thread. When the journal fails it says so: from then on nothing can be confirmed and
/// the process has to end. Stopped, it commits what is pending and makes a last checkpoint.
///
/// # Errors
/// There is no thread to be had.
pub(crate) fn start(broker: Arc<Broker>, failed: Failed) -> std::io::Result<Worker> {
    Worker::start("journal", failed, move |stop, failed| run(&broker, stop, failed))
}

fn run(broker: &Broker, stop: &AtomicBool, failed: &Failed) {
    let interval = broker.sync_interval();
    let idle = interval.map_or(IDLE, |interval| interval.min(IDLE));
    let mut synced = Instant::now();
    let mut was_full = false;
    loop {
        let last = stop.load(SeqCst);
        broker.wait_pending(idle);
        let due = last || interval.is_none_or(|interval| synced.elapsed() >= interval);
        let mut result = match due {
            true => broker.commit(),
            false => broker.write(),
        };
        if due {
            synced = Instant::now();
        }
        result = result.and_then(|()| broker.prepare());
        if last {
            result = result.and_then(|()| broker.checkpoint());
        }
        match result {
            Ok(()) => {
                if std::mem::take(&mut was_full) {
                    tracing::info!("there is space on disk again; publishers go on");
                }
            }
            Err(error) if error.kind == Kind::DiskFull => {
                if !std::mem::replace(&mut was_full, true) {
                    tracing::error!("{error}; publishers wait until there is space");
                }
                // Consumers may make some: the housekeeper gives back what they are done with.
                std::thread::sleep(FULL_PAUSE);
            }
            Err(error) => {
                tracing::error!("{error}; nothing more is accepted");
                failed.send_replace(Some(error.to_string()));
                return;
            }
        }
        if last {
            return;
        }
    }
}

/// How long a full disk is left alone.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// How long the thread sleeps when nothing is pending that somebody waits for: acknowledgements are
/// on disk after that at the latest.
const IDLE: Duration = Duration::from_millis(50);
