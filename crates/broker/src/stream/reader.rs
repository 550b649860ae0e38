//! A consumer of a stream: where it stands, and how far its credit goes. It takes nothing out, so
//! others do not notice it.

use std::sync::{
    Arc, Mutex, TryLockError,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use journal::Position;

use super::{
    FilterMark, Stream, StreamFilter, StreamRow,
    log::{Log, Stock},
    stretch::Stretch,
};
use crate::{
    Consumer, Entry, Letter, Timestamp,
    entry::Ticket,
    limits::{STREAM_BATCH, STREAM_SCANNED_MAX},
};

#[derive(Debug)]
pub(super) struct Reader {
    pub(super) consumer: Arc<Consumer>,
    filter: Option<StreamFilter>,
    /// There is something to do for whoever has the cursor.
    is_wanted: AtomicBool,
    cursor: Mutex<Cursor>,
}

#[derive(Debug)]
pub(super) struct Cursor {
    /// The offset it has not looked at yet.
    next: u64,
    /// What was published before is passed over.
    since: Option<Timestamp>,
    /// The stretch it is in.
    within: Option<(Arc<Stretch>, Arc<[StreamRow]>)>,
}

impl Cursor {
    pub(super) fn at(next: u64) -> Cursor {
        Cursor { next, since: None, within: None }
    }

    pub(super) fn since(log: &Log, time: Timestamp) -> Cursor {
        Cursor { since: Some(time), ..Cursor::at(log.since(time)) }
    }

    /// The row at its offset, while it is in a stretch that the stream still has.
    fn row(&mut self) -> Option<StreamRow> {
        let (stretch, rows) = self.within.as_ref()?;
        let at = self.next.saturating_sub(stretch.first());
        let row = rows.get(usize::try_from(at).ok()?).copied();
        if row.is_none() {
            self.within = None;
        }
        row
    }
}

/// What became of a message that a reader was offered.
enum Offer {
    Settled,
    /// There is no room for it.
    NoRoom,
}

impl Reader {
    pub(super) fn new(
        consumer: Arc<Consumer>,
        filter: Option<StreamFilter>,
        cursor: Cursor,
    ) -> Arc<Reader> {
        let is_wanted = AtomicBool::new(false);
        Arc::new(Reader { consumer, filter, is_wanted, cursor: Mutex::new(cursor) })
    }

    /// Hands over what there is, as far as there is room. Whoever comes while another is at it
    /// leaves it to that one.
    pub(super) fn dispatch(&self, stream: &Stream) {
        self.is_wanted.store(true, SeqCst);
        while self.is_wanted.load(SeqCst) {
            let mut cursor = match self.cursor.try_lock() {
                Ok(cursor) => cursor,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            self.is_wanted.store(false, SeqCst);
            let mut entries = Vec::new();
            let is_through = self.take(stream, &mut cursor, &mut entries);
            if is_through && entries.is_empty() {
                continue;
            }
            if !is_through {
                // It comes back when its connection has seen this.
                self.consumer.stall();
            }
            stream.note_delivered(entries.len());
            let consumer = self.consumer.clone();
            self.consumer.mailbox().put(Letter::Deliveries { consumer, entries });
        }
    }

    /// Takes what there is; `false` when it has looked at as much as one turn may, and found too
    /// little that its filter lets through.
    fn take(&self, stream: &Stream, cursor: &mut Cursor, taken: &mut Vec<Entry>) -> bool {
        let mut scanned = 0;
        loop {
            while let Some(row) = cursor.row() {
                let about = (row.published_at, row.filter);
                let entry = entry(cursor.next, row.size, Some(row.position));
                match self.offer(cursor, entry, about, taken) {
                    Offer::Settled => cursor.next += 1,
                    Offer::NoRoom => return true,
                }
            }
            match stream.stock(cursor.next, STREAM_BATCH) {
                Stock::Nothing => return true,
                Stock::Held(held) => {
                    for held in held {
                        cursor.next = held.offset;
                        let about = (held.published_at, held.filter);
                        let of_row = entry(held.offset, held.size, held.position);
                        let entry = Entry { message: held.message, ..of_row };
                        match self.offer(cursor, entry, about, taken) {
                            Offer::Settled => cursor.next += 1,
                            Offer::NoRoom => return true,
                        }
                    }
                }
                Stock::Stretch(_) if scanned == STREAM_SCANNED_MAX => return false,
                Stock::Stretch(stretch) => {
                    scanned += 1;
                    cursor.next = cursor.next.max(stretch.first());
                    match stream.rows(&stretch) {
                        Ok(Some(rows)) => cursor.within = Some((stretch, rows)),
                        // It was trimmed or rewritten meanwhile.
                        Ok(None) => {}
                        Err(is_damaged) if is_damaged => cursor.next = stretch.end(),
                        // Tried again when there is something new.
                        Err(_) => return true,
                    }
                }
            }
        }
    }

    fn offer(
        &self,
        cursor: &mut Cursor,
        entry: Entry,
        (published_at, mark): (Timestamp, FilterMark),
        taken: &mut Vec<Entry>,
    ) -> Offer {
        if cursor.since.is_some_and(|since| published_at < since) {
            return Offer::Settled;
        }
        cursor.since = None;
        if self.filter.as_ref().is_some_and(|filter| !filter.lets(mark)) {
            return Offer::Settled;
        }
        if !self.consumer.try_reserve(entry.size_bytes()) {
            return Offer::NoRoom;
        }
        taken.push(entry);
        Offer::Settled
    }
}

fn entry(offset: u64, size: u32, position: Option<Position>) -> Entry {
    let ticket = Ticket { size, ..Ticket::default() };
    Entry { order: offset, position, message: None, share: 0, ticket }
}
