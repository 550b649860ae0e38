//! What arrived against what was sent: lost, twice, out of order. Exact, and for a run in order it
//! costs one comparison a message.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::stamp::Stamp;

/// The verdict on a run, in messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Sent (confirmed, where there are confirms) and never delivered to a queue's consumers.
    pub lost: u64,
    /// Delivered again without being marked so.
    pub duplicated: u64,
    /// Delivered behind a later one of the same producer, without being marked redelivered.
    pub misordered: u64,
    /// Delivered again and marked so, as a broker may.
    pub redelivered: u64,
    /// With a body of another size than was sent, or none that a run has sent.
    pub altered: u64,
    /// Refused by the broker (`basic.nack`).
    pub refused: u64,
}

impl Verdict {
    /// Whether everything arrived once and in order.
    pub fn is_clean(&self) -> bool {
        let Verdict { lost, duplicated, misordered, altered, .. } = *self;
        lost + duplicated + misordered + altered == 0
    }
}

impl std::ops::AddAssign for Verdict {
    fn add_assign(&mut self, other: Verdict) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.misordered += other.misordered;
        self.redelivered += other.redelivered;
        self.altered += other.altered;
        self.refused += other.refused;
    }
}

/// What one consumer saw of one queue.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) queue: u32,
    producers: Vec<Sequence>,
    is_shared: bool,
    verdict: Verdict,
}

/// What was seen of one producer.
#[derive(Debug, Default)]
struct Sequence {
    next: u64,
    /// Passed over, from (key) to (value, not included).
    missing: BTreeMap<u64, u64>,
    /// Of a shared queue: a bit for each.
    bits: Vec<u64>,
}

impl Seen {
    pub(crate) fn new(queue: u32, producers: u16, is_shared: bool) -> Seen {
        let producers = (0..producers).map(|_| Sequence::default()).collect();
        Seen { queue, producers, is_shared, verdict: Verdict::default() }
    }

    /// A message came.
    pub(crate) fn arrived(&mut self, stamp: Stamp, is_redelivered: bool) {
        let Some(sequence) = self.producers.get_mut(usize::from(stamp.producer)) else {
            return self.altered();
        };
        if self.is_shared {
            return sequence.mark(stamp.sequence, is_redelivered, &mut self.verdict);
        }
        if stamp.sequence == sequence.next {
            sequence.next += 1;
            return;
        }
        sequence.out_of_turn(stamp.sequence, is_redelivered, &mut self.verdict);
    }

    /// A message came that is none of the run's.
    pub(crate) fn altered(&mut self) {
        self.verdict.altered += 1;
    }
}

impl Sequence {
    fn out_of_turn(&mut self, number: u64, is_redelivered: bool, verdict: &mut Verdict) {
        if number > self.next {
            self.missing.insert(self.next, number);
            self.next = number + 1;
            return;
        }
        let gap = self.missing.range(..=number).next_back().map(|(from, to)| (*from, *to));
        match gap.filter(|(_, to)| number < *to) {
            Some((from, to)) => {
                self.missing.remove(&from);
                if from < number {
                    self.missing.insert(from, number);
                }
                if number + 1 < to {
                    self.missing.insert(number + 1, to);
                }
                match is_redelivered {
                    true => verdict.redelivered += 1,
                    false => verdict.misordered += 1,
                }
            }
            None if is_redelivered => verdict.redelivered += 1,
            None => verdict.duplicated += 1,
        }
    }

    fn mark(&mut self, number: u64, is_redelivered: bool, verdict: &mut Verdict) {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        let Some(word) = self.bits.get_mut(word) else { return };
        match (*word & bit != 0, is_redelivered) {
            (false, _) => *word |= bit,
            (true, true) => verdict.redelivered += 1,
            (true, false) => verdict.duplicated += 1,
        }
    }

    fn count(&self) -> u64 {
        let missing: u64 = self.missing.iter().map(|(from, to)| to - from).sum();
        let marked: u64 = self.bits.iter().map(|word| u64::from(word.count_ones())).sum();
        self.next - missing + marked
    }

    /// What several consumers of one queue saw together. What two of them have is there twice.
    fn join(&mut self, other: &Sequence, verdict: &mut Verdict) {
        if self.bits.len() < other.bits.len() {
            self.bits.resize(other.bits.len(), 0);
        }
        for (mine, theirs) in self.bits.iter_mut().zip(&other.bits) {
            verdict.duplicated += u64::from((*mine & theirs).count_ones());
            *mine |= theirs;
        }
    }

    /// How many of the first `sent` are not there.
    fn lost(&self, sent: u64) -> u64 {
        sent.saturating_sub(self.count())
    }
}

/// Judges what all consumers saw. `sent` says how many a producer sent that a queue was to get.
pub(crate) fn judge(all: Vec<Seen>, sent: impl Fn(u16, u32) -> u64) -> Verdict {
    let mut verdict = Verdict::default();
    let mut shared: BTreeMap<u32, Vec<Sequence>> = BTreeMap::new();
    let lost = |queue: u32, producers: &[Sequence]| -> u64 {
        let sequences = producers.iter().enumerate();
        sequences.map(|(number, it)| it.lost(sent(number as u16, queue))).sum()
    };
    for seen in all {
        verdict += seen.verdict;
        if !seen.is_shared {
            verdict.lost += lost(seen.queue, &seen.producers);
            continue;
        }
        match shared.entry(seen.queue) {
            std::collections::btree_map::Entry::Vacant(vacant) => _ = vacant.insert(seen.producers),
            std::collections::btree_map::Entry::Occupied(mut together) => {
                for (mine, theirs) in together.get_mut().iter_mut().zip(&seen.producers) {
                    mine.join(theirs, &mut verdict);
                }
            }
        }
    }
    verdict.lost += shared.iter().map(|(queue, producers)| lost(*queue, producers)).sum::<u64>();
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see(seen: &mut Seen, numbers: &[(u64, bool)]) {
        for &(sequence, is_redelivered) in numbers {
            seen.arrived(Stamp { producer: 0, sequence, due: 0 }, is_redelivered);
        }
    }

    fn verdict(numbers: &[(u64, bool)], sent: u64) -> Verdict {
        let mut seen = Seen::new(0, 1, false);
        see(&mut seen, numbers);
        judge(vec![seen], |_, _| sent)
    }

    #[test]
    fn each_fault_is_found_and_no_other() {
        let plain = |numbers: &[u64]| -> Vec<(u64, bool)> {
            numbers.iter().map(|number| (*number, false)).collect()
        };
        let none = Verdict::default();
        assert_eq!(verdict(&plain(&[0, 1, 2, 3]), 4), none);
        assert!(none.is_clean());
        assert_eq!(verdict(&plain(&[0, 1, 2]), 4), Verdict { lost: 1, ..none });
        assert_eq!(verdict(&plain(&[0, 3]), 4), Verdict { lost: 2, ..none });
        assert_eq!(verdict(&plain(&[0, 2, 1, 3]), 4), Verdict { misordered: 1, ..none });
        assert_eq!(verdict(&plain(&[0, 1, 1, 2, 3]), 4), Verdict { duplicated: 1, ..none });
        assert_eq!(verdict(&plain(&[3, 0, 2, 1]), 4), Verdict { misordered: 3, ..none });
        let again = [(0, false), (1, false), (0, true), (2, false)];
        assert_eq!(verdict(&again, 3), Verdict { redelivered: 1, ..none });
    }

    #[test]
    fn a_shared_queue_is_judged_by_what_all_its_consumers_saw() {
        let mut one = Seen::new(7, 1, true);
        let mut two = Seen::new(7, 1, true);
        see(&mut one, &[(0, false), (2, false), (70, false)]);
        see(&mut two, &[(1, false), (2, false), (1, false)]);
        let verdict = judge(vec![one, two], |producer, queue| {
            assert_eq!((producer, queue), (0, 7));
            5
        });
        assert_eq!(verdict, Verdict { lost: 1, duplicated: 2, ..Verdict::default() });
    }

    #[test]
    fn a_message_of_nobody_is_altered() {
        let mut seen = Seen::new(0, 1, false);
        seen.arrived(Stamp { producer: 5, sequence: 0, due: 0 }, false);
        assert_eq!(judge(vec![seen], |_, _| 0).altered, 1);
    }
}
