//! Compaction: what is left of a sparse segment of the journal is copied forward, so that the
//! segment can go. Bounded in rate by whoever calls.
//!
//! A copy names where the message was first written, which remains its place in the order. The
//! copies are on the medium before a queue says that it follows them; and the old segment is
//! deleted only once a checkpoint names the new places. A crash in between finds both, and takes
//! them for one.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use journal::{Journal, Position, ReadAhead};

use crate::{
    Error, Queue, error::Kind, limits::COPIED_BYTES_MIN, queue::QueueId, store::Store, sync::lock,
};

/// Where messages of a segment were copied to, by where they were, and the queues that had them.
pub(crate) type Copies = HashMap<Position, (Position, Vec<QueueId>)>;

/// A queue's turn to follow its messages from a segment to where they were copied.
pub(crate) struct Following<'a> {
    pub(crate) segment: u32,
    copies: &'a Copies,
    /// Where those that followed were.
    followed: Vec<Position>,
}

impl Following<'_> {
    pub(crate) fn new(segment: u32, copies: &Copies) -> Following<'_> {
        Following { segment, copies, followed: Vec::new() }
    }

    /// Lets an entry in memory follow.
    pub(crate) fn follow(&mut self, position: &mut Position) {
        if let Some(&(to, _)) = self.copies.get(position) {
            self.followed.push(std::mem::replace(position, to));
        }
    }

    /// Lets the rows of a part on disk follow, once `rewrite` has written them; whether there was
    /// one among them.
    ///
    /// # Errors
    /// They cannot be written: they stay.
    pub(crate) fn follow_rows<R>(
        &mut self,
        rows: &mut [R],
        position: impl Fn(&mut R) -> &mut Position,
        rewrite: impl FnOnce(&[R]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let mut of_part = Following::new(self.segment, self.copies);
        rows.iter_mut().for_each(|row| of_part.follow(position(row)));
        if !of_part.followed.is_empty() {
            rewrite(rows)?;
            self.followed.extend(of_part.followed);
        }
        Ok(())
    }

    /// Gives back the places that were left, and the copies of what the queue had settled before
    /// it could follow.
    pub(crate) fn end(self, queue: QueueId, store: &Store) {
        store.release(&self.followed);
        let followed: HashSet<Position> = self.followed.into_iter().collect();
        let stayed = self
            .copies
            .iter()
            .filter(|(from, (_, queues))| queues.contains(&queue) && !followed.contains(from));
        store.release(&stayed.map(|(_, (to, _))| *to).collect::<Vec<Position>>());
    }
}

/// What is known of how full of live messages each segment is.
#[derive(Debug)]
pub(crate) struct Compaction {
    slack_segments: u64,
    state: Mutex<State>,
    copied_bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    looked: BTreeMap<u32, Look>,
    /// The end of the journal at the last turn.
    end: Option<Position>,
}

/// What a look into a segment found.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// How many times its records were retained then.
    retained: u64,
    /// Bytes of its live messages' records, each counted once.
    live_bytes: u64,
}

/// A message of a segment that a queue has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Live {
    position: Position,
    /// Bytes of the body: the same in each queue, for the same message is the same bytes.
    size: u32,
    queue: QueueId,
}

impl Compaction {
    pub(crate) fn new(slack_segments: u32) -> Compaction {
        Compaction {
            slack_segments: slack_segments.into(),
            state: Mutex::default(),
            copied_bytes: AtomicU64::new(0),
        }
    }

    /// Bytes of messages that were copied so far, with what is around their bodies.
    pub(crate) fn copied_bytes(&self) -> u64 {
        self.copied_bytes.load(Relaxed)
    }

    /// Looks into one segment, or copies a little of one, when the journal takes more than twice
    /// what is alive in it. Only segments before `checkpoint` are touched.
    ///
    /// # Errors
    /// The journal failed. On a full disk nothing is copied; that is no error.
    pub(crate) fn turn(
        &self,
        store: &Store,
        queues: &[Arc<Queue>],
        checkpoint: u32,
    ) -> Result<(), Error> {
        let Some(journal) = store.journal() else { return Ok(()) };
        let mut state = lock(&self.state);
        let budget = state.budget(journal);
        // What has an attachment has its segment for itself: it is alive as a whole or not at all.
        let is_shared = |it: &journal::SegmentUse| it.id < checkpoint && !it.attached;
        let segments: Vec<_> = journal.segments().into_iter().filter(is_shared).collect();
        state.looked.retain(|id, _| segments.iter().any(|segment| segment.id == *id));
        let slack = self.slack_segments * u64::from(journal.options().segment_bytes);
        let used: u64 = segments.iter().map(|segment| segment.record_bytes).sum();
        if used <= slack {
            return Ok(());
        }
        let stale = |it: &&journal::SegmentUse| {
            let known = state.looked.get(&it.id);
            it.retained > 0 && known.is_none_or(|look| it.retained * 8 <= look.retained * 7)
        };
        if let Some(segment) = segments.iter().find(stale) {
            let live_bytes = match live(queues, segment.id) {
                Ok(live) => record_bytes(journal, &live),
                // It is known of already, and nothing of the segment may go.
                Err(_) => segment.record_bytes,
            };
            state.looked.insert(segment.id, Look { retained: segment.retained, live_bytes });
            return Ok(());
        }
        let alive = |it: &journal::SegmentUse| match state.looked.get(&it.id) {
            _ if it.retained == 0 => 0,
            Some(look) => look.live_bytes * it.retained / look.retained.max(1),
            None => it.record_bytes,
        };
        let all_alive: u64 = segments.iter().map(alive).sum();
        if used <= 2 * all_alive + slack {
            return Ok(());
        }
        let sparse = segments.iter().filter(|it| it.retained > 0);
        let share = |it: &&journal::SegmentUse| alive(it) * 1024 / it.record_bytes.max(1);
        let Some(sparsest) = sparse.min_by_key(share).filter(|it| share(it) < 768) else {
            return Ok(());
        };
        let copied = copy_forward(store, journal, queues, sparsest.id, budget)?;
        match copied {
            // What is left cannot be read: it stays.
            0 => drop(state.looked.insert(
                sparsest.id,
                Look { retained: sparsest.retained, live_bytes: sparsest.record_bytes },
            )),
            _ => drop(state.looked.remove(&sparsest.id)),
        }
        self.copied_bytes.fetch_add(copied, Relaxed);
        Ok(())
    }
}

impl State {
    /// Bytes that may be copied in this turn: a little, or a quarter of what others wrote since
    /// the last one.
    fn budget(&mut self, journal: &Journal) -> u64 {
        let end = journal.end();
        let segment_bytes = u64::from(journal.options().segment_bytes);
        let place = |it: Position| u64::from(it.segment()) * segment_bytes + u64::from(it.offset());
        let written = self.end.map_or(0, |before| place(end).saturating_sub(place(before)));
        self.end = Some(end);
        COPIED_BYTES_MIN.max(written / 4)
    }
}

/// What queues have of a segment, in the order of its messages.
fn live(queues: &[Arc<Queue>], segment: u32) -> Result<Vec<Live>, Error> {
    let mut live = Vec::new();
    for queue in queues {
        let of_queue = queue.live_in(segment)?;
        let rows = of_queue.into_iter();
        live.extend(rows.map(|(position, size)| Live { position, size, queue: queue.id() }));
    }
    live.sort_unstable();
    Ok(live)
}

/// Each message once, and all rows of it.
fn by_message(live: &[Live]) -> impl Iterator<Item = (&Live, &[Live])> {
    let same = live.chunk_by(|one, next| one.position == next.position);
    same.filter_map(|rows| Some((rows.first()?, rows)))
}

/// What the records of live messages take, in bytes. What of a record is not the message's body is
/// alike in most of them, and may be much more than that: it is looked at in some only.
fn record_bytes(journal: &Journal, live: &[Live]) -> u64 {
    let messages: Vec<&Live> = by_message(live).map(|(message, _)| message).collect();
    let bodies: u64 = messages.iter().map(|message| u64::from(message.size)).sum();
    let some = messages.iter().step_by(messages.len().div_ceil(HEADS_LOOKED_AT).max(1));
    let heads = some.filter_map(|message| {
        let record_bytes = journal.record_bytes(message.position).ok()?;
        Some(record_bytes.saturating_sub(message.size.into()))
    });
    let (looked_at, bytes) = heads.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes));
    bodies + messages.len() as u64 * bytes / u64::max(looked_at, 1)
}

/// Copies messages of a segment, oldest first, until the budget is spent, and lets their queues
/// follow. Returns the bytes copied.
fn copy_forward(
    store: &Store,
    journal: &Journal,
    queues: &[Arc<Queue>],
    segment: u32,
    budget: u64,
) -> Result<u64, Error> {
    let (mut copied, mut copies, mut ahead) = (0, Copies::new(), ReadAhead::default());
    for (message, rows) in by_message(&live(queues, segment).unwrap_or_default()) {
        if copied >= budget {
            break;
        }
        let owners: Vec<QueueId> = rows.iter().map(|row| row.queue).collect();
        match store.copy(message.position, &owners, &mut ahead) {
            Ok((to, bytes)) => {
                copied += bytes;
                copies.insert(message.position, (to, owners));
            }
            Err(_) if journal.failed().is_none() => {}
            Err(error) => return Err(error),
        }
    }
    match journal.commit().map_err(Error::from) {
        Ok(_) => {}
        // They are not on the medium, so nobody follows; when they are written they are dead.
        Err(error) if error.kind == Kind::DiskFull => {
            for (to, owners) in copies.into_values() {
                store.release(&vec![to; owners.len()]);
            }
            return Ok(0);
        }
        Err(error) => return Err(error),
    }
    let concerned =
        |queue: &&Arc<Queue>| copies.values().any(|(_, owners)| owners.contains(&queue.id()));
    for queue in queues.iter().filter(concerned) {
        match queue.follow(segment, &copies) {
            Err(error) if error.kind() != std::io::ErrorKind::StorageFull => {
                let what =
                    format!("the disk failed to take a part of queue '{}': {error}", queue.name());
                return Err(journal.stop(&what).into());
            }
            // What found no space stays where it is.
            _ => {}
        }
    }
    Ok(copied)
}

/// Of how many messages of a segment the record's size is looked at.
const HEADS_LOOKED_AT: usize = 64;
