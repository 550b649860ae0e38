//! What the journal says behind a checkpoint, or all of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    mem,
};

use journal::{Position, Record, Recovery};

use super::{added::Added, declared::Declared};
use crate::{
    Error, Properties,
    entry::{Flags, Ticket},
    error::Kind,
    index::Slot,
    queue::QueueId,
    record::{self, Head, InStream, Moved, Part},
    routing::Map,
    stream::StreamRow,
};

/// What records say, taken in one after the other.
///
/// A message is known by where it was first written: that is its place in the order of its queues,
/// wherever compaction moved it since.
pub(super) struct Behind<'a> {
    declared: &'a Declared,
    properties: &'a dyn Properties,
    /// How long queues let a message live.
    ttls: Map<QueueId, Option<u64>>,
    /// Where the checkpoint ends.
    from: Position,
    /// What was written since, by where it was first written.
    pub(super) added: Map<QueueId, Added>,
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
    /// The transaction that is being read.
    parts: Option<Parts>,
    /// The commit that is being read, and those that an earlier start found cut short.
    commit: Commit,
    cut_short: Commit,
    /// Transactions of which something between the first part and the next record is missing.
    doubtful: Vec<Parts>,
    /// Of all queues that records name.
    pub(super) highest_id: u64,
    /// The first record that this version does not understand.
    pub(super) unknown: Option<String>,
}

/// What a record says.
enum Said {
    Message(Vec<QueueId>, Head),
    Moved(Moved, Head),
    Settled(QueueId, Vec<Position>),
    Trimmed(QueueId, u64),
}

impl Said {
    fn of(kind: u8, mut payload: &[u8], properties: &dyn Properties) -> Option<Said> {
        match kind {
            record::MESSAGE | record::PLAIN_MESSAGE => {
                let queues = record::decode_queues(&mut payload)?;
                let head = Head::decode(payload, kind == record::PLAIN_MESSAGE, properties)?;
                Some(Said::Message(queues, head))
            }
            record::MOVED => {
                let moved = Moved::decode(&mut payload)?;
                Some(Said::Moved(moved, Head::decode(payload, false, properties)?))
            }
            record::TRIM => {
                record::decode_trim(payload).map(|(id, first)| Said::Trimmed(id, first))
            }
            record::SETTLE => {
                record::decode_settle(payload).map(|(id, settled)| Said::Settled(id, settled))
            }
            _ => None,
        }
    }
}

/// What there is of a commit.
#[derive(Default)]
struct Commit {
    /// Transactions that are whole.
    whole: Vec<Parts>,
    /// Where its messages are that belong to none, or to one that counts.
    messages: Vec<Position>,
}

/// What is there of a transaction.
struct Parts {
    transaction: u64,
    /// Something is missing before the last one.
    has_gap: bool,
    said: Vec<(Position, Said)>,
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
    pub(super) fn new(
        declared: &'a Declared,
        properties: &'a dyn Properties,
        from: Position,
    ) -> Behind<'a> {
        Behind {
            declared,
            properties,
            ttls: Map::default(),
            from,
            added: Map::default(),
            rows: Map::default(),
            trimmed: Map::default(),
            settled: Map::default(),
            gone: Map::default(),
            origins: HashMap::new(),
            parts: None,
            commit: Commit::default(),
            cut_short: Commit::default(),
            doubtful: Vec::new(),
            highest_id: 0,
            unknown: None,
        }
    }

    pub(super) fn visit(&mut self, record: Record<'_>) {
        let (position, mut payload) = (record.position, record.payload);
        if record.begins_commit {
            self.proven();
        }
        let said = match record.kind {
            record::PART => Part::decode(&mut payload).and_then(|part| {
                let said = Said::of(part.kind, payload, self.properties)?;
                self.part(part, &record, (position, said));
                Some(())
            }),
            kind => Said::of(kind, payload, self.properties).map(|said| {
                self.end_parts(record.follows);
                if let Said::Message(..) | Said::Moved(..) = said {
                    self.commit_of(&record).messages.push(position);
                }
                self.take(position, said);
            }),
        };
        if said.is_none() {
            let (kind, position) = (record.kind, record.position);
            self.unknown.get_or_insert_with(|| format!("kind {kind} at {position:?}"));
        }
    }

    /// A part of a transaction: nothing of it counts until all of it is there.
    fn part(&mut self, part: Part, record: &Record<'_>, said: (Position, Said)) {
        let follows = record.follows;
        if self.parts.as_ref().is_some_and(|parts| parts.transaction != part.transaction) {
            self.end_parts(follows);
        }
        let parts = self.parts.get_or_insert_with(|| Parts {
            transaction: part.transaction,
            // The first one need not follow what came before the transaction.
            has_gap: part.index > 0,
            said: Vec::new(),
        });
        parts.has_gap |= part.index > 0 && !follows;
        parts.said.push(said);
        if parts.said.len() == part.count as usize {
            let whole = self.parts.take();
            self.commit_of(record).whole.extend(whole);
        }
    }

    fn commit_of(&mut self, record: &Record<'_>) -> &mut Commit {
        if record.cut_short { &mut self.cut_short } else { &mut self.commit }
    }

    /// Something else comes: what is there of a transaction is all there ever was, or something of
    /// it was damaged.
    fn end_parts(&mut self, follows: bool) {
        // With nothing missing in between, a crash cut it short: it never was confirmed.
        self.doubtful.extend(self.parts.take().filter(|parts| parts.has_gap || !follows));
    }

    /// All that was read so far had been synced, but for commits that were cut short.
    fn proven(&mut self) {
        // Its room is for the next one: there are as many commits as messages, mostly.
        self.commit.messages.clear();
        for parts in mem::take(&mut self.commit.whole) {
            self.take_all(parts);
        }
    }

    /// All was read. Of a transaction with parts missing the others count if it had been synced:
    /// then it was whole, and damage costs what it hit.
    pub(super) fn finish(&mut self, report: &Recovery) {
        self.end_parts(true);
        for parts in mem::take(&mut self.doubtful) {
            if parts.said.first().is_some_and(|(first, _)| report.is_proven(*first)) {
                self.take_all(parts);
            }
        }
        let mut messages = HashSet::new();
        for commit in [mem::take(&mut self.cut_short), mem::take(&mut self.commit)] {
            messages.extend(commit.messages);
            self.finish_commit(commit.whole, &mut messages, report);
        }
    }

    /// In what may be the rest of a commit that a crash cut short, a transaction counts that is
    /// whole, and that settles nothing that is lost: who made it had seen that.
    fn finish_commit(
        &mut self,
        whole: Vec<Parts>,
        messages: &mut HashSet<Position>,
        report: &Recovery,
    ) {
        for parts in whole {
            let is_lost = |at: &Position| !report.is_proven(*at) && !messages.contains(at);
            let settles_lost = parts.said.iter().any(|(_, said)| match said {
                Said::Settled(_, settled) => settled.iter().any(is_lost),
                _ => false,
            });
            if !settles_lost {
                messages.extend(parts.said.iter().map(|(position, _)| *position));
                self.take_all(parts);
            }
        }
    }

    fn take_all(&mut self, parts: Parts) {
        parts.said.into_iter().for_each(|(position, said)| self.take(position, said));
    }

    fn take(&mut self, position: Position, said: Said) {
        match said {
            Said::Message(queues, head) => {
                queues.into_iter().for_each(|id| self.message(id, position, &head));
            }
            Said::Moved(moved, head) => {
                self.origins.insert(moved.from, moved.origin);
                self.origins.insert(position, moved.origin);
                moved.queues.iter().for_each(|&id| self.moved(id, &moved, position, &head));
            }
            Said::Trimmed(id, first) => {
                if self.keeps(id) {
                    let kept = self.trimmed.entry(id).or_default();
                    *kept = first.max(*kept);
                }
            }
            Said::Settled(id, positions) => self.settle(id, positions),
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
        // One of a damaged transaction comes last, and may be settled by then.
        if self.keeps(id) && !self.is_gone(id, position) {
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
            flags: Flags::fresh(head.group).redelivered(),
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
        } else if !self.is_gone(id, moved.origin) {
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
                    added.remove(origin);
                }
                self.gone.entry(id).or_default().insert(origin);
            }
        }
    }

    fn is_gone(&self, id: QueueId, origin: Position) -> bool {
        self.gone.get(&id).is_some_and(|gone| gone.contains(&origin))
    }

    fn keeps(&mut self, id: QueueId) -> bool {
        self.highest_id = self.highest_id.max(id.0);
        self.declared.keeps(id)
    }
}
