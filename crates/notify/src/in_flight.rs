//! Events taken from the bus and not yet acknowledged: which deliveries wait for which notices.
//!
//! The bus delivers an event again when its connection broke, which is no reason to tell people
//! again: the second delivery joins the first, and both are acknowledged when the notices are
//! through. An acknowledgement that did not reach the bus is remembered for the same reason.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use event::Event;

use crate::limits::REMEMBERED_MAX;

/// One event on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Flight(pub(crate) u64);

/// The events on their way; `R` acknowledges one delivery.
#[derive(Debug)]
pub(crate) struct InFlight<R> {
    flights: HashMap<Flight, Entry<R>>,
    by_id: HashMap<String, Flight>,
    remembered: VecDeque<Arc<Event>>,
    taken: u64,
}

#[derive(Debug)]
struct Entry<R> {
    event: Arc<Event>,
    receipts: Vec<R>,
    notices: usize,
}

/// What to do with an event that came.
#[derive(Debug)]
pub(crate) enum Arrival<R> {
    /// Tell of it.
    New(R, Arc<Event>),
    /// It is being told; its delivery waits with the first one.
    Joined,
    /// It was told: acknowledge it.
    Told(R),
}

impl<R> InFlight<R> {
    /// How many events are on their way.
    pub(crate) fn len(&self) -> usize {
        self.flights.len()
    }

    /// Judges a delivery. After [`Arrival::New`], [`InFlight::start`] is called if anybody is told.
    pub(crate) fn arrive(&mut self, event: Event, redelivered: bool, receipt: R) -> Arrival<R> {
        // Ids are the publisher's; only the same id on the same event is the same event.
        let flight = self.by_id.get(&event.id).and_then(|flight| self.flights.get_mut(flight));
        if let Some(entry) = flight.filter(|entry| *entry.event == event) {
            if redelivered {
                // The bus gives an event again only after the connection it gave it to ended, so
                // the receipts held are void.
                entry.receipts.clear();
            }
            entry.receipts.push(receipt);
            return Arrival::Joined;
        }
        let told = self.remembered.iter().position(|told| redelivered && **told == event);
        if let Some(place) = told {
            self.remembered.remove(place);
            return Arrival::Told(receipt);
        }
        Arrival::New(receipt, Arc::new(event))
    }

    /// The event is told in `notices` notices, at least one.
    pub(crate) fn start(&mut self, event: Arc<Event>, receipt: R, notices: usize) -> Flight {
        self.taken += 1;
        let flight = Flight(self.taken);
        self.by_id.insert(event.id.clone(), flight);
        self.flights.insert(flight, Entry { event, receipts: vec![receipt], notices });
        flight
    }

    /// One notice of the event is done with. After the last: the event and the receipts to
    /// acknowledge.
    pub(crate) fn done(&mut self, flight: Flight) -> Option<(Arc<Event>, Vec<R>)> {
        let entry = self.flights.get_mut(&flight)?;
        entry.notices = entry.notices.saturating_sub(1);
        if entry.notices > 0 {
            return None;
        }
        let entry = self.flights.remove(&flight)?;
        if self.by_id.get(&entry.event.id) == Some(&flight) {
            self.by_id.remove(&entry.event.id);
        }
        Some((entry.event, entry.receipts))
    }

    /// The event was told, but the bus does not know: it will come again.
    pub(crate) fn remember(&mut self, event: Arc<Event>) {
        if self.remembered.len() >= REMEMBERED_MAX {
            self.remembered.pop_front();
        }
        self.remembered.push_back(event);
    }
}

impl<R> Default for InFlight<R> {
    fn default() -> InFlight<R> {
        InFlight {
            flights: HashMap::new(),
            by_id: HashMap::new(),
            remembered: VecDeque::new(),
            taken: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::sample;

    fn event(id: &str) -> Event {
        let (mut event, _) = sample();
        event.id = id.to_owned();
        event
    }

    fn start(flights: &mut InFlight<u32>, id: &str, receipt: u32, notices: usize) -> Flight {
        match flights.arrive(event(id), false, receipt) {
            Arrival::New(receipt, event) => flights.start(event, receipt, notices),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_event_is_done_after_its_last_notice() {
        let mut flights = InFlight::default();
        let (a, b) = (start(&mut flights, "a", 1, 2), start(&mut flights, "b", 2, 1));
        assert!(flights.done(a).is_none());
        assert_eq!(flights.done(b).unwrap().1, [2]);
        assert_eq!(flights.done(a).unwrap().1, [1]);
        assert!(flights.len() == 0 && flights.done(a).is_none());
    }

    #[test]
    fn a_redelivery_joins_and_replaces_what_the_broken_connection_gave() {
        let mut flights = InFlight::default();
        let a = start(&mut flights, "a", 1, 1);
        assert!(matches!(flights.arrive(event("a"), true, 2), Arrival::Joined));
        assert_eq!(flights.done(a).unwrap().1, [2]);
    }

    #[test]
    fn the_same_event_published_twice_is_told_once_and_acknowledged_twice() {
        let mut flights = InFlight::default();
        let a = start(&mut flights, "a", 1, 1);
        assert!(matches!(flights.arrive(event("a"), false, 2), Arrival::Joined));
        assert_eq!(flights.done(a).unwrap().1, [1, 2]);
    }

    #[test]
    fn another_event_with_the_same_id_is_another_event() {
        let mut flights = InFlight::default();
        let a = start(&mut flights, "a", 1, 1);
        let mut other = event("a");
        other.topic = "org.example.other".parse().unwrap();
        let Arrival::New(receipt, other) = flights.arrive(other, false, 2) else { panic!() };
        let b = flights.start(other, receipt, 1);
        assert_eq!(flights.done(a).unwrap().1, [1]);
        assert_eq!(flights.done(b).unwrap().1, [2]);
        assert!(flights.by_id.is_empty());
    }

    #[test]
    fn what_was_told_but_not_acknowledged_is_not_told_again() {
        let mut flights = InFlight::default();
        let a = start(&mut flights, "a", 1, 1);
        let (told, _) = flights.done(a).unwrap();
        flights.remember(told);
        assert!(matches!(flights.arrive(event("a"), true, 2), Arrival::Told(2)));
        assert!(matches!(flights.arrive(event("a"), true, 3), Arrival::New(3, _)), "once");
        for n in 0..2 * REMEMBERED_MAX {
            flights.remember(Arc::new(event(&n.to_string())));
        }
        assert_eq!(flights.remembered.len(), REMEMBERED_MAX);
    }
}
