//! The spool's directory as something that is delivered.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use event::{Event, SigningKey};
use tracing::error;

use crate::{
    Error, Spool,
    batch::BatchName,
    limits::{READ_AHEAD_BATCHES, READ_AHEAD_BYTES},
    round::{Store, Taken},
};

/// The batches of a spool, for the one that holds its lock.
pub(crate) struct SpoolStore {
    spool: Spool,
    /// What signs what nobody has signed.
    key: Option<Arc<SigningKey>>,
    /// The batches of the last look at the directory that come after the hand. One look for many
    /// hands: after a long outage there may be hundreds of thousands.
    next: VecDeque<BatchName>,
    in_hand: HashSet<BatchName>,
    skipped: HashSet<BatchName>,
}

impl SpoolStore {
    pub(crate) fn new(spool: Spool, key: Option<Arc<SigningKey>>) -> SpoolStore {
        let (next, in_hand, skipped) = Default::default();
        SpoolStore { spool, key, next, in_hand, skipped }
    }

    /// Signs what nobody has signed. What cannot be is set aside with the reason.
    fn signed(&self, events: Vec<Event>) -> Result<Vec<Event>, Error> {
        let Some(key) = &self.key else { return Ok(events) };
        let mut signed = Vec::with_capacity(events.len());
        for mut event in events {
            let outcome = if event.signature.is_some() { Ok(()) } else { key.sign(&mut event) };
            match outcome {
                Ok(()) => signed.push(event),
                Err(error) => {
                    error!(event = %event.id, %error, "an event is set aside");
                    self.spool.refuse(&[event], &error.to_string())?;
                }
            }
        }
        Ok(signed)
    }

    pub(crate) fn has_work(&self) -> Result<bool, Error> {
        Ok(self.spool.batches()?.iter().any(|name| !self.skipped.contains(name)))
    }
}

impl Store for SpoolStore {
    type Name = BatchName;

    fn take(&mut self, held: usize, held_bytes: u64) -> Result<Vec<Taken<BatchName>>, Error> {
        if self.next.is_empty() {
            let mut names = self.spool.batches()?;
            names.retain(|name| !self.skipped.contains(name) && !self.in_hand.contains(name));
            self.next = names.into();
        }
        let (mut taken, mut size_bytes) = (Vec::new(), held_bytes);
        while let Some(name) = self.next.pop_front() {
            let held = held + taken.len();
            let has_room = held < READ_AHEAD_BATCHES
                && (held == 0 || size_bytes + name.size_bytes() <= READ_AHEAD_BYTES);
            if !has_room {
                self.next.push_front(name);
                break;
            }
            let read = self.spool.read(&name);
            match read.and_then(|it| it.map(|events| self.signed(events)).transpose()) {
                Ok(None) => {}
                Ok(Some(events)) => {
                    size_bytes += name.size_bytes();
                    self.in_hand.insert(name.clone());
                    taken.push(Taken { size_bytes: name.size_bytes(), name, events });
                }
                Err(error) => {
                    error!(file = %name, %error, "batch left in the spool; it is tried again after a restart");
                    self.skip(name);
                }
            }
        }
        Ok(taken)
    }

    fn remove(&mut self, name: &BatchName) -> Result<(), Error> {
        self.in_hand.remove(name);
        self.spool.remove(name)
    }

    fn refuse(&mut self, name: &BatchName, events: &[Event], reason: &str) -> Result<(), Error> {
        self.in_hand.remove(name);
        self.spool.refuse(events, reason)?;
        self.spool.remove(name)
    }

    fn skip(&mut self, name: BatchName) {
        self.in_hand.remove(&name);
        self.skipped.insert(name);
    }

    fn settle(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
