//! A subscription whose events Python takes one by one, and judges.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use client::{BusUrl, Delivery, Error, Queue, Subscriber, Subscription, Surroundings};
use pyo3::{exceptions::PyValueError, prelude::*};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::{debug, error};

use crate::{
    draft,
    exceptions::exception,
    inbox::{Found, Inbox},
    process,
};

/// Where a subscriber connects to: the bus that is said, else that of the process.
pub(crate) fn bus_and_app(bus: Option<&str>) -> PyResult<(BusUrl, String)> {
    let around = Surroundings::of_process().map_err(|error| exception(&error))?;
    let bus = match bus {
        None => around.bus,
        Some(url) => url.parse().map_err(|error: Error| exception(&error))?,
    };
    Ok((bus, around.app))
}

/// Events as they come.
#[pyclass(frozen, module = "tubepost._native")]
pub(crate) struct Receiver {
    inbox: Arc<Inbox<(u64, String)>>,
    /// As many as there are deliveries without a verdict, and those are bounded by the prefetch.
    verdicts: UnboundedSender<Order>,
    is_stopped: AtomicBool,
}

enum Order {
    Judge(u64, Verdict),
    Stop,
}

#[derive(Clone, Copy)]
enum Verdict {
    Ack,
    Requeue,
    Reject,
}

#[pymethods]
impl Receiver {
    #[new]
    fn new(
        patterns: Vec<String>,
        queue: Option<String>,
        prefetch: u16,
        bus: Option<String>,
    ) -> PyResult<Receiver> {
        let (bus, app) = bus_and_app(bus.as_deref())?;
        let parsed: Result<_, event::Error> = patterns.iter().map(|it| it.parse()).collect();
        let subscription = Subscription {
            queue: queue.map_or(Queue::Temporary, Queue::Durable),
            patterns: parsed.map_err(|error| crate::exceptions::no_event(&error))?,
            prefetch: prefetch.max(1),
        };
        let inbox = Arc::new(Inbox::new()?);
        let (verdicts, orders) = unbounded_channel();
        let post = Arc::clone(&inbox);
        process::runtime()?.spawn(receive(bus, app, subscription, post, orders));
        Ok(Receiver { inbox, verdicts, is_stopped: AtomicBool::new(false) })
    }

    /// Readable when an event is there, and after the end.
    fn fileno(&self) -> i32 {
        self.inbox.fileno()
    }

    /// The next event, waited for at most so many seconds: its tag and its JSON. `EOFError`: it is
    /// closed.
    fn next(&self, py: Python<'_>, seconds: f64) -> PyResult<Option<(u64, String)>> {
        let at_most = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        found(py.detach(|| self.inbox.wait(at_most)))
    }

    /// The verdict on an event: `ack`, `requeue` or `reject`.
    fn judge(&self, tag: u64, verdict: &str) -> PyResult<()> {
        let verdict = match verdict {
            "ack" => Verdict::Ack,
            "requeue" => Verdict::Requeue,
            "reject" => Verdict::Reject,
            _ => return Err(PyValueError::new_err(format!("no verdict: {verdict}"))),
        };
        // After the end it comes again anyway.
        let _ = self.verdicts.send(Order::Judge(tag, verdict));
        Ok(())
    }

    /// Ends it, after the verdicts that were given; the rest goes back.
    fn stop(&self) {
        if !self.is_stopped.swap(true, Relaxed) {
            let _ = self.verdicts.send(Order::Stop);
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop();
    }
}

/// As Python takes it.
pub(crate) fn found<T>(found: Found<T>) -> PyResult<Option<T>> {
    match found {
        Found::One(it) => Ok(Some(it)),
        Found::Nothing => Ok(None),
        Found::Closed => Err(pyo3::exceptions::PyEOFError::new_err("closed")),
    }
}

async fn receive(
    bus: BusUrl,
    app: String,
    subscription: Subscription,
    inbox: Arc<Inbox<(u64, String)>>,
    mut orders: UnboundedReceiver<Order>,
) {
    let held_max = usize::from(subscription.prefetch);
    let mut subscriber = tokio::select! {
        subscriber = Subscriber::connect_patiently(&bus, &app, subscription) => subscriber,
        // Nothing was delivered yet that could be judged.
        _ = orders.recv() => return inbox.close(),
    };
    let mut held: HashMap<u64, Delivery> = HashMap::new();
    let mut tag = 0;
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(Order::Judge(tag, verdict)) => judge(held.remove(&tag), verdict).await,
                Some(Order::Stop) | None => break,
            },
            // Also of those that came by a connection that was lost, and will come again.
            delivery = subscriber.next(), if held.len() < held_max => match &delivery.event {
                Ok(event) => match draft::json(event) {
                    Ok(json) => {
                        tag += 1;
                        held.insert(tag, delivery);
                        inbox.put((tag, json));
                    }
                    Err(_) => judge(Some(delivery), Verdict::Reject).await,
                },
                Err(undecodable) => {
                    error!(%undecodable, "rejected");
                    judge(Some(delivery), Verdict::Reject).await;
                }
            },
        }
    }
    subscriber.close().await;
    inbox.close();
}

async fn judge(delivery: Option<Delivery>, verdict: Verdict) {
    let Some(delivery) = delivery else { return };
    let told = match verdict {
        Verdict::Ack => delivery.ack().await,
        Verdict::Requeue => delivery.requeue().await,
        Verdict::Reject => delivery.reject().await,
    };
    if let Err(error) = told {
        debug!(%error, "a verdict did not arrive");
    }
}
