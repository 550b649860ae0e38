//! Handing events over, to the agent or the spool: by a thread that waits for it, and for event
//! loops, which do not wait.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread,
    time::Duration,
};

use client::{Error, Event, Sender};
use pyo3::{
    exceptions::{PyBlockingIOError, PyOSError},
    prelude::*,
};

use crate::{draft::Draft, exceptions::exception, inbox::Inbox, process};

/// Hands an event over; on return it is on disk.
#[pyfunction]
pub(crate) fn hand_over(py: Python<'_>, draft: &Draft) -> PyResult<()> {
    let sender = process::sender()?;
    let events = std::slice::from_ref(&draft.0);
    let outcome = py.detach(|| sender.publish_all(events).pop());
    outcome.unwrap_or(Ok(())).map_err(|error| exception(&error))
}

/// Waits until the spool of this process is delivered, at most so many seconds; whether it is.
#[pyfunction]
pub(crate) fn flush(py: Python<'_>, seconds: f64) -> PyResult<bool> {
    let sender = process::sender()?;
    let mut left = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    loop {
        let slice = left.min(SLICE);
        if py.detach(|| sender.flush(slice)).map_err(|error| exception(&error))? {
            return Ok(true);
        }
        left = left.saturating_sub(slice);
        if left.is_zero() {
            return Ok(false);
        }
        py.check_signals()?;
    }
}

/// Hands over for an event loop, on one thread: what waits while the disk is busy goes together.
#[pyclass(frozen, module = "tubepost._native")]
pub(crate) struct Handover {
    requests: SyncSender<(u64, Event)>,
    answers: Arc<Inbox<Answer>>,
}

type Answer = (u64, Result<(), Error>);

#[pymethods]
impl Handover {
    #[new]
    fn new() -> PyResult<Handover> {
        let sender = process::sender()?;
        let answers = Arc::new(Inbox::new()?);
        let (requests, queue) = mpsc::sync_channel(REQUESTS_MAX);
        let told = Arc::clone(&answers);
        thread::Builder::new()
            .name("tubepost handover".to_owned())
            .spawn(move || work(&sender, &queue, &told))
            .map_err(|error| PyOSError::new_err(format!("no thread: {error}")))?;
        Ok(Handover { requests, answers })
    }

    /// Readable when there are answers.
    fn fileno(&self) -> i32 {
        self.answers.fileno()
    }

    /// Takes an event; its answer has the same ticket. `BlockingIOError`: so many wait already.
    fn submit(&self, ticket: u64, draft: &Draft) -> PyResult<()> {
        self.requests.try_send((ticket, draft.0.clone())).map_err(|error| match error {
            TrySendError::Full(_) => PyBlockingIOError::new_err("too many events wait"),
            TrySendError::Disconnected(_) => PyOSError::new_err("its thread has ended"),
        })
    }

    /// The answers that came: ticket, and what went wrong.
    fn answers(&self) -> Vec<(u64, Option<PyErr>)> {
        let answers = self.answers.take_all().into_iter();
        answers.map(|(ticket, outcome)| (ticket, outcome.err().map(|it| exception(&it)))).collect()
    }
}

/// Ends when its [`Handover`] is dropped, after the last request.
fn work(sender: &Sender, requests: &Receiver<(u64, Event)>, answers: &Inbox<Answer>) {
    while let Ok(first) = requests.recv() {
        let more = requests.try_iter().take(BATCH_MAX - 1);
        let (tickets, events): (Vec<u64>, Vec<Event>) = [first].into_iter().chain(more).unzip();
        let outcomes = sender.publish_all(&events);
        answers.put_all(tickets.into_iter().zip(outcomes));
    }
}

const REQUESTS_MAX: usize = 1024;
const BATCH_MAX: usize = 256;
/// How long a Ctrl-C may wait.
const SLICE: Duration = Duration::from_millis(100);
