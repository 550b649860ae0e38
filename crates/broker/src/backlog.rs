//! The messages of a queue that wait, in order. A short queue is all in memory; of a long one the
//! head and the tail are, and what lies between is in chunks on disk.
//!
//! `head < middle < tail` in order. Entries come in at the tail, or at the head when there is
//! nothing behind it; they leave at the head; a requeued one goes back to the head.

use std::{collections::VecDeque, sync::Arc};

use journal::{Journal, Position};

use crate::{
    Entry, Error, Message,
    compaction::Following,
    entry::Ticket,
    index::{CheckpointPart, Chunk, Chunks, Slot, Unreadable},
    limits::{BACKLOG_CHUNK, BACKLOG_HEAD, HEAD_IN_MEMORY},
};

#[derive(Debug)]
pub(crate) struct Backlog {
    sizes: BacklogSizes,
    head: VecDeque<Entry>,
    middle: VecDeque<Part>,
    tail: VecDeque<Entry>,
    len: usize,
    bytes: u64,
    /// The priority of all in it.
    level: u8,
}

/// How many entries of a queue stay in memory: up to `head` at its front, fewer than twice `chunk`
/// at its end.
#[derive(Debug, Clone, Copy)]
pub struct BacklogSizes {
    /// Entries at the front, before any go to disk.
    pub head: usize,
    /// Entries that go to disk, and come back, together: 24 bytes each.
    pub chunk: usize,
}

impl Default for BacklogSizes {
    fn default() -> BacklogSizes {
        BacklogSizes { head: BACKLOG_HEAD, chunk: BACKLOG_CHUNK }
    }
}

impl BacklogSizes {
    /// At least one entry each.
    pub(crate) fn checked(self) -> BacklogSizes {
        BacklogSizes { head: self.head.max(1), chunk: self.chunk.max(1) }
    }
}

/// A stretch of the middle.
#[derive(Debug)]
enum Part {
    Disk(Chunk),
    /// With messages in it that the journal does not have.
    Memory(VecDeque<Entry>),
}

impl Backlog {
    pub(crate) fn new(sizes: BacklogSizes, level: u8) -> Backlog {
        let (head, middle, tail) = Default::default();
        Backlog { sizes, head, middle, tail, len: 0, bytes: 0, level }
    }

    /// Bytes of all bodies.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push_back(&mut self, entry: Entry) {
        self.len += 1;
        self.bytes += u64::from(entry.ticket.size);
        if self.middle.is_empty() && self.tail.is_empty() && self.head.len() < self.sizes.head {
            self.head.push_back(entry);
        } else {
            self.tail.push_back(entry);
        }
    }

    /// The first entry, for a look.
    ///
    /// # Errors
    /// A chunk cannot be read. A damaged one is passed over, and what is behind it is served.
    pub(crate) fn front(&mut self, chunks: Option<&Chunks>) -> Result<Option<&Entry>, Unreadable> {
        self.refill(chunks)?;
        Ok(self.head.front())
    }

    /// Takes the first entry.
    ///
    /// # Errors
    /// As [`Backlog::front`].
    pub(crate) fn pop_front(
        &mut self,
        chunks: Option<&Chunks>,
    ) -> Result<Option<Entry>, Unreadable> {
        self.refill(chunks)?;
        let entry = self.head.pop_front();
        self.len -= usize::from(entry.is_some());
        self.bytes -= entry.as_ref().map_or(0, |it| u64::from(it.ticket.size));
        Ok(entry)
    }

    /// The message of the first entry, if it is in memory.
    pub(crate) fn head_in_memory(&self) -> Option<Arc<Message>> {
        let first = match (self.head.front(), self.middle.front()) {
            (Some(first), _) => Some(first),
            (None, None) => self.tail.front(),
            (None, Some(Part::Memory(entries))) => entries.front(),
            (None, Some(Part::Disk(_))) => None,
        };
        first?.message.clone()
    }

    fn refill(&mut self, chunks: Option<&Chunks>) -> Result<(), Unreadable> {
        while self.head.is_empty() {
            self.head = match (self.middle.pop_front(), chunks) {
                (None, _) if self.tail.is_empty() => return Ok(()),
                (None, _) => std::mem::take(&mut self.tail),
                (Some(Part::Memory(entries)), _) => entries,
                (Some(Part::Disk(chunk)), Some(chunks)) => match chunks.read(&chunk) {
                    Ok(slots) => {
                        chunks.discard(&chunk);
                        entries_of(&chunk, slots).collect()
                    }
                    Err(unreadable) => {
                        match unreadable.is_damaged {
                            true => self.pass_over(&chunk, chunks),
                            false => self.middle.push_front(Part::Disk(chunk)),
                        }
                        return Err(unreadable);
                    }
                },
                // Without an index nothing is ever put there.
                (Some(Part::Disk(_)), None) => continue,
            };
        }
        Ok(())
    }

    fn pass_over(&mut self, chunk: &Chunk, chunks: &Chunks) {
        self.forget(chunk);
        chunks.discard(chunk);
    }

    fn forget(&mut self, chunk: &Chunk) {
        self.len -= chunk.count as usize;
        self.bytes -= chunk.bytes;
    }

    /// Puts an entry back where it stood.
    pub(crate) fn put_back(&mut self, entry: Entry) {
        self.len += 1;
        self.bytes += u64::from(entry.ticket.size);
        if self.head.front().is_none_or(|first| entry.order < first.order) {
            self.head.push_front(entry);
        } else {
            let at = self.head.partition_point(|it| it.order < entry.order);
            self.head.insert(at, entry);
        }
    }

    /// Copies of entries from an order on, at most `max`, and none that has more than `window`
    /// before it.
    ///
    /// # Errors
    /// A chunk cannot be read.
    pub(crate) fn look(
        &self,
        from: u64,
        max: usize,
        window: usize,
        chunks: Option<&Chunks>,
    ) -> Result<Vec<Entry>, Unreadable> {
        let mut seen: Vec<Entry> = Vec::new();
        let in_memory = |entries: &VecDeque<Entry>, left: usize| -> Vec<Entry> {
            let at = entries.partition_point(|entry| entry.order < from);
            entries.range(at..).take(left).map(Entry::copy).collect()
        };
        seen.extend(in_memory(&self.head, max));
        // One that was put back may stand in the head and belong further on: so what follows is
        // looked at as if the head had none.
        let (of_head, mut passed) = (seen.len(), self.head.len());
        for part in &self.middle {
            let left = max - (seen.len() - of_head);
            if left == 0 || passed >= window {
                break;
            }
            match part {
                Part::Memory(entries) => {
                    seen.extend(in_memory(entries, left));
                    passed += entries.len();
                }
                Part::Disk(chunk) => {
                    passed += chunk.count as usize;
                    if chunk.first_order + u64::from(chunk.count) <= from {
                        continue;
                    }
                    // Without an index nothing is ever put there.
                    let Some(chunks) = chunks else { continue };
                    let entries = entries_of(chunk, chunks.read(chunk)?);
                    seen.extend(entries.skip_while(|entry| entry.order < from).take(left));
                }
            }
        }
        if passed < window {
            seen.extend(in_memory(&self.tail, max - (seen.len() - of_head)));
        }
        seen.sort_by_key(|entry| entry.order);
        seen.truncate(max);
        Ok(seen)
    }

    /// Takes the entry of that order, wherever it stands; `None`: it is not here.
    ///
    /// # Errors
    /// A chunk cannot be read.
    pub(crate) fn take_at(
        &mut self,
        order: u64,
        chunks: Option<&Chunks>,
    ) -> Result<Option<Entry>, Unreadable> {
        let take = |entries: &mut VecDeque<Entry>| {
            let at = entries.binary_search_by_key(&order, |entry| entry.order).ok()?;
            entries.remove(at)
        };
        let mut taken = take(&mut self.head).or_else(|| take(&mut self.tail));
        for part in &mut self.middle {
            if taken.is_some() {
                break;
            }
            if let Part::Disk(chunk) = part {
                let orders = chunk.first_order..chunk.first_order + u64::from(chunk.count);
                let Some(chunks) = chunks.filter(|_| orders.contains(&order)) else { continue };
                // A chunk has no gaps: what is left of it stays in memory.
                let slots = chunks.read(chunk)?;
                chunks.discard(chunk);
                *part = Part::Memory(entries_of(chunk, slots).collect());
            }
            if let Part::Memory(entries) = part {
                taken = take(entries);
            }
        }
        self.len -= usize::from(taken.is_some());
        self.bytes -= taken.as_ref().map_or(0, |it| u64::from(it.ticket.size));
        Ok(taken)
    }

    /// Takes everything out: what is in memory to `each`, and of what is on disk the positions.
    ///
    /// # Errors
    /// A chunk cannot be read; all others were visited.
    pub(crate) fn drain(
        &mut self,
        chunks: Option<&Chunks>,
        each: &mut dyn FnMut(Entry),
    ) -> Result<(), Error> {
        let mut result = Ok(());
        loop {
            match self.pop_front(chunks) {
                Ok(Some(entry)) => each(entry),
                Ok(None) => return result,
                Err(unreadable) => {
                    result = Err(unreadable.error);
                    if !unreadable.is_damaged
                        && let Some(Part::Disk(chunk)) = self.middle.pop_front()
                    {
                        self.forget(&chunk);
                    }
                }
            }
        }
    }

    /// Moves what is behind the head to disk, as far as the journal has it; returns the bytes of
    /// memory that this gave back.
    ///
    /// # Errors
    /// The index cannot be written; nothing was moved.
    pub(crate) fn spill(
        &mut self,
        chunks: &Chunks,
        is_durable: impl Fn(Position) -> bool,
    ) -> std::io::Result<usize> {
        let (mut freed, count) = (0, self.sizes.chunk);
        while self.tail.len() >= count {
            let stretch = self.tail.range(..count);
            let slots: Option<Vec<Slot>> =
                stretch.map(|entry| durable_slot(entry, &is_durable)).collect();
            let part = match (slots, self.tail.front()) {
                (Some(slots), Some(first)) => match chunks.write(first.order, &slots)? {
                    Some(chunk) => Part::Disk(Chunk { level: self.level, ..chunk }),
                    None => return Ok(freed),
                },
                _ => {
                    // Not on disk yet: a later turn. Never to be: it stays in memory.
                    let waits = |entry: &Entry| entry.position.is_some_and(|it| !is_durable(it));
                    if self.tail.range(..count).any(waits) {
                        return Ok(freed);
                    }
                    Part::Memory(VecDeque::new())
                }
            };
            let taken = self.tail.drain(..count);
            self.middle.push_back(match part {
                Part::Memory(_) => Part::Memory(taken.collect()),
                disk => {
                    freed += taken.map(|entry| entry.share as usize).sum::<usize>();
                    disk
                }
            });
        }
        Ok(freed)
    }

    /// Lets go of messages that the journal can give back, newest first, but for the first few;
    /// returns the bytes that this gave back.
    pub(crate) fn page_out(&mut self, journal: &Journal) -> usize {
        let mut freed = 0;
        for entry in self.head.iter_mut().skip(HEAD_IN_MEMORY).chain(&mut self.tail).rev() {
            match entry.position {
                // Behind this one everything was let go before.
                _ if entry.message.is_none() => break,
                Some(position) if journal.is_committed(position) => {
                    entry.message = None;
                    freed += std::mem::take(&mut entry.share) as usize;
                }
                _ => {}
            }
        }
        freed
    }

    /// What of it lies in this segment of the journal: entries in memory go to `live`, and chunks
    /// that have some are returned.
    pub(crate) fn live_in(&self, segment: u32, live: &mut Vec<Slot>) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        let mut add = |entries: &VecDeque<Entry>| {
            let slots = entries.iter().filter_map(Entry::slot);
            live.extend(slots.filter(|slot| slot.position.segment() == segment));
        };
        add(&self.head);
        for part in &self.middle {
            match part {
                Part::Memory(entries) => add(entries),
                Part::Disk(chunk) if chunk.is_in(segment) => chunks.push(chunk.clone()),
                Part::Disk(_) => {}
            }
        }
        add(&self.tail);
        chunks
    }

    /// Lets entries follow their messages to where they were copied. Entries of a chunk that cannot
    /// be read stay.
    ///
    /// # Errors
    /// A chunk cannot be written: its entries stay.
    pub(crate) fn follow(
        &mut self,
        following: &mut Following,
        chunks: Option<&Chunks>,
    ) -> std::io::Result<()> {
        let mut result = Ok(());
        for part in &mut self.middle {
            match (part, chunks) {
                (Part::Memory(entries), _) => {
                    entries
                        .iter_mut()
                        .flat_map(|it| &mut it.position)
                        .for_each(|it| following.follow(it));
                }
                (Part::Disk(chunk), Some(chunks)) if chunk.is_in(following.segment) => {
                    let Ok(mut slots) = chunks.read::<Slot>(chunk) else { continue };
                    let rewrite = |slots: &[Slot]| {
                        *chunk = chunks.rewrite(chunk, slots)?;
                        Ok(())
                    };
                    let followed =
                        following.follow_rows(&mut slots, |it| &mut it.position, rewrite);
                    result = result.and(followed);
                }
                (Part::Disk(_), _) => {}
            }
        }
        let in_memory = self.head.iter_mut().chain(&mut self.tail);
        in_memory.flat_map(|it| &mut it.position).for_each(|it| following.follow(it));
        result
    }

    /// What a checkpoint says of it, and of what is `delivered` and not settled, each with its
    /// order. Neither transient entries are in it nor those that the journal has behind `end`.
    pub(crate) fn checkpoint(
        &self,
        mut delivered: Vec<(u64, Slot)>,
        end: Position,
    ) -> Vec<CheckpointPart> {
        // What was delivered came from the head, and comes back to it.
        delivered.extend(self.head.iter().filter_map(|it| Some((it.order, it.slot()?))));
        delivered.sort_unstable_by_key(|(order, _)| *order);
        let mut parts = Vec::new();
        let mut slots: Vec<Slot> = delivered.into_iter().map(|(_, slot)| slot).collect();
        slots.retain(|slot| slot.position < end);
        let before = |entry: &Entry| entry.slot().filter(|slot| slot.position < end);
        for part in &self.middle {
            match part {
                Part::Memory(entries) => slots.extend(entries.iter().filter_map(before)),
                Part::Disk(chunk) => {
                    parts.push(CheckpointPart::Slots(std::mem::take(&mut slots)));
                    parts.push(CheckpointPart::Chunk(chunk.clone()));
                }
            }
        }
        slots.extend(self.tail.iter().filter_map(before));
        parts.push(CheckpointPart::Slots(slots));
        parts
    }

    /// Appends what a restart found.
    pub(crate) fn restore(&mut self, slot: Slot, order: &mut u64) {
        self.push_back(Entry::of_slot(slot, next(order, 1)));
    }

    /// Appends a chunk that a restart found.
    pub(crate) fn restore_chunk(&mut self, mut chunk: Chunk, order: &mut u64) {
        if !self.tail.is_empty() {
            self.middle.push_back(Part::Memory(std::mem::take(&mut self.tail)));
        }
        chunk.first_order = next(order, chunk.count.into());
        self.len += chunk.count as usize;
        self.bytes += chunk.bytes;
        self.middle.push_back(Part::Disk(chunk));
    }
}

fn entries_of(chunk: &Chunk, slots: Vec<Slot>) -> impl Iterator<Item = Entry> {
    let again = chunk.redelivered;
    (chunk.first_order..).zip(slots).map(move |(order, slot)| {
        let flags = match again {
            true => slot.ticket.flags.redelivered(),
            false => slot.ticket.flags,
        };
        Entry::of_slot(Slot { ticket: Ticket { flags, ..slot.ticket }, ..slot }, order)
    })
}

fn durable_slot(entry: &Entry, is_durable: impl Fn(Position) -> bool) -> Option<Slot> {
    entry.slot().filter(|slot| is_durable(slot.position))
}

fn next(order: &mut u64, count: u64) -> u64 {
    let first = *order;
    *order += count;
    first
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use journal::{Disk, FileDisk};

    use super::*;
    use crate::{Label, Message};

    fn entry(order: u64, persistent: bool) -> Entry {
        let message = Message::new(Label { persistent, ..Label::default() }, Default::default());
        Entry {
            order,
            position: persistent.then(|| Position::from_bits((1 << 32) + order * 8)),
            message: Some(Arc::new(message)),
            share: 10,
            ticket: Ticket { size: 1, ..Ticket::default() },
        }
    }

    fn filled(count: u64, persistent: impl Fn(u64) -> bool) -> Backlog {
        let mut backlog = Backlog::new(BacklogSizes::default(), 0);
        (0..count).for_each(|order| backlog.push_back(entry(order, persistent(order))));
        backlog
    }

    fn orders(backlog: &mut Backlog, chunks: &Chunks) -> Vec<u64> {
        let mut orders = Vec::new();
        backlog.drain(Some(chunks), &mut |entry| orders.push(entry.order)).unwrap();
        orders
    }

    fn chunks(directory: &tempfile::TempDir) -> (Chunks, Arc<dyn Disk>) {
        let disk: Arc<dyn Disk> = Arc::new(FileDisk::open(directory.path()).unwrap());
        (Chunks::new(disk.clone()), disk)
    }

    const MANY: u64 = (BACKLOG_HEAD + 3 * BACKLOG_CHUNK + 100) as u64;

    #[test]
    fn a_long_backlog_goes_to_disk_and_comes_back_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let (chunks, disk) = chunks(&directory);
        let mut backlog = filled(MANY, |_| true);
        assert_eq!(backlog.spill(&chunks, |_| false).unwrap(), 0, "not before it is durable");
        assert_eq!(backlog.spill(&chunks, |_| true).unwrap(), 3 * BACKLOG_CHUNK * 10);
        assert_eq!(disk.list().unwrap().len(), 3);
        assert_eq!((backlog.len() as u64, backlog.tail.len()), (MANY, 100));
        let first = backlog.pop_front(Some(&chunks)).unwrap().unwrap();
        backlog.put_back(first);
        assert_eq!(orders(&mut backlog, &chunks), (0..MANY).collect::<Vec<_>>());
        assert_eq!(backlog.len(), 0);
        assert_eq!(chunks.discarded().len(), 3);
    }

    #[test]
    fn transient_messages_stay_in_memory_at_their_place() {
        let directory = tempfile::tempdir().unwrap();
        let (chunks, disk) = chunks(&directory);
        let lonely = (BACKLOG_HEAD + BACKLOG_CHUNK + 5) as u64;
        let mut backlog = filled(MANY, |order| order != lonely);
        backlog.spill(&chunks, |_| true).unwrap();
        assert_eq!(disk.list().unwrap().len(), 2, "all but the stretch with a transient one");
        assert_eq!(orders(&mut backlog, &chunks), (0..MANY).collect::<Vec<_>>());
    }

    #[test]
    fn a_damaged_chunk_is_reported_once_and_the_rest_is_served() {
        let directory = tempfile::tempdir().unwrap();
        let (chunks, disk) = chunks(&directory);
        let mut backlog = filled(MANY, |_| true);
        backlog.spill(&chunks, |_| true).unwrap();
        let mut names = disk.list().unwrap();
        names.sort();
        disk.open(&names[1]).unwrap().write_at(&[0xff], 100).unwrap();
        let mut served = 0;
        let error = backlog.drain(Some(&chunks), &mut |_| served += 1).unwrap_err();
        assert!(error.text.contains(&names[1]) && error.text.contains("restart"), "{error}");
        assert_eq!(served as u64, MANY - BACKLOG_CHUNK as u64);
    }
}
