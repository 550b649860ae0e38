//! Publishing: routes remembered by key, and a batch that goes to the journal once and to each
//! queue under one lock.

use std::sync::Arc;

use bytestring::ByteString;
use hashbrown::Equivalent;
use journal::Position;
use smallvec::SmallVec;

use crate::{
    Error, Headers, Message, Queue, VirtualHost,
    limits::ROUTE_CACHE_MAX,
    queue::{NewEntry, QueueId},
    routing::Map,
};

/// The queues a message goes to. Empty when it is unroutable.
pub type Routes = Arc<[Arc<Queue>]>;

/// A message on its way, and where it goes.
#[derive(Debug)]
pub struct Publish {
    /// The message.
    pub message: Message,
    /// Its queues, from [`Publisher::route`].
    pub routes: Routes,
}

/// One publisher's view of a virtual host. Not shared: each connection has its own.
#[derive(Debug)]
pub struct Publisher {
    vhost: Arc<VirtualHost>,
    version: u64,
    cache: Map<RouteKey, Routes>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RouteKey {
    exchange: ByteString,
    key: ByteString,
}

#[derive(Hash)]
struct RouteKeyRef<'a> {
    exchange: &'a str,
    key: &'a str,
}

impl Equivalent<RouteKey> for RouteKeyRef<'_> {
    fn equivalent(&self, key: &RouteKey) -> bool {
        *self.exchange == *key.exchange && *self.key == *key.key
    }
}

impl Publisher {
    /// A publisher with no routes remembered.
    pub fn new(vhost: Arc<VirtualHost>) -> Publisher {
        Publisher { version: vhost.version(), vhost, cache: Map::default() }
    }

    /// The queues for a message with this exchange, key and headers.
    ///
    /// # Errors
    /// [`crate::error::Kind::NotFound`] when the exchange is not there,
    /// [`crate::error::Kind::AccessRefused`] when it is internal.
    pub fn route(
        &mut self,
        exchange: &ByteString,
        key: &ByteString,
        headers: &dyn Headers,
    ) -> Result<Routes, Error> {
        let version = self.vhost.version();
        if version != self.version || self.cache.len() >= ROUTE_CACHE_MAX {
            self.cache.clear();
            self.version = version;
        }
        if let Some(routes) = self.cache.get(&RouteKeyRef { exchange, key }) {
            return Ok(routes.clone());
        }
        let route = self.vhost.route(exchange, key, headers)?;
        let routes: Routes = route.queues.into();
        if route.by_key {
            // Names are slices of a read buffer: copied here, or the cache would keep it alive.
            let key = RouteKey { exchange: copied(exchange), key: copied(key) };
            self.cache.insert(key, routes.clone());
        }
        Ok(routes)
    }

    /// Enqueues a batch in order. `done` gets one item for each message: where in the journal it
    /// is, or `None` when it need not survive a restart and can be confirmed at once.
    ///
    /// # Errors
    /// The journal failed; nothing of the batch was enqueued.
    pub fn publish(
        &self,
        batch: &mut Vec<Publish>,
        done: &mut Vec<Option<Position>>,
    ) -> Result<(), Error> {
        let first = done.len();
        if let Err(error) = self.journal(batch, done) {
            batch.clear();
            done.truncate(first);
            return Err(error);
        }
        let mut by_queue: Vec<(Arc<Queue>, Vec<NewEntry>)> = Vec::new();
        let mut index: Map<QueueId, usize> = Map::default();
        for (publish, &position) in batch.drain(..).zip(done.iter().skip(first)) {
            let share = publish.message.footprint() / publish.routes.len().max(1);
            let share = u32::try_from(share).unwrap_or(u32::MAX);
            let message = Arc::new(publish.message);
            for queue in publish.routes.iter() {
                let at = *index.entry(queue.id()).or_insert_with(|| {
                    by_queue.push((queue.clone(), Vec::new()));
                    by_queue.len() - 1
                });
                let position = position.filter(|_| queue.is_durable());
                let entry = NewEntry { message: message.clone(), position, share };
                if let Some((_, entries)) = by_queue.get_mut(at) {
                    entries.push(entry);
                }
            }
        }
        for (queue, entries) in by_queue {
            queue.push(entries.into_iter());
        }
        Ok(())
    }

    /// Appends what has to survive, each message once.
    fn journal(&self, batch: &[Publish], done: &mut Vec<Option<Position>>) -> Result<(), Error> {
        let store = self.vhost.store();
        self.vhost.check_ledger()?;
        let mut appender = None;
        for Publish { message, routes } in batch {
            let queues: SmallVec<[QueueId; 8]> = match message.persistent {
                true => routes.iter().filter(|it| it.is_durable()).map(|it| it.id()).collect(),
                false => SmallVec::new(),
            };
            let position = match store.journal().filter(|_| !queues.is_empty()) {
                None => None,
                Some(journal) => {
                    let appender = match &mut appender {
                        Some(appender) => appender,
                        none => none.insert(journal.appender()?),
                    };
                    let position = store.append(appender, message, &queues)?;
                    queues.iter().for_each(|_| journal.retain(position));
                    Some(position)
                }
            };
            done.push(position);
        }
        Ok(())
    }

    /// Where the journal ends now: everything published or settled until now is as durable as this
    /// is. `None` without a journal.
    pub fn appended(&self) -> Option<Position> {
        let end = self.vhost.store().journal()?.end();
        // The last octet that belongs to a record.
        Some(Position::from_bits(end.to_bits().saturating_sub(1)))
    }

    /// Whether the journal keeps its promise for this: it is on disk, or, with a sync interval, on
    /// its way there.
    pub fn is_durable(&self, position: Position) -> bool {
        self.vhost.store().journal().is_none_or(|journal| journal.is_committed(position))
    }
}

fn copied(name: &ByteString) -> ByteString {
    ByteString::from(&**name)
}
