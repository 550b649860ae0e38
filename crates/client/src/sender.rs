//! Takes events off a service's hands: to the agent of this machine, else into a spool that this
//! process delivers itself. Waits for a disk at most, never for the bus.

use std::{
    process,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use event::{Body, Event, Registry, SigningKey, Topic};
use serde::Serialize;
use tracing::{debug, error};

use crate::{Agent, AgentConnection, Error, Spool, Surroundings, TraceContext};

/// Publishes by the shortest way there is. Cheap to clone; clones share a connection.
///
/// On return the event is on disk, and from there on it is delivered, in order with the others of
/// this process that went the same way, across any outage of the bus: by the agent, or without one
/// by a thread of this process; what that has not delivered when the process ends is delivered by
/// the next one on this spool, or by an agent.
///
/// Works before and after a fork: each process makes its own connection.
#[derive(Debug, Clone)]
pub struct Sender(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    around: Surroundings,
    /// Read when there is something to sign.
    key: OnceLock<Result<Option<SigningKey>, Error>>,
    agent: Mutex<Option<Made<AgentConnection>>>,
    spool: Mutex<Option<Made<Spool>>>,
}

/// What belongs to the process that made it.
#[derive(Debug)]
struct Made<T> {
    pid: u32,
    it: T,
}

impl<T> Made<T> {
    fn new(it: T) -> Made<T> {
        Made { pid: process::id(), it }
    }

    fn is_ours(&self) -> bool {
        self.pid == process::id()
    }
}

impl Sender {
    /// A sender in these surroundings. Connects, and makes what it needs, when there is something
    /// to publish.
    pub fn new(around: Surroundings) -> Sender {
        let (key, agent, spool) = Default::default();
        Sender(Arc::new(Inner { around, key, agent, spool }))
    }

    /// A new event, with the prefix before its topic, and in the current [`TraceContext`].
    ///
    /// # Errors
    /// [`Error::NoEvent`]: the topic is none, or the body is no JSON object.
    pub fn event(&self, topic: &str, body: &impl Serialize) -> Result<Event, Error> {
        let topic = self.topic(topic)?;
        let bytes = serde_json::to_vec(body)
            .map_err(|error| Error::NoEvent(event::Error::Body(error.to_string())))?;
        let mut event = Event::with_body(topic, Body::parse(bytes).map_err(Error::NoEvent)?);
        if let Some(context) = TraceContext::current() {
            context.put_into(&mut event);
        }
        Ok(event)
    }

    /// A topic in full, with the prefix before it.
    ///
    /// # Errors
    /// [`Error::NoEvent`]: it is none.
    pub fn topic(&self, topic: &str) -> Result<Topic, Error> {
        let topic: Topic = topic.parse().map_err(Error::NoEvent)?;
        topic.prefixed(&self.0.around.topic_prefix).map_err(Error::NoEvent)
    }

    /// Makes an event and publishes it; returns its id.
    ///
    /// # Errors
    /// As [`Sender::event`] and [`Sender::publish_all`].
    pub fn publish(&self, topic: &str, body: impl Serialize) -> Result<String, Error> {
        let event = self.event(topic, &body)?;
        self.publish_all(std::slice::from_ref(&event)).pop().unwrap_or(Ok(()))?;
        Ok(event.id)
    }

    /// As [`Sender::publish`], for async code: the wait for the disk is on a thread for such.
    ///
    /// # Errors
    /// As [`Sender::publish`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn publish_async(&self, topic: &str, body: impl Serialize) -> Result<String, Error> {
        let event = self.event(topic, &body)?;
        let id = event.id.clone();
        let sender = self.clone();
        let handed = tokio::task::spawn_blocking(move || sender.publish_all(&[event]).pop());
        match handed.await {
            Ok(outcome) => outcome.unwrap_or(Ok(())).map(|()| id),
            Err(ended) => std::panic::resume_unwind(ended.into_panic()),
        }
    }

    /// Publishes events in order; an outcome for each. Those that nobody signed are signed, where
    /// the surroundings have a key.
    ///
    /// # Errors
    /// Each outcome: [`Error::AgentRefused`] with the agent's reason: it is full, or the body does
    /// not fit the event's schema. Without an agent [`Error::SpoolFull`], [`Error::Spool`],
    /// [`Error::NoEvent`] for a body that does not fit. With a key [`Error::Configuration`] when it
    /// cannot be used, and [`Error::NoEvent`] for what cannot be signed.
    pub fn publish_all(&self, events: &[Event]) -> Vec<Result<(), Error>> {
        let key = self.0.key.get_or_init(|| self.0.around.signing.signing_key());
        match key {
            Ok(None) => self.hand_over(events),
            Ok(Some(key)) => self.sign_and_hand_over(key, events),
            // Unsigned is not what was asked for.
            Err(error) => events.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    fn sign_and_hand_over(&self, key: &SigningKey, events: &[Event]) -> Vec<Result<(), Error>> {
        let mut signed = Vec::with_capacity(events.len());
        let refused: Vec<Option<Error>> = events
            .iter()
            .map(|event| {
                let mut event = event.clone();
                match sign(key, &mut event) {
                    Ok(()) => signed.push(event),
                    Err(error) => return Some(Error::NoEvent(error)),
                }
                None
            })
            .collect();
        let mut outcomes = self.hand_over(&signed).into_iter();
        let mut outcome = || outcomes.next().unwrap_or(Ok(()));
        refused.into_iter().map(|refused| refused.map_or_else(&mut outcome, Err)).collect()
    }

    fn hand_over(&self, events: &[Event]) -> Vec<Result<(), Error>> {
        if let Some(outcomes) = self.by_agent(events) {
            return outcomes;
        }
        let mut complete = Vec::with_capacity(events.len());
        let outcomes: Vec<Result<(), Error>> = events
            .iter()
            .map(|event| {
                let mut event = event.clone();
                if event.schema.is_none() && event.signature.is_none() {
                    Registry::builtin().complete(&mut event).map_err(Error::NoEvent)?;
                }
                complete.push(event);
                Ok(())
            })
            .collect();
        let kept = self.spool().and_then(|spool| spool.hand_over(&complete));
        outcomes.into_iter().map(|outcome| outcome.and(kept.clone())).collect()
    }

    /// Waits until everything that this process put into its spool is delivered, or set aside; at
    /// most that long. What an agent took over is on its way already. Returns whether it is so.
    ///
    /// # Errors
    /// [`Error::Spool`].
    pub fn flush(&self, patience: Duration) -> Result<bool, Error> {
        let spool = lock(&self.0.spool).as_ref().map(|made| made.it.clone());
        let Some(spool) = spool else { return Ok(true) };
        let deadline = Instant::now() + patience;
        while spool.backlog()?.batches > 0 {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            thread::sleep(FLUSH_POLL);
        }
        Ok(true)
    }

    /// `None`: there is no agent.
    fn by_agent(&self, events: &[Event]) -> Option<Vec<Result<(), Error>>> {
        let mut agent = lock(&self.0.agent);
        if let Some(made) = agent.as_mut().filter(|made| made.is_ours()) {
            match made.it.hand_over(events) {
                Ok(outcomes) => return Some(outcomes),
                Err(error) => debug!(%error, "once more, by a new connection"),
            }
        }
        *agent = None;
        // With the same ids: what the agent took over already comes twice, and is known by that.
        for socket in &self.0.around.agents {
            let handed = AgentConnection::open(socket).and_then(|mut connection| {
                let outcomes = connection.hand_over(events)?;
                Ok((connection, outcomes))
            });
            match handed {
                Ok((connection, outcomes)) => {
                    *agent = Some(Made::new(connection));
                    return Some(outcomes);
                }
                Err(error) => debug!(%error, "no agent there"),
            }
        }
        None
    }

    /// The spool, and a thread that delivers it.
    fn spool(&self) -> Result<Spool, Error> {
        let mut spool = lock(&self.0.spool);
        if let Some(made) = spool.as_ref().filter(|made| made.is_ours()) {
            return Ok(made.it.clone());
        }
        let around = self.0.around.clone();
        let opened = Spool::open(&around.spool, around.spool_size_bytes_max)?;
        let delivered = opened.clone();
        let started = thread::Builder::new()
            .name("tubepost spool".to_owned())
            .spawn(move || deliver(&delivered, &around));
        if let Err(error) = started {
            // The events are safe; another process, or an agent, delivers them.
            error!(%error, "no thread to deliver the spool");
        }
        *spool = Some(Made::new(opened.clone()));
        Ok(opened)
    }
}

/// What the schema knows is signed too, so it comes first; nobody completes it later.
fn sign(key: &SigningKey, event: &mut Event) -> Result<(), event::Error> {
    if event.signature.is_some() {
        return Ok(());
    }
    if event.schema.is_none() {
        Registry::builtin().complete(event)?;
    }
    key.sign(event)
}

fn deliver(spool: &Spool, around: &Surroundings) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return error!(%error, "no runtime to deliver the spool"),
    };
    loop {
        let agent = Agent::new(spool.clone(), around.bus.clone(), &around.app);
        if let Err(error) = runtime.block_on(agent.run()) {
            error!(%error, "the spool is not delivered; tried again in {DELIVER_PAUSE:?}");
        }
        thread::sleep(DELIVER_PAUSE);
    }
}

// Poisoned, it is entered: what is inside is whole, or a connection that shows that it is not.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const FLUSH_POLL: Duration = Duration::from_millis(5);
const DELIVER_PAUSE: Duration = Duration::from_secs(5);
