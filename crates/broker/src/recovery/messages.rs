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
    index::{
        Checkpoint, CheckpointPart, Chunk, Chunks, QueueCheckpoint, Slot, Unreadable, Unusable,
    },
    queue::QueueId,
    routing::Map,
    stream::{StreamRow, Stretch},
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
        let mut behind = Behind::new(declared, &*options.properties, Position::from_bits(0));
        let disk = disks.messages.clone();
        let (journal, report) =
            Journal::open(disk, options.journal.clone(), &mut |record| behind.visit(record))?;
        behind.finish(&report);
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
        let mut behind = Behind::new(declared, &*options.properties, from);
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
        behind.finish(&report);
        behind.check()?;
        let reclaimed: HashSet<u32> = report.reclaimed.iter().copied().collect();
        let mut kept = Map::default();
        for QueueCheckpoint { id, parts } in queues {
            let since = Since {
                settled: behind.settled.remove(&id).unwrap_or_default(),
                trimmed: behind.trimmed.get(&id).copied().unwrap_or_default(),
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
        let Behind { added, rows, trimmed, highest_id, .. } = behind;
        for (id, added) in added {
            let slots = added.into_slots();
            journal.retain_all(slots.iter().map(|slot| slot.position));
            queues.entry(id).or_default().push(CheckpointPart::Slots(slots));
        }
        for (id, rows) in rows {
            let kept = rows.range(trimmed.get(&id).copied().unwrap_or_default()..);
            let kept: Vec<(u64, StreamRow)> = kept.map(|(offset, row)| (*offset, *row)).collect();
            kept.iter().for_each(|(_, row)| journal.retain(row.position));
            queues.entry(id).or_default().extend(runs(&kept));
        }
        for (id, first) in trimmed {
            // Whatever is left of it, no number is given again.
            let none = CheckpointPart::Rows { first, rows: Vec::new() };
            queues.entry(id).or_default().push(none);
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

/// Rows of a stream as parts, each of consecutive offsets.
fn runs(rows: &[(u64, StreamRow)]) -> Vec<CheckpointPart> {
    let runs = rows.chunk_by(|(one, _), (next, _)| one + 1 == *next);
    let part = |run: &[(u64, StreamRow)]| {
        let first = run.first().map_or(0, |(offset, _)| *offset);
        CheckpointPart::Rows { first, rows: run.iter().map(|(_, row)| *row).collect() }
    };
    runs.map(part).collect()
}

fn cannot_begin(error: &std::io::Error) -> Error {
    Error::new(Kind::Internal, format!("the index directory cannot be used: {error}"))
}

/// How many messages these are.
pub(super) fn count(parts: &[CheckpointPart]) -> usize {
    let count = |part: &CheckpointPart| match part {
        CheckpointPart::Slots(slots) => slots.len(),
        CheckpointPart::Chunk(chunk) => chunk.count as usize,
        CheckpointPart::Stretch(stretch) => stretch.chunk.count as usize,
        CheckpointPart::Rows { rows, .. } => rows.len(),
    };
    parts.iter().map(count).sum()
}

/// How many entries there are in each segment of the journal.
fn retained<'a>(parts: impl Iterator<Item = &'a CheckpointPart>) -> Vec<(u32, u64)> {
    let mut retained: BTreeMap<u32, u64> = BTreeMap::new();
    let mut add = |segment, count| *retained.entry(segment).or_default() += count;
    let add_all = |positions: Vec<Position>, add: &mut dyn FnMut(u32, u64)| {
        // Neighbours are mostly of one segment.
        for run in positions.chunk_by(|one, next| one.segment() == next.segment()) {
            run.first().into_iter().for_each(|first| add(first.segment(), run.len() as u64));
        }
    };
    let of_chunk = |chunk: &Chunk, add: &mut dyn FnMut(u32, u64)| {
        chunk.segments.iter().for_each(|(id, count)| add(*id, u64::from(*count)));
    };
    for part in parts {
        match part {
            CheckpointPart::Slots(slots) => {
                add_all(slots.iter().map(|slot| slot.position).collect(), &mut add);
            }
            CheckpointPart::Rows { rows, .. } => {
                add_all(rows.iter().map(|row| row.position).collect(), &mut add);
            }
            CheckpointPart::Chunk(chunk) => of_chunk(chunk, &mut add),
            CheckpointPart::Stretch(stretch) => of_chunk(&stretch.chunk, &mut add),
        }
    }
    retained.into_iter().collect()
}

/// What happened since a checkpoint to one queue's messages in it.
struct Since<'a> {
    settled: Settled,
    /// The first offset that it kept, if it is a stream.
    trimmed: u64,
    /// Segments that were deleted since.
    reclaimed: &'a HashSet<u32>,
    chunks: &'a Chunks,
    journal: &'a Journal,
}

impl Since<'_> {
    /// The parts as they are now. Only chunks that something may have happened to are read.
    fn of(&self, parts: Parts) -> Result<Parts, Unreadable> {
        let mut now = Parts::new();
        for part in parts {
            match part {
                CheckpointPart::Slots(slots) => now.push(self.left(slots)),
                CheckpointPart::Chunk(chunk) if !self.may_concern(&chunk) => {
                    now.push(CheckpointPart::Chunk(chunk));
                }
                CheckpointPart::Chunk(chunk) => {
                    let slots = self.chunks.read(&chunk)?;
                    self.chunks.discard(&chunk);
                    now.push(self.left(slots));
                }
                CheckpointPart::Rows { first, rows } => {
                    now.extend(runs(&self.rows_left(first, &rows)));
                    // The last one says where the next message comes.
                    let (first, rows) = (first + rows.len() as u64, Vec::new());
                    now.push(CheckpointPart::Rows { first, rows });
                }
                CheckpointPart::Stretch(stretch)
                    if stretch.first() >= self.trimmed && !self.may_concern(&stretch.chunk) =>
                {
                    now.push(CheckpointPart::Stretch(stretch));
                }
                CheckpointPart::Stretch(stretch) => {
                    let rows: Vec<StreamRow> = self.chunks.read(&stretch.chunk)?;
                    let left = runs(&self.rows_left(stretch.first(), &rows));
                    stretch.discard(self.chunks);
                    for part in left {
                        now.extend(self.rewritten(part)?);
                    }
                }
            }
        }
        Ok(now)
    }

    /// Whether something in it may not be what and where it was.
    fn may_concern(&self, chunk: &Chunk) -> bool {
        let reclaimed = |(id, _): &(u32, u32)| self.reclaimed.contains(id);
        self.settled.may_concern(chunk.lowest, chunk.highest)
            || chunk.segments.iter().any(reclaimed)
    }

    /// Rows of a stream as a stretch in a file of its own. On a full disk in the space that is held
    /// in reserve: without this file the checkpoint could not be used, and what the stream trimmed
    /// would come again.
    fn rewritten(&self, part: CheckpointPart) -> Result<Option<CheckpointPart>, Unreadable> {
        let CheckpointPart::Rows { first, rows } = part else { return Ok(Some(part)) };
        let write = || Stretch::write(self.chunks, first, &rows);
        let written = self.chunks.with_reserve(write).map_err(|error| {
            let text = format!("the index cannot be written: {error}");
            // The journal has it all.
            Unreadable { error: Error::new(Kind::Internal, text), is_damaged: true }
        })?;
        Ok(written.map(CheckpointPart::Stretch))
    }

    /// What a stream has still of rows from `first` on, and where.
    fn rows_left(&self, first: u64, rows: &[StreamRow]) -> Vec<(u64, StreamRow)> {
        let left = (first..).zip(rows).filter_map(|(offset, row)| {
            let position = self.settled.where_now(row.position);
            let kept =
                |it: &Position| offset >= self.trimmed && !self.reclaimed.contains(&it.segment());
            let position = self.follow(row.position, position.filter(kept))?;
            Some((offset, StreamRow { position, ..*row }))
        });
        left.collect()
    }

    /// A message that was at one place is at another now, or nowhere; returns that.
    fn follow(&self, was: Position, now: Option<Position>) -> Option<Position> {
        if now != Some(was) {
            self.journal.release(was);
            now.iter().for_each(|&position| self.journal.retain(position));
        }
        now
    }

    fn left(&self, slots: Vec<Slot>) -> CheckpointPart {
        let left = slots.into_iter().filter_map(|slot| {
            let position = self.settled.where_now(slot.position);
            // A segment goes when all in it was settled or moved on: what is left there of a
            // checkpoint was settled, even if what said so was not on the medium yet.
            let position = position.filter(|it| !self.reclaimed.contains(&it.segment()));
            let position = self.follow(slot.position, position);
            let ticket = Ticket { flags: slot.ticket.flags.redelivered(), ..slot.ticket };
            position.map(|position| Slot { position, ticket })
        });
        CheckpointPart::Slots(left.collect())
    }
}
