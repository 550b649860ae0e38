//! Opening from a checkpoint: what is behind it is handed out, what is before it is there, and only
//! headers were read for it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;

use journal::{Disk, DiskFile, Error, FileDisk, Journal, Options, Position, Reason, Recovery};

use crate::model::{Model, Records, no_false_alarm, open, small};
use sim::Random;
use sim::{Fault, Hits, Image, SimDisk};

/// What an owner writes down.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    pub(crate) from: Position,
    pub(crate) retained: Vec<(u32, u64)>,
}

impl Checkpoint {
    /// As an owner takes one; durable with the commit.
    pub(crate) fn take(journal: &Journal) -> Result<Checkpoint, Error> {
        let checkpoint = Checkpoint { from: journal.end(), retained: journal.live() };
        journal.commit()?;
        Ok(checkpoint)
    }

    /// Opens from it and collects what is handed out.
    pub(crate) fn open(&self, disk: &SimDisk) -> Result<(Journal, Recovery, Records), Error> {
        let mut records = Records::new();
        let mut last = None;
        let visit = &mut |record: journal::Record<'_>| {
            assert!(self.from <= record.position, "{} is before the checkpoint", record.position);
            assert!(last < Some(record.position), "{last:?} before {}", record.position);
            last = Some(record.position);
            records.insert(record.position, (record.kind, record.payload.to_vec()));
        };
        let (journal, recovery) =
            Journal::open_from(disk.share(), small(), self.from, &self.retained, visit)?;
        assert_eq!(recovery.records, records.len() as u64);
        Ok((journal, recovery, records))
    }
}

/// A journal over several segments with a checkpoint after every commit.
struct History {
    image: Image,
    records: Records,
    checkpoints: Vec<Checkpoint>,
}

impl History {
    fn new() -> History {
        let disk = SimDisk::new();
        let (journal, ..) = open(&disk).unwrap();
        let mut model = Model::default();
        let mut random = Random::new(3);
        let mut checkpoints = vec![Checkpoint::take(&journal).unwrap()];
        for _ in 0..40 {
            for _ in 0..1 + random.below(4) {
                let bytes = random.below(220) as usize;
                model.append(&journal, random.bytes(bytes)).unwrap();
            }
            checkpoints.push(Checkpoint::take(&journal).unwrap());
        }
        History { image: disk.live(), records: model.appended, checkpoints }
    }

    fn behind(&self, checkpoint: &Checkpoint) -> Records {
        self.records.clone().split_off(&checkpoint.from)
    }

    fn last_segment(&self) -> u32 {
        self.records.keys().next_back().unwrap().segment()
    }
}

fn name(segment: u32) -> String {
    format!("{segment:020}.log")
}

#[test]
fn from_every_checkpoint_exactly_what_is_behind_it_is_handed_out() {
    let history = History::new();
    assert!(history.last_segment() >= 5);
    for checkpoint in &history.checkpoints {
        let disk = SimDisk::from_image(history.image.clone());
        let (journal, recovery, found) = checkpoint.open(&disk).unwrap();
        let context = format!("{checkpoint:?}");
        assert!(found == history.behind(checkpoint), "{context}");
        no_false_alarm(&recovery, &context);
        assert_eq!((&recovery.damaged[..], recovery.torn_bytes), (&[][..], 0), "{context}");
        assert!(disk.live() == history.image, "{context}: opening changed something");
        assert_eq!(journal.live(), checkpoint.retained, "{context}");
        let passed = u64::from(checkpoint.from.segment()) - 1;
        assert_eq!(recovery.passed, passed, "{context}");
        // What was not read can be read all the same, and the journal goes on where it ended.
        for (position, (_, payload)) in &history.records {
            assert_eq!(journal.read(*position).unwrap(), payload, "{context}: {position}");
        }
        let again = journal.append(7, &[b"on"]).unwrap();
        assert!(Some(&again) > history.records.keys().next_back(), "{context}");
        journal.commit().unwrap();
        drop(journal);
        let (_, recovery, all) = open(&disk).unwrap();
        assert_eq!(recovery.damaged, [], "{context}");
        assert_eq!(all.len(), history.records.len() + 1, "{context}");
        let (_, recovery, found) = checkpoint.open(&disk).unwrap();
        assert_eq!(recovery.damaged, [], "{context}");
        assert_eq!(found.len(), history.behind(checkpoint).len() + 1, "{context}");
    }
}

#[test]
fn a_flipped_bit_behind_the_checkpoint_costs_its_record_and_one_before_it_nothing() {
    let history = History::new();
    let mut random = Random::new(9);
    for checkpoint in history.checkpoints.iter().step_by(3) {
        for (segment, byte) in (1..=history.last_segment())
            .flat_map(|segment| (0..2048_u32).step_by(5).map(move |byte| (segment, byte)))
        {
            let mut image = history.image.clone();
            let Some(hit) = image.file_mut(&name(segment)).get_mut(byte as usize) else { continue };
            *hit ^= 1 << random.below(8);
            let context = format!("{}: byte {byte} of segment {segment}", checkpoint.from);
            let disk = SimDisk::from_image(image.clone());
            let (journal, recovery, found) = checkpoint.open(&disk).unwrap();
            assert!(disk.live() == image, "{context}: opening changed something");
            let lost = |position: &Position| {
                let start = position.offset();
                let bytes = 32 + history.records[position].1.len() as u32;
                position.segment() == segment && (start..start + bytes).contains(&byte)
            };
            let mut expected = history.behind(checkpoint);
            expected.retain(|position, _| !lost(position));
            assert!(found == expected, "{context}");
            let missed = expected.len() < history.behind(checkpoint).len();
            let reported = !recovery.damaged.is_empty() || recovery.torn_bytes > 0;
            assert!(!missed || reported, "{context}: a loss without a report");
            // What was passed over is never delivered altered.
            for (position, (_, payload)) in &history.records {
                match journal.read(*position) {
                    Ok(read) => assert_eq!(read, payload, "{context}: {position}"),
                    Err(Error::Damaged { .. } | Error::NoRecord(_) | Error::NotDurable(_)) => {
                        assert!(lost(position), "{context}: {position}");
                    }
                    Err(error) => panic!("{context}: {position}: {error}"),
                }
            }
            let on = journal.append(9, &[b"on"]).unwrap();
            assert!(checkpoint.from <= on, "{context}");
            journal.commit().unwrap();
            drop(journal);
            let (_, _, found) = checkpoint.open(&disk).unwrap();
            assert!(found.contains_key(&on), "{context}: what came after is not found again");
        }
    }
}

#[test]
fn a_retained_segment_that_is_gone_is_reported_and_the_others_are_not_missed() {
    let history = History::new();
    let checkpoint = history.checkpoints.last().unwrap();
    for gone in 1..checkpoint.from.segment() {
        let mut image = history.image.clone();
        image.remove(&name(gone));
        let disk = SimDisk::from_image(image.clone());
        let (journal, recovery, _) = checkpoint.open(&disk).unwrap();
        let damage = &recovery.damaged[..];
        assert_eq!(damage.len(), 1, "{damage:?}");
        assert_eq!((&damage[0].file, damage[0].reason), (&name(gone), Reason::Missing));
        let lost = history.records.keys().filter(|position| position.segment() == gone);
        for position in lost {
            match journal.read(*position).unwrap_err() {
                Error::Damaged { reason: Reason::Missing, .. } => journal.release(*position),
                error => panic!("{error}"),
            }
        }
        assert_eq!(journal.live().len(), checkpoint.retained.len() - 1);
        drop(journal);
        // Had nothing in it been alive, it would have been deleted.
        let mut without = checkpoint.clone();
        without.retained.retain(|(id, _)| *id != gone);
        let (_, recovery, found) = without.open(&SimDisk::from_image(image)).unwrap();
        assert_eq!(recovery.damaged, []);
        assert!(found == history.behind(checkpoint));
    }
}

#[test]
fn an_end_that_is_gone_is_noticed_and_nothing_new_stands_before_the_checkpoint() {
    let history = History::new();
    for checkpoint in history.checkpoints.iter().skip(1) {
        let (id, offset) = (checkpoint.from.segment(), checkpoint.from.offset());
        let mut images = Vec::new();
        for cut in [64, 65, 200, offset / 2 / 8 * 8, offset - 8, offset - 1, offset] {
            let mut image = history.image.clone();
            (id + 1..=history.last_segment()).for_each(|id| drop(image.remove(&name(id))));
            image.file_mut(&name(id)).truncate(cut.max(64) as usize);
            images.push((format!("cut at {cut}"), image.clone()));
            image.file_mut(&name(id)).resize(2048, 0);
            images.push((format!("zeros from {cut}"), image));
        }
        let mut image = images[0].1.clone();
        image.remove(&name(id));
        images.push(("no file".to_owned(), image));
        for (what, image) in images {
            // Padding that is cut off, and was zero, is not missed.
            let mut bytes = match image.names().contains(&name(id)) {
                true => image.file(&name(id)).clone(),
                false => Vec::new(),
            };
            bytes.resize(offset as usize, 0);
            let whole = bytes == history.image.file(&name(id))[..offset as usize];
            let context = format!("{}: {what}", checkpoint.from);
            let disk = SimDisk::from_image(image.clone());
            let (journal, recovery, found) = checkpoint.open(&disk).unwrap();
            assert!(found.is_empty(), "{context}");
            assert_eq!(recovery.damaged.is_empty(), whole, "{context}: {:?}", recovery.damaged);
            let mut model = Model::default();
            for round in 0..20 {
                model.append(&journal, vec![round; 150]).unwrap();
                journal.commit().unwrap();
            }
            model.look(&journal);
            assert!(model.appended.keys().all(|it| checkpoint.from <= *it), "{context}");
            drop(journal);
            for image in disk.after_power_loss(&mut Random::new(1), 2) {
                let disk = SimDisk::from_image(image);
                let (_, _, found) = checkpoint.open(&disk).unwrap();
                assert!(found == model.appended, "{context}: not the same twice");
                // Without the checkpoint, too; and what is missing goes on to be reported.
                let (_, recovery, all) = open(&disk).unwrap();
                model.check(
                    &all.into_iter().filter(|(it, _)| checkpoint.from <= *it).collect(),
                    &context,
                );
                let reported = recovery.damaged.iter().any(|damage| damage.file == name(id));
                // The oldest looks deleted to who knows of no checkpoint.
                let oldest = id == 1 && what == "no file";
                assert!(whole || reported || oldest, "{context}: {:?}", recovery.damaged);
            }
        }
    }
}

#[test]
fn a_checkpoint_of_another_time_is_noticed() {
    let history = History::new();
    let checkpoint = history.checkpoints.last().unwrap();
    let last = *history.records.keys().next_back().unwrap();
    // In the middle of the last record.
    let bits = last.to_bits() + 8;
    let odd = Checkpoint { from: Position::from_bits(bits), ..checkpoint.clone() };
    let (_, recovery, found) = odd.open(&SimDisk::from_image(history.image.clone())).unwrap();
    assert!(found.is_empty());
    assert_eq!(recovery.damaged[0].reason, Reason::NoBoundary);
    assert_eq!(recovery.damaged[0].offset, u64::from(last.offset()) + 8);
    // Behind the last one.
    let bits = last.to_bits() + 8000;
    let later = Checkpoint { from: Position::from_bits(bits), ..checkpoint.clone() };
    let (journal, recovery, _) = later.open(&SimDisk::from_image(history.image.clone())).unwrap();
    assert!(!recovery.damaged.is_empty());
    assert!(later.from <= journal.append(1, &[]).unwrap());
}

#[test]
fn a_record_too_large_to_look_back_over_is_no_obstacle() {
    let disk = SimDisk::new();
    let (journal, ..) = open(&disk).unwrap();
    journal.append(1, &[&[1; 100]]).unwrap();
    journal.commit().unwrap();
    for megabytes in [1, 3] {
        journal.append(2, &[&vec![2; megabytes << 20]]).unwrap();
        let checkpoint = Checkpoint::take(&journal).unwrap();
        let image = SimDisk::from_image(disk.live());
        let (_, recovery, found) = checkpoint.open(&image).unwrap();
        assert_eq!((recovery.damaged.len(), found.len()), (0, 0), "{megabytes} MiB");
    }
}

#[test]
fn a_checkpoint_of_nothing_is_the_whole_journal() {
    let disk = SimDisk::new();
    let (journal, ..) = open(&disk).unwrap();
    let checkpoint = Checkpoint::take(&journal).unwrap();
    assert_eq!((checkpoint.from.segment(), checkpoint.from.offset()), (1, 64));
    let mut model = Model::default();
    drop(journal);
    for round in 0..30 {
        let (journal, recovery, found) = checkpoint.open(&disk).unwrap();
        assert_eq!(recovery.damaged, []);
        assert!(found == model.appended);
        model.append(&journal, vec![round; 300]).unwrap();
        journal.commit().unwrap();
    }
}

/// A life with checkpoints, on a disk that may fail: the newest durable one always leads to all
/// that was confirmed behind it, and to what was alive before it.
fn live(disk: &SimDisk, seed: u64, state: &mut Owner) -> Result<(), Error> {
    let mut random = Random::new(seed);
    for _ in 0..3 {
        let journal = state.open(disk)?;
        for round in 0..8 {
            for _ in 0..1 + random.below(6) {
                let bytes = [0, 700, 60, 90, 120, 400][random.below(6) as usize];
                state.model.append(&journal, random.bytes(bytes))?;
            }
            let checkpoint = (random.below(3) == 0)
                .then(|| Checkpoint { from: journal.end(), retained: journal.live() });
            let outcome = journal.commit();
            state.model.look(&journal);
            outcome?;
            if let Some(checkpoint) = checkpoint {
                state.durable = Some(checkpoint);
            }
            if round % 4 == 3 {
                state.model.release_half(&journal);
            }
        }
    }
    Ok(())
}

/// An owner that keeps its checkpoint somewhere safe.
#[derive(Default)]
struct Owner {
    model: Model,
    durable: Option<Checkpoint>,
}

impl Owner {
    fn open(&mut self, disk: &SimDisk) -> Result<Journal, Error> {
        let Some(checkpoint) = &self.durable else {
            let (journal, _, found) = open(disk)?;
            self.model.check(&found, "opened whole");
            self.model.appended = found;
            self.model.appended.keys().for_each(|position| journal.retain(*position));
            self.model.released.clear();
            return Ok(journal);
        };
        let (journal, recovery, found) = checkpoint.open(disk)?;
        no_false_alarm(&recovery, "opened from a checkpoint");
        let behind = self.model.appended.split_off(&checkpoint.from);
        let confirmed = self.model.confirmed.split_off(&checkpoint.from);
        for (position, record) in &found {
            assert_eq!(behind.get(position), Some(record), "invented or altered at {position}");
        }
        confirmed.iter().for_each(|it| assert!(found.contains_key(it), "{it} is lost"));
        found.keys().for_each(|position| journal.retain(*position));
        self.model.confirmed.extend(found.keys());
        self.model.appended.extend(found);
        // What the checkpoint says is alive is; what was released since comes back.
        let mut counts = BTreeMap::new();
        self.model.appended.keys().for_each(|it| *counts.entry(it.segment()).or_insert(0) += 1);
        let live: BTreeMap<_, _> = journal.live().into_iter().collect();
        for (segment, live) in &live {
            assert!(live <= &counts[segment], "more alive in {segment} than was appended");
        }
        for (position, (_, payload)) in &self.model.appended {
            match journal.read(*position) {
                Ok(read) => assert_eq!(read, payload),
                Err(Error::Io { .. }) => {}
                Err(error) => panic!("{position}: {error}"),
            }
        }
        // This owner settles nothing, so that its counts are those of all records.
        self.model.released.retain(|position| *position < checkpoint.from);
        Ok(journal)
    }
}

#[test]
fn a_power_loss_at_any_operation_loses_nothing_behind_or_before_the_checkpoint() {
    let mut images = 0;
    for seed in 1..=4 {
        for from in 1.. {
            let disk = SimDisk::new();
            let (for_ever, kind) = (true, ErrorKind::Other);
            disk.set_fault(Some(Fault { from, for_ever, kind, hits: Hits::All }));
            let mut owner = Owner::default();
            let done = live(&disk, seed, &mut owner).is_ok();
            disk.set_fault(None);
            let mut random = Random::new(seed << 32 | from);
            let mut found = disk.after_power_loss(&mut random, 12);
            found.push(disk.live());
            for (index, image) in found.into_iter().enumerate() {
                let context = format!("seed {seed}, operation {from}, image {index}");
                let disk = SimDisk::from_image(image);
                check(&disk, &owner, &context);
                images += 1;
            }
            if done && disk.refused() == 0 {
                break;
            }
        }
    }
    println!("{images} images");
    assert!(images > 3000, "only {images} images");
}

/// What the newest durable checkpoint leads to; and that the next life finds what this one adds.
fn check(disk: &SimDisk, owner: &Owner, context: &str) {
    let Some(checkpoint) = &owner.durable else {
        return owner.model.check_and_go_on(disk, context);
    };
    let model = &owner.model;
    let (journal, recovery, found) = checkpoint.open(disk).unwrap();
    no_false_alarm(&recovery, context);
    for (position, record) in &found {
        assert_eq!(model.appended.get(position), Some(record), "{context}: {position}");
    }
    for position in model.confirmed.range(checkpoint.from..) {
        assert!(found.contains_key(position), "{context}: {position} is lost");
    }
    for position in model.confirmed.range(..checkpoint.from) {
        let payload = &model.appended[position].1;
        assert_eq!(journal.read(*position).unwrap(), payload, "{context}: {position}");
    }
    let after = journal.append(1, &[b"after the crash"]).unwrap();
    journal.commit().unwrap();
    drop(journal);
    for image in disk.after_power_loss(&mut Random::new(1), 2) {
        let disk = SimDisk::from_image(image);
        let (_, recovery, again) = checkpoint.open(&disk).unwrap();
        no_false_alarm(&recovery, context);
        assert_eq!(recovery.torn_bytes, 0, "{context}: what was cut once is reported again");
        assert!(again.contains_key(&after), "{context}");
        assert_eq!(again.len(), found.len() + 1, "{context}");
    }
}

/// Counts what is opened and read of a disk.
struct Counting(FileDisk, Arc<std::sync::atomic::AtomicU64>);

struct CountingFile(Arc<dyn DiskFile>, Arc<std::sync::atomic::AtomicU64>);

impl Disk for Counting {
    fn list(&self) -> std::io::Result<Vec<String>> {
        self.0.list()
    }
    fn open(&self, name: &str) -> std::io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(CountingFile(self.0.open(name)?, self.1.clone())))
    }
    fn create(&self, name: &str) -> std::io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(CountingFile(self.0.create(name)?, self.1.clone())))
    }
    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, name: &str) -> std::io::Result<()> {
        self.0.remove(name)
    }
    fn sync_dir(&self) -> std::io::Result<()> {
        self.0.sync_dir()
    }
}

impl DiskFile for CountingFile {
    fn size(&self) -> std::io::Result<u64> {
        self.0.size()
    }
    fn read_at(&self, into: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let read = self.0.read_at(into, offset)?;
        self.1.fetch_add(read as u64, std::sync::atomic::Ordering::Relaxed);
        Ok(read)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<()> {
        self.0.write_at(bytes, offset)
    }
    fn reserve(&self, bytes: u64) -> std::io::Result<bool> {
        self.0.reserve(bytes)
    }
    fn sync(&self) -> std::io::Result<()> {
        self.0.sync()
    }
}

#[test]
fn of_a_long_backlog_only_headers_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 512, ..Options::default() };
    let disk = Arc::new(FileDisk::open(dir.path()).unwrap());
    let (journal, _) = Journal::open(disk.clone(), options, &mut |_| {}).unwrap();
    for _ in 0..161 {
        let mut appender = journal.appender().unwrap();
        let position = appender.append(1, &[&[5; 400]]).unwrap();
        journal.retain(position);
    }
    let checkpoint = Checkpoint::take(&journal).unwrap();
    drop(journal);
    assert_eq!(checkpoint.retained.len(), 161);
    // As large as they are by default, without the disk that takes.
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let file = std::fs::File::options().write(true).open(entry.unwrap().path()).unwrap();
        file.set_len(64 << 20).unwrap();
    }
    let read = Arc::default();
    let disk = Arc::new(Counting(FileDisk::open(dir.path()).unwrap(), Arc::clone(&read)));
    let Checkpoint { from, retained } = checkpoint;
    let started = std::time::Instant::now();
    let (_, recovery) =
        Journal::open_from(disk, Options::default(), from, &retained, &mut |_| {}).unwrap();
    let took = started.elapsed();
    assert_eq!((recovery.passed, recovery.segments, recovery.records), (160, 1, 0));
    assert_eq!(recovery.damaged, []);
    let read = read.load(std::sync::atomic::Ordering::Relaxed);
    println!("160 segments of 64 MiB before the checkpoint: {took:?}, {read} bytes read");
    // Zeros up to the end of the segment in use are no torn write: they have to be looked at, once.
    assert!(read < 65 << 20, "{read} bytes were read");
}
