//! Publishing: routes remembered by key, and a batch that goes to the journal once and to each
//! queue under one lock.

use std::sync::Arc;

use bytestring::ByteString;
use hashbrown::Equivalent;
use journal::{Appender, Position};
use smallvec::SmallVec;

use crate::{
    Error, Headers, Message, Queue, VirtualHost,
    incoming::{Exchanges, Origins},
    limits::ROUTE_CACHE_MAX,
    policy::Overflow,
    queue::{NewEntry, QueueId},
    record::InStreams,
    routes::{Delaying, Passing, Routes, SharedRoutes},
    routing::Map,
    store::Store,
    transaction::{Settlement, Transaction},
};

/// A message on its way, and where it goes.
#[derive(Debug)]
pub struct Publish {
    /// The message.
    pub message: Message,
    /// Its queues, from [`Publisher::route`].
    pub routes: Routes,
}

/// What a publisher may be told of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// Confirmed at once: nothing of it has to survive a restart.
    Done,
    /// Confirmed when the journal has this place on disk ([`Publisher::is_durable`]).
    At(Position),
    /// A queue was full and refused it.
    Refused,
}

impl Receipt {
    /// Of a message that is two records.
    pub(crate) fn and(self, other: Receipt) -> Receipt {
        match (self, other) {
            (Receipt::Refused, _) | (_, Receipt::Refused) => Receipt::Refused,
            (Receipt::At(one), Receipt::At(two)) => Receipt::At(one.max(two)),
            (Receipt::Done, other) => other,
            (at, Receipt::Done) => at,
        }
    }
}

/// One publisher's view of a virtual host. Not shared: each connection has its own.
#[derive(Debug)]
pub struct Publisher {
    vhost: Arc<VirtualHost>,
    version: u64,
    cache: Map<RouteKey, Routes>,
    shared: SharedRoutes,
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
        let (cache, shared) = (Map::default(), SharedRoutes::default());
        Publisher { version: vhost.version(), vhost, cache, shared }
    }

    /// The topology's number: what was routed by another one may go elsewhere now.
    pub fn version(&self) -> u64 {
        self.vhost.version()
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
            self.shared.clear();
            self.version = version;
        }
        if let Some(routes) = self.cache.get(&RouteKeyRef { exchange, key }) {
            return Ok(routes.clone());
        }
        let route = self.vhost.route(exchange, &[key], headers)?;
        let mut routes = Routes::from(route);
        if routes.is_by_key() {
            routes = self.shared.share(routes);
            // Names are slices of a read buffer: copied here, or the cache would keep it alive.
            let key = RouteKey { exchange: copied(exchange), key: copied(key) };
            self.cache.insert(key, routes.clone());
        }
        Ok(routes)
    }

    /// The queues for a message with several keys (RabbitMQ: `CC` and `BCC`), its own first. Not
    /// remembered.
    ///
    /// # Errors
    /// As [`Publisher::route`].
    pub fn route_by_all(
        &self,
        exchange: &str,
        keys: &[&str],
        headers: &dyn Headers,
    ) -> Result<Routes, Error> {
        self.vhost.route(exchange, keys, headers).map(Routes::from)
    }

    /// Whether there is such an exchange, and clients may publish to it.
    ///
    /// # Errors
    /// As [`Publisher::route`].
    pub fn check(&self, exchange: &str) -> Result<(), Error> {
        self.vhost.check_publishable(exchange)
    }

    /// Enqueues a batch in order. `receipts` gets one item for each message.
    ///
    /// # Errors
    /// The journal failed; nothing of the batch was enqueued.
    pub fn publish(
        &self,
        batch: &mut Vec<Publish>,
        receipts: &mut Vec<Receipt>,
    ) -> Result<(), Error> {
        self.hand_over(batch, None, receipts)
    }

    /// Enqueues a batch in order and settles deliveries, all or nothing: a crash leaves everything
    /// of it or nothing. `receipts` gets one item for each message. Returns until where the journal
    /// has to be on disk ([`Publisher::is_durable`]) for all of it to be there; `None` when nothing
    /// of it has to survive.
    ///
    /// # Errors
    /// [`crate::error::Kind::ResourceError`] when `refuses_all` and a full queue refuses some of
    /// it: nothing was done, and `settlements` has them still. The journal failed: nothing of the
    /// batch was enqueued.
    pub fn commit(
        &self,
        batch: &mut Vec<Publish>,
        settlements: &mut Vec<Settlement>,
        refuses_all: bool,
        receipts: &mut Vec<Receipt>,
    ) -> Result<Option<Position>, Error> {
        let settling: Vec<Arc<Queue>> = settlements.iter().map(|it| it.queue.clone()).collect();
        let mut transaction = Transaction::new(settlements, refuses_all);
        self.hand_over(batch, Some(&mut transaction), receipts)?;
        settling.iter().for_each(|queue| queue.bury());
        Ok(transaction.until)
    }

    fn hand_over(
        &self,
        batch: &mut Vec<Publish>,
        transaction: Option<&mut Transaction<'_>>,
        receipts: &mut Vec<Receipt>,
    ) -> Result<(), Error> {
        let store = self.vhost.store();
        let first = receipts.len();
        let passing = Passing::of(batch);
        let delaying = Delaying::expand(batch);
        let enqueued = {
            let _publishing = store.publishing();
            let checked = self.vhost.check_ledger();
            checked.and_then(|()| enqueue(store, batch, transaction, receipts)).inspect_err(
                |_| {
                    batch.clear();
                    receipts.truncate(first);
                },
            )?
        };
        passing.count();
        delaying.finish(store, first, receipts);
        for (queue, message) in enqueued.refused {
            if queue.effective().overflow == Overflow::RejectPublishDlx {
                self.vhost.dead_letter_refused(&queue, &message);
            }
        }
        enqueued.queues.iter().for_each(|queue| queue.bury());
        Ok(())
    }

    /// Where the journal ends now: everything published or settled until now is as durable as this
    /// is, which somebody waits for. `None` without a journal.
    pub fn appended(&self) -> Option<Position> {
        let journal = self.vhost.store().journal()?;
        journal.hurry();
        let end = journal.end();
        // The last octet that belongs to a record.
        Some(Position::from_bits(end.to_bits().saturating_sub(1)))
    }

    /// Whether the journal keeps its promise for this: it is on disk, or, with a sync interval, on
    /// its way there.
    pub fn is_durable(&self, position: Position) -> bool {
        self.vhost.store().journal().is_none_or(|journal| journal.is_committed(position))
    }
}

/// What became of a batch.
#[derive(Default)]
pub(crate) struct Enqueued {
    /// The queues that took some of it. Something may have died of it there: [`Queue::bury`].
    pub(crate) queues: Vec<Arc<Queue>>,
    /// What a full queue refused.
    refused: Vec<(Arc<Queue>, Message)>,
}

/// Appends what has to survive, each message once, and hands all to their queues. The caller holds
/// [`Store::publishing`].
pub(crate) fn enqueue(
    store: &Store,
    batch: &mut Vec<Publish>,
    mut transaction: Option<&mut Transaction<'_>>,
    receipts: &mut Vec<Receipt>,
) -> Result<Enqueued, Error> {
    let mut enqueued = Enqueued::default();
    let now = store.now();
    for Publish { message, .. } in batch.iter_mut() {
        message.published_at = now;
        store.detach(message)?;
    }
    let first = receipts.len();
    let refused = refuse(batch, &mut enqueued);
    let mut appender = None;
    let in_streams = match &mut transaction {
        None => append(store, &mut appender, batch, receipts)?,
        Some(transaction) => {
            transaction.begin(batch, !refused.is_empty())?;
            transaction.append(store, &mut appender, batch, receipts)?
        }
    };
    let mut in_streams = in_streams.into_iter();
    // A stream's order is the journal's: nobody else appends before it has what was appended.
    let appender = appender.filter(|_| in_streams.len() > 0);
    let mut shares = Shares::default();
    for (publish, receipt) in batch.drain(..).zip(receipts.iter().skip(first)) {
        let Publish { message, routes } = publish;
        let in_streams = in_streams.next().unwrap_or_default();
        shares.deal(Arc::new(message), routes, *receipt, &in_streams);
    }
    for at in refused {
        if let Some(receipt) = receipts.get_mut(first + at) {
            *receipt = Receipt::Refused;
        }
    }
    let (streams, others): (Vec<_>, Vec<_>) =
        shares.by_queue.into_iter().partition(|part| part.queue.stream().is_some());
    let exchanges = &shares.exchanges;
    streams.into_iter().for_each(|part| drop(part.push(exchanges)));
    drop(appender);
    enqueued.queues.extend(others.into_iter().map(|part| part.push(exchanges)));
    Ok(enqueued)
}

/// What each queue gets of a batch.
#[derive(Default)]
struct Shares {
    by_queue: Vec<Part>,
    exchanges: Exchanges,
    index: Map<QueueId, usize>,
    /// What was found of the message before: neighbours mostly go the same way.
    last: Option<Way>,
}

/// One queue's part of a batch.
struct Part {
    queue: Arc<Queue>,
    entries: Vec<NewEntry>,
    from: Origins,
}

/// Where a message goes, and from where it comes.
struct Way {
    routes: Routes,
    /// Where its queues are in `by_queue`.
    places: SmallVec<[usize; 8]>,
    from: Option<usize>,
}

impl Shares {
    fn deal(
        &mut self,
        message: Arc<Message>,
        routes: Routes,
        receipt: Receipt,
        in_streams: &InStreams,
    ) {
        let share = message.footprint() / routes.len().max(1);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        let position = match receipt {
            Receipt::At(position) => Some(position),
            Receipt::Done | Receipt::Refused => None,
        };
        let Shares { by_queue, exchanges, index, last } = self;
        let way = match last {
            Some(way) if way.routes.is_same(&routes) => &*way,
            last => {
                let place = |queue: &Arc<Queue>| {
                    *index.entry(queue.id()).or_insert_with(|| {
                        by_queue.push(Part::of(queue));
                        by_queue.len() - 1
                    })
                };
                let places = routes.iter().map(place).collect();
                let from = exchanges.note(&routes);
                &*last.insert(Way { routes, places, from })
            }
        };
        for at in &way.places {
            let Some(Part { queue, entries, from }) = by_queue.get_mut(*at) else { continue };
            let position = position.filter(|_| is_kept(&message, queue));
            let in_stream = in_streams.of(queue.id());
            entries.push(NewEntry { message: message.clone(), position, in_stream, share });
            from.count(way.from);
        }
    }
}

impl Part {
    fn of(queue: &Arc<Queue>) -> Part {
        Part { queue: queue.clone(), entries: Vec::new(), from: Origins::default() }
    }

    fn push(self, exchanges: &Exchanges) -> Arc<Queue> {
        self.queue.push(self.entries.into_iter(), self.from.of(exchanges));
        self.queue
    }
}

/// Takes full queues that refuse out of the routes. Returns which messages of the batch that
/// concerns.
fn refuse(batch: &mut [Publish], enqueued: &mut Enqueued) -> Vec<usize> {
    let mut refused = Vec::new();
    let mut coming: Map<QueueId, (u64, u64)> = Map::default();
    for (at, Publish { message, routes }) in batch.iter_mut().enumerate() {
        if !routes.iter().any(|queue| queue.may_refuse()) {
            continue;
        }
        let size = message.body_len() as u64;
        let is_refused = |queue: &Arc<Queue>| {
            let more = coming.entry(queue.id()).or_default();
            let is_refused = queue.may_refuse() && queue.refuses(size, *more);
            if !is_refused {
                *more = (more.0 + 1, more.1 + size);
            }
            is_refused
        };
        let (full, free): (Vec<_>, Vec<_>) = routes.iter().cloned().partition(is_refused);
        if !full.is_empty() {
            refused.push(at);
            enqueued.refused.extend(full.into_iter().map(|queue| (queue, message.clone())));
            *routes = routes.only(free);
        }
    }
    refused
}

/// Whether a queue's entry of a message survives a restart. In a stream all do (RabbitMQ).
fn is_kept(message: &Message, queue: &Queue) -> bool {
    queue.is_durable() && (message.persistent || queue.stream().is_some())
}

/// The queues whose entries of a message survive a restart.
pub(crate) fn kept_by(message: &Message, routes: &Routes) -> impl Iterator<Item = QueueId> {
    routes.iter().filter(|queue| is_kept(message, queue)).map(|queue| queue.id())
}

/// Appends what has to survive, each message once. When streams take some of the batch, returns
/// what they say of each message, and `appender` has what is to be held until they have them.
fn append<'a>(
    store: &'a Store,
    appender: &mut Option<Appender<'a>>,
    batch: &[Publish],
    receipts: &mut Vec<Receipt>,
) -> Result<Vec<InStreams>, Error> {
    let streams = batch.iter().any(|it| it.routes.iter().any(|queue| queue.stream().is_some()));
    let mut all_in_streams = Vec::with_capacity(if streams { batch.len() } else { 0 });
    let (mut head, mut retained) = (Vec::new(), Vec::new());
    for Publish { message, routes } in batch {
        let queues: SmallVec<[QueueId; 8]> = kept_by(message, routes).collect();
        let mut in_streams = InStreams::default();
        receipts.push(match store.journal().filter(|_| !queues.is_empty()) {
            None => Receipt::Done,
            Some(journal) => {
                let appender = match &mut *appender {
                    Some(appender) => appender,
                    none => none.insert(journal.appender()?),
                };
                if streams {
                    in_streams = InStreams::allocate(message, routes, store.properties());
                }
                let position = store.append(appender, message, &queues, &in_streams, &mut head)?;
                retained.extend(queues.iter().map(|_| position));
                Receipt::At(position)
            }
        });
        if streams {
            all_in_streams.push(in_streams);
        }
    }
    // While nobody else appends: before anything of it can be committed, and so reclaimed.
    if let Some(journal) = store.journal() {
        journal.retain_all(retained);
    }
    Ok(all_in_streams)
}

fn copied(name: &ByteString) -> ByteString {
    ByteString::from(&**name)
}
