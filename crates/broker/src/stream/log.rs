//! The messages of a stream in order. The newest are in memory, the rest is in stretches on disk,
//! 24 bytes for each; of the oldest stretch, once it is being trimmed, what is left is in memory.
//!
//! `head < stretches < tail` in offsets. Offsets grow by one, but for what was lost to damage.

use std::{collections::VecDeque, sync::Arc};

use journal::Position;

use super::{FilterMark, StreamRow, stretch::Stretch};
use crate::{
    Message, Timestamp,
    compaction::Following,
    incoming::Incoming,
    index::{CheckpointPart, Chunks},
    limits::STREAM_HOT_BYTES,
};

#[derive(Debug)]
pub(super) struct Log {
    /// Rows of a stretch.
    rows_max: usize,
    pub(super) head: VecDeque<Held>,
    pub(super) stretches: VecDeque<Arc<Stretch>>,
    pub(super) tail: VecDeque<Held>,
    /// The offset behind all.
    pub(super) next: u64,
    len: u64,
    bytes: u64,
    /// How many at the tail's end have their messages in memory, and the bytes of those.
    hot: usize,
    hot_bytes: usize,
    pub(super) deleted: bool,
    /// From where what came came.
    pub(super) incoming: Incoming,
}

/// A message of a stream, in memory.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) offset: u64,
    /// Where the journal has it; `None` in a broker without a journal.
    pub(super) position: Option<Position>,
    pub(super) size: u32,
    pub(super) filter: FilterMark,
    pub(super) published_at: Timestamp,
    pub(super) message: Option<Arc<Message>>,
    /// Its share of the memory that its message holds.
    pub(super) share: u32,
}

/// What a reader finds at an offset.
pub(super) enum Stock {
    /// These, in memory.
    Held(Vec<Held>),
    /// It is in there.
    Stretch(Arc<Stretch>),
    /// Nothing yet that may be seen.
    Nothing,
}

impl Log {
    pub(super) fn new(rows_max: usize) -> Log {
        Log {
            rows_max: rows_max.max(1),
            head: VecDeque::new(),
            stretches: VecDeque::new(),
            tail: VecDeque::new(),
            next: 0,
            len: 0,
            bytes: 0,
            hot: 0,
            hot_bytes: 0,
            deleted: false,
            incoming: Incoming::default(),
        }
    }

    /// Ends it; returns what was in it.
    pub(super) fn end(&mut self) -> Log {
        let ended = Log { deleted: true, next: self.next, ..Log::new(self.rows_max) };
        std::mem::replace(self, ended)
    }

    /// Messages there are.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes of their bodies.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of memory that messages hold.
    pub(super) fn hot_bytes(&self) -> usize {
        self.hot_bytes
    }

    /// The offset of the oldest message; where the next one comes when there is none.
    pub(super) fn first(&self) -> u64 {
        let head = self.head.front().map(|it| it.offset);
        let middle = || self.stretches.front().map(|it| it.first());
        let tail = || self.tail.front().map(|it| it.offset);
        head.or_else(middle).or_else(tail).unwrap_or(self.next)
    }

    /// How many of its newest messages are not to be seen yet, and the bytes of their bodies.
    pub(super) fn unseen(&self, is_visible: impl Fn(&Held) -> bool) -> (u64, u64) {
        let unseen = self.tail.iter().rev().take_while(|held| !is_visible(held));
        unseen.fold((0, 0), |(count, bytes), held| (count + 1, bytes + u64::from(held.size)))
    }

    /// Appends one. Its offset is behind all others.
    pub(super) fn push(&mut self, held: Held) {
        self.next = held.offset + 1;
        self.len += 1;
        self.bytes += u64::from(held.size);
        if held.message.is_some() {
            self.hot += 1;
            self.hot_bytes += held.share as usize;
        }
        self.tail.push_back(held);
    }

    /// Lets go of messages in memory that the journal has, the oldest first, until no more than
    /// `max` bytes are held; returns the bytes that this gave back.
    pub(super) fn cool(&mut self, max: usize, has: impl Fn(Position) -> bool) -> usize {
        let before = self.hot_bytes;
        while self.hot_bytes > max
            && let Some(oldest) = self.tail.len().checked_sub(self.hot)
            && let Some(held) = self.tail.get_mut(oldest)
            && held.position.is_some_and(&has)
        {
            held.message = None;
            self.hot -= 1;
            self.hot_bytes -= std::mem::take(&mut held.share) as usize;
        }
        before - self.hot_bytes
    }

    /// As [`Log::cool`], to what a stream may always hold.
    pub(super) fn cool_some(&mut self, has: impl Fn(Position) -> bool) -> usize {
        self.cool(STREAM_HOT_BYTES, has)
    }

    /// What there is from `offset` on, up to `max` of it.
    pub(super) fn stock(
        &self,
        offset: u64,
        max: usize,
        is_visible: impl Fn(&Held) -> bool,
    ) -> Stock {
        let held = |entries: &VecDeque<Held>| {
            let from = entries.partition_point(|it| it.offset < offset);
            let seen = entries.iter().skip(from).take_while(|it| is_visible(it));
            match seen.take(max).cloned().collect::<Vec<Held>>() {
                none if none.is_empty() => Stock::Nothing,
                some => Stock::Held(some),
            }
        };
        if self.head.back().is_some_and(|last| last.offset >= offset) {
            return held(&self.head);
        }
        let at = self.stretches.partition_point(|it| it.end() <= offset);
        match self.stretches.get(at) {
            Some(stretch) => Stock::Stretch(stretch.clone()),
            None => held(&self.tail),
        }
    }

    /// The offset of the newest message that may be seen.
    pub(super) fn last(&self, is_visible: impl Fn(&Held) -> bool) -> Option<u64> {
        let tail = self.tail.iter().rev().find(|it| is_visible(it)).map(|it| it.offset);
        let middle = || self.stretches.back().map(|it| it.end() - 1);
        tail.or_else(middle).or_else(|| self.head.back().map(|it| it.offset))
    }

    /// The first offset at which something may be that was published then or later.
    pub(super) fn since(&self, time: Timestamp) -> u64 {
        if self.head.back().is_some_and(|last| last.published_at >= time) {
            return self.first();
        }
        let stretch = self.stretches.iter().find(|it| it.newest >= time).map(|it| it.first());
        let tail = || self.tail.iter().find(|it| it.published_at >= time).map(|it| it.offset);
        stretch.or_else(tail).unwrap_or(self.next)
    }

    /// Moves what is oldest in the tail to disk, as far as the journal has it, and leaves enough
    /// for who reads at the end; returns the bytes of memory that this gave back.
    ///
    /// # Errors
    /// The index cannot be written; nothing was moved.
    pub(super) fn spill(
        &mut self,
        chunks: &Chunks,
        has: impl Fn(Position) -> bool,
    ) -> std::io::Result<usize> {
        let mut freed = 0;
        while self.tail.len() >= 2 * self.rows_max {
            let Some(first) = self.tail.front().map(|it| it.offset) else { break };
            let run = (first..).zip(self.tail.iter()).take(self.rows_max);
            let run = run.take_while(|(offset, held)| held.offset == *offset);
            let rows: Vec<StreamRow> =
                run.map_while(|(_, held)| held.row().filter(|row| has(row.position))).collect();
            let is_cut =
                self.tail.get(rows.len()).is_some_and(|it| it.offset != first + rows.len() as u64);
            // Not on disk yet: a later turn.
            if rows.len() < self.rows_max && !is_cut {
                break;
            }
            let Some(stretch) = Stretch::write(chunks, first, &rows)? else { break };
            self.stretches.push_back(stretch);
            for held in self.tail.drain(..rows.len()).filter(|held| held.message.is_some()) {
                self.hot -= 1;
                self.hot_bytes -= held.share as usize;
                freed += held.share as usize;
            }
        }
        Ok(freed)
    }

    /// Takes the oldest one out, when it is in memory.
    pub(super) fn pop(&mut self) -> Option<Held> {
        let held = match self.head.pop_front() {
            Some(held) => held,
            None if !self.stretches.is_empty() => return None,
            None => {
                let held = self.tail.pop_front()?;
                if held.message.is_some() {
                    self.hot -= 1;
                    self.hot_bytes -= held.share as usize;
                }
                held
            }
        };
        self.len -= 1;
        self.bytes -= u64::from(held.size);
        Some(held)
    }

    /// The oldest one, when it is in memory.
    pub(super) fn oldest(&self) -> Option<&Held> {
        match (self.head.front(), self.stretches.is_empty()) {
            (None, true) => self.tail.front(),
            (head, _) => head,
        }
    }

    /// The oldest stretch, when nothing in memory is older.
    pub(super) fn oldest_stretch(&self) -> Option<&Arc<Stretch>> {
        self.stretches.front().filter(|_| self.head.is_empty())
    }

    /// Takes the oldest stretch out.
    pub(super) fn pop_stretch(&mut self) -> Option<Arc<Stretch>> {
        let stretch = self.stretches.pop_front()?;
        self.len -= u64::from(stretch.chunk.count);
        self.bytes -= stretch.chunk.bytes;
        Some(stretch)
    }

    /// Puts the rows of the oldest stretch, which was taken out, into memory.
    pub(super) fn open_stretch(&mut self, stretch: &Stretch, rows: &[StreamRow]) {
        self.len += rows.len() as u64;
        self.bytes += stretch.chunk.bytes;
        self.head =
            (stretch.first()..).zip(rows).map(|(offset, row)| Held::of(offset, row)).collect();
    }

    /// Appends what a restart found.
    pub(super) fn restore(&mut self, part: CheckpointPart) {
        match part {
            CheckpointPart::Stretch(stretch) => {
                // Rows before it are few: what is left of a trimmed stretch.
                self.head.append(&mut self.tail);
                self.next = stretch.end();
                self.len += u64::from(stretch.chunk.count);
                self.bytes += stretch.chunk.bytes;
                self.stretches.push_back(stretch);
            }
            CheckpointPart::Rows { first, rows } => {
                self.next = self.next.max(first);
                for (offset, row) in (first..).zip(&rows) {
                    self.push(Held::of(offset, row));
                }
            }
            CheckpointPart::Slots(_) | CheckpointPart::Chunk(_) => {}
        }
    }

    /// What a checkpoint says of it, but for what the journal has behind `end`.
    pub(super) fn checkpoint(&self, end: Position) -> Vec<CheckpointPart> {
        let mut parts = Vec::new();
        add_runs(&mut parts, &self.head, end);
        parts.extend(self.stretches.iter().cloned().map(CheckpointPart::Stretch));
        add_runs(&mut parts, &self.tail, end);
        // Where the next one comes, whatever becomes of those before it.
        let behind =
            self.tail.iter().rev().find(|it| it.row().is_some_and(|row| row.position < end));
        let next = match (behind, self.tail.front()) {
            (Some(last), _) => last.offset + 1,
            (None, Some(first)) => first.offset,
            (None, None) => self.next,
        };
        parts.push(CheckpointPart::Rows { first: next, rows: Vec::new() });
        parts
    }

    /// What of it in memory lies in this segment of the journal goes to `live`, and the stretches
    /// that have some are returned.
    pub(super) fn live_in(
        &self,
        segment: u32,
        live: &mut Vec<(Position, u32)>,
    ) -> Vec<Arc<Stretch>> {
        let in_memory = self.head.iter().chain(&self.tail);
        let rows = in_memory.filter_map(|it| Some((it.position?, it.size)));
        live.extend(rows.filter(|(position, _)| position.segment() == segment));
        self.stretches.iter().filter(|it| it.chunk.is_in(segment)).cloned().collect()
    }

    /// Lets messages be where they were copied to. Those of a stretch that cannot be read stay.
    ///
    /// # Errors
    /// A stretch cannot be written: its messages stay where they are.
    pub(super) fn follow(
        &mut self,
        following: &mut Following,
        chunks: Option<&Chunks>,
    ) -> std::io::Result<()> {
        let mut result = Ok(());
        for (stretch, chunks) in self.stretches.iter_mut().zip(chunks.into_iter().cycle()) {
            if !stretch.chunk.is_in(following.segment) {
                continue;
            }
            let Ok(Some(rows)) = stretch.rows(chunks) else { continue };
            let rewrite = |rows: &[StreamRow]| {
                if let Some(rewritten) = Stretch::write(chunks, stretch.first(), rows)? {
                    std::mem::replace(stretch, rewritten).discard(chunks);
                }
                Ok(())
            };
            let followed =
                following.follow_rows(&mut rows.to_vec(), |it| &mut it.position, rewrite);
            result = result.and(followed);
        }
        let in_memory = self.head.iter_mut().chain(&mut self.tail);
        in_memory.flat_map(|it| &mut it.position).for_each(|it| following.follow(it));
        result
    }
}

impl Held {
    /// One whose message is in the journal only.
    pub(super) fn of(offset: u64, row: &StreamRow) -> Held {
        let &StreamRow { position, size, filter, published_at } = row;
        let position = Some(position);
        Held { offset, position, size, filter, published_at, message: None, share: 0 }
    }

    pub(super) fn row(&self) -> Option<StreamRow> {
        let Held { size, filter, published_at, .. } = *self;
        self.position.map(|position| StreamRow { position, size, filter, published_at })
    }
}

/// Adds what the journal has before `end`, each run of offsets without a gap as one part.
fn add_runs(parts: &mut Vec<CheckpointPart>, entries: &VecDeque<Held>, end: Position) {
    let kept = entries.iter().filter_map(|it| Some((it.offset, it.row()?)));
    for (offset, row) in kept.filter(|(_, row)| row.position < end) {
        match parts.last_mut() {
            Some(CheckpointPart::Rows { first, rows }) if *first + rows.len() as u64 == offset => {
                rows.push(row);
            }
            _ => parts.push(CheckpointPart::Rows { first: offset, rows: vec![row] }),
        }
    }
}
