//! Delayed exchanges: their own queues, and their messages when the time has come.

use std::sync::Arc;

use bytestring::ByteString;

use super::{VirtualHost, routing_keys};
use crate::{
    Error, Publish, Publisher, Queue, QueueDeclaration, Routes, Value,
    clock::Timestamp,
    error::Kind,
    exchange::{DELAY_HEADER, DelayQueue, Due, delay_of, queue_name},
    ledger::Change,
    sync::read,
    topology::{Leg, Orphans, Topology},
};

impl VirtualHost {
    /// How many messages of a delayed exchange wait for their time; `None` for any other one.
    pub fn delayed_messages(&self, exchange: &str) -> Option<usize> {
        read(&self.topology).delay_queue(exchange).map(|delays| delays.len())
    }

    /// All that hold messages: what clients see, and the delayed exchanges' own.
    pub(crate) fn all_queues(&self) -> Vec<Arc<Queue>> {
        read(&self.topology).all_queues().cloned().collect()
    }

    /// The own queue of an exchange that is to be declared, and the change that says so. None if it
    /// is there: the ledger lost only the exchange.
    pub(super) fn new_delay_queue(
        &self,
        exchange: &str,
        durable: bool,
    ) -> Option<(Arc<Queue>, Change)> {
        if read(&self.topology).delay_queue(exchange).is_some() {
            return None;
        }
        let declaration = QueueDeclaration {
            name: queue_name(exchange),
            durable,
            exclusive: false,
            auto_delete: false,
            arguments: Default::default(),
        };
        let id = self.ledger.new_queue_id();
        let change =
            Change::Queue { vhost: self.name.clone(), id, declaration: declaration.clone() };
        let queue = Queue::new(id, self.name.clone(), declaration, None, self.store.clone());
        Some((queue, change))
    }

    /// The changes that say that the own queues of these exchanges go with them.
    pub(super) fn delays_gone(&self, topology: &Topology, exchanges: &Orphans) -> Vec<Change> {
        let queues = exchanges.iter().filter_map(|name| topology.delay_queue(name));
        let durable = queues.map(|delays| delays.queue()).filter(|queue| queue.is_durable());
        let gone =
            |queue: &Arc<Queue>| Change::QueueDeleted { vhost: self.name.clone(), id: queue.id() };
        durable.map(gone).collect()
    }

    /// Publishes what is due, a batch of each delayed exchange, and sets the alarm for the next.
    ///
    /// # Errors
    /// The journal failed for good.
    pub(crate) fn fire_due(self: &Arc<Self>) -> Result<(), Error> {
        let delays: Vec<(ByteString, Arc<DelayQueue>)> = {
            let topology = read(&self.topology);
            let of = topology.delays().filter(|(name, _)| topology.exchange(name).is_some());
            of.map(|(name, delays)| (name.clone(), delays.clone())).collect()
        };
        for (exchange, delays) in delays {
            let now = self.store.clock().now();
            match self.fire(&exchange, &delays, now) {
                Ok(next) => next.into_iter().for_each(|next| self.store.alarm().set(next)),
                Err(error) if error.kind == Kind::DiskFull => {
                    self.store.alarm().set(now.after(AGAIN_AFTER_MS));
                }
                Err(error) => {
                    self.store.check()?;
                    self.store.report(error);
                    self.store.alarm().set(now.after(AGAIN_AFTER_MS));
                }
            }
        }
        Ok(())
    }

    /// Publishes what is due of one exchange, and settles it: in this order, so that a power cut
    /// may double a message and never lose one.
    fn fire(
        self: &Arc<Self>,
        exchange: &ByteString,
        delays: &DelayQueue,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Error> {
        let (due, next) = delays.take_due(now, &self.store)?;
        if due.is_empty() {
            return Ok(next);
        }
        let mut batch: Vec<Publish> = due.iter().map(|it| self.released(exchange, it)).collect();
        match Publisher::new(self.clone()).publish(&mut batch, &mut Vec::new()) {
            Ok(()) => delays.done(due.into_iter().map(|it| it.entry)).map(|()| next),
            Err(error) => {
                delays.put_back(due, &self.store);
                Err(error)
            }
        }
    }

    /// A message as it goes on: with its delay negative, so that it does not wait again and its
    /// consumer sees that it did (the delayed message plugin: `swap_delay_header`).
    fn released(&self, exchange: &ByteString, due: &Due) -> Publish {
        let properties = self.store.properties();
        let mut message = due.message.clone();
        let (routes, delay) = {
            let headers = properties.headers(&due.message.label);
            let keys = routing_keys::all(&message, &*headers);
            let keys: Vec<&str> = keys.iter().map(|key| &**key).collect();
            let (clock, topology) = (self.store.clock(), read(&self.topology));
            let route = topology.route(exchange, &keys, &*headers, clock, Leg::Due);
            (route.map(Routes::from).unwrap_or_default(), delay_of(&*headers))
        };
        if let Some(delay) = delay {
            let delay = i64::try_from(delay).unwrap_or(i64::MAX);
            let negative = i32::try_from(-delay).map_or(Value::Long(-delay), Value::SignedInt);
            let changed = properties.with_header(&message.label, DELAY_HEADER, negative);
            Arc::make_mut(&mut message.label).properties = changed;
        }
        Publish { message, routes }
    }
}

/// When what could not be done is tried again.
const AGAIN_AFTER_MS: u64 = 1000;
