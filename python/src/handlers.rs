//! A subscription whose events Python handles: each is a job, with a ticket by which Python says
//! how it went. Retries, dead letters, order and the stop are the library's.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use client::{Event, Handled, Subscribe};
use pyo3::prelude::*;
use serde_json::Value;
use tokio::{
    sync::{oneshot, watch},
    task::AbortHandle,
};

use crate::{
    draft,
    exceptions::exception,
    inbox::Inbox,
    process,
    receiver::{bus_and_app, found},
};

/// Events that are handled.
#[pyclass(frozen, module = "tubepost._native")]
pub(crate) struct Handlers {
    desk: Arc<Desk>,
    stop: watch::Sender<bool>,
    work: AbortHandle,
}

/// Where jobs lie until Python takes them, and their tickets until it says how they went.
struct Desk {
    jobs: Inbox<(u64, String)>,
    tickets: Mutex<HashMap<u64, oneshot::Sender<Result<(), String>>>>,
    last_ticket: AtomicU64,
    handled: Mutex<Option<Handled>>,
}

#[pymethods]
impl Handlers {
    /// Waits are in seconds. `in_order_of` is the path of a key in the body, words with dots.
    #[new]
    #[pyo3(signature = (patterns, *, queue=None, parallel=1, retry=0, delay=1.0,
                        dead_letters=None, deduplicate=0, in_order_of=None, patience=30.0,
                        bus=None))]
    #[allow(clippy::too_many_arguments, reason = "each is a word of `Subscribe`")]
    fn new(
        patterns: Vec<String>,
        queue: Option<&str>,
        parallel: u16,
        retry: u32,
        delay: f64,
        dead_letters: Option<&str>,
        deduplicate: usize,
        in_order_of: Option<String>,
        patience: f64,
        bus: Option<&str>,
    ) -> PyResult<Handlers> {
        let (bus, app) = bus_and_app(bus)?;
        let seconds = |it| Duration::try_from_secs_f64(it).unwrap_or_default();
        let mut subscribe = Subscribe::on(&bus, &app)
            .parallel(parallel)
            .retry(retry, seconds(delay))
            .deduplicate(deduplicate)
            .patience(seconds(patience));
        for pattern in &patterns {
            subscribe = subscribe.and(pattern).map_err(|error| exception(&error))?;
        }
        if let Some(queue) = queue {
            subscribe = subscribe.queue(queue);
        }
        if let Some(queue) = dead_letters {
            subscribe = subscribe.dead_letters(queue);
        }
        if let Some(path) = in_order_of {
            subscribe = subscribe.in_order_of(move |event| key(event, &path));
        }
        let desk = Arc::new(Desk {
            jobs: Inbox::new()?,
            tickets: Mutex::default(),
            last_ticket: AtomicU64::new(0),
            handled: Mutex::default(),
        });
        let (stop, mut stopped) = watch::channel(false);
        let at = Arc::clone(&desk);
        let work = process::runtime()?.spawn(async move {
            let until = async move { stopped.wait_for(|it| *it).await.map_or((), drop) };
            let given = Arc::clone(&at);
            let handler = move |event| Arc::clone(&given).handle(event);
            let handled = subscribe.run_until(until, handler).await;
            *lock(&at.handled) = Some(handled);
            at.jobs.close();
        });
        Ok(Handlers { desk, stop, work: work.abort_handle() })
    }

    /// Readable when a job is there, and after the end.
    fn fileno(&self) -> i32 {
        self.desk.jobs.fileno()
    }

    /// The next job, waited for at most so many seconds: its ticket and the JSON of its event.
    /// `EOFError`: all is done after a stop.
    fn next(&self, py: Python<'_>, seconds: f64) -> PyResult<Option<(u64, String)>> {
        let at_most = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let job = found(py.detach(|| self.desk.jobs.wait(at_most)))?;
        // Those whose time was over before they began come again to somebody else.
        Ok(job.filter(|(ticket, _)| {
            lock(&self.desk.tickets).get(ticket).is_some_and(|waiting| !waiting.is_closed())
        }))
    }

    /// The job is done, or failed for this reason.
    #[pyo3(signature = (ticket, reason=None))]
    fn finish(&self, ticket: u64, reason: Option<String>) {
        if let Some(waiting) = lock(&self.desk.tickets).remove(&ticket) {
            // Its handler's time was over: it comes again.
            let _ = waiting.send(reason.map_or(Ok(()), Err));
        }
    }

    /// Takes no more, waits for what is under way as long as its patience goes.
    fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Ends at once. What is under way has neither succeeded nor failed, and comes again.
    fn abort(&self) {
        self.work.abort();
        self.desk.jobs.close();
    }

    /// After the end: how many were handled, failed for good, came twice.
    fn handled(&self) -> Option<(u64, u64, u64)> {
        lock(&self.desk.handled).map(|it| (it.done, it.failed, it.duplicates))
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Desk {
    async fn handle(self: Arc<Desk>, event: Event) -> Result<(), String> {
        let json = draft::json(&event).map_err(|error| error.to_string())?;
        let (answer, answered) = oneshot::channel();
        let ticket = self.last_ticket.fetch_add(1, Relaxed) + 1;
        lock(&self.tickets).insert(ticket, answer);
        let _given_back = GivenBack { desk: &self, ticket };
        self.jobs.put((ticket, json));
        answered.await.unwrap_or_else(|_| Err("its handler went away".to_owned()))
    }
}

/// A ticket whose handler is cut off is nobody's.
struct GivenBack<'a> {
    desk: &'a Desk,
    ticket: u64,
}

impl Drop for GivenBack<'_> {
    fn drop(&mut self) {
        lock(&self.desk.tickets).remove(&self.ticket);
    }
}

/// What stands at a path of the body; events without it have one key.
fn key(event: &Event, path: &str) -> String {
    let mut words = path.split('.');
    let first = words.next().and_then(|word| event.body.object().get(word));
    let found = first.and_then(|first| words.try_fold(first, |value, word| value.get(word)));
    match found {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

// Poisoned, it is entered: what is inside is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
