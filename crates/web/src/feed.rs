//! The newest events, bounded in number and bytes, for any number of readers.
//!
//! A reader holds a position and asks for what came after it; the feed keeps nothing for a
//! reader, so a slow one costs nothing and is told when it missed something.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use event::{Description, Event};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    entry::{Entry, Position, key_of_id},
    filter::Filter,
    limits::{BYTES_KEPT, EVENTS_KEPT},
};

/// Whether the feed hears the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bus {
    /// It is not connected yet, and nothing was heard of a failure.
    Connecting,
    /// It is connected.
    Connected,
    /// It is cut off; the feed tries again by itself.
    Away {
        /// Since when.
        since: Timestamp,
        /// What went wrong, in a sentence.
        reason: String,
    },
}

/// The newest events. Cheap to clone; clones are the same feed.
#[derive(Debug, Clone)]
pub struct Feed {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoch: u64,
    events_kept: usize,
    bytes_kept: usize,
    ring: Mutex<Ring>,
    /// The serial of the newest event; 0 when there was none.
    newest: watch::Sender<u64>,
    bus: watch::Sender<Bus>,
    /// How many messages of the bus were not events.
    undecodable: watch::Sender<u64>,
}

/// Entries with consecutive serials, oldest first.
#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Arc<Entry>>,
    by_key: HashMap<String, u64>,
    size_bytes: usize,
}

/// What came after a position.
#[derive(Debug)]
pub(crate) enum After {
    /// These, oldest first; maybe none.
    Entries(Vec<Arc<Entry>>),
    /// Some of it is gone: this many events, or unknown for another feed's position.
    Missed(Option<u64>),
}

impl Default for Feed {
    /// A feed of 500 events and at most about 64 MiB.
    fn default() -> Feed {
        Feed::new(EVENTS_KEPT, BYTES_KEPT)
    }
}

impl Feed {
    /// A feed that keeps at most `events_kept` events (at least 1) and about `bytes_kept` bytes
    /// of memory; the newest event is kept whatever its size.
    pub fn new(events_kept: usize, bytes_kept: usize) -> Feed {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let shared = Shared {
            epoch: since_1970.as_micros() as u64,
            events_kept: events_kept.max(1),
            bytes_kept,
            ring: Mutex::default(),
            newest: watch::Sender::new(0),
            bus: watch::Sender::new(Bus::Connecting),
            undecodable: watch::Sender::new(0),
        };
        Feed { shared: Arc::new(shared) }
    }

    /// Adds an event and what is told of it, and wakes all who look. An event that is kept
    /// already (same id, same content: a redelivery) is not added again.
    pub fn push(&self, event: Event, description: Description) {
        let mut ring = self.ring();
        let serial = *self.shared.newest.borrow() + 1;
        let position = Position { epoch: self.shared.epoch, serial };
        let key = match key_of_id(&event.id) {
            Some(id) => match ring.get(id) {
                Some(kept) if kept.event == event => return,
                // Two events, one id: both are shown, each under its own address.
                Some(_) => format!("~{position}"),
                None => id.to_owned(),
            },
            None => format!("~{position}"),
        };
        let entry = Arc::new(Entry::new(position, key, event, description));
        ring.push(entry);
        ring.trim(self.shared.events_kept, self.shared.bytes_kept);
        // Under the lock: whoever sees the serial finds the entry.
        self.shared.newest.send_replace(serial);
    }

    /// Says whether the bus is heard. [`Feed::follow`] does it by itself.
    pub fn set_bus(&self, bus: Bus) {
        self.shared.bus.send_if_modified(|now| {
            // An outage began when it began, whatever is found out about it later.
            let bus = match (&*now, bus) {
                (Bus::Away { since, .. }, Bus::Away { reason, .. }) => {
                    Bus::Away { since: *since, reason }
                }
                (_, bus) => bus,
            };
            let modified = *now != bus;
            *now = bus;
            modified
        });
    }

    /// Whether the bus is heard.
    pub fn bus(&self) -> Bus {
        self.shared.bus.borrow().clone()
    }

    pub(crate) fn count_undecodable(&self) {
        self.shared.undecodable.send_modify(|count| *count += 1);
    }

    pub(crate) fn undecodable(&self) -> u64 {
        *self.shared.undecodable.borrow()
    }

    /// How many events are kept now.
    pub fn len(&self) -> usize {
        self.ring().entries.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The position of the newest event.
    pub(crate) fn position(&self) -> Position {
        Position { epoch: self.shared.epoch, serial: *self.shared.newest.borrow() }
    }

    /// The event of an address.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<Entry>> {
        self.ring().get(key)
    }

    /// The newest event of an id.
    pub(crate) fn by_id(&self, id: &str) -> Option<Arc<Entry>> {
        self.ring().entries.iter().rev().find(|entry| entry.event.id == id).cloned()
    }

    /// The newest events that pass, newest first, and the position they were read at.
    pub(crate) fn newest(&self, filter: &Filter, limit: usize) -> (Vec<Arc<Entry>>, Position) {
        let (entries, position) = {
            let ring = self.ring();
            (ring.entries.iter().cloned().collect::<Vec<_>>(), self.position())
        };
        let passed = entries.into_iter().rev().filter(|entry| filter.passes(entry));
        (passed.take(limit).collect(), position)
    }

    /// At most `limit` events after a position, oldest first.
    pub(crate) fn after(&self, position: Position, limit: usize) -> After {
        let ring = self.ring();
        let newest = self.position();
        if position.epoch != newest.epoch || position.serial > newest.serial {
            return After::Missed(None);
        }
        let next = position.serial + 1;
        let oldest = ring.entries.front().map_or(next, |entry| entry.position.serial);
        match next.checked_sub(oldest) {
            None => After::Missed(Some(oldest - next)),
            Some(skip) => After::Entries(
                ring.entries.iter().skip(skip as usize).take(limit).cloned().collect(),
            ),
        }
    }

    /// Wakes when there is a newer event.
    pub(crate) fn watch_newest(&self) -> watch::Receiver<u64> {
        self.shared.newest.subscribe()
    }

    /// Wakes when the bus comes or goes.
    pub(crate) fn watch_bus(&self) -> watch::Receiver<Bus> {
        self.shared.bus.subscribe()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing in here panics half-way; a poisoned lock guards a whole ring.
        self.shared.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn push(&mut self, entry: Arc<Entry>) {
        self.size_bytes += entry.size_bytes();
        self.by_key.insert(entry.key.clone(), entry.position.serial);
        self.entries.push_back(entry);
    }

    fn trim(&mut self, events_kept: usize, bytes_kept: usize) {
        while self.entries.len() > events_kept
            || (self.size_bytes > bytes_kept && self.entries.len() > 1)
        {
            let Some(gone) = self.entries.pop_front() else { return };
            self.size_bytes -= gone.size_bytes();
            self.by_key.remove(&gone.key);
        }
    }

    fn get(&self, key: &str) -> Option<Arc<Entry>> {
        let serial = *self.by_key.get(key)?;
        let oldest = self.entries.front()?.position.serial;
        self.entries.get(serial.checked_sub(oldest)? as usize).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{described, event};

    fn push(feed: &Feed, id: &str, summary: &str) {
        let mut event = event("org.example.test");
        event.id = id.to_owned();
        event.body = serde_json::json!({"summary": summary}).try_into().unwrap();
        feed.push(event, described(summary));
    }

    fn summaries(after: After) -> Vec<String> {
        match after {
            After::Entries(entries) => {
                entries.iter().map(|entry| entry.description.summary.clone()).collect()
            }
            After::Missed(missed) => panic!("missed {missed:?}"),
        }
    }

    #[test]
    fn the_oldest_go_first_and_a_reader_behind_is_told_how_many_it_missed() {
        let feed = Feed::new(3, usize::MAX);
        let start = feed.position();
        for n in 1..=3 {
            push(&feed, &format!("id{n}"), &n.to_string());
        }
        assert_eq!(summaries(feed.after(start, 10)), ["1", "2", "3"]);
        assert_eq!(summaries(feed.after(start, 2)), ["1", "2"]);
        push(&feed, "id4", "4");
        push(&feed, "id5", "5");
        assert!(matches!(feed.after(start, 10), After::Missed(Some(2))));
        assert_eq!(summaries(feed.after(Position { serial: 3, ..start }, 10)), ["4", "5"]);
        assert_eq!(summaries(feed.after(feed.position(), 10)), Vec::<String>::new());
        assert!(feed.get("id2").is_none());
        assert_eq!(feed.get("id3").unwrap().description.summary, "3");
    }

    #[test]
    fn a_position_of_another_feed_is_not_taken_for_one_of_this() {
        let feed = Feed::default();
        push(&feed, "id1", "1");
        let other = Position { epoch: 1, serial: 0 };
        assert!(matches!(feed.after(other, 10), After::Missed(None)));
        let ahead = Position { serial: 2, ..feed.position() };
        assert!(matches!(feed.after(ahead, 10), After::Missed(None)));
    }

    #[test]
    fn a_redelivery_is_shown_once_and_two_events_with_one_id_are_both_shown() {
        let feed = Feed::default();
        let (again, told) = (event("org.example.test"), described("same"));
        feed.push(again.clone(), told.clone());
        feed.push(again, told);
        assert_eq!(feed.len(), 1);
        push(&feed, "twin", "first");
        push(&feed, "twin", "second");
        assert_eq!(feed.len(), 3);
        assert_eq!(feed.get("twin").unwrap().description.summary, "first");
        let (newest, _) = feed.newest(&Filter::default(), 1);
        assert!(newest[0].key.starts_with('~'));
        assert_eq!(feed.get(&newest[0].key).unwrap().description.summary, "second");
    }

    #[test]
    fn large_events_push_out_others_but_the_newest_stays() {
        let feed = Feed::new(100, 1_000_000);
        push(&feed, "small", "small");
        push(&feed, "large", &"x".repeat(2_000_000));
        assert_eq!(feed.len(), 1);
        assert!(feed.get("large").is_some());
        push(&feed, "next", "next");
        assert_eq!(feed.len(), 1);
        assert!(feed.get("next").is_some());
    }

    #[test]
    fn an_outage_keeps_its_beginning() {
        let feed = Feed::default();
        let since = Timestamp::UNIX_EPOCH;
        feed.set_bus(Bus::Away { since, reason: "refused".to_owned() });
        feed.set_bus(Bus::Away { since: Timestamp::now(), reason: "no route".to_owned() });
        assert_eq!(feed.bus(), Bus::Away { since, reason: "no route".to_owned() });
        feed.set_bus(Bus::Connected);
        assert_eq!(feed.bus(), Bus::Connected);
    }
}
