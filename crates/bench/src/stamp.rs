//! The sixteen octets at the front of each message: who sent it, as the how-many-eth, and when it
//! was due. All that is found out about loss, order and time comes from them.

use std::time::{Duration, Instant};

/// Octets of a stamp; no message of a run is smaller.
pub(crate) const STAMP_BYTES: usize = 16;

/// The producer's number takes the upper bits of the first word, the sequence the rest.
const SEQUENCE_BITS: u32 = 48;

/// What one message says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Its producer.
    pub(crate) producer: u16,
    /// Its number among those of its producer and its queue, from 0 without a gap.
    pub(crate) sequence: u64,
    /// When it was to be sent, in nanoseconds of the run's [`Clock`].
    pub(crate) due: u64,
}

impl Stamp {
    pub(crate) fn encode(self) -> [u8; STAMP_BYTES] {
        let word = u64::from(self.producer) << SEQUENCE_BITS | self.sequence;
        let mut octets = [0; STAMP_BYTES];
        let (first, second) = octets.split_at_mut(8);
        first.copy_from_slice(&word.to_le_bytes());
        second.copy_from_slice(&self.due.to_le_bytes());
        octets
    }

    /// Of a body's front; `None` when it is too short to be one.
    pub(crate) fn decode(body: &[u8]) -> Option<Stamp> {
        let (first, rest) = body.split_first_chunk::<8>()?;
        let word = u64::from_le_bytes(*first);
        Some(Stamp {
            producer: (word >> SEQUENCE_BITS) as u16,
            sequence: word & ((1 << SEQUENCE_BITS) - 1),
            due: u64::from_le_bytes(*rest.first_chunk()?),
        })
    }
}

/// The run's time: nanoseconds since it began, the same for all its threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock(Instant::now())
    }

    pub(crate) fn now(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }

    /// How long it is until then; nothing when it is over.
    pub(crate) fn until(self, then: u64) -> Duration {
        Duration::from_nanos(then.saturating_sub(self.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_as_it_was() {
        for stamp in [
            Stamp { producer: 0, sequence: 0, due: 0 },
            Stamp { producer: u16::MAX, sequence: (1 << 48) - 1, due: u64::MAX },
        ] {
            assert_eq!(Stamp::decode(&stamp.encode()), Some(stamp));
        }
        assert_eq!(Stamp::decode(&[0; 15]), None);
    }
}
