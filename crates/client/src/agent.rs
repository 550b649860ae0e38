//! Delivers a spool to the bus, in order, with confirms, across any outage.

use std::collections::{HashSet, VecDeque};

use event::Event;
use tracing::{debug, error, info};

use crate::{
    BusUrl, Error, Publisher, Spool,
    batch::BatchName,
    delivery_lock::DeliveryLock,
    limits::{LOCK_POLL, READ_AHEAD_BATCHES, READ_AHEAD_BYTES, REFUSALS_MAX},
    outage::Outage,
    spool_watch::SpoolWatch,
};

/// Delivers one spool to one bus. Of all agents of a spool, in whatever process, one delivers.
#[derive(Debug)]
pub struct Agent {
    spool: Spool,
    bus: BusUrl,
    app: String,
}

impl Agent {
    /// An agent for one spool and one bus. Connects when there is something to deliver.
    pub fn new(spool: Spool, bus: BusUrl, app: &str) -> Agent {
        Agent { spool, bus, app: app.to_owned() }
    }

    /// Delivers for ever: waits for batches, and for the bus. While another process delivers this
    /// spool, stands by.
    ///
    /// # Errors
    /// The spool's directory cannot be read.
    pub async fn run(self) -> Result<(), Error> {
        let _lock = self.wait_for_lock().await?;
        let mut round = Round::new(&self);
        let mut watch = SpoolWatch::new(self.spool.directory());
        loop {
            round.deliver_until_empty().await?;
            watch.wait().await;
        }
    }

    /// Delivers until the spool is empty, waiting for the bus with back-off; returns at once when
    /// another process delivers this spool.
    ///
    /// # Errors
    /// As [`Agent::run`].
    pub async fn run_until_empty(self) -> Result<(), Error> {
        let mut round = Round::new(&self);
        // A batch may come after the holder saw the spool empty and before it let go of the lock;
        // whoever handed it over found the lock held and went. So the holder looks once more
        // without the lock.
        while round.has_work()? {
            match DeliveryLock::try_acquire(&self.spool)? {
                Ok(lock) => {
                    round.deliver_until_empty().await?;
                    lock.release();
                }
                Err(pid) => {
                    debug!(pid, "another process delivers this spool");
                    break;
                }
            }
        }
        round.publisher.close().await;
        Ok(())
    }

    async fn wait_for_lock(&self) -> Result<DeliveryLock, Error> {
        let mut said = false;
        loop {
            match DeliveryLock::try_acquire(&self.spool)? {
                Ok(lock) => return Ok(lock),
                Err(pid) if !said => {
                    info!(pid, spool = %self.spool.directory().display(), "another process delivers this spool; standing by");
                    said = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
    }
}

/// The work of a lock's holder.
struct Round {
    spool: Spool,
    publisher: Publisher,
    outage: Outage,
    /// The batches of the last look at the directory that come after the hand. One look for many
    /// hands: after a long outage there may be hundreds of thousands.
    next: VecDeque<BatchName>,
    /// What is being delivered, in order.
    hand: Vec<Batch>,
    /// What can be neither delivered nor taken away: touched no more by this process.
    skipped: HashSet<BatchName>,
}

/// A batch under way: what the bus has not confirmed of it yet.
struct Batch {
    name: BatchName,
    rest: Vec<Event>,
    refusals: u32,
    reason: String,
}

impl Round {
    fn new(agent: &Agent) -> Round {
        let who = format!("agent of spool {}", agent.spool.directory().display());
        Round {
            spool: agent.spool.clone(),
            publisher: Publisher::unconnected(&agent.bus, &agent.app),
            outage: Outage::none(who),
            next: VecDeque::new(),
            hand: Vec::new(),
            skipped: HashSet::new(),
        }
    }

    fn has_work(&self) -> Result<bool, Error> {
        Ok(self.spool.batches()?.iter().any(|name| !self.skipped.contains(name)))
    }

    async fn deliver_until_empty(&mut self) -> Result<(), Error> {
        loop {
            self.take_in_hand()?;
            if self.hand.is_empty() {
                return Ok(());
            }
            if let Err(error) = self.publisher.ensure_connected().await {
                self.outage.wait(&error).await;
                continue;
            }
            if let Some(failure) = self.publish_hand().await {
                self.outage.wait(&failure).await;
            } else {
                self.outage.forget();
            }
        }
    }

    /// Fills the hand with the next batches.
    fn take_in_hand(&mut self) -> Result<(), Error> {
        let mut size_bytes: u64 = self.hand.iter().map(|batch| batch.name.size_bytes()).sum();
        if self.next.is_empty() {
            let mut names = self.spool.batches()?;
            names.retain(|name| {
                !self.skipped.contains(name) && !self.hand.iter().any(|batch| batch.name == *name)
            });
            self.next = names.into();
        }
        while let Some(name) = self.next.pop_front() {
            let has_room = self.hand.len() < READ_AHEAD_BATCHES
                && (self.hand.is_empty() || size_bytes + name.size_bytes() <= READ_AHEAD_BYTES);
            if !has_room {
                self.next.push_front(name);
                break;
            }
            match self.spool.read(&name) {
                Ok(None) => {}
                Ok(Some(rest)) => {
                    size_bytes += name.size_bytes();
                    self.hand.push(Batch { name, rest, refusals: 0, reason: String::new() });
                }
                Err(error) => self.skip(name, &error),
            }
        }
        Ok(())
    }

    /// One try of everything in hand. Returns why something is left, if something is.
    async fn publish_hand(&mut self) -> Option<Error> {
        let events: Vec<Event> =
            self.hand.iter().flat_map(|batch| batch.rest.iter().cloned()).collect();
        let mut outcomes = self.publisher.publish_all(&events).await.into_iter();
        let mut failure = None;
        for batch in &mut self.hand {
            let mut refused = false;
            let tried = std::mem::take(&mut batch.rest);
            for (event, outcome) in tried.into_iter().zip(outcomes.by_ref()) {
                let Err(error) = outcome else { continue };
                if !error.is_outage() {
                    refused = true;
                    batch.reason = error.to_string();
                }
                failure.get_or_insert(error);
                batch.rest.push(event);
            }
            batch.refusals += u32::from(refused);
        }
        self.put_away();
        failure
    }

    /// Takes away what is delivered, sets aside what is refused for good.
    fn put_away(&mut self) {
        for batch in std::mem::take(&mut self.hand) {
            let done = match &batch {
                Batch { rest, .. } if rest.is_empty() => self.spool.remove(&batch.name),
                Batch { refusals, .. } if *refusals >= REFUSALS_MAX => {
                    self.spool.refuse(&batch.name, &batch.rest, &batch.reason)
                }
                _ => {
                    self.hand.push(batch);
                    continue;
                }
            };
            if let Err(error) = done {
                self.skip(batch.name, &error);
            }
        }
    }

    fn skip(&mut self, name: BatchName, error: &Error) {
        error!(file = %name, %error, "batch left in the spool; it is tried again after a restart");
        self.skipped.insert(name);
    }
}
