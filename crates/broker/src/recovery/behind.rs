//! What the journal says behind a checkpoint, or all of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use journal::{Position, Record};

use super::declared::Declared;
use crate::{
    Error,
    entry::Ticket,
    error::Kind,
    index::Slot,
    queue::QueueId,
    record::{self, Head, InStream, Moved},
    routing::Map,
    stream::StreamRow,
};

/// What records say, taken in one after the other.
///
/// A message is known by where it was first written: that is its place in the order of its queues,
/// wherever compaction moved it since.
pub(super) struct Behind<'a> {
    declared: &'a Declared,
    /// How long queues let a message live.
    ttls: Map<QueueId, Option<u64>>,
    /// Where the checkpoint ends.
    from: Position,
    /// What was written since, by where it was first written.
    pub(super) added: Map<QueueId, BTreeMap<Position, Slot>>,
    /// The same of streams, by offset.
    pub(super) rows: Map<QueueId, BTreeMap<u64, StreamRow>>,
    /// The first offset that streams kept.
    pub(super) trimmed: Map<QueueId, u64>,
    /// What happened to what was there before.
    pub(super) settled: Map<QueueId, Settled>,
    /// Settled ones among the added, for the sake of copies that are made of them still.
    gone: Map<QueueId, HashSet<Position>>,
    /// Where a message was first written, of those that moved.
    origins: HashMap<Position, Position>,
    /// Of all queues that records name.
    pub(super) highest_id: u64,
    /// The first record that this version does not understand.
    pub(super) unknown: Option<String>,
}

/// What happened to messages of one queue that were written before a checkpoint.
#[derive(Default)]
pub(super) struct Settled {
    positions: BTreeSet<Position>,
    moved: BTreeMap<Position, Position>,
}

impl Settled {
    /// Whether something between these two may not be what and where it was.
    pub(super) fn may_concern(&self, lowest: Position, highest: Position) -> bool {
        let range = lowest..=highest;
        self.positions.range(range.clone()).next().is_some()
            || self.moved.range(range).next().is_some()
    }

    /// Where a message is that was at `position`; `None` when it is settled. A settlement may name
    /// any of its places: it may have been under way while the message moved.
    pub(super) fn where_now(&self, mut position: Position) -> Option<Position> {
        loop {
            if self.positions.contains(&position) {
                return None;
            }
            match self.moved.get(&position) {
                // Moves go forward only, so this ends.
                Some(&next) if next > position => position = next,
                _ => return Some(position),
            }
        }
    }
}

impl<'a> Behind<'a> {
    pub(super) fn new(declared: &'a Declared, from: Position) -> Behind<'a> {
        Behind {
            declared,
            ttls: Map::default(),
            from,
            added: Map::default(),
            rows: Map::default(),
            trimmed: Map::default(),
            settled: Map::default(),
            gone: Map::default(),
            origins: HashMap::new(),
            highest_id: 0,
            unknown: None,
        }
    }

    pub(super) fn visit(&mut self, record: Record<'_>) {
        let (position, mut payload) = (record.position, record.payload);
        let understood = match record.kind {
            kind @ (record::MESSAGE | record::PLAIN_MESSAGE) => record::decode_queues(&mut payload)
                .and_then(|queues| {
                    let head = Head::decode(payload, kind == record::PLAIN_MESSAGE)?;
                    queues.into_iter().for_each(|id| self.message(id, position, &head));
                    Some(())
                }),
            record::MOVED => Moved::decode(&mut payload).and_then(|moved| {
                let head = Head::decode(payload, false)?;
                self.origins.insert(moved.from, moved.origin);
                self.origins.insert(position, moved.origin);
                moved.queues.iter().for_each(|&id| self.moved(id, &moved, position, &head));
                Some(())
            }),
            record::TRIM => record::decode_trim(record.payload).map(|(id, first)| {
                if self.keeps(id) {
                    let kept = self.trimmed.entry(id).or_default();
                    *kept = first.max(*kept);
                }
            }),
            record::SETTLE => record::decode_settle(record.payload)
                .map(|(id, positions)| self.settle(id, positions)),
            _ => None,
        };
        if understood.is_none() {
            let (kind, position) = (record.kind, record.position);
            self.unknown.get_or_insert_with(|| format!("kind {kind} at {position:?}"));
        }
    }

    /// An error if there is a record that this version does not understand. Its checksum was right,
    /// so a newer one wrote it; passed over, it would be taken for dead and deleted.
    pub(super) fn check(&self) -> Result<(), Error> {
        match &self.unknown {
            None => Ok(()),
            Some(what) => Err(Error::new(
                Kind::Internal,
                format!(
                    "the messages' journal has a record that this version does not know ({what}); \
                     start the version that wrote it"
                ),
            )),
        }
    }

    fn message(&mut self, id: QueueId, position: Position, head: &Head) {
        if self.keeps(id) {
            self.add(id, position, position, head);
        }
    }

    /// A message that is at `position` now, and was first written at `origin`.
    fn add(&mut self, id: QueueId, origin: Position, position: Position, head: &Head) {
        if let Some(InStream { offset, filter }) = head.in_streams.of(id) {
            let Head { size, published_at, .. } = *head;
            let row = StreamRow { position, size, filter, published_at };
            self.rows.entry(id).or_default().insert(offset, row);
        } else {
            let slot = self.slot(id, position, head);
            self.added.entry(id).or_default().insert(origin, slot);
        }
    }

    fn slot(&mut self, id: QueueId, position: Position, head: &Head) -> Slot {
        let of_queue = self.ttls.entry(id).or_insert_with(|| self.declared.message_ttl(id));
        let ttl = head.ttl.into_iter().chain(*of_queue).min();
        let ticket = Ticket {
            size: head.size,
            redelivered: true,
            priority: head.priority,
            returns: 0,
            expires_at: ttl.map(|ttl| head.published_at.after(ttl)),
        };
        Slot { position, ticket }
    }

    fn moved(&mut self, id: QueueId, moved: &Moved, position: Position, head: &Head) {
        if !self.keeps(id) {
            return;
        }
        if moved.origin < self.from {
            let settled = self.settled.entry(id).or_default();
            settled.moved.insert(moved.from, position);
        } else if self.gone.get(&id).is_none_or(|gone| !gone.contains(&moved.origin)) {
            self.add(id, moved.origin, position, head);
        }
    }

    fn settle(&mut self, id: QueueId, positions: Vec<Position>) {
        if !self.keeps(id) {
            return;
        }
        for position in positions {
            let origin = self.origins.get(&position).copied().unwrap_or(position);
            if origin < self.from {
                self.settled.entry(id).or_default().positions.insert(position);
            } else {
                if let Some(added) = self.added.get_mut(&id) {
                    added.remove(&origin);
                }
                self.gone.entry(id).or_default().insert(origin);
            }
        }
    }

    fn keeps(&mut self, id: QueueId) -> bool {
        self.highest_id = self.highest_id.max(id.0);
        self.declared.keeps(id)
    }
}
