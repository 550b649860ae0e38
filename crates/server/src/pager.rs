//! The thread that gives memory back, when queued messages hold more than they should: what the
//! journal has is let go of. Alone, as the housekeeper waits for the disk, and a publisher brings
//! half a megabyte each millisecond.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use broker::Broker;

use crate::worker::{Failed, Worker};

/// Starts the thread. When the disk fails it says so.
///
/// # Errors
/// There is no thread to be had.
pub(crate) fn start(broker: Arc<Broker>, failed: Failed) -> std::io::Result<Worker> {
    Worker::start("pager", failed, move |stop, failed| run(&broker, stop, failed))
}

fn run(broker: &Broker, stop: &AtomicBool, failed: &Failed) {
    let mut pause = PAUSE_MIN;
    while !stop.load(SeqCst) {
        if !broker.wait_over_budget(PAUSE_MAX) {
            continue;
        }
        match broker.page_out() {
            Ok(ENOUGH_BYTES..) => pause = PAUSE_MIN,
            // What is there the journal will have soon, or never.
            Ok(_) => {
                std::thread::park_timeout(pause);
                pause = PAUSE_MAX.min(pause * 2);
            }
            Err(error) => {
                failed.send_replace(Some(error.to_string()));
                return;
            }
        }
    }
}

/// After this much was given back it goes on at once.
const ENOUGH_BYTES: usize = 1 << 20;

/// How long it lets be what cannot be given back yet, the first time.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// How long at the most.
const PAUSE_MAX: Duration = Duration::from_millis(80);
