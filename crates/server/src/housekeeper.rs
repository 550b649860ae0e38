//! The thread that gives disk back while the journal's thread commits: long queues move to disk,
//! checkpoints, compaction. It also publishes delayed messages when they are due.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use broker::{Broker, Error, error::Kind};

use crate::worker::{Failed, Worker};

/// Starts the thread. When the disk fails it says so.
///
/// # Errors
/// There is no thread to be had.
pub(crate) fn start(broker: Arc<Broker>, failed: Failed) -> std::io::Result<Worker> {
    Worker::start("housekeeper", failed, move |stop, failed| run(&broker, stop, failed))
}

fn run(broker: &Broker, stop: &AtomicBool, failed: &Failed) {
    // The first time at once: a server that always ends before its time came would never make a
    // checkpoint, and each start would take longer than the one before.
    let (mut tidied, mut ticked) = (None::<Instant>, Instant::now());
    while !stop.load(SeqCst) {
        let mut result = Ok(());
        if broker.wait_due(LOOK_EVERY) {
            result = broker.fire_due();
        }
        result = result.and_then(|()| prepare(broker));
        if ticked.elapsed() >= TICK_EVERY {
            ticked = Instant::now();
            result = result.and_then(|()| broker.tick());
        }
        if tidied.is_none_or(|it| it.elapsed() >= TIDY_EVERY) {
            tidied = Some(Instant::now());
            result = result.and_then(|()| broker.tidy());
        }
        broker.reports().iter().for_each(|report| tracing::error!("{report}"));
        if let Err(error) = result
            && is_fatal(&error)
        {
            failed.send_replace(Some(error.to_string()));
            return;
        }
    }
}

/// Goes on with the journal's next file, for a moment.
fn prepare(broker: &Broker) -> Result<(), Error> {
    let begun = Instant::now();
    while broker.prepare_beside()? {
        if begun.elapsed() >= PREPARE_FOR {
            break;
        }
    }
    Ok(())
}

/// That there is no space is what blocks publishers; anything else ends all.
fn is_fatal(error: &Error) -> bool {
    error.kind != Kind::DiskFull
}

/// How often it looks what there is to do.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long at a time: half of the disk's time, while there is something to do.
const PREPARE_FOR: Duration = Duration::from_millis(5);

/// How often messages are looked for whose time is over: as late as that they go.
const TICK_EVERY: Duration = Duration::from_millis(20);

/// How often disk and long queues' memory are given back.
const TIDY_EVERY: Duration = Duration::from_millis(250);
