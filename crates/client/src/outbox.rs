//! What an agent took over, on disk until the bus has it: a journal of events in the order they
//! came, and of how far they are delivered. Knows no socket and no bus.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use event::Event;
use journal::{FileDisk, Journal, Options, Position, ReadAhead, Record};
use tokio::sync::Notify;
use tracing::{error, info};

use crate::{
    Error, Spool,
    delivery_lock::DeliveryLock,
    limits::{OUTBOX_SEGMENT_BYTES_MAX, OUTBOX_SEGMENT_BYTES_MIN, READ_AHEAD_BYTES, WINDOW_EVENTS},
    round::{Store, Taken},
};

/// The journal and what of it waits. One process at a time has one: whoever holds its lock.
#[derive(Debug)]
pub(crate) struct Outbox {
    directory: PathBuf,
    journal: Journal,
    size_bytes_max: u64,
    state: Mutex<State>,
    /// As long as any thread can still write into the journal nobody else may open it.
    _lock: DeliveryLock,
    /// Something came that may be delivered.
    pub(crate) came: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the next event.
    next: u64,
    /// What nobody has in hand, in order.
    waiting: VecDeque<(u64, Place)>,
    in_hand: BTreeMap<u64, Place>,
    /// Of both, in bytes.
    size_bytes: u64,
    /// Every event up to this one was delivered, or set aside; and of that the journal knows.
    marked: u64,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    position: Position,
    bytes: u32,
}

impl Outbox {
    /// Opens the outbox of a spool, or begins one. What was taken over and not delivered by a
    /// process that ended, however it ended, waits again. What is damaged is said and left where
    /// it is; the rest is served.
    ///
    /// # Errors
    /// [`Error::Outbox`]: the directory cannot be made, or its journal not be opened.
    pub(crate) fn open(
        spool: &Spool,
        size_bytes_max: u64,
        sync: journal::Sync,
        lock: DeliveryLock,
    ) -> Result<Outbox, Error> {
        let directory = spool.directory().join(DIRECTORY);
        crate::spool::make_directory(&directory)?;
        let fault = |source: journal::Error| Error::outbox(&directory, &source);
        let disk = FileDisk::open(&directory).map_err(fault)?;
        let segment_bytes = u32::try_from(size_bytes_max / 16).unwrap_or(u32::MAX);
        let segment_bytes = segment_bytes.clamp(OUTBOX_SEGMENT_BYTES_MIN, OUTBOX_SEGMENT_BYTES_MAX);
        let options = Options { segment_bytes, sync, ..Options::default() };
        let mut found = Found::default();
        let (journal, recovery) =
            Journal::open(Arc::new(disk), options, &mut |record| found.note(record))
                .map_err(fault)?;
        for damage in &recovery.damaged {
            error!(directory = %directory.display(), %damage, "damage in the outbox; the rest is delivered");
        }
        let state = found.into_state();
        journal.retain_all(state.waiting.iter().map(|(_, place)| place.position));
        journal.reclaim().map_err(fault)?;
        if !state.waiting.is_empty() {
            let events = state.waiting.len();
            info!(directory = %directory.display(), events, "events of an earlier run wait in the outbox");
        }
        let (state, came) = (Mutex::new(state), Notify::new());
        Ok(Outbox { directory, journal, size_bytes_max, state, _lock: lock, came })
    }

    /// Whether a spool has one.
    pub(crate) fn is_in(spool: &Spool) -> bool {
        spool.directory().join(DIRECTORY).is_dir()
    }

    /// Takes events over: on return they are on disk, as `sync` has it, and will be delivered.
    /// Many threads at once share a sync. Waits for the disk. Delivery begins when `came` is
    /// notified, or with the next sync: who handed over is to be answered first, as a thread that
    /// is woken before may take the processor that the answer needs.
    ///
    /// # Errors
    /// [`Error::SpoolFull`] and [`Error::DiskFull`]: nothing of it was taken, in all but a race of
    /// two for the last space. [`Error::Outbox`]: the disk failed, and nothing more is taken.
    pub(crate) fn keep<'a>(&self, events: impl Iterator<Item = &'a Event>) -> Result<(), Error> {
        let lines: Vec<String> = events.map(Event::to_dump).collect();
        let fault = |source: journal::Error| Error::outbox(&self.directory, &source);
        {
            let mut state = self.state();
            self.admit(&state, lines.iter().map(|line| line.len() as u64).sum())?;
            let mut appender = self.journal.appender().map_err(fault)?;
            for line in &lines {
                let number = state.next;
                let parts = [&number.to_le_bytes()[..], line.as_bytes()];
                let position = appender.append(EVENT, &parts).map_err(fault)?;
                self.journal.retain(position);
                let bytes = u32::try_from(line.len()).unwrap_or(u32::MAX);
                state.next += 1;
                state.size_bytes += u64::from(bytes);
                state.waiting.push_back((number, Place { position, bytes }));
            }
        }
        self.journal.write().map(drop).map_err(fault)
    }

    fn admit(&self, state: &State, wanted_bytes: u64) -> Result<(), Error> {
        if state.size_bytes.saturating_add(wanted_bytes) > self.size_bytes_max {
            return Err(Error::SpoolFull {
                directory: self.directory.clone(),
                size_bytes: state.size_bytes,
                size_bytes_max: self.size_bytes_max,
                wanted_bytes,
            });
        }
        // Looked at before: what a full disk refuses stays pending in the journal, and would be
        // delivered later although its publisher was told no.
        let needed_bytes = wanted_bytes + 2 * u64::from(self.journal.options().segment_bytes);
        match self.journal.free_bytes() {
            Some(free_bytes) if free_bytes < needed_bytes => {
                Err(Error::DiskFull { directory: self.directory.clone(), free_bytes, needed_bytes })
            }
            _ => Ok(()),
        }
    }

    /// Puts on the medium what is only written yet; to be called again and again, at least as often
    /// as `sync` says.
    ///
    /// # Errors
    /// [`Error::Outbox`]: the disk failed.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let fault = |source: journal::Error| Error::outbox(&self.directory, &source);
        match self.journal.commit() {
            // What found no space before may have found some now.
            Ok(true) => self.came.notify_one(),
            // Said to those who publish; it mends itself when there is space.
            Ok(false) | Err(journal::Error::Full { .. }) => {}
            Err(source) => return Err(fault(source)),
        }
        match self.prepare() {
            Err(source @ journal::Error::Failed(_)) => Err(fault(source)),
            // Who needs the file tries again, and is told.
            _ => Ok(()),
        }
    }

    /// Makes the next segment ahead, and writes zeros where records are to stand: then a sync has
    /// nothing to enter into the file system's own journal, for which other writers wait.
    fn prepare(&self) -> Result<(), journal::Error> {
        self.journal.prepare_next()?;
        while self.journal.fill_next()? {}
        self.journal.fill_ahead()
    }

    /// How often [`Outbox::sync`] has to be called; none when everything is synced at once.
    pub(crate) fn sync_interval(&self) -> Option<std::time::Duration> {
        match self.journal.options().sync {
            journal::Sync::Always => None,
            journal::Sync::Interval(interval) => Some(interval),
        }
    }

    /// How many events wait, in hand or not.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.state();
        state.waiting.len() + state.in_hand.len()
    }

    fn release(&self, number: u64) {
        let mut state = self.state();
        if let Some(place) = state.in_hand.remove(&number) {
            state.size_bytes -= u64::from(place.bytes);
            self.journal.release(place.position);
        }
    }

    // Poisoned, it is entered: each change under it is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a start finds.
#[derive(Default)]
struct Found {
    events: BTreeMap<u64, Place>,
    marked: u64,
}

impl Found {
    fn note(&mut self, record: Record<'_>) {
        let Some((number, line)) = record.payload.split_first_chunk::<8>() else { return };
        let number = u64::from_le_bytes(*number);
        match record.kind {
            EVENT => {
                let bytes = u32::try_from(line.len()).unwrap_or(u32::MAX);
                self.events.insert(number, Place { position: record.position, bytes });
            }
            MARK => {
                self.marked = self.marked.max(number);
                if self.events.len() >= FOUND_MAX {
                    self.events = self.events.split_off(&(self.marked + 1));
                }
            }
            _ => {}
        }
    }

    fn into_state(mut self) -> State {
        let last = self.events.last_key_value().map_or(0, |(number, _)| *number);
        let waiting: VecDeque<_> = self.events.split_off(&(self.marked + 1)).into_iter().collect();
        State {
            next: last.max(self.marked) + 1,
            size_bytes: waiting.iter().map(|(_, place)| u64::from(place.bytes)).sum(),
            waiting,
            in_hand: BTreeMap::new(),
            marked: self.marked,
        }
    }
}

/// An outbox as something that is delivered.
pub(crate) struct OutboxStore {
    pub(crate) outbox: Arc<Outbox>,
    /// Where refused events are set aside.
    spool: Spool,
    ahead: ReadAhead,
}

impl OutboxStore {
    pub(crate) fn new(outbox: Arc<Outbox>, spool: Spool) -> OutboxStore {
        OutboxStore { outbox, spool, ahead: ReadAhead::default() }
    }

    fn read(&mut self, place: Place) -> Result<Event, String> {
        let read = self.outbox.journal.read_record_ahead(place.position, &mut self.ahead);
        let (_, payload) = read.map_err(|error| error.to_string())?;
        let line = payload.get(8..).unwrap_or_default();
        let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
        Event::from_dump(line).map_err(|error| error.to_string())
    }
}

impl Store for OutboxStore {
    type Name = u64;

    fn take(&mut self, held: usize, held_bytes: u64) -> Result<Vec<Taken<u64>>, Error> {
        let (mut taken, mut size_bytes) = (Vec::new(), held_bytes);
        while held + taken.len() < HAND_EVENTS_MAX && size_bytes < READ_AHEAD_BYTES {
            let mut state = self.outbox.state();
            // What is not on disk yet may come to nothing.
            let is_ready = |place: &Place| self.outbox.journal.is_committed(place.position);
            let Some((number, place)) = state.waiting.pop_front_if(|(_, place)| is_ready(place))
            else {
                break;
            };
            state.in_hand.insert(number, place);
            drop(state);
            match self.read(place) {
                Ok(event) => {
                    size_bytes += u64::from(place.bytes);
                    let size_bytes = place.bytes.into();
                    taken.push(Taken { name: number, size_bytes, events: vec![event] });
                }
                Err(reason) => {
                    // Its segment is set aside when the rest of it is delivered, not removed.
                    error!(directory = %self.outbox.directory.display(), %reason, "an event in the outbox is damaged and cannot be delivered");
                    self.outbox.release(number);
                }
            }
        }
        Ok(taken)
    }

    fn remove(&mut self, name: &u64) -> Result<(), Error> {
        self.outbox.release(*name);
        Ok(())
    }

    fn refuse(&mut self, name: &u64, events: &[Event], reason: &str) -> Result<(), Error> {
        self.spool.refuse(events, reason)?;
        self.outbox.release(*name);
        Ok(())
    }

    /// It stays in hand, and so comes again after a restart.
    fn skip(&mut self, _: u64) {}

    fn settle(&mut self) -> Result<(), Error> {
        let outbox = &self.outbox;
        let fault = |source: journal::Error| Error::outbox(&outbox.directory, &source);
        let mut state = outbox.state();
        let first = state.in_hand.first_key_value().map(|(number, _)| *number);
        let first = first.or_else(|| state.waiting.front().map(|(number, _)| *number));
        let marked = first.unwrap_or(state.next) - 1;
        if marked > state.marked {
            state.marked = marked;
            drop(state);
            // Nobody waits for it: without it the events come again, with the same ids.
            outbox.journal.append_lazily(MARK, &[&marked.to_le_bytes()]).map_err(fault)?;
        } else {
            drop(state);
        }
        if outbox.journal.has_dead_segments() {
            outbox.journal.reclaim().map_err(fault)?;
        }
        if outbox.waiting() == 0 {
            self.ahead = ReadAhead::default();
        }
        Ok(())
    }
}

impl Outbox {
    /// Where it is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

const DIRECTORY: &str = "outbox";
/// A record that is an event: its number (8 bytes, little endian), then its line in
/// fedora-messaging's dump format.
const EVENT: u8 = 1;
/// A record that says that every event up to that number needs no delivery any more.
const MARK: u8 = 2;
/// How many events are delivered at once.
const HAND_EVENTS_MAX: usize = WINDOW_EVENTS;
/// At that many events a start throws away those that it knows to be delivered.
const FOUND_MAX: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery_lock::Of;
    use serde_json::json;
    use std::{fs, time::Duration};

    fn event(n: usize) -> Event {
        Event::new("test.outbox".parse().unwrap(), json!({"n": n})).unwrap()
    }

    fn spool() -> (tempfile::TempDir, Spool) {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::open(directory.path().join("spool"), u64::MAX).unwrap();
        (directory, spool)
    }

    fn open(spool: &Spool, size_bytes_max: u64) -> OutboxStore {
        let outbox = Outbox::open(spool, size_bytes_max, journal::Sync::Always, lock(spool));
        let outbox = outbox.unwrap();
        OutboxStore::new(Arc::new(outbox), spool.clone())
    }

    fn lock(spool: &Spool) -> DeliveryLock {
        DeliveryLock::try_acquire(spool, Of::Outbox).unwrap().expect("nobody else has it")
    }

    fn ids<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<String> {
        events.into_iter().map(|event| event.id.clone()).collect()
    }

    fn taken(store: &mut OutboxStore) -> Vec<Taken<u64>> {
        store.take(0, 0).unwrap()
    }

    #[test]
    fn what_was_taken_over_and_not_delivered_waits_again_after_a_restart_in_order() {
        let (_directory, spool) = spool();
        let events: Vec<Event> = (0..50).map(event).collect();
        let mut store = open(&spool, u64::MAX);
        for some in events.chunks(7) {
            store.outbox.keep(some.iter()).unwrap();
        }
        let first = taken(&mut store);
        assert_eq!(ids(first.iter().flat_map(|taken| &taken.events)), ids(&events));
        assert!(taken(&mut store).is_empty(), "what is in hand is not given twice");
        // Delivered: all of the first 20, and a later one out of turn.
        first.iter().take(20).chain([&first[30]]).for_each(|it| store.remove(&it.name).unwrap());
        store.settle().unwrap();
        store.outbox.sync().unwrap();
        drop(store);

        let mut store = open(&spool, u64::MAX);
        assert_eq!(store.outbox.waiting(), 30);
        let again = taken(&mut store);
        assert_eq!(ids(again.iter().flat_map(|taken| &taken.events)), ids(&events[20..]));
        again.iter().for_each(|it| store.remove(&it.name).unwrap());
        store.settle().unwrap();
        store.outbox.keep([event(50)].iter()).unwrap();
        store.outbox.sync().unwrap();
        drop(store);
        assert_eq!(open(&spool, u64::MAX).outbox.waiting(), 1);
    }

    #[test]
    fn a_full_outbox_refuses_with_the_mend_and_goes_on_when_there_is_room() {
        let (_directory, spool) = spool();
        let size = event(1).to_dump().len() as u64;
        let mut store = open(&spool, size * 2 + size / 2);
        store.outbox.keep([event(1), event(2)].iter()).unwrap();
        let error = store.outbox.keep([event(3)].iter()).unwrap_err();
        assert!(matches!(error, Error::SpoolFull { .. }), "{error:?}");
        assert!(error.to_string().contains("allow more"), "{error}");
        let first = taken(&mut store);
        assert_eq!(first.len(), 2, "what was refused is not there");
        store.remove(&first[0].name).unwrap();
        store.settle().unwrap();
        store.outbox.keep([event(3)].iter()).unwrap();
    }

    #[test]
    fn disk_space_comes_back_as_events_are_delivered() {
        let (_directory, spool) = spool();
        let mut store = open(&spool, 1 << 20);
        let files = || fs::read_dir(spool.directory().join(DIRECTORY)).unwrap().count();
        let mut most = 0;
        for round in 0..60 {
            store
                .outbox
                .keep((0..20).map(|n| event(round * 20 + n)).collect::<Vec<_>>().iter())
                .unwrap();
            let all = taken(&mut store);
            assert_eq!(all.len(), 20);
            all.iter().for_each(|it| store.remove(&it.name).unwrap());
            store.settle().unwrap();
            most = most.max(files());
        }
        assert!(most <= 4, "{most} files for nothing that waits");
    }

    #[test]
    fn a_damaged_event_is_left_out_and_the_rest_delivered() {
        let (_directory, spool) = spool();
        let store = open(&spool, u64::MAX);
        let events: Vec<Event> = (0..5).map(event).collect();
        store.outbox.keep(events.iter()).unwrap();
        drop(store);
        let file = fs::read_dir(spool.directory().join(DIRECTORY)).unwrap();
        let mut files: Vec<_> = file.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let segment = files.iter().find(|path| {
            let bytes = fs::read(path).unwrap();
            bytes.windows(36).any(|window| window == events[2].id.as_bytes())
        });
        let segment = segment.unwrap();
        let mut bytes = fs::read(segment).unwrap();
        let at = bytes.windows(36).position(|window| window == events[2].id.as_bytes()).unwrap();
        bytes[at] ^= 1;
        fs::write(segment, bytes).unwrap();

        let mut store = open(&spool, u64::MAX);
        let rest = taken(&mut store);
        let expected = ids([&events[0], &events[1], &events[3], &events[4]]);
        assert_eq!(ids(rest.iter().flat_map(|taken| &taken.events)), expected);
        rest.iter().for_each(|it| store.remove(&it.name).unwrap());
        store.settle().unwrap();
    }

    #[test]
    fn many_threads_hand_over_at_once_and_everything_is_there() {
        let (_directory, spool) = spool();
        let interval = journal::Sync::Interval(Duration::from_secs(1));
        let outbox = Arc::new(Outbox::open(&spool, u64::MAX, interval, lock(&spool)).unwrap());
        std::thread::scope(|scope| {
            for n in 0..4 {
                let outbox = &outbox;
                scope.spawn(move || {
                    (0..100).for_each(|m| outbox.keep([event(n * 100 + m)].iter()).unwrap())
                });
            }
        });
        let mut store = OutboxStore::new(outbox, spool.clone());
        let mut seen = ids(taken(&mut store).iter().flat_map(|taken| &taken.events));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 400);
    }
}
