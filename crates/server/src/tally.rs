//! What a channel counted of each exchange it published to, and of each queue it took from.
//!
//! Only the channel's task counts, and it finds whom it had to do with last by comparing two
//! keys: no lock, no hash. The lock is for the list, which changes when somebody is new on it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use broker::{ExchangeCounters, QueueId};
use bytestring::ByteString;

use crate::{connections::lock, open_channel::ChannelCounts};

/// An exchange or a queue, and what one channel counted of it.
#[derive(Debug)]
pub struct Tallied<T> {
    /// Which of all there ever were, whomever they are of.
    pub number: u64,
    /// Of whom.
    pub of: T,
    /// What.
    pub counts: ChannelCounts,
}

/// An exchange stands for itself by its counters.
pub type TalliedExchange = Tallied<Arc<ExchangeCounters>>;

/// A queue by its number, and its name then.
pub type TalliedQueue = Tallied<(QueueId, ByteString)>;

/// What anybody reads.
#[derive(Debug)]
pub(crate) struct Listed<T>(Mutex<Vec<Arc<Tallied<T>>>>);

impl<T> Default for Listed<T> {
    fn default() -> Listed<T> {
        Listed(Mutex::default())
    }
}

impl<T> Listed<T> {
    pub(crate) fn all(&self) -> Vec<Arc<Tallied<T>>> {
        lock(&self.0).clone()
    }

    fn exchange(&self, gone: Option<&Arc<Tallied<T>>>, new: Arc<Tallied<T>>) {
        let mut all = lock(&self.0);
        if let Some(gone) = gone {
            all.retain(|it| !Arc::ptr_eq(it, gone));
        }
        all.push(new);
    }
}

/// The channel's own way to it: whom it had to do with last comes first.
#[derive(Debug)]
pub(crate) struct Tally<K, T>(Vec<(K, Arc<Tallied<T>>)>);

impl<K, T> Default for Tally<K, T> {
    fn default() -> Tally<K, T> {
        Tally(Vec::new())
    }
}

impl<K: Copy + PartialEq, T> Tally<K, T> {
    /// The counts of whom that key means.
    pub(crate) fn of(
        &mut self,
        key: K,
        listed: &Listed<T>,
        of: impl FnOnce() -> T,
    ) -> &Arc<Tallied<T>> {
        // Nearly always it is whom the channel had to do with last.
        if self.0.first().is_none_or(|(known, _)| *known != key) {
            self.bring_to_front(key, listed, of);
        }
        let (_, first) = &self.0[0];
        first
    }

    fn bring_to_front(&mut self, key: K, listed: &Listed<T>, of: impl FnOnce() -> T) {
        let at = self.0.iter().position(|(known, _)| *known == key);
        let at = at.unwrap_or_else(|| self.enter(key, listed, of()));
        self.0[..=at].rotate_right(1);
    }

    fn enter(&mut self, key: K, listed: &Listed<T>, of: T) -> usize {
        let number = NUMBERS.fetch_add(1, Relaxed);
        let new = Arc::new(Tallied { number, of, counts: ChannelCounts::default() });
        let gone = if self.0.len() >= TALLIED_MAX { self.0.pop() } else { None };
        listed.exchange(gone.as_ref().map(|(_, it)| it), new.clone());
        self.0.push((key, new));
        self.0.len() - 1
    }
}

/// Exchanges, and queues, of which one channel counts apart: some hundred bytes each. Past it the
/// one that it had nothing to do with for longest is forgotten.
const TALLIED_MAX: usize = 256;

static NUMBERS: AtomicU64 = AtomicU64::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    fn tallied(listed: &Listed<&'static str>) -> Vec<(&'static str, u64)> {
        listed.all().iter().map(|it| (it.of, it.counts.publish.get())).collect()
    }

    #[test]
    fn each_is_counted_apart() {
        let (listed, mut tally) = (Listed::default(), Tally::default());
        for (number, name) in [(1, "a"), (2, "b"), (1, "a"), (3, "c"), (1, "a")] {
            tally.of(number, &listed, || name).counts.publish.add(1);
        }
        assert_eq!(tallied(&listed), [("a", 3), ("b", 1), ("c", 1)]);
    }

    #[test]
    fn of_too_many_the_one_that_did_not_come_for_longest_is_forgotten() {
        let (listed, mut tally) = (Listed::default(), Tally::default());
        for number in 0..=TALLIED_MAX as u64 {
            tally.of(number, &listed, || "x").counts.publish.add(1);
            tally.of(0, &listed, || "again").counts.publish.add(1);
        }
        let all = tallied(&listed);
        assert_eq!(all.len(), TALLIED_MAX);
        assert_eq!(all[0], ("x", TALLIED_MAX as u64 + 2), "the first came again and again");
    }
}
