//! How many of a queue's messages were published to which exchange. Counted once a batch, under the
//! lock of the queue that takes it; a message costs the comparison of two addresses.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{counters::ExchangeCounters, limits::INCOMING_EXCHANGES_MAX, routes::Routes};

/// What one queue counted, who came last at the front. One exchange is the rule.
#[derive(Debug, Default)]
pub(crate) struct Incoming(SmallVec<[(Arc<ExchangeCounters>, u64); 1]>);

impl Incoming {
    pub(crate) fn add(&mut self, sources: &Sources<'_>) {
        for (exchange, messages) in sources.iter() {
            self.count(exchange, messages);
        }
    }

    fn count(&mut self, exchange: &Arc<ExchangeCounters>, messages: u64) {
        match self.0.iter().position(|(known, _)| Arc::ptr_eq(known, exchange)) {
            Some(at) => {
                if let Some(before) = self.0.get_mut(..=at) {
                    before.rotate_right(1);
                }
                if let Some((_, counted)) = self.0.first_mut() {
                    *counted += messages;
                }
            }
            None => {
                // Exchanges that are gone are among those that did not come for long.
                self.0.truncate(INCOMING_EXCHANGES_MAX - 1);
                self.0.insert(0, (exchange.clone(), messages));
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<ExchangeCounters>, u64)> {
        self.0.iter().map(|(exchange, messages)| (exchange, *messages))
    }
}

/// The exchanges of a batch: neighbours are mostly of the same one.
#[derive(Debug, Default)]
pub(crate) struct Exchanges(SmallVec<[Arc<ExchangeCounters>; 2]>);

impl Exchanges {
    /// Which of them a message was published to; `None` of what no client published.
    pub(crate) fn note(&mut self, routes: &Routes) -> Option<usize> {
        let exchange = routes.counters()?;
        if self.0.last().is_none_or(|last| !Arc::ptr_eq(last, exchange)) {
            self.0.push(exchange.clone());
        }
        Some(self.0.len() - 1)
    }
}

/// How many of one queue's part of a batch are of which of its exchanges.
#[derive(Debug, Default)]
pub(crate) struct Origins(SmallVec<[(usize, u64); 1]>);

impl Origins {
    pub(crate) fn count(&mut self, exchange: Option<usize>) {
        let Some(exchange) = exchange else { return };
        match self.0.last_mut() {
            Some((last, messages)) if *last == exchange => *messages += 1,
            _ => self.0.push((exchange, 1)),
        }
    }

    pub(crate) fn of<'a>(&'a self, exchanges: &'a Exchanges) -> Sources<'a> {
        Sources { origins: self, exchanges }
    }
}

/// The same, with the exchanges.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    origins: &'a Origins,
    exchanges: &'a Exchanges,
}

impl Sources<'_> {
    fn iter(&self) -> impl Iterator<Item = (&Arc<ExchangeCounters>, u64)> {
        let origins = self.origins.0.iter();
        origins.filter_map(|(at, messages)| Some((self.exchanges.0.get(*at)?, *messages)))
    }
}

#[cfg(test)]
mod tests {
    use bytestring::ByteString;

    use super::*;

    fn exchange(name: &str) -> Arc<ExchangeCounters> {
        Arc::new(ExchangeCounters::of(ByteString::from(name)))
    }

    fn counted(incoming: &Incoming) -> Vec<(&str, u64)> {
        incoming.iter().map(|(exchange, messages)| (&**exchange.name(), messages)).collect()
    }

    #[test]
    fn messages_are_counted_by_the_exchange_they_were_published_to() {
        let (one, other) = (exchange("one"), exchange("other"));
        let mut exchanges = Exchanges::default();
        let mut origins = Origins::default();
        for to in [Some(&one), Some(&one), None, Some(&other), Some(&one)] {
            origins.count(exchanges.note(&Routes::counted_for(to.cloned())));
        }
        let mut incoming = Incoming::default();
        incoming.add(&origins.of(&exchanges));
        incoming.add(&origins.of(&exchanges));
        assert_eq!(counted(&incoming), [("one", 6), ("other", 2)]);
    }

    #[test]
    fn of_too_many_exchanges_the_one_that_did_not_come_for_longest_is_forgotten() {
        let mut incoming = Incoming::default();
        let all: Vec<_> =
            (0..=INCOMING_EXCHANGES_MAX).map(|it| exchange(&it.to_string())).collect();
        for exchange in &all {
            incoming.count(exchange, 1);
            // It comes again and again.
            incoming.count(&all[0], 1);
        }
        let counted = counted(&incoming);
        assert_eq!(counted.len(), INCOMING_EXCHANGES_MAX);
        assert_eq!(counted[0], ("0", INCOMING_EXCHANGES_MAX as u64 + 2));
        assert_eq!(counted[1].0, INCOMING_EXCHANGES_MAX.to_string());
    }
}
