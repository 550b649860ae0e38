//! One connection that publishes: as fast as it may, or each message when it is due.
//!
//! Open loop: with a rate, a message's time counts from when it was due, not from when the broker
//! let it be sent. So a broker that stops for a second is charged that second by every message of
//! it (coordinated omission).

use std::{
    collections::BTreeSet,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{
    Error,
    latency::Latencies,
    measure::{Phase, Stage},
    protocol::{Confirm, Link, Publishing},
    stamp::{Clock, STAMP_BYTES, Stamp},
    traffic::{Extent, Names, Traffic},
    wire::Interest,
};

/// What others may look at while it works.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// Given to the system.
    pub(crate) sent: AtomicU64,
    pub(crate) confirmed: AtomicU64,
}

/// What is known at its end.
pub(crate) struct ProducerEnd {
    /// What each group of queues was sent.
    pub(crate) sent: Vec<u64>,
    pub(crate) refused: u64,
    pub(crate) confirms: Latencies,
    /// Open until the run is over: without confirms, what a broker has not looked at yet may go
    /// with its connection.
    _link: Link<dyn Publishing>,
}

/// A producer, connected.
pub(crate) struct Producer {
    link: Link<dyn Publishing>,
    number: u16,
    slab: Slab,
    pace: Option<Pace>,
    window: Option<u64>,
    /// Left to publish.
    left: u64,
    sent: u64,
    outstanding: Outstanding,
    /// Something came while the connection was opened, and was not looked at.
    has_unread: bool,
    clock: Clock,
}

impl Producer {
    pub(crate) fn new(
        link: Link<dyn Publishing>,
        traffic: &Traffic,
        names: &Names,
        number: u16,
        clock: Clock,
    ) -> Producer {
        let producers = u64::from(traffic.producers);
        let share = |all: u64| all / producers + u64::from(u64::from(number) < all % producers);
        let left = match traffic.extent {
            Extent::Time(_) => u64::MAX,
            Extent::Messages(all) => share(all),
        };
        Producer {
            slab: Slab::new(&*link.side, traffic, names, number),
            has_unread: !link.inbox.unread().is_empty(),
            link,
            number,
            pace: traffic.rate.map(|rate| Pace::new(rate, traffic.producers, number)),
            window: traffic.confirm_window.map(u64::from),
            left,
            sent: 0,
            outstanding: Outstanding::default(),
            clock,
        }
    }

    /// Publishes until it is told to stop, or everything is published; then waits for what is
    /// unconfirmed.
    ///
    /// # Errors
    /// The connection is lost, or the broker refuses.
    pub(crate) fn run(
        mut self,
        published: &Published,
        stage: &Stage,
    ) -> Result<ProducerEnd, Error> {
        let mut confirms = Latencies::new();
        let mut refused = 0;
        let mut answer = Vec::new();
        if let Some(pace) = &mut self.pace {
            // Woken when it asked for, not up to 50 µs later.
            rustix::thread::set_current_timer_slack(Some(NonZeroU64::MIN)).ok();
            pace.begin = self.clock.now();
        }
        while stage.now() < Phase::Publishing {
            std::thread::sleep(Duration::from_millis(1));
        }
        loop {
            if stage.is_over() {
                return Err(Error::Stopped);
            }
            let is_ending = stage.now() > Phase::Publishing || self.left == 0;
            if is_ending && self.slab.is_written() && self.outstanding.count == 0 {
                break;
            }
            if self.slab.is_written() && !is_ending {
                self.put_next();
            }
            let mut is_stuck = false;
            while !self.slab.is_written() {
                let octets = self.slab.pending();
                let count = self.link.wire.write(octets).map_err(Error::lost(PUBLISHING))?;
                is_stuck = count == 0;
                if is_stuck {
                    break;
                }
                self.slab.written(count);
            }
            published.sent.store(self.sent, Relaxed);
            // Who asks for no confirms is told other things: to give a sign of life, or no.
            let came = self.read_confirms(&mut confirms, &mut refused, &mut answer)?;
            if let Some(pulse) = &mut self.link.pulse {
                pulse.beat(&mut answer);
            }
            if came {
                published.confirmed.store(self.outstanding.confirmed(), Relaxed);
            }
            // Not in the middle of a message.
            if !answer.is_empty() && self.slab.is_written() {
                let until = std::time::Instant::now() + ANSWER_TIMEOUT;
                self.link.wire.write_all(&answer, until).map_err(Error::lost(PUBLISHING))?;
                answer.clear();
            }
            let may_send = !is_ending && self.slab.is_written() && self.allowed() > 0;
            if !may_send && !came {
                let interest = Interest { readable: true, writable: is_stuck };
                let waited = self.link.wire.wait(interest, self.patience());
                waited.map_err(Error::lost(PUBLISHING))?;
            }
        }
        Ok(ProducerEnd { sent: self.slab.sequences, refused, confirms, _link: self.link })
    }

    /// How many messages may be sent now.
    fn allowed(&self) -> u64 {
        let window =
            self.window.map_or(u64::MAX, |window| window.saturating_sub(self.outstanding.count));
        let due = self
            .pace
            .as_ref()
            .map_or(u64::MAX, |pace| pace.due(self.clock.now()).saturating_sub(self.sent));
        self.left.min(window).min(due).min(self.link.side.room())
    }

    fn put_next(&mut self) {
        let allowed = self.allowed();
        if allowed == 0 {
            return;
        }
        let (first, now) = (self.sent, self.clock.now());
        let pace = self.pace.as_ref();
        let due = |number: u64| pace.map_or(now, |pace| pace.time_of(first + number));
        let count = self.slab.stamp(self.number, first, allowed, due);
        self.link.side.sent(count);
        self.sent += count;
        self.left -= count;
        if self.window.is_some() {
            self.outstanding.sent(self.sent, count, now);
        }
    }

    fn read_confirms(
        &mut self,
        confirms: &mut Latencies,
        refused: &mut u64,
        answer: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        let Link { wire, inbox, side, .. } = &mut self.link;
        let came = inbox.fill(wire).map_err(Error::lost(PUBLISHING))?;
        if came == 0 && !std::mem::take(&mut self.has_unread) {
            return Ok(false);
        }
        let (outstanding, pace, now) = (&mut self.outstanding, &self.pace, self.clock.now());
        let mut each = |confirm: Confirm| {
            let sent_at = outstanding.sent_at(confirm.last);
            let count = outstanding.confirm(confirm, &mut |first, count| match pace {
                // Each was due at a time of its own.
                Some(pace) => {
                    for number in first..first + count {
                        confirms.record(now.saturating_sub(pace.time_of(number - 1)), 1);
                    }
                }
                None => confirms.record(now.saturating_sub(sent_at.unwrap_or(now)), count),
            });
            if confirm.is_refused {
                *refused += count;
            }
        };
        let used = side.confirms(inbox.unread(), &mut each, answer)?;
        inbox.advance(used);
        Ok(true)
    }

    fn patience(&self) -> Duration {
        match &self.pace {
            Some(pace) => self.clock.until(pace.time_of(self.sent)).min(LOOK),
            None => LOOK,
        }
    }
}

/// Messages that were sent and not confirmed.
#[derive(Debug, Default)]
struct Outstanding {
    count: u64,
    /// All up to this one are confirmed.
    low: u64,
    /// Confirmed beyond it.
    single: BTreeSet<u64>,
    /// The last message of each write, and its time.
    writes: std::collections::VecDeque<(u64, u64)>,
}

impl Outstanding {
    fn sent(&mut self, last: u64, count: u64, now: u64) {
        self.count += count;
        self.writes.push_back((last, now));
    }

    fn confirmed(&self) -> u64 {
        self.low + self.single.len() as u64
    }

    /// Returns how many messages it confirms that were not before; `each` gets stretches of them,
    /// the first and how many.
    fn confirm(&mut self, confirm: Confirm, each: &mut dyn FnMut(u64, u64)) -> u64 {
        let before = self.confirmed();
        let Confirm { first, last, .. } = confirm;
        if first > self.low + 1 {
            for number in first..=last {
                if self.single.insert(number) {
                    each(number, 1);
                }
            }
        } else if last > self.low {
            let beyond = self.single.split_off(&(last + 1));
            let known = std::mem::replace(&mut self.single, beyond);
            let mut from = self.low + 1;
            for number in known {
                each(from, number - from);
                from = number + 1;
            }
            each(from, last + 1 - from);
            self.low = last;
        }
        while self.single.remove(&(self.low + 1)) {
            self.low += 1;
        }
        let count = self.confirmed() - before;
        self.count = self.count.saturating_sub(count);
        count
    }

    /// When that message was written.
    fn sent_at(&mut self, number: u64) -> Option<u64> {
        while self.writes.len() > 1
            && self.writes.front().is_some_and(|(last, _)| *last < number.min(self.low))
        {
            self.writes.pop_front();
        }
        self.writes.iter().find(|(last, _)| *last >= number).map(|(_, at)| *at)
    }
}

/// When messages are due.
#[derive(Debug)]
struct Pace {
    begin: u64,
    /// Messages a second of this producer, as a fraction: of all, over how many producers.
    rate: u64,
    producers: u64,
    /// Producers take turns within an interval.
    offset: u64,
}

impl Pace {
    fn new(rate: u64, producers: u16, number: u16) -> Pace {
        let offset = 1_000_000_000 * u64::from(number) / rate;
        Pace { begin: 0, rate, producers: producers.into(), offset }
    }

    /// When the message of that number, from 0, is due.
    fn time_of(&self, number: u64) -> u64 {
        let ns = u128::from(number) * u128::from(self.producers) * 1_000_000_000;
        self.begin + self.offset + (ns / u128::from(self.rate)) as u64
    }

    /// How many are due by then.
    fn due(&self, now: u64) -> u64 {
        let since = now.saturating_sub(self.begin + self.offset);
        let whole = u128::from(since) * u128::from(self.rate);
        (whole / (u128::from(self.producers) * 1_000_000_000)) as u64 + 1
    }
}

/// Messages encoded once, in the order of their routing keys; before they are written again they
/// only get new stamps.
struct Slab {
    octets: Vec<u8>,
    places: Vec<Place>,
    /// The next message.
    next: usize,
    /// What is being written.
    writing: std::ops::Range<usize>,
    /// The next number of each group.
    sequences: Vec<u64>,
}

struct Place {
    stamp_at: usize,
    number_at: Option<[usize; 2]>,
    end: usize,
    group: u32,
}

impl Slab {
    fn new(side: &dyn Publishing, traffic: &Traffic, names: &Names, number: u16) -> Slab {
        let keys = traffic.keys(number, names);
        let (mut octets, mut places) = (Vec::new(), Vec::new());
        while places.is_empty() || octets.len() < SLAB_BYTES {
            for (key, group) in &keys {
                let encoded = side.message(key, traffic.body_bytes, traffic.durable);
                let before = octets.len();
                octets.extend_from_slice(&encoded.octets);
                places.push(Place {
                    stamp_at: before + encoded.stamp_at,
                    number_at: encoded.number_at.map(|places| places.map(|at| before + at)),
                    end: octets.len(),
                    group: *group,
                });
            }
        }
        let sequences = vec![0; traffic.groups() as usize];
        Slab { octets, places, next: 0, writing: 0..0, sequences }
    }

    /// Stamps up to so many messages, numbered from `first`, to be written next; how many.
    fn stamp(&mut self, producer: u16, first: u64, allowed: u64, due: impl Fn(u64) -> u64) -> u64 {
        if self.next == self.places.len() {
            self.next = 0;
        }
        let begin = match self.next.checked_sub(1).and_then(|before| self.places.get(before)) {
            Some(before) => before.end,
            None => 0,
        };
        let (mut count, mut end) = (0, begin);
        for place in self.places.iter().skip(self.next) {
            if count == allowed || (count > 0 && place.end - begin > WRITE_BYTES) {
                break;
            }
            let Some(sequence) = self.sequences.get_mut(place.group as usize) else { break };
            let stamp = Stamp { producer, sequence: *sequence, due: due(count) };
            if let Some(octets) = self.octets.get_mut(place.stamp_at..place.stamp_at + STAMP_BYTES)
            {
                octets.copy_from_slice(&stamp.encode());
            }
            // It wraps around where it is told (AMQP 1.0 §2.8.8).
            let number = ((first + count) as u32).to_be_bytes();
            for at in place.number_at.into_iter().flatten() {
                if let Some(octets) = self.octets.get_mut(at..at + number.len()) {
                    octets.copy_from_slice(&number);
                }
            }
            *sequence += 1;
            count += 1;
            end = place.end;
        }
        self.next += count as usize;
        self.writing = begin..end;
        count
    }

    fn is_written(&self) -> bool {
        self.writing.is_empty()
    }

    fn pending(&self) -> &[u8] {
        self.octets.get(self.writing.clone()).unwrap_or_default()
    }

    fn written(&mut self, count: usize) {
        self.writing.start += count;
    }
}

const PUBLISHING: &str = "publishing";

/// How often it looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Encoded messages kept by one producer, if its keys do not need more.
const SLAB_BYTES: usize = 512 * 1024;

/// One write: enough that its cost does not count.
const WRITE_BYTES: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_evenly_and_counted_as_they_are() {
        let pace = Pace { begin: 1_000, ..Pace::new(3_000, 2, 1) };
        for number in 0..10_000 {
            let then = pace.time_of(number);
            assert!(pace.due(then + 1) > number, "{number}");
            assert!(pace.due(then.saturating_sub(700)) <= number + 1, "{number}");
        }
        // 1,500 a second for this one.
        assert_eq!(pace.time_of(1_500) - pace.time_of(0), 1_000_000_000);
    }

    #[test]
    fn confirms_are_counted_once_in_whatever_order_they_come() {
        let mut outstanding = Outstanding::default();
        outstanding.sent(10, 10, 5);
        let confirm = |last, multiple: bool| {
            let first = if multiple { 1 } else { last };
            Confirm { first, last, is_refused: false }
        };
        let mut stretches = Vec::new();
        let mut each = |first, count| stretches.push((first, count));
        assert_eq!(outstanding.confirm(confirm(2, false), &mut each), 1);
        assert_eq!(outstanding.confirm(confirm(2, false), &mut each), 0);
        assert_eq!(outstanding.confirm(confirm(9, false), &mut each), 1);
        assert_eq!(outstanding.confirm(confirm(4, true), &mut each), 3);
        assert_eq!(outstanding.confirm(confirm(10, true), &mut each), 5);
        assert_eq!((outstanding.count, outstanding.low), (0, 10));
        let all: u64 = stretches.iter().map(|(_, count)| count).sum();
        assert_eq!(all, 10, "{stretches:?}");
    }
}
