//! How long a stream keeps its messages: it loses its oldest when it has more bytes than it may, or
//! when they are older than they may be. Its newest message stays in any case, as the one that says
//! which number comes next.

use std::sync::Arc;

use journal::Position;

use super::{
    Stream, Stretch,
    log::{Held, Log},
};
use crate::{Error, Timestamp, policy::Effective, sync::lock};

/// What a stream may keep. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Retention {
    /// Bytes of bodies.
    bytes_max: Option<u64>,
    /// Milliseconds.
    age_max: Option<u64>,
}

impl Retention {
    fn is_limited(self) -> bool {
        self.bytes_max.or(self.age_max).is_some()
    }

    /// Whether that goes whose last message is so old, and which there are `bytes` of; `all` is
    /// what the stream has.
    fn is_over(self, all: u64, bytes: u64, newest: Timestamp, now: Timestamp) -> bool {
        // What is left without it is enough still, or more than that.
        self.bytes_max.is_some_and(|max| all > max && all - bytes >= max)
            || self.age_max.is_some_and(|max| newest.after(max) <= now)
    }

    /// As [`Retention::is_over`], of one message: it goes when there is too much with it.
    fn is_message_over(self, all: u64, held: &Held, now: Timestamp) -> bool {
        self.bytes_max.is_some_and(|max| all > max)
            || self.age_max.is_some_and(|max| held.published_at.after(max) <= now)
    }
}

/// What was trimmed away in one turn.
#[derive(Default)]
struct Trimmed {
    positions: Vec<Position>,
    stretches: Vec<Arc<Stretch>>,
    freed: usize,
}

/// What the oldest end of a stream asks for.
enum Step {
    Done,
    Again,
    /// Some of the oldest stretch goes, which has to be read for that.
    Open(Arc<Stretch>),
}

impl Stream {
    pub(crate) fn set_retention(&self, effective: &Effective) {
        let Effective { max_length_bytes: bytes_max, max_age: age_max, .. } = *effective;
        *lock(&self.retention) = Retention { bytes_max, age_max };
    }

    /// Whether the clock has anything to do with it.
    pub(crate) fn is_limited(&self) -> bool {
        lock(&self.retention).is_limited()
    }

    /// Takes out what is too much or too old. It says so in the journal first.
    ///
    /// # Errors
    /// The journal failed.
    pub(crate) fn trim(&self, now: Timestamp) -> Result<(), Error> {
        let retention = *lock(&self.retention);
        if !retention.is_limited() {
            return Ok(());
        }
        let mut trimmed = Trimmed::default();
        loop {
            let step = self.trim_step(&mut lock(&self.log), retention, now, &mut trimmed);
            match step {
                Step::Again => {}
                Step::Done => break,
                Step::Open(stretch) => match self.rows(&stretch) {
                    Ok(rows) => self.open(&stretch, rows.as_deref()),
                    Err(is_damaged) if is_damaged => {
                        let mut log = lock(&self.log);
                        if log.oldest_stretch().is_some_and(|it| Arc::ptr_eq(it, &stretch)) {
                            trimmed.stretches.extend(log.pop_stretch());
                        }
                    }
                    Err(_) => break,
                },
            }
        }
        let Trimmed { positions, stretches, freed } = trimmed;
        self.store.let_go(freed);
        if positions.is_empty() && stretches.is_empty() {
            return Ok(());
        }
        // Not while the journal's lock is waited for: a publisher who has it waits for this one.
        let first = lock(&self.log).first();
        self.store.trim(self.id, first)?;
        self.store.release(&positions);
        stretches.iter().for_each(|stretch| self.release_stretch(stretch));
        Ok(())
    }

    fn trim_step(
        &self,
        log: &mut Log,
        retention: Retention,
        now: Timestamp,
        trimmed: &mut Trimmed,
    ) -> Step {
        // What may not come to stay takes nobody's place.
        let (unseen, unseen_bytes) = log.unseen(|held| self.is_visible(held));
        let all = log.bytes() - unseen_bytes;
        if let Some(stretch) = log.oldest_stretch().cloned() {
            let is_last = u64::from(stretch.chunk.count) == log.len() - unseen;
            if !is_last && retention.is_over(all, stretch.chunk.bytes, stretch.newest, now) {
                trimmed.stretches.extend(log.pop_stretch());
                return Step::Again;
            }
            let more = retention.bytes_max.is_some_and(|max| all > max);
            let age_max = retention.age_max;
            let aged = age_max.is_some_and(|max| stretch.oldest.after(max) <= now);
            return if more || aged { Step::Open(stretch) } else { Step::Done };
        }
        while log.len() > unseen + 1
            && let Some(oldest) = log.oldest()
            && retention.is_message_over(log.bytes() - unseen_bytes, oldest, now)
            && let Some(gone) = log.pop()
        {
            trimmed.freed += gone.share as usize;
            trimmed.positions.extend(gone.position);
            if log.oldest_stretch().is_some() {
                return Step::Again;
            }
        }
        Step::Done
    }

    /// Puts the oldest stretch's rows into memory, if it is that still.
    fn open(&self, stretch: &Arc<Stretch>, rows: Option<&[super::StreamRow]>) {
        let mut log = lock(&self.log);
        let is_oldest = log.oldest_stretch().is_some_and(|it| Arc::ptr_eq(it, stretch));
        if let (true, Some(rows), Some(chunks)) = (is_oldest, rows, self.store.chunks()) {
            log.pop_stretch();
            log.open_stretch(stretch, rows);
            stretch.discard(chunks);
        }
    }

    /// No longer keeps what is in a stretch.
    pub(super) fn release_stretch(&self, stretch: &Stretch) {
        if let Some(chunks) = self.store.chunks() {
            stretch.discard(chunks);
        }
        self.store.release_counts(&stretch.chunk.segments);
    }

    /// No longer keeps anything of a stream that has ended, which its ledger says.
    pub(super) fn release_all(&self, ended: Log) {
        ended.stretches.iter().for_each(|stretch| self.release_stretch(stretch));
        let in_memory = ended.head.iter().chain(&ended.tail);
        let positions: Vec<Position> = in_memory.filter_map(|held| held.position).collect();
        self.store.release(&positions);
    }
}
