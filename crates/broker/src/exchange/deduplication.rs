//! What was there before: the memory of a deduplicating exchange or queue. A message says who it is
//! in its header `x-deduplication-header`; one without is never a duplicate.
//!
//! In memory only: after a restart a message may pass once more (the plugin's
//! `x-cache-persistence=memory`). A full memory forgets the oldest first.

use std::collections::VecDeque;

use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use crate::{Headers, Value, clock::Timestamp, routing::Map};

/// A set of identities, each for some time.
#[derive(Debug)]
pub struct Deduplicator {
    entries_max: usize,
    ttl_ms: Option<u64>,
    /// With its number, which tells it from an earlier one of that name in `order`.
    seen: Map<Identity, Stay>,
    /// In the order they came. May name some that left.
    order: VecDeque<(Identity, u64)>,
    numbers: u64,
}

#[derive(Debug, Clone, Copy)]
struct Stay {
    number: u64,
    until: Option<Timestamp>,
}

/// Who a message says that it is: the value of its header, or a hash of a long one, so that no
/// peer decides how much memory it takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity(SmallVec<[u8; 36]>);

impl Identity {
    /// Of a message by its headers, and how many milliseconds it wishes to be remembered.
    pub(crate) fn of_message(headers: &dyn Headers) -> Option<(Identity, Option<u64>)> {
        let identity = Identity::of(&headers.header(IDENTITY_HEADER)?)?;
        let ttl = headers.header(TTL_HEADER).as_ref().and_then(Value::as_integer);
        Some((identity, ttl.and_then(|ttl| u64::try_from(ttl).ok())))
    }

    /// Of a header's value. None of an array or a table, as in the plugin, and of nothing. Integers
    /// are the same in every width, and never the same as a text.
    pub fn of(value: &Value) -> Option<Identity> {
        let (kind, bytes) = match value {
            Value::Array(_) | Value::Table(_) => return None,
            Value::Void => (b'v', Vec::new()),
            Value::Bool(it) => (b'b', vec![u8::from(*it)]),
            Value::Longstr(text) => (b's', text.clone().into_bytes()),
            Value::Binary(bytes) => (b's', bytes.clone()),
            Value::Timestamp(time) => (b'i', i128::from(*time).to_le_bytes().to_vec()),
            Value::Float(it) => (b'f', f64::from(*it).to_bits().to_le_bytes().to_vec()),
            Value::Double(it) => (b'f', it.to_bits().to_le_bytes().to_vec()),
            other => match other.as_integer() {
                Some(number) => (b'i', i128::from(number).to_le_bytes().to_vec()),
                None => (b'd', other.to_string().into_bytes()),
            },
        };
        let mut identity = SmallVec::new();
        if bytes.len() <= PLAIN_BYTES_MAX {
            identity.push(kind);
            identity.extend_from_slice(&bytes);
        } else {
            identity.push(kind.to_ascii_uppercase());
            identity.extend_from_slice(&Sha256::digest(&bytes));
        }
        Some(Identity(identity))
    }
}

impl Deduplicator {
    /// A memory for so many identities, each for so many milliseconds; without, until there is no
    /// more room.
    pub fn new(entries_max: usize, ttl_ms: Option<u64>) -> Deduplicator {
        Deduplicator {
            entries_max: entries_max.max(1),
            ttl_ms,
            seen: Map::default(),
            order: VecDeque::new(),
            numbers: 0,
        }
    }

    /// Whether it is new; from now on it is not. `ttl_ms` is the message's own wish (its header
    /// `x-cache-ttl`).
    pub fn enter(&mut self, who: Identity, ttl_ms: Option<u64>, now: Timestamp) -> bool {
        if self.is_there(&who, now) {
            return false;
        }
        let until = ttl_ms.or(self.ttl_ms).map(|ttl| now.after(ttl));
        self.numbers += 1;
        let stay = Stay { number: self.numbers, until };
        self.seen.insert(who.clone(), stay);
        self.order.push_back((who, stay.number));
        self.make_room(now);
        true
    }

    /// Forgets one: it left the queue.
    pub fn leave(&mut self, who: &Identity) {
        self.seen.remove(who);
        self.drop_stale();
    }

    /// Forgets all: the queue was purged.
    pub fn clear(&mut self) {
        self.seen.clear();
        self.order.clear();
    }

    /// How many it remembers, some of which may be over.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    fn is_there(&self, who: &Identity, now: Timestamp) -> bool {
        self.seen.get(who).is_some_and(|stay| stay.until.is_none_or(|until| now < until))
    }

    /// Lets the oldest go, as long as they are over or too many.
    fn make_room(&mut self, now: Timestamp) {
        while let Some((who, number)) = self.order.front() {
            // Without a stay it left, or came again.
            if let Some(stay) = self.seen.get(who).filter(|stay| stay.number == *number) {
                let over = stay.until.is_some_and(|until| until <= now);
                if !over && self.seen.len() <= self.entries_max {
                    break;
                }
                self.seen.remove(who);
            }
            self.order.pop_front();
        }
        self.drop_stale();
    }

    /// Keeps the order no longer than twice what it is the order of.
    fn drop_stale(&mut self) {
        if self.order.len() > 2 * self.seen.len() + STALE_MAX {
            let seen = &self.seen;
            self.order
                .retain(|(who, number)| seen.get(who).is_some_and(|stay| stay.number == *number));
        }
    }
}

/// Bytes of a value that are kept as they are.
const PLAIN_BYTES_MAX: usize = 35;

/// Entries of the order that may name what left, before it is cleaned up.
const STALE_MAX: usize = 64;

/// The header in which a message says who it is.
const IDENTITY_HEADER: &str = "x-deduplication-header";

/// The header in which a message says how many milliseconds it is to be remembered.
const TTL_HEADER: &str = "x-cache-ttl";

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn who(name: &str) -> Identity {
        Identity::of(&Value::Longstr(name.into())).unwrap()
    }

    const NOW: Timestamp = Timestamp(1_000_000);

    #[test]
    fn the_second_of_a_name_is_a_duplicate_until_its_time_is_over() {
        let mut seen = Deduplicator::new(10, Some(1000));
        assert!(seen.enter(who("a"), None, NOW));
        assert!(!seen.enter(who("a"), None, NOW.after(999)));
        assert!(seen.enter(who("a"), None, NOW.after(1000)));
        assert!(seen.enter(who("b"), Some(10), NOW), "the message's own time comes first");
        assert!(seen.enter(who("b"), None, NOW.after(10)));
    }

    #[test]
    fn a_full_memory_forgets_the_oldest() {
        let mut seen = Deduplicator::new(2, None);
        assert!(seen.enter(who("a"), None, NOW) && seen.enter(who("b"), None, NOW));
        assert!(seen.enter(who("c"), None, NOW), "pushes a out");
        assert!(!seen.enter(who("b"), None, NOW) && !seen.enter(who("c"), None, NOW));
        assert!(seen.enter(who("a"), None, NOW));
        assert_eq!(seen.len(), 2);
    }

    #[test]
    fn what_leaves_a_queue_may_come_again() {
        let mut seen = Deduplicator::new(usize::MAX, None);
        assert!(seen.enter(who("a"), None, NOW));
        seen.leave(&who("a"));
        assert!(seen.enter(who("a"), None, NOW));
        seen.clear();
        assert!(seen.is_empty() && seen.enter(who("a"), None, NOW));
    }

    #[test]
    fn a_number_is_itself_in_every_width_and_no_text() {
        let of = |value: Value| Identity::of(&value);
        assert_eq!(of(Value::Byte(5)), of(Value::Long(5)));
        assert_ne!(of(Value::Long(5)), of(Value::Longstr("5".into())));
        assert_eq!(of(Value::Longstr("a".into())), of(Value::Binary(b"a".to_vec())));
        assert_eq!(of(Value::Array(Vec::new())), None);
        let (long, longer) = ("x".repeat(1000), "x".repeat(1001));
        assert_ne!(who(&long), who(&longer));
        assert_eq!(who(&long), who(&long));
        assert!(who(&long).0.len() <= 36);
    }

    #[test]
    fn what_comes_and_goes_leaves_no_trace() {
        let mut seen = Deduplicator::new(usize::MAX, None);
        for number in 0..10_000_i64 {
            let who = Identity::of(&Value::Long(number)).unwrap();
            assert!(seen.enter(who.clone(), None, NOW));
            seen.leave(&who);
        }
        assert!(seen.order.len() <= STALE_MAX + 1, "{} are left", seen.order.len());
    }

    proptest! {
        #[test]
        fn it_remembers_what_a_list_of_the_latest_would(
            steps in prop::collection::vec((0..6_u8, 0..3_u64, any::<bool>()), 1..60),
            entries_max in 1..5_usize,
        ) {
            let mut seen = Deduplicator::new(entries_max, Some(3));
            // Name, until when, in the order they came.
            let mut naive: Vec<(u8, u64)> = Vec::new();
            let mut now = 0;
            for (name, step, leaves) in steps {
                now += step;
                let identity = Identity::of(&Value::Byte(name as i8)).unwrap();
                if leaves {
                    seen.leave(&identity);
                    naive.retain(|(it, _)| *it != name);
                    continue;
                }
                // All stay as long, so the first to come are the first to be over.
                naive.retain(|(_, until)| *until > now);
                let is_new = !naive.iter().any(|(it, _)| *it == name);
                if is_new {
                    naive.push((name, now + 3));
                    if naive.len() > entries_max {
                        naive.remove(0);
                    }
                }
                prop_assert_eq!(seen.enter(identity, None, Timestamp(now)), is_new);
                let names: HashMap<u8, u64> = naive.iter().copied().collect();
                prop_assert!(seen.len() >= names.len() && seen.len() <= entries_max);
            }
        }
    }
}
