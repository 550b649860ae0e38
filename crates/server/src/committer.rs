//! The thread that drives the journal: one write and one sync for everybody whose messages
//! arrived while the last one ran.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use broker::{Broker, error::Kind};
use tokio::sync::watch;

/// The running thread.
#[derive(Debug)]
pub(crate) struct Committer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Committer {
    /// Starts the thread. `failed` gets the reason when the journal fails: from then on nothing
    /// can be confirmed and the process has to end.
    pub(crate) fn start(
        broker: Arc<Broker>,
        failed: watch::Sender<Option<String>>,
    ) -> std::io::Result<Committer> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || run(&broker, &stopped, &failed))?;
        Ok(Committer { stop, thread })
    }

    /// Commits what is pending, makes a checkpoint, and ends the thread.
    pub(crate) fn stop(self) {
        self.stop.store(true, SeqCst);
        if self.thread.join().is_err() {
            tracing::error!("the journal's thread panicked");
        }
    }
}

fn run(broker: &Broker, stop: &AtomicBool, failed: &watch::Sender<Option<String>>) {
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

/// How long the thread sleeps when nothing is pending.
const IDLE: Duration = Duration::from_millis(50);
