//! Counts that were looked at twice, and so how fast they go.

use std::{collections::HashMap, hash::Hash};

use broker::Timestamp;

/// The counts of many things of one kind, as they were last. What never counted anything takes no
/// room.
#[derive(Debug)]
pub(crate) struct Rated<K, const N: usize> {
    tracks: HashMap<K, Track<N>>,
    has_begun: bool,
}

/// The counts of one thing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Track<const N: usize> {
    last: [u64; N],
    rates: [f32; N],
    /// When they last were other ones.
    pub(crate) changed_at: Timestamp,
}

impl<K, const N: usize> Default for Rated<K, N> {
    fn default() -> Rated<K, N> {
        Rated { tracks: HashMap::new(), has_begun: false }
    }
}

impl<K: Hash + Eq, const N: usize> Rated<K, N> {
    /// Looks at them, so many seconds after the last time. What is not among them is forgotten.
    pub(crate) fn sample(
        &mut self,
        now: Timestamp,
        seconds: f64,
        counts: impl Iterator<Item = (K, [u64; N])>,
    ) {
        let mut before = std::mem::take(&mut self.tracks);
        for (key, counts) in counts {
            let track = before.remove(&key);
            if track.is_none() && counts.iter().all(|count| *count == 0) {
                continue;
            }
            // What is there at the first look did not come since the one before.
            let last = match (&track, self.has_begun) {
                (Some(track), _) => track.last,
                (None, true) => [0; N],
                (None, false) => counts,
            };
            let mut rates = [0.0; N];
            for ((rate, now), last) in rates.iter_mut().zip(counts).zip(last) {
                // Some of them are levels, and may fall.
                *rate = ((now as f64 - last as f64) / seconds) as f32;
            }
            let changed_at = match track {
                Some(track) if track.last == counts => track.changed_at,
                _ => now,
            };
            self.tracks.insert(key, Track { last: counts, rates, changed_at });
        }
        self.has_begun = true;
    }

    pub(crate) fn get(&self, key: &K) -> Option<Track<N>> {
        self.tracks.get(key).copied()
    }
}

impl<const N: usize> Track<N> {
    pub(crate) fn rates(&self) -> [f32; N] {
        self.rates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_came_since_the_last_look_and_levels_may_fall() {
        let mut rated = Rated::<&str, 2>::default();
        rated.sample(Timestamp(0), 5.0, [("a", [10, 5]), ("idle", [0, 0])].into_iter());
        assert_eq!(rated.get(&"a").unwrap().rates(), [0.0, 0.0], "it was there at the start");
        assert!(rated.get(&"idle").is_none());
        rated.sample(Timestamp(5), 5.0, [("a", [20, 0]), ("new", [5, 0])].into_iter());
        assert_eq!(rated.get(&"a").unwrap().rates(), [2.0, -1.0]);
        assert_eq!(rated.get(&"new").unwrap().rates(), [1.0, 0.0]);
        rated.sample(Timestamp(10), 5.0, [("a", [20, 0])].into_iter());
        let track = rated.get(&"a").unwrap();
        assert_eq!((track.rates(), track.changed_at), ([0.0, 0.0], Timestamp(5)));
        assert!(rated.get(&"new").is_none(), "what is gone is forgotten");
    }
}
