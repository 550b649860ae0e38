//! Which deliveries of a session are unsettled in one direction: in the order of their numbers,
//! looked up at once while most of them are there, and never more than twice as many places as
//! there are deliveries.

use std::collections::VecDeque;

use super::DeliveryRange;
use crate::definition::DeliveryNumber;

#[derive(Debug)]
pub(super) struct Ledger<T> {
    entries: VecDeque<Entry<T>>,
    live: usize,
}

/// An unsettled delivery.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) id: DeliveryNumber,
    /// This side's handle of its link.
    pub(super) link: u32,
    pub(super) mark: Mark,
    pub(super) tag: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It has not arrived whole, and is not to be settled.
    Arriving,
    Unsettled,
    /// Unsettled, and the receiver settles only after the sender.
    Second,
    /// A place where one was.
    Settled,
}

impl<T> Ledger<T> {
    pub(super) const fn new() -> Self {
        Self { entries: VecDeque::new(), live: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// Adds a delivery behind all others; false when its number is not behind theirs.
    #[inline]
    pub(super) fn push(&mut self, entry: Entry<T>) -> bool {
        if let (Some(front), Some(back)) = (self.entries.front(), self.entries.back())
            && entry.id.since(front.id) <= back.id.since(front.id)
        {
            return false;
        }
        self.live += 1;
        self.entries.push_back(entry);
        true
    }

    /// Shows each that is there of the range, in order; those that are not to be kept are settled.
    #[inline]
    pub(super) fn retain_in(
        &mut self,
        range: DeliveryRange,
        mut keep: impl FnMut(&mut Entry<T>) -> bool,
    ) {
        let Some((start, last)) = self.place(range) else { return };
        let Some(front) = self.entries.front().map(|it| it.id) else { return };
        for entry in self.entries.range_mut(start..) {
            if entry.id.since(front) > last {
                break;
            }
            if entry.mark != Mark::Settled && !keep(entry) {
                entry.mark = Mark::Settled;
                self.live -= 1;
            }
        }
        self.let_go();
    }

    /// Takes out all of a link, and shows them first.
    pub(super) fn remove_link(&mut self, link: u32, mut show: impl FnMut(&mut Entry<T>)) {
        if self.live == 0 {
            return;
        }
        self.entries.retain_mut(|entry| {
            if entry.mark != Mark::Settled && entry.link == link {
                show(entry);
                self.live -= 1;
                return false;
            }
            true
        });
        self.let_go();
    }

    /// Where the range begins, and how far from the first entry it ends.
    #[inline]
    fn place(&self, range: DeliveryRange) -> Option<(usize, u32)> {
        let front = self.entries.front()?.id;
        let end = self.entries.back()?.id.since(front);
        let last = match range.last.since(front) {
            last if last <= end => last,
            _ if range.last.precedes(front) => return None,
            _ => end,
        };
        let first = match range.first.since(front) {
            first if first <= end => first,
            _ if range.first.precedes(front) => 0,
            _ => return None,
        };
        // Numbers go up by one at least, so an entry is never behind this place.
        let guess = (first as usize).min(self.entries.len() - 1);
        let start = match self.entries.get(guess) {
            Some(entry) if entry.id.since(front) == first => guess,
            _ => self.entries.partition_point(|it| it.id.since(front) < first),
        };
        Some((start, last))
    }

    fn let_go(&mut self) {
        while self.entries.front().is_some_and(|it| it.mark == Mark::Settled) {
            self.entries.pop_front();
        }
        while self.entries.back().is_some_and(|it| it.mark == Mark::Settled) {
            self.entries.pop_back();
        }
        // One that stays long does not make the rest stay.
        if self.entries.len() > 2 * self.live + SPARE {
            self.entries.retain(|it| it.mark != Mark::Settled);
        }
        if self.entries.capacity() > SHRINK_ABOVE
            && self.entries.len() < self.entries.capacity() / 8
        {
            self.entries.shrink_to(self.entries.capacity() / 4);
        }
    }
}

const SPARE: usize = 64;
/// One burst is not to cost a session that is quiet afterwards.
const SHRINK_ABOVE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u32, link: u32) -> Entry<()> {
        Entry { id: DeliveryNumber(id), link, mark: Mark::Unsettled, tag: () }
    }

    fn settle(ledger: &mut Ledger<()>, first: u32, last: u32) -> Vec<u32> {
        let mut found = Vec::new();
        let range = DeliveryRange::new(DeliveryNumber(first), DeliveryNumber(last));
        ledger.retain_in(range, |it| {
            found.push(it.id.0);
            false
        });
        found
    }

    #[test]
    fn ranges_are_found_across_the_wrap() {
        let mut ledger = Ledger::new();
        let first = u32::MAX - 2;
        for step in 0..6 {
            assert!(ledger.push(entry(first.wrapping_add(step), 0)));
        }
        assert!(!ledger.push(entry(2, 0)) && !ledger.push(entry(first, 0)));
        assert_eq!(settle(&mut ledger, u32::MAX, 0), [u32::MAX, 0]);
        assert_eq!(settle(&mut ledger, u32::MAX, 1), [1], "what is settled is not found");
        assert_eq!(settle(&mut ledger, first - 100, 100), [first, first + 1, 2]);
        assert_eq!(ledger.len(), 0);
        assert_eq!(settle(&mut ledger, 0, u32::MAX), [0; 0]);
    }

    #[test]
    fn what_lies_before_or_behind_is_not_found() {
        let mut ledger = Ledger::new();
        for id in 10..20 {
            ledger.push(entry(id, 0));
        }
        assert!(settle(&mut ledger, 0, 9).is_empty());
        assert!(settle(&mut ledger, 20, 30).is_empty());
        assert_eq!(settle(&mut ledger, 0, 10), [10]);
        assert_eq!(settle(&mut ledger, 19, 30), [19]);
    }

    #[test]
    fn one_that_stays_does_not_make_the_rest_stay() {
        let mut ledger = Ledger::new();
        ledger.push(entry(0, 7));
        for id in 1..100_000 {
            ledger.push(entry(id, 0));
            assert_eq!(settle(&mut ledger, id, id), [id]);
            assert!(ledger.entries.len() <= 2 * ledger.len() + SPARE);
        }
        ledger.push(entry(100_000, 0));
        assert_eq!(settle(&mut ledger, 0, 100_000), [0, 100_000]);
    }

    #[test]
    fn an_entry_is_as_large_as_the_limits_say() {
        assert_eq!(
            (size_of::<Entry<u64>>(), size_of::<Entry<Option<crate::DeliveryTag>>>()),
            (24, 48)
        );
    }

    #[test]
    fn a_link_is_taken_out() {
        let mut ledger = Ledger::new();
        for id in 0..10 {
            ledger.push(entry(id, id % 2));
        }
        let mut shown = Vec::new();
        ledger.remove_link(1, |it| shown.push(it.id.0));
        assert_eq!((shown, ledger.len()), (vec![1, 3, 5, 7, 9], 5));
        assert_eq!(settle(&mut ledger, 3, 6), [4, 6]);
    }
}
