//! The messages of a queue that wait: one backlog, or one for each priority of a queue that has
//! them. The highest priority goes first.

use std::sync::Arc;

use journal::{Journal, Position};

use crate::{
    BacklogSizes, Entry, Error, Message,
    backlog::Backlog,
    compaction::Following,
    index::{CheckpointPart, Chunk, Chunks, Slot, Unreadable},
    queue::Looked,
};

#[derive(Debug)]
pub(crate) struct Ready {
    sizes: BacklogSizes,
    /// The lowest priority first.
    levels: Vec<Backlog>,
    len: usize,
    bytes: u64,
}

impl Ready {
    /// An empty one with priorities up to `priority_max`.
    pub(crate) fn new(sizes: BacklogSizes, priority_max: u8) -> Ready {
        let levels = (0..=priority_max).map(|level| Backlog::new(sizes, level)).collect();
        Ready { sizes, levels, len: 0, bytes: 0 }
    }

    /// Takes everything, and leaves nothing.
    pub(crate) fn take(&mut self) -> Ready {
        let priority_max = u8::try_from(self.levels.len() - 1).unwrap_or(u8::MAX);
        let empty = Ready::new(self.sizes, priority_max);
        std::mem::replace(self, empty)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of all bodies.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Does something at a level, and counts what came of it.
    fn at<T>(&mut self, level: usize, change: impl FnOnce(&mut Backlog) -> T) -> Option<T> {
        let backlog = self.levels.get_mut(level)?;
        let (len, bytes) = (backlog.len(), backlog.bytes());
        let done = change(backlog);
        self.len = self.len + backlog.len() - len;
        self.bytes = self.bytes + backlog.bytes() - bytes;
        Some(done)
    }

    /// RabbitMQ: a priority above the highest counts as the highest.
    fn level_of(&self, priority: u8) -> usize {
        usize::from(priority).min(self.levels.len() - 1)
    }

    fn highest(&self) -> usize {
        match self.levels.len() {
            1 => 0,
            _ => self.levels.iter().rposition(|level| level.len() > 0).unwrap_or(0),
        }
    }

    pub(crate) fn push_back(&mut self, entry: Entry) {
        let level = self.level_of(entry.ticket.priority);
        self.at(level, |backlog| backlog.push_back(entry));
    }

    /// Puts an entry back where it stood.
    pub(crate) fn put_back(&mut self, entry: Entry) {
        let level = self.level_of(entry.ticket.priority);
        self.at(level, |backlog| backlog.put_back(entry));
    }

    /// The next entry, for a look.
    ///
    /// # Errors
    /// As [`Backlog::front`].
    pub(crate) fn front(&mut self, chunks: Option<&Chunks>) -> Result<Option<&Entry>, Unreadable> {
        let level = self.highest();
        // What cannot be read is passed over, so this counts too.
        if let Some(Err(unreadable)) = self.at(level, |backlog| backlog.front(chunks).map(drop)) {
            return Err(unreadable);
        }
        match self.levels.get_mut(level) {
            Some(backlog) => backlog.front(chunks),
            None => Ok(None),
        }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// As [`Backlog::front`].
    pub(crate) fn pop_front(
        &mut self,
        chunks: Option<&Chunks>,
    ) -> Result<Option<Entry>, Unreadable> {
        let level = self.highest();
        self.at(level, |backlog| backlog.pop_front(chunks)).unwrap_or(Ok(None))
    }

    /// Copies of what was not looked at yet, highest priority first, at most `max` of them, and
    /// of each priority none that is more than `window` behind its first.
    ///
    /// # Errors
    /// A chunk cannot be read.
    pub(crate) fn look(
        &self,
        looked: &mut Looked,
        max: usize,
        window: usize,
        chunks: Option<&Chunks>,
    ) -> Result<Vec<Entry>, Unreadable> {
        looked.next.resize(self.levels.len(), 0);
        let mut seen = Vec::new();
        for (level, next) in self.levels.iter().zip(&mut looked.next).rev() {
            let of_level = level.look(*next, max - seen.len(), window, chunks)?;
            if let Some(last) = of_level.last() {
                *next = last.order + 1;
            }
            seen.extend(of_level);
            if seen.len() >= max {
                break;
            }
        }
        Ok(seen)
    }

    /// Where the journal has the entry of that order, if it is here.
    pub(crate) fn position_of(&self, order: u64, chunks: Option<&Chunks>) -> Option<Position> {
        self.levels.iter().find_map(|level| {
            let found = level.look(order, 1, usize::MAX, chunks).ok()?.pop()?;
            found.position.filter(|_| found.order == order)
        })
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
        for level in 0..self.levels.len() {
            match self.at(level, |backlog| backlog.take_at(order, chunks)) {
                None | Some(Ok(None)) => {}
                Some(found) => return found,
            }
        }
        Ok(None)
    }

    /// Takes everything out.
    ///
    /// # Errors
    /// A chunk cannot be read; all others were visited.
    pub(crate) fn drain(
        &mut self,
        chunks: Option<&Chunks>,
        each: &mut dyn FnMut(Entry),
    ) -> Result<(), Error> {
        let drained = (0..self.levels.len())
            .rev()
            .map(|level| self.at(level, |backlog| backlog.drain(chunks, each)).unwrap_or(Ok(())));
        // All of them, whatever comes of the first.
        drained.collect::<Vec<_>>().into_iter().collect()
    }

    /// As [`Backlog::spill`].
    ///
    /// # Errors
    /// The index cannot be written.
    pub(crate) fn spill(
        &mut self,
        chunks: &Chunks,
        is_durable: impl Fn(Position) -> bool,
    ) -> std::io::Result<usize> {
        self.levels.iter_mut().map(|level| level.spill(chunks, &is_durable)).sum()
    }

    /// The message of the first entry, if it is in memory.
    pub(crate) fn head_in_memory(&self) -> Option<Arc<Message>> {
        self.levels.iter().rev().find(|level| level.len() > 0)?.head_in_memory()
    }

    /// As [`Backlog::page_out`].
    pub(crate) fn page_out(&mut self, journal: &Journal) -> usize {
        self.levels.iter_mut().map(|level| level.page_out(journal)).sum()
    }

    /// As [`Backlog::checkpoint`].
    pub(crate) fn checkpoint(
        &self,
        delivered: &[(u64, Slot)],
        end: Position,
    ) -> Vec<CheckpointPart> {
        let of_level = |(level, backlog): (usize, &Backlog)| {
            let priority = |slot: &Slot| self.level_of(slot.ticket.priority);
            let mine = delivered.iter().filter(|(_, slot)| priority(slot) == level);
            backlog.checkpoint(mine.copied().collect(), end)
        };
        self.levels.iter().enumerate().rev().flat_map(of_level).collect()
    }

    /// Appends what a restart found.
    pub(crate) fn restore(&mut self, slot: Slot, order: &mut u64) {
        let level = self.level_of(slot.ticket.priority);
        self.at(level, |backlog| backlog.restore(slot, order));
    }

    /// Appends a chunk that a restart found.
    pub(crate) fn restore_chunk(&mut self, chunk: Chunk, order: &mut u64) {
        let level = self.level_of(chunk.level);
        self.at(level, |backlog| backlog.restore_chunk(chunk, order));
    }

    /// As [`Backlog::live_in`].
    pub(crate) fn live_in(&self, segment: u32, live: &mut Vec<Slot>) -> Vec<Chunk> {
        self.levels.iter().flat_map(|level| level.live_in(segment, live)).collect()
    }

    /// As [`Backlog::follow`].
    ///
    /// # Errors
    /// A chunk cannot be written.
    pub(crate) fn follow(
        &mut self,
        following: &mut Following,
        chunks: Option<&Chunks>,
    ) -> std::io::Result<()> {
        let each = self.levels.iter_mut().map(|level| level.follow(following, chunks));
        each.fold(Ok(()), std::io::Result::and)
    }
}
