//! Transactions: messages and settlements of which, after a crash, either all are there or none.
//!
//! Each is a record of its own, marked as a part of the whole; all of them lie in one commit. A
//! restart that does not find them all, where nothing says that they were synced, takes none. What
//! a transaction settles is kept until it is on disk: a checkpoint made meanwhile has it still.

use std::sync::Arc;

use bytes::BufMut;
use journal::{Appender, Position};

use crate::{
    Consumer, Entry, Error, Publish, Queue, Receipt,
    error::Kind,
    limits::{SETTLE_RECORD_MAX, TRANSACTION_BYTES_MAX},
    publisher::kept_by,
    queue::QueueId,
    record::{InStreams, MESSAGE, PART, Part, SETTLE, encode_head},
    store::Store,
};

/// Deliveries of one queue that a transaction settles.
#[derive(Debug)]
pub struct Settlement {
    /// Their queue.
    pub queue: Arc<Queue>,
    /// What is done with.
    pub entries: Vec<Entry>,
    /// Who had them; `None` after [`Queue::get`].
    pub consumer: Option<Arc<Consumer>>,
}

/// What a transaction settled, until it is on disk.
#[derive(Debug)]
pub(crate) struct Leaving {
    /// The transaction's last record.
    pub(crate) at: Position,
    pub(crate) queue: Arc<Queue>,
    pub(crate) orders: Vec<u64>,
}

/// Order and place of entries.
type Placed = Vec<(u64, Position)>;

/// A transaction on its way into the journal.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    settlements: &'a mut Vec<Settlement>,
    /// A queue that is full refuses all of it.
    refuses_all: bool,
    settled: Vec<(Arc<Queue>, Placed)>,
    /// Its last record, once it has been appended.
    pub(crate) until: Option<Position>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(settlements: &'a mut Vec<Settlement>, refuses_all: bool) -> Transaction<'a> {
        Transaction { settlements, refuses_all, settled: Vec::new(), until: None }
    }

    /// When nothing is in its way, what it settles is settled from now on. `is_refused`: a full
    /// queue does not take some of it.
    ///
    /// # Errors
    /// It is refused as a whole; nothing was done.
    pub(crate) fn begin(&mut self, batch: &[Publish], is_refused: bool) -> Result<(), Error> {
        if is_refused && self.refuses_all {
            let text = "a queue is full and refuses more (overflow: reject-publish)";
            return Err(Error::new(Kind::ResourceError, text));
        }
        let mut bytes = self.settlements.iter().map(|it| it.entries.len() * 8).sum::<usize>();
        let mut head = Vec::new();
        for Publish { message, routes } in batch {
            if message.rest.is_some() {
                let text = "a message that is on disk already cannot be part of a transaction";
                return Err(Error::new(Kind::Internal, text));
            }
            let queues: Vec<QueueId> = kept_by(message, routes).collect();
            encode_head(message, &queues, &InStreams::default(), &mut head)?;
            bytes += message.properties.len() + message.body_len();
        }
        if bytes + head.len() > TRANSACTION_BYTES_MAX {
            let text = format!(
                "a transaction of {bytes} bytes, more than {TRANSACTION_BYTES_MAX}; commit more \
                 often"
            );
            return Err(Error::new(Kind::ResourceError, text));
        }
        for Settlement { queue, entries, consumer } in self.settlements.drain(..) {
            let settled = queue.settle_by_transaction(entries, consumer.as_deref());
            self.settled.push((queue, settled));
        }
        Ok(())
    }

    /// Appends all of it. Returns what streams say of each message; `appender` has what is to be
    /// held until they have them.
    pub(crate) fn append<'s>(
        &mut self,
        store: &'s Store,
        appender: &mut Option<Appender<'s>>,
        batch: &[Publish],
        receipts: &mut Vec<Receipt>,
    ) -> Result<Vec<InStreams>, Error> {
        let Some(journal) = store.journal() else {
            receipts.extend(batch.iter().map(|_| Receipt::Done));
            return Ok(Vec::new());
        };
        let appender = appender.insert(journal.appender()?);
        let messages: Result<Vec<_>, Error> = batch.iter().map(|it| kept(it, store)).collect();
        let messages = messages?;
        let settlements: Vec<Vec<u8>> = self.settlements().collect();
        let of_messages = messages.iter().flatten().map(|it| it.bytes);
        let sizes = of_messages.chain(settlements.iter().map(Vec::len));
        let count = sizes.clone().count() as u32;
        if count > 1 {
            appender.keep_together(sizes.map(|bytes| bytes + Part::BYTES))?;
        }
        let mut whole = Whole { transaction: appender.end().to_bits(), index: 0, count };
        let mut in_streams = Vec::with_capacity(batch.len());
        let mut retained = Vec::new();
        for (Publish { message, .. }, kept) in batch.iter().zip(messages) {
            receipts.push(match &kept {
                None => Receipt::Done,
                Some(kept) => {
                    let label = [kept.head.as_slice(), &*message.properties];
                    let body = message.body.iter().map(|slice| &**slice);
                    let parts: Vec<&[u8]> = label.into_iter().chain(body).collect();
                    let position = whole.append(appender, MESSAGE, &parts)?;
                    retained.extend(kept.queues.iter().map(|_| position));
                    self.until = Some(position);
                    Receipt::At(position)
                }
            });
            in_streams.push(kept.map(|it| it.in_streams).unwrap_or_default());
        }
        for payload in &settlements {
            self.until = Some(whole.append(appender, SETTLE, &[payload])?);
        }
        // While nobody else appends: before anything of it can be committed, and so reclaimed.
        journal.retain_all(retained);
        let leaving = self.settled.drain(..).filter(|(_, placed)| !placed.is_empty());
        let leaving = leaving.map(|(queue, placed)| Leaving {
            at: self.until.expect("what is settled was appended"),
            queue,
            orders: placed.into_iter().map(|(order, _)| order).collect(),
        });
        store.keep_leaving(leaving.collect());
        Ok(in_streams)
    }

    /// The payloads that say what it settles.
    fn settlements(&self) -> impl Iterator<Item = Vec<u8>> {
        self.settled.iter().flat_map(|(queue, placed)| {
            placed.chunks(SETTLE_RECORD_MAX).map(|placed| {
                let mut payload = Vec::with_capacity(8 + placed.len() * 8);
                payload.put_u64_le(queue.id().0);
                placed.iter().for_each(|(_, position)| payload.put_u64_le(position.to_bits()));
                payload
            })
        })
    }
}

/// What is appended of a message, besides its properties and body.
struct Kept {
    head: Vec<u8>,
    queues: Vec<QueueId>,
    in_streams: InStreams,
    /// Of the whole payload.
    bytes: usize,
}

/// `None`: nothing of it has to survive.
fn kept(publish: &Publish, store: &Store) -> Result<Option<Kept>, Error> {
    let Publish { message, routes } = publish;
    let queues: Vec<QueueId> = kept_by(message, routes).collect();
    if queues.is_empty() {
        return Ok(None);
    }
    let in_streams = InStreams::allocate(message, routes, store.properties());
    let mut head = Vec::new();
    encode_head(message, &queues, &in_streams, &mut head)?;
    let bytes = head.len() + message.properties.len() + message.body_len();
    Ok(Some(Kept { head, queues, in_streams, bytes }))
}

/// The parts so far.
struct Whole {
    transaction: u64,
    index: u32,
    count: u32,
}

impl Whole {
    fn append(
        &mut self,
        appender: &mut Appender<'_>,
        kind: u8,
        payload: &[&[u8]],
    ) -> Result<Position, Error> {
        let Whole { transaction, index, count } = *self;
        self.index += 1;
        if count == 1 {
            // A single record is whole or not there.
            return Ok(appender.append(kind, payload)?);
        }
        let head = Part { transaction, index, count, kind }.encode();
        let parts: Vec<&[u8]> = [&head[..]].into_iter().chain(payload.iter().copied()).collect();
        Ok(appender.append(PART, &parts)?)
    }
}
