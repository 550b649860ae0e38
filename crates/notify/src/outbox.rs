//! What is leased from the store and may be tried, of one kind of destination. No I/O, and the time
//! is handed in.
//!
//! Only the head of a lane is ever tried, so nothing to one address overtakes. While the
//! destination as a whole is away, one try at a time asks whether it is back, and the rest wait.
//! An address that is put off is not here: the store has it until it may be tried.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::{backoff::Backoff, limits::AWAY_BACKOFF, store::Claimed};

/// The lanes of one kind.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    ready: VecDeque<Claimed>,
    /// Lanes whose head is being tried.
    out: HashSet<String>,
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    until: Instant,
    tries: u32,
    /// The lane that asks whether it is over.
    probe: Option<String>,
}

impl Outbox {
    /// Takes a lane that was leased. One that is here already was leased by somebody else in
    /// between, and goes on.
    pub(crate) fn push(&mut self, lane: Claimed) {
        let is_here =
            self.out.contains(&lane.id) || self.ready.iter().any(|other| other.id == lane.id);
        if !is_here {
            self.ready.push_back(lane);
        }
    }

    /// The next lane whose head may be tried now. It comes back by one of the others.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Claimed> {
        match &mut self.outage {
            Some(outage) if outage.probe.is_some() || now < outage.until => return None,
            Some(outage) => outage.probe = self.ready.front().map(|lane| lane.id.clone()),
            None => {}
        }
        let lane = self.ready.pop_front()?;
        self.out.insert(lane.id.clone());
        Some(lane)
    }

    /// When [`Outbox::next`] may have more to give, if only time is missing.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let outage = self.outage.as_ref()?;
        (outage.probe.is_none() && !self.ready.is_empty()).then_some(outage.until)
    }

    /// How many are being tried.
    pub(crate) fn out(&self) -> usize {
        self.out.len()
    }

    /// How many lanes are here.
    pub(crate) fn len(&self) -> usize {
        self.ready.len() + self.out.len()
    }

    /// For how long it has been away.
    pub(crate) fn away_for(&self, now: Instant) -> Option<Duration> {
        self.outage.as_ref().map(|outage| now.saturating_duration_since(outage.since))
    }

    /// The other side answered, whatever it said of this lane; how long it was away. With more to
    /// tell the lane goes behind the others.
    pub(crate) fn answered(&mut self, lane: Claimed, now: Instant) -> Option<Duration> {
        self.out.remove(&lane.id);
        if !lane.parcels.is_empty() {
            self.ready.push_back(lane);
        }
        let outage = self.outage.take()?;
        Some(now.saturating_duration_since(outage.since))
    }

    /// This lane was not told, and says nothing of the others: one that was put off.
    pub(crate) fn put_off(&mut self, lane: &Claimed, now: Instant) -> Option<Duration> {
        self.out.remove(&lane.id);
        match &self.outage {
            // Tries that were under way when the outage began say nothing new.
            Some(outage) if outage.probe.as_ref() != Some(&lane.id) => None,
            _ => self.outage.take().map(|outage| now.saturating_duration_since(outage.since)),
        }
    }

    /// Nobody can be told: everybody has to wait. Whether that is new.
    pub(crate) fn away(&mut self, lane: Claimed, now: Instant) -> bool {
        self.out.remove(&lane.id);
        let backoff = Backoff::new(AWAY_BACKOFF);
        let is_new = self.outage.is_none();
        match &mut self.outage {
            None => {
                let until = now + backoff.pause(1);
                self.outage = Some(Outage { since: now, until, tries: 1, probe: None });
            }
            Some(outage) if outage.probe.as_ref() == Some(&lane.id) => {
                outage.tries = outage.tries.saturating_add(1);
                outage.until = now + backoff.pause(outage.tries);
                outage.probe = None;
            }
            Some(_) => {}
        }
        if !lane.parcels.is_empty() {
            self.ready.push_front(lane);
        }
        is_new
    }
}

#[cfg(test)]
mod tests;
