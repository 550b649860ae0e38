//! Dead letters: what left a queue without being consumed goes to the exchange that the queue names
//! for it, as a message of its own that says what happened (RabbitMQ: `rabbit_dead_letter`).
//!
//! The letter is in the journal before its message is settled, so it is never lost on the way; a
//! crash in between finds both.

use std::{collections::VecDeque, sync::Arc};

use bytestring::ByteString;

use super::{VirtualHost, routing_keys};
use crate::{
    DeathReason, Deaths, Error, Label, Made, Marks, Message, Publish, Queue, Routes,
    publisher::enqueue, queue::Dead, routes::Delaying, sync::read, topology::Leg,
};

impl VirtualHost {
    /// Sees to what died in a queue, and to what dies of that in others.
    pub(crate) fn bury(&self, queue: Arc<Queue>) {
        let mut queues = VecDeque::from([queue]);
        while let Some(queue) = queues.pop_front() {
            let mut dead = queue.take_dead();
            if dead.is_empty() {
                continue;
            }
            match self.dead_letter(&queue, &mut dead) {
                Ok(reached) => {
                    queues.extend(reached);
                    // A failed journal is said by whoever commits.
                    queue.settle_dead(dead).ok();
                }
                // Nothing goes before it has arrived elsewhere.
                Err(_) => queue.revive(dead),
            }
        }
    }

    /// Publishes the dead letters of these entries, where the queue has an exchange for them. Takes
    /// out what cannot be read. Returns the queues they reached.
    fn dead_letter(
        &self,
        queue: &Queue,
        dead: &mut VecDeque<Dead>,
    ) -> Result<Vec<Arc<Queue>>, Error> {
        let effective = queue.effective();
        let Some(exchange) = &effective.dead_letter_exchange else { return Ok(Vec::new()) };
        let key = effective.dead_letter_routing_key.as_ref();
        let mut batch = Vec::with_capacity(dead.len());
        dead.retain(|Dead { entry, reason }| match queue.message(entry) {
            Ok(message) => {
                batch.push(self.letter(queue, &message, *reason, exchange, key));
                true
            }
            // It cannot be sent on. It is reported, and its record stays.
            Err(error) => {
                self.store.note_damaged();
                self.store.report(error);
                false
            }
        });
        self.send(batch)
    }

    /// Publishes the dead letter of a message that a queue has refused.
    pub(crate) fn dead_letter_refused(&self, queue: &Queue, message: &Message) {
        let effective = queue.effective();
        if let Some(exchange) = &effective.dead_letter_exchange {
            let key = effective.dead_letter_routing_key.as_ref();
            let letter = self.letter(queue, message, DeathReason::Maxlen, exchange, key);
            match self.send(vec![letter]) {
                Ok(reached) => reached.into_iter().for_each(|queue| self.bury(queue)),
                Err(error) => self.store.report(error),
            }
        }
    }

    fn letter(
        &self,
        queue: &Queue,
        message: &Message,
        reason: DeathReason,
        exchange: &ByteString,
        key: Option<&ByteString>,
    ) -> Publish {
        let marks = &message.marks;
        let properties = self.store.properties();
        let headers = properties.headers(&message.label);
        let published_keys = routing_keys::shown(message, &*headers);
        let published = (&message.exchange, &published_keys[..], marks.ttl);
        let now = self.store.now();
        let deaths = Deaths::with(marks.deaths.as_deref(), queue.name(), reason, now, published);
        let has_copies = published_keys.len() > 1;
        // RabbitMQ: a key of the queue's own is instead of all that the publisher asked for.
        let (routing_keys, kept, bcc) = match key {
            Some(key) if has_copies => (
                vec![key.clone()],
                properties.without_header(&message.label, routing_keys::COPIES),
                None,
            ),
            Some(key) => (vec![key.clone()], message.properties.clone(), None),
            None => {
                let keys = routing_keys::all(message, &*headers);
                (keys, message.properties.clone(), marks.bcc.clone())
            }
        };
        let routing_key = key.unwrap_or(&message.routing_key).clone();
        // An exchange that is not there takes nothing (RabbitMQ).
        let keys: Vec<&str> = routing_keys.iter().map(|key| &**key).collect();
        let clock = self.store.clock();
        let route = read(&self.topology).route(exchange, &keys, &*headers, clock, Leg::Published);
        let routes = route.map(|mut route| {
            route.queues.retain(|queue| !deaths.is_cycle(queue.name()));
            Routes::from(route)
        });
        let marks = Marks {
            // Or it would expire there again.
            ttl: None,
            priority: marks.priority,
            deaths: Some(Arc::new(deaths)),
            bcc,
            group: properties.group(&message.properties, message.encoding),
        };
        let (persistent, encoding) = (message.persistent, message.encoding);
        let exchange = exchange.clone();
        let label = Label {
            exchange,
            routing_key,
            properties: kept,
            encoding,
            persistent,
            marks,
            made: Made::default(),
        };
        Publish {
            message: Message {
                rest: message.rest.clone(),
                ..Message::new(label, message.body.clone())
            },
            routes: routes.unwrap_or_default(),
        }
    }

    fn send(&self, mut batch: Vec<Publish>) -> Result<Vec<Arc<Queue>>, Error> {
        batch.retain(|publish| !publish.routes.is_empty());
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let delaying = Delaying::expand(&mut batch);
        let mut receipts = Vec::with_capacity(batch.len());
        let enqueued = {
            let _publishing = self.store.publishing();
            enqueue(&self.store, &mut batch, None, &mut receipts)?
        };
        delaying.finish(&self.store, 0, &mut receipts);
        Ok(enqueued.queues)
    }
}
