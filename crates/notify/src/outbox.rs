//! What waits to be sent, and when each may be tried. A state machine: no I/O, and the time is
//! handed in.
//!
//! A lane holds the notices of one address in the order they came; only its head is ever tried,
//! so nothing to one address overtakes. A lane is ready, waiting for its time, or out (its head is
//! being tried). While the destination as a whole is away, one try at a time asks whether it is
//! back, and the rest stay ready.
//!
//! An address that is put off waits for as long as it takes, unless it would make others wait:
//! then [`Outbox::give_way`] has its oldest notices set aside.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    Failure, Notice,
    backoff::Backoff,
    in_flight::Flight,
    limits::{AWAY_BACKOFF, DEFERRED_BACKOFF, GIVE_WAY_AFTER},
};

/// One notice and what is to be done with it.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) notice: Arc<Notice>,
    pub(crate) flight: Flight,
    pub(crate) task: Task,
}

/// What is to be done with a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    /// Hand it to the destination.
    Deliver,
    /// It was refused, for this reason: set it aside.
    Bury(String),
}

/// How a [`Job`] ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The destination took it.
    Delivered,
    /// The destination did not.
    Failed(Failure),
    /// It is set aside.
    Buried,
    /// It could not be set aside.
    NotBuried(String),
}

/// What follows from an [`Outcome`].
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Settled {
    /// The notice of this flight is done with.
    pub(crate) done: Option<Flight>,
    /// What an operator wants to read, once.
    pub(crate) news: Vec<News>,
}

/// What an operator wants to read.
#[derive(Debug, PartialEq)]
pub(crate) enum News {
    /// The destination went away.
    Away(String),
    /// It is back.
    Back(Duration),
    /// An address was put off.
    Deferred(String),
    /// A notice will not be delivered; it is set aside.
    Buried(String),
    /// The dead-letter queue cannot be reached.
    NotBuried(String),
}

/// All lanes of one destination.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    lanes: HashMap<String, Lane>,
    ready: VecDeque<String>,
    waiting: BTreeSet<(Instant, String)>,
    outage: Option<Outage>,
}

#[derive(Debug, Default)]
struct Lane {
    jobs: VecDeque<Job>,
    /// Failures of the head in a row.
    tries: u32,
    /// Since when the address is put off, and the last reason.
    put_off: Option<(Instant, String)>,
    /// Its head is out to see whether the destination is back.
    probes: bool,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    until: Instant,
    tries: u32,
    probing: bool,
}

impl Outbox {
    /// Takes a notice to send.
    pub(crate) fn push(&mut self, flight: Flight, notice: Notice) {
        let address = notice.to.key();
        let lane = self.lanes.entry(address.clone()).or_default();
        if lane.jobs.is_empty() {
            self.ready.push_back(address);
        }
        lane.jobs.push_back(Job { notice: Arc::new(notice), flight, task: Task::Deliver });
    }

    /// The next job that may be tried now. Its outcome must be given to [`Outbox::settle`].
    pub(crate) fn next(&mut self, now: Instant) -> Option<Job> {
        while self.waiting.first().is_some_and(|(at, _)| *at <= now) {
            self.ready.extend(self.waiting.pop_first().map(|(_, address)| address));
        }
        let probe = match &self.outage {
            None => false,
            Some(outage) => now >= outage.until && !outage.probing,
        };
        let may_deliver = probe || self.outage.is_none();
        let index = self.ready.iter().position(|address| {
            let head = self.lanes.get(address).and_then(|lane| lane.jobs.front());
            head.is_some_and(|job| may_deliver || job.task != Task::Deliver)
        })?;
        let lane = self.lanes.get_mut(&self.ready.remove(index)?)?;
        let job = lane.jobs.front()?.clone();
        if let (true, Task::Deliver, Some(outage)) = (probe, &job.task, &mut self.outage) {
            outage.probing = true;
            lane.probes = true;
        }
        Some(job)
    }

    /// When [`Outbox::next`] may have more to give, if only time is missing.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let lane = self.waiting.first().map(|(at, _)| *at);
        let probe = match &self.outage {
            Some(outage) if !outage.probing && !self.ready.is_empty() => Some(outage.until),
            _ => None,
        };
        [lane, probe].into_iter().flatten().min()
    }

    /// There is no room for more: the address that was put off longest, if that is long enough,
    /// has its oldest notice set aside.
    pub(crate) fn give_way(&mut self, now: Instant) {
        let waiting = self.waiting.iter().filter_map(|(at, address)| {
            let lane = self.lanes.get(address)?;
            let (since, reason) = lane.put_off.as_ref()?;
            // One that waits for the dead-letter queue has given way already.
            let deliver = lane.jobs.front()?.task == Task::Deliver;
            deliver.then_some((*since, *at, address, reason))
        });
        let Some((since, at, address, reason)) = waiting.min_by_key(|(since, ..)| *since) else {
            return;
        };
        let put_off = now.saturating_duration_since(since);
        if put_off < GIVE_WAY_AFTER {
            return;
        }
        let minutes = put_off.as_secs() / 60;
        let reason = format!("put off for {minutes} minutes, and others would wait: {reason}");
        let address = address.clone();
        self.waiting.remove(&(at, address.clone()));
        if let Some(lane) = self.lanes.get_mut(&address) {
            lane.tries = 0;
            lane.jobs.front_mut().into_iter().for_each(|job| job.task = Task::Bury(reason.clone()));
        }
        self.ready.push_back(address);
    }

    /// How many notices wait or are being sent.
    pub(crate) fn len(&self) -> usize {
        self.lanes.values().map(|lane| lane.jobs.len()).sum()
    }

    /// Takes the outcome of a job that [`Outbox::next`] gave.
    pub(crate) fn settle(&mut self, address: &str, outcome: Outcome, now: Instant) -> Settled {
        let Some(lane) = self.lanes.get_mut(address) else { return Settled::default() };
        let probed = std::mem::take(&mut lane.probes);
        match outcome {
            Outcome::Delivered => {
                lane.put_off = None;
                let done = self.finish(address).map(|job| job.flight);
                Settled { done, news: Vec::from_iter(self.back(now)) }
            }
            Outcome::Buried => match self.finish(address) {
                Some(Job { flight, task: Task::Bury(reason), .. }) => {
                    Settled { done: Some(flight), news: vec![News::Buried(reason)] }
                }
                job => Settled { done: job.map(|job| job.flight), news: Vec::new() },
            },
            Outcome::Failed(Failure::Refused(reason)) => {
                if let Some(job) = lane.jobs.front_mut() {
                    job.task = Task::Bury(reason);
                }
                lane.tries = 0;
                self.ready.push_front(address.to_owned());
                Settled { done: None, news: Vec::from_iter(self.back(now)) }
            }
            Outcome::Failed(Failure::Deferred(reason)) => {
                let since = lane.put_off.take().map_or(now, |(since, _)| since);
                lane.put_off = Some((since, reason.clone()));
                let first = self.wait(address, Backoff::new(DEFERRED_BACKOFF), now);
                let mut news = Vec::from_iter(first.then_some(News::Deferred(reason)));
                if probed {
                    news.extend(self.back(now));
                }
                Settled { done: None, news }
            }
            Outcome::NotBuried(reason) => {
                let first = self.wait(address, Backoff::new(AWAY_BACKOFF), now);
                let news = Vec::from_iter(first.then_some(News::NotBuried(reason)));
                Settled { done: None, news }
            }
            Outcome::Failed(Failure::Away(reason)) => {
                self.ready.push_front(address.to_owned());
                let first = self.outage.is_none();
                self.away(probed, now);
                Settled { done: None, news: Vec::from_iter(first.then_some(News::Away(reason))) }
            }
        }
    }

    /// The head of the lane is done with.
    fn finish(&mut self, address: &str) -> Option<Job> {
        let lane = self.lanes.get_mut(address)?;
        let job = lane.jobs.pop_front()?;
        lane.tries = 0;
        match lane.jobs.is_empty() {
            true => drop(self.lanes.remove(address)),
            false => self.ready.push_back(address.to_owned()),
        }
        Some(job)
    }

    /// The lane has to wait; whether for the first time.
    fn wait(&mut self, address: &str, backoff: Backoff, now: Instant) -> bool {
        let Some(lane) = self.lanes.get_mut(address) else { return false };
        lane.tries = lane.tries.saturating_add(1);
        self.waiting.insert((now + backoff.pause(lane.tries), address.to_owned()));
        lane.tries == 1
    }

    /// Everybody has to wait. Tries that were under way when the outage began say nothing new.
    fn away(&mut self, probed: bool, now: Instant) {
        let backoff = Backoff::new(AWAY_BACKOFF);
        match &mut self.outage {
            None => {
                let until = now + backoff.pause(1);
                self.outage = Some(Outage { since: now, until, tries: 1, probing: false });
            }
            Some(outage) if probed => {
                outage.tries = outage.tries.saturating_add(1);
                outage.until = now + backoff.pause(outage.tries);
                outage.probing = false;
            }
            Some(_) => {}
        }
    }

    fn back(&mut self, now: Instant) -> Option<News> {
        let outage = self.outage.take()?;
        Some(News::Back(now.saturating_duration_since(outage.since)))
    }
}

#[cfg(test)]
mod tests;
