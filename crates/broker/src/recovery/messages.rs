//! The messages that were not settled: each queue's in order, every one kept in the journal.

use std::collections::{BTreeMap, HashSet};

use journal::{Journal, Position};

use super::{
    behind::{Behind, Settled},
    declared::Declared,
};
use crate::{
    Error,
    broker::{Disks, Options},
    entry::Ticket,
    error::Kind,
    index::{Checkpoint, CheckpointPart, Chunks, QueueCheckpoint, Slot, Unreadable, Unusable},
    queue::QueueId,
    routing::Map,
};

/// One queue's messages, in order.
pub(super) type Parts = Vec<CheckpointPart>;

pub(super) struct Messages {
    pub(super) journal: Journal,
    pub(super) report: journal::Recovery,
    pub(super) chunks: Chunks,
    pub(super) queues: Map<QueueId, Parts>,
    /// Where the checkpoint stands that this begins with.
    pub(super) checkpoint: Option<Position>,
    /// Of all queues that records name.
    pub(super) highest_id: u64,
    /// What has to be looked into, besides what the journal itself reports.
    pub(super) damage: Vec<String>,
}

impl Messages {
    pub(super) fn read(
        disks: &Disks,
        options: &Options,
        declared: &Declared,
    ) -> Result<Messages, Error> {
        let chunks = Chunks::new(disks.index.clone());
        let mut damage = None;
        if let Some(bytes) = chunks.load_checkpoint().map_err(|error| cannot_begin(&error))? {
            let begun = match Checkpoint::decode(&bytes) {
                Ok(checkpoint) => Messages::from(checkpoint, chunks, disks, options, declared)?,
                Err(newer @ Unusable::Newer(_)) => {
                    let text = format!("the index's checkpoint: {newer}");
                    return Err(Error::new(Kind::Internal, text));
                }
                Err(damaged) => Err(damaged.to_string()),
            };
            match begun {
                Ok(messages) => return Ok(messages),
                Err(reason) => damage = Some(reason),
            }
        }
        let chunks = Chunks::new(disks.index.clone());
        chunks.begin_anew().map_err(|error| cannot_begin(&error))?;
        let mut behind = Behind::new(declared, Position::from_bits(0));
        let disk = disks.messages.clone();
        let (journal, report) =
            Journal::open(disk, options.journal.clone(), &mut |record| behind.visit(record))?;
        behind.check()?;
        let mut messages = Messages::new(journal, report, chunks, Map::default(), behind, None);
        messages.damage.extend(damage.map(|reason| {
            format!(
                "index: the checkpoint cannot be used: {reason}; the journal was read from its \
                 beginning, and what was settled long ago may come again"
            )
        }));
        Ok(messages)
    }

    /// From a checkpoint, if the journal goes with it and the chunks it names are whole; or why
    /// not.
    fn from(
        checkpoint: Checkpoint,
        chunks: Chunks,
        disks: &Disks,
        options: &Options,
        declared: &Declared,
    ) -> Result<Result<Messages, String>, Error> {
        if !chunks.begin(checkpoint.files()).map_err(|error| cannot_begin(&error))? {
            return Ok(Err("a file that it names is missing".to_owned()));
        }
        let Checkpoint { from, next_queue_id, queues } = checkpoint;
        let queues: Vec<QueueCheckpoint> =
            queues.into_iter().filter(|queue| declared.keeps(queue.id)).collect();
        let mut behind = Behind::new(declared, from);
        behind.highest_id = next_queue_id.saturating_sub(1);
        let (disk, options) = (disks.messages.clone(), options.journal.clone());
        let retained = retained(queues.iter().flat_map(|queue| &queue.parts));
        let opened = Journal::open_from(disk, options, from, &retained, &mut |record| {
            behind.visit(record);
        });
        let (journal, report) = match opened {
            Ok(opened) => opened,
            // Not this journal's checkpoint, or an old one: the journal itself knows better.
            Err(error @ journal::Error::NoRecord(_)) => return Ok(Err(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        behind.check()?;
        let reclaimed: HashSet<u32> = report.reclaimed.iter().copied().collect();
        let mut kept = Map::default();
        for QueueCheckpoint { id, parts } in queues {
            let since = Since {
                settled: behind.settled.remove(&id).unwrap_or_default(),
                reclaimed: &reclaimed,
                chunks: &chunks,
                journal: &journal,
            };
            match since.of(parts) {
                Ok(parts) => drop(kept.insert(id, parts)),
                Err(unreadable) if unreadable.is_damaged => {
                    return Ok(Err(unreadable.error.text));
                }
                Err(unreadable) => return Err(unreadable.error),
            }
        }
        Ok(Ok(Messages::new(journal, report, chunks, kept, behind, Some(from))))
    }

    fn new(
        journal: Journal,
        report: journal::Recovery,
        chunks: Chunks,
        mut queues: Map<QueueId, Parts>,
        behind: Behind<'_>,
        checkpoint: Option<Position>,
    ) -> Messages {
        let Behind { added, highest_id, .. } = behind;
        for (id, added) in added {
            let slots: Vec<Slot> = added.into_values().collect();
            slots.iter().for_each(|slot| journal.retain(slot.position));
            queues.entry(id).or_default().push(CheckpointPart::Slots(slots));
        }
        let damage = Vec::new();
        Messages { journal, report, chunks, queues, checkpoint, highest_id, damage }
    }

    pub(super) fn count(&self) -> usize {
        self.queues.values().map(|parts| count(parts)).sum()
    }

    /// Takes out what belongs to queues that the ledger has lost.
    pub(super) fn take_undeclared(&mut self, declared: &Declared) -> Vec<QueueCheckpoint> {
        let lost = self.queues.extract_if(|id, _| !declared.queues.contains_key(id));
        let lost = lost.map(|(id, parts)| QueueCheckpoint { id, parts });
        lost.filter(|queue| count(&queue.parts) > 0).collect()
    }
}

fn cannot_begin(error: &std::io::Error) -> Error {
    Error::new(Kind::Internal, format!("the index directory cannot be used: {error}"))
}

/// How many messages these are.
pub(super) fn count(parts: &[CheckpointPart]) -> usize {
    let count = |part: &CheckpointPart| match part {
        CheckpointPart::Slots(slots) => slots.len(),
        CheckpointPart::Chunk(chunk) => chunk.count as usize,
    };
    parts.iter().map(count).sum()
}

/// How many entries there are in each segment of the journal.
fn retained<'a>(parts: impl Iterator<Item = &'a CheckpointPart>) -> Vec<(u32, u64)> {
    let mut retained: BTreeMap<u32, u64> = BTreeMap::new();
    let mut add = |segment, count| *retained.entry(segment).or_default() += count;
    for part in parts {
        match part {
            CheckpointPart::Slots(slots) => {
                slots.iter().for_each(|slot| add(slot.position.segment(), 1));
            }
            CheckpointPart::Chunk(chunk) => {
                chunk.segments.iter().for_each(|(id, count)| add(*id, u64::from(*count)));
            }
        }
    }
    retained.into_iter().collect()
}

/// What happened since a checkpoint to one queue's messages in it.
struct Since<'a> {
    settled: Settled,
    /// Segments that were deleted since.
    reclaimed: &'a HashSet<u32>,
    chunks: &'a Chunks,
    journal: &'a Journal,
}

impl Since<'_> {
    /// The parts as they are now. Only chunks that something may have happened to are read.
    fn of(&self, parts: Parts) -> Result<Parts, Unreadable> {
        let part = |part| match part {
            CheckpointPart::Slots(slots) => Ok(self.left(slots)),
            CheckpointPart::Chunk(chunk) => {
                let reclaimed = |(id, _): &(u32, u32)| self.reclaimed.contains(id);
                if !self.settled.may_concern(chunk.lowest, chunk.highest)
                    && !chunk.segments.iter().any(reclaimed)
                {
                    return Ok(CheckpointPart::Chunk(chunk));
                }
                let slots = self.chunks.read(&chunk)?;
                self.chunks.discard(&chunk);
                Ok(self.left(slots))
            }
        };
        parts.into_iter().map(part).collect()
    }

    fn left(&self, slots: Vec<Slot>) -> CheckpointPart {
        let left = slots.into_iter().filter_map(|slot| {
            let position = self.settled.where_now(slot.position);
            // A segment goes when all in it was settled or moved on: what is left there of a
            // checkpoint was settled, even if what said so was not on the medium yet.
            let position = position.filter(|it| !self.reclaimed.contains(&it.segment()));
            if position != Some(slot.position) {
                self.journal.release(slot.position);
                position.iter().for_each(|&position| self.journal.retain(position));
            }
            let ticket = Ticket { redelivered: true, ..slot.ticket };
            position.map(|position| Slot { position, ticket })
        });
        CheckpointPart::Slots(left.collect())
    }
}
