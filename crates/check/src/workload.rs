//! What publishers send and what consumers do with it, decided by a seed. The same for every bus
//! that is put to the test.

use std::ops::RangeInclusive;

use crate::{Body, MessageId};

/// The shape of a workload.
#[derive(Debug, Clone)]
pub struct WorkloadOptions {
    /// Decides everything below.
    pub seed: u64,
    /// Publishers, numbered from 1; at least 1.
    pub publishers: u32,
    /// Queues, or other targets, numbered from 0; at least 1.
    pub targets: u32,
    /// Sizes of bodies, in bytes. Small ones are more frequent.
    pub body_bytes: RangeInclusive<usize>,
    /// Of 100 messages, so many need not survive a restart.
    pub transient_percent: u32,
}

impl Default for WorkloadOptions {
    fn default() -> WorkloadOptions {
        WorkloadOptions {
            seed: 1,
            publishers: 4,
            targets: 3,
            body_bytes: 32..=4096,
            transient_percent: 0,
        }
    }
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Which.
    pub message: MessageId,
    /// Its target's number.
    pub target: u32,
    /// Its body.
    pub body: Body,
    /// It has to survive a restart.
    pub persistent: bool,
}

/// What a consumer does with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Acknowledge it.
    Ack,
    /// Give it back.
    Requeue,
    /// Do nothing with it, for now.
    Keep,
}

/// An endless row of messages.
#[derive(Debug, Clone)]
pub struct Workload {
    options: WorkloadOptions,
    state: u64,
    sent: Vec<u64>,
}

impl Workload {
    /// The workload that these options decide.
    pub fn new(options: WorkloadOptions) -> Workload {
        let sent = vec![0; options.publishers.max(1) as usize];
        Workload { state: options.seed, options, sent }
    }

    /// The next message of this publisher, numbered from 1.
    pub fn next_of(&mut self, publisher: u32) -> Planned {
        let at = (publisher.max(1) - 1) as usize % self.sent.len();
        self.sent[at] += 1;
        let message = MessageId { publisher, sequence: self.sent[at] };
        let target = self.below(self.options.targets.max(1).into()) as u32;
        let (least, most) = (*self.options.body_bytes.start(), *self.options.body_bytes.end());
        let room = most.saturating_sub(least) as u64 + 1;
        // The smaller of two: half of all are in the lower third.
        let size_bytes = least + self.below(room).min(self.below(room)) as usize;
        let persistent = self.below(100) >= self.options.transient_percent.into();
        Planned { message, target, body: Body::new(message, size_bytes), persistent }
    }

    /// What the consumer does with its next delivery: of ten, eight are acknowledged.
    pub fn choose(&mut self) -> Choice {
        match self.below(10) {
            0 => Choice::Requeue,
            1 => Choice::Keep,
            _ => Choice::Ack,
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64: the same everywhere and for ever.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }
}

impl Iterator for Workload {
    type Item = Planned;

    /// The next message of some publisher.
    fn next(&mut self) -> Option<Planned> {
        let publisher = self.below(self.sent.len() as u64) as u32 + 1;
        Some(self.next_of(publisher))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything_and_another_seed_otherwise() {
        let take = |seed| {
            let options = WorkloadOptions { seed, transient_percent: 20, ..Default::default() };
            Workload::new(options).take(200).collect::<Vec<_>>()
        };
        assert_eq!(take(5), take(5));
        assert_ne!(take(5), take(6));
        let planned = take(5);
        assert!(planned.iter().all(|it| Body::read(it.body.bytes()) == Ok(it.message)));
        assert!(planned.iter().any(|it| !it.persistent));
    }

    #[test]
    fn a_publishers_messages_are_numbered_without_a_gap() {
        let planned: Vec<_> = Workload::new(WorkloadOptions::default()).take(300).collect();
        for publisher in 1..=4 {
            let mine = planned.iter().filter(|it| it.message.publisher == publisher);
            let sequences: Vec<u64> = mine.map(|it| it.message.sequence).collect();
            let count = sequences.len() as u64;
            assert!(count > 30 && sequences.into_iter().eq(1..=count));
        }
    }
}
