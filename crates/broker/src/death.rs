//! Dead letters: how a message left queues without being consumed, as it is told to whoever gets it
//! in the end (RabbitMQ's `x-death`).

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Why a message is dead-lettered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeathReason {
    /// A consumer rejected it.
    Rejected,
    /// Its time was over.
    Expired,
    /// The queue was full.
    Maxlen,
    /// It was returned too often.
    DeliveryLimit,
}

impl DeathReason {
    /// RabbitMQ's word.
    pub fn name(self) -> &'static str {
        match self {
            DeathReason::Rejected => "rejected",
            DeathReason::Expired => "expired",
            DeathReason::Maxlen => "maxlen",
            DeathReason::DeliveryLimit => "delivery_limit",
        }
    }
}

/// All deaths for one reason in one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// The queue.
    pub queue: ByteString,
    /// The reason.
    pub reason: DeathReason,
    /// How often.
    pub count: u64,
    /// Seconds since 1970: when first.
    pub time: u64,
    /// The exchange it had been published to before.
    pub exchange: ByteString,
    /// The keys it had been published with before.
    pub routing_keys: Vec<ByteString>,
    /// Milliseconds it was to live, if its publisher had asked for that.
    pub original_expiration: Option<u64>,
}

/// A message's deaths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deaths {
    /// The last one first.
    pub entries: Vec<Death>,
    /// Exchange, queue and reason of the first one ever.
    pub first: (ByteString, ByteString, DeathReason),
}

impl Deaths {
    /// The deaths of a message that dies once more.
    pub(crate) fn with(
        earlier: Option<&Deaths>,
        queue: &ByteString,
        reason: DeathReason,
        now: Timestamp,
        published: (&ByteString, &[ByteString], Option<u64>),
    ) -> Deaths {
        let (exchange, keys, ttl) = published;
        let mut entries = earlier.map(|it| it.entries.clone()).unwrap_or_default();
        let same = entries.iter().position(|it| it.queue == *queue && it.reason == reason);
        let death = match same.map(|at| entries.remove(at)) {
            Some(before) => Death { count: before.count.saturating_add(1), ..before },
            None => Death {
                queue: queue.clone(),
                reason,
                count: 1,
                time: now.seconds(),
                exchange: exchange.clone(),
                routing_keys: keys.to_vec(),
                original_expiration: ttl,
            },
        };
        entries.insert(0, death);
        let first = match earlier {
            Some(earlier) => earlier.first.clone(),
            None => (exchange.clone(), queue.clone(), reason),
        };
        Deaths { entries, first }
    }

    /// Whether the message would come back to `queue` by itself, for ever: it died there before,
    /// and no consumer had a say since (RabbitMQ: `rabbit_dead_letter:is_cycle`).
    pub(crate) fn is_cycle(&self, queue: &str) -> bool {
        let round = self.entries.iter().position(|death| *death.queue == *queue);
        round.is_some_and(|last| {
            let mut deaths = self.entries.iter().take(last + 1);
            !deaths.any(|death| death.reason == DeathReason::Rejected)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn died(earlier: Option<&Deaths>, queue: &str, reason: DeathReason) -> Deaths {
        let published = (&"x".into(), &["k".into()][..], Some(5));
        Deaths::with(earlier, &queue.into(), reason, Timestamp(7000), published)
    }

    #[test]
    fn the_same_death_is_counted_and_comes_first() {
        let one = died(None, "a", DeathReason::Expired);
        let two = died(Some(&one), "b", DeathReason::Maxlen);
        let three = died(Some(&two), "a", DeathReason::Expired);
        let seen: Vec<(&str, u64)> =
            three.entries.iter().map(|it| (&*it.queue, it.count)).collect();
        assert_eq!(seen, [("a", 2), ("b", 1)]);
        assert_eq!(three.first, ("x".into(), "a".into(), DeathReason::Expired));
        assert_eq!((three.entries[0].time, three.entries[0].original_expiration), (7, Some(5)));
    }

    #[test]
    fn a_round_without_a_consumer_is_a_cycle() {
        let one = died(None, "a", DeathReason::Expired);
        let two = died(Some(&one), "b", DeathReason::Expired);
        assert!(two.is_cycle("a") && two.is_cycle("b") && !two.is_cycle("c"));
        let rejected = died(Some(&one), "b", DeathReason::Rejected);
        assert!(!rejected.is_cycle("a") && !rejected.is_cycle("b"));
    }
}
