//! An owner that settles messages and makes checkpoints, as the broker does: whichever segments die
//! are deleted, wherever they stand, and whatever happens meanwhile nothing unsettled is lost,
//! nothing settled comes back from a checkpoint, and no hole is taken for damage.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use journal::{Error, Journal, Position, Reason, Record, Recovery};

use crate::checkpoint::Checkpoint;
use crate::model::{Records, no_false_alarm, small};
use sim::Random;
use sim::{Fault, Hits, Image, SimDisk};

const MESSAGE: u8 = 1;
const SETTLE: u8 = 2;

/// What is on disk beside the journal.
#[derive(Debug, Clone)]
struct Saved {
    at: Checkpoint,
    unsettled: BTreeSet<Position>,
}

/// How it starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Checkpoint,
    /// The checkpoint was lost.
    Whole,
}

#[derive(Debug, Clone, Default)]
struct Owner {
    sent: Records,
    confirmed: BTreeSet<Position>,
    unsettled: BTreeSet<Position>,
    /// Settled, and whether that is on the medium is another question.
    settled: BTreeSet<Position>,
    /// Settled, and that is confirmed.
    surely_settled: BTreeSet<Position>,
    saved: Option<Saved>,
}

impl Owner {
    /// Opens and finds what is not settled, as [`Owner::check`] wants it.
    fn open(&mut self, disk: &SimDisk, start: Start) -> Result<Journal, Error> {
        let saved = self.saved.clone().filter(|_| start == Start::Checkpoint);
        let mut unsettled = saved.as_ref().map(|it| it.unsettled.clone()).unwrap_or_default();
        let before = unsettled.clone();
        let mut found = BTreeSet::new();
        let mut visit = |record: Record<'_>| match record.kind {
            MESSAGE => {
                found.insert(record.position);
                unsettled.insert(record.position);
            }
            _ => record.payload.chunks(8).for_each(|bits| {
                let bits = u64::from_le_bytes(bits.try_into().unwrap());
                unsettled.remove(&Position::from_bits(bits));
            }),
        };
        let (journal, recovery) = match &saved {
            Some(Saved { at: Checkpoint { from, retained }, .. }) => {
                Journal::open_from(disk.share(), small(), *from, retained, &mut visit)?
            }
            None => Journal::open(disk.share(), small(), &mut visit)?,
        };
        self.take_counts(&journal, &recovery, &before, &mut unsettled);
        self.unsettled = unsettled;
        self.check(&journal, &recovery, start);
        // What a crash took is forgotten: its position may be given again.
        self.confirmed.extend(found);
        self.sent.retain(|position, _| self.confirmed.contains(position));
        self.settled.retain(|position| self.sent.contains_key(position));
        Ok(journal)
    }

    /// Balances the counts: the checkpoint's are those of `before`.
    fn take_counts(
        &self,
        journal: &Journal,
        recovery: &Recovery,
        before: &BTreeSet<Position>,
        unsettled: &mut BTreeSet<Position>,
    ) {
        unsettled.difference(before).for_each(|position| journal.retain(*position));
        before.difference(unsettled).for_each(|position| journal.release(*position));
        // Deleted since, so all in it had been settled.
        unsettled.retain(|position| {
            let gone = recovery.reclaimed.contains(&position.segment());
            if gone {
                journal.release(*position);
            }
            !gone
        });
    }

    fn check(&self, journal: &Journal, recovery: &Recovery, start: Start) {
        let context = format!("{start:?} from {:?}", self.saved.as_ref().map(|it| it.at.from));
        no_false_alarm(recovery, &context);
        for position in self.confirmed.difference(&self.settled) {
            assert!(self.unsettled.contains(position), "{context}: {position} is lost");
        }
        for position in &self.unsettled {
            let (_, payload) = &self.sent[position];
            match journal.read(*position) {
                Ok(read) => assert_eq!(read, payload, "{context}: {position} is altered"),
                Err(Error::Io { .. }) => {}
                Err(error) => panic!("{context}: {position}: {error}"),
            }
        }
        if start == Start::Checkpoint {
            let back = self.surely_settled.intersection(&self.unsettled).next();
            assert_eq!(back, None, "{context}: a settled message came back");
        }
    }

    fn send(&mut self, journal: &Journal, payload: Vec<u8>) -> Result<(), Error> {
        let mut appender = journal.appender()?;
        let position = appender.append(MESSAGE, &[&payload])?;
        journal.retain(position);
        drop(appender);
        self.sent.insert(position, (MESSAGE, payload));
        self.unsettled.insert(position);
        Ok(())
    }

    fn settle(&mut self, journal: &Journal, positions: &[Position]) -> Result<Position, Error> {
        let bits: Vec<u8> = positions.iter().flat_map(|it| it.to_bits().to_le_bytes()).collect();
        // Whether or not it works, the consumer has it.
        self.settled.extend(positions);
        let settlement = journal.append(SETTLE, &[&bits])?;
        for position in positions {
            self.unsettled.remove(position);
            journal.release(*position);
        }
        Ok(settlement)
    }

    /// Goes on for a while: sends, settles most, makes checkpoints, gives space back. Tolerates
    /// what an owner tolerates.
    fn work(&mut self, journal: &Journal, random: &mut Random) -> Result<(), Error> {
        for round in 0..14 {
            for _ in 0..1 + random.below(5) {
                let bytes = [0, 700, 60, 150, 400][random.below(5) as usize];
                self.send(journal, random.bytes(bytes))?;
            }
            // Most go soon, one in five stays for long.
            let done: Vec<_> = self
                .unsettled
                .iter()
                .filter(|it| (it.to_bits() / 8) % 5 != 0 && random.below(3) > 0)
                .copied()
                .collect();
            let settlement = self.settle(journal, &done)?;
            let saved = (round % 3 == 2).then(|| Saved {
                at: Checkpoint { from: journal.end(), retained: journal.live() },
                unsettled: self.unsettled.clone(),
            });
            let committed = tolerate(journal.commit())?;
            let durable = |position: &Position| journal.is_durable(*position);
            self.confirmed.extend(self.sent.keys().copied().filter(durable));
            if journal.is_durable(settlement) {
                self.surely_settled.extend(done);
            }
            tolerate(journal.prepare_next())?;
            if let (Some(saved), Some(_)) = (saved, committed) {
                self.saved = Some(saved);
            }
            if let Some(saved) = &self.saved
                && round % 2 == 1
            {
                tolerate(journal.reclaim_before(saved.at.from))?;
            }
        }
        Ok(())
    }
}

/// What ends nothing.
fn tolerate<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(Error::Full { .. } | Error::Io { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn live(disk: &SimDisk, seed: u64, owner: &mut Owner) -> Result<(), Error> {
    let mut random = Random::new(seed);
    for _ in 0..2 {
        let journal = owner.open(disk, Start::Checkpoint)?;
        owner.work(&journal, &mut random)?;
    }
    Ok(())
}

/// Starts again on an image, both ways, and works on.
fn go_on(image: &Image, owner: &Owner, seed: u64) {
    for start in [Start::Checkpoint, Start::Whole] {
        let disk = SimDisk::from_image(image.clone());
        let mut owner = owner.clone();
        let journal = owner.open(&disk, start).unwrap();
        if start == Start::Whole {
            // What came back is sent again, and settled again.
            owner.saved = None;
            owner.surely_settled.clear();
            owner.settled.retain(|position| !owner.unsettled.contains(position));
        }
        owner.work(&journal, &mut Random::new(seed)).unwrap();
        drop(journal);
        owner.open(&disk, Start::Checkpoint).unwrap();
        owner.open(&disk, Start::Whole).unwrap();
    }
}

#[test]
fn any_dead_segment_goes_and_its_hole_is_no_damage() {
    let disk = SimDisk::new();
    let mut owner = Owner::default();
    let journal = owner.open(&disk, Start::Checkpoint).unwrap();
    let mut random = Random::new(1);
    for _ in 0..5 {
        owner.work(&journal, &mut random).unwrap();
    }
    let saved = owner.saved.clone().unwrap();
    journal.reclaim_before(saved.at.from).unwrap();
    assert_eq!(journal.reclaim_before(saved.at.from).unwrap(), 0);
    let live: BTreeSet<_> = journal.live().into_iter().map(|(segment, _)| segment).collect();
    let files: BTreeSet<u32> =
        disk.live().names().iter().filter_map(|name| name.get(..20)?.parse().ok()).collect();
    let before: Vec<_> = files.range(..saved.at.from.segment()).collect();
    assert!(before.iter().all(|file| live.contains(file)), "{files:?} and alive are {live:?}");
    let holes = before.windows(2).filter(|pair| pair[0] + 1 != *pair[1]).count();
    assert!(holes >= 3, "{holes} holes in {files:?}");
    drop(journal);
    for start in [Start::Checkpoint, Start::Whole] {
        owner.open(&disk, start).unwrap();
    }
}

#[test]
fn a_segment_that_is_lost_beside_a_hole_is_missed() {
    let disk = SimDisk::new();
    let mut owner = Owner::default();
    let journal = owner.open(&disk, Start::Checkpoint).unwrap();
    let mut random = Random::new(1);
    for _ in 0..5 {
        owner.work(&journal, &mut random).unwrap();
    }
    drop(journal);
    let names = disk.live().names();
    let mut lost = 0;
    for name in names.iter().filter(|name| name.ends_with(".log")).rev().skip(1) {
        let mut image = disk.live();
        image.remove(name);
        let (_, recovery) =
            Journal::open(SimDisk::from_image(image).share(), small(), &mut |_| {}).unwrap();
        let damage: Vec<_> = recovery.damaged.iter().map(|it| (&it.file, it.reason)).collect();
        assert_eq!(damage, [(name, Reason::Missing)]);
        lost += 1;
    }
    assert!(lost > 5);
    // Without the list, no hole can be told from a loss.
    let mut image = disk.live();
    image.file_mut("reclaimed")[70] ^= 1;
    let (_, recovery) =
        Journal::open(SimDisk::from_image(image).share(), small(), &mut |_| {}).unwrap();
    let reasons: Vec<_> = recovery.damaged.iter().map(|it| it.reason).collect();
    assert!(reasons.contains(&Reason::ReclaimedList), "{reasons:?}");
    assert!(reasons.contains(&Reason::Missing), "{reasons:?}");
}

#[test]
fn a_torn_tail_before_a_hole_is_not_taken_for_damage_later() {
    let disk = SimDisk::new();
    let (journal, _) = Journal::open(disk.share(), small(), &mut |_| {}).unwrap();
    let keep = |bytes: usize| {
        let mut appender = journal.appender().unwrap();
        let position = appender.append(MESSAGE, &[&vec![1; bytes]]).unwrap();
        journal.retain(position);
        position
    };
    let kept = keep(100);
    journal.commit().unwrap();
    drop(journal);
    let mut image = disk.live();
    image.file_mut("00000000000000000001.log")[300..320].fill(9);
    let disk = SimDisk::from_image(image);
    let (journal, recovery) = Journal::open(disk.share(), small(), &mut |_| {}).unwrap();
    assert!(recovery.torn_bytes > 0);
    journal.retain(kept);
    let goes = journal.append(MESSAGE, &[&[2; 1900]]).unwrap();
    let last = journal.append(MESSAGE, &[&[3; 1900]]).unwrap();
    journal.commit().unwrap();
    assert_eq!((kept.segment(), goes.segment(), last.segment()), (1, 2, 3));
    assert_eq!(journal.reclaim_before(journal.end()).unwrap(), 1);
    drop(journal);
    let (_, recovery) = Journal::open(disk.share(), small(), &mut |_| {}).unwrap();
    assert_eq!(recovery.damaged, []);
    assert_eq!((recovery.records, recovery.torn_bytes), (2, 0));
}

#[test]
fn a_damaged_segment_in_the_middle_is_set_aside_even_if_only_a_reader_met_the_damage() {
    let disk = SimDisk::new();
    let mut owner = Owner::default();
    let journal = owner.open(&disk, Start::Checkpoint).unwrap();
    for _ in 0..12 {
        owner.send(&journal, vec![5; 600]).unwrap();
    }
    journal.commit().unwrap();
    let at = Checkpoint { from: journal.end(), retained: journal.live() };
    drop(journal);
    let hit = *owner.sent.keys().find(|it| it.segment() == 2).unwrap();
    let mut image = disk.live();
    image.file_mut("00000000000000000002.log")[hit.offset() as usize + 50] ^= 1;
    let disk = SimDisk::from_image(image.clone());
    let (journal, recovery) =
        Journal::open_from(disk.share(), small(), at.from, &at.retained, &mut |_| {}).unwrap();
    assert_eq!((recovery.damaged, recovery.passed), (vec![], 3));
    assert!(matches!(journal.read(hit), Err(Error::Damaged { .. })));
    let in_two = owner.sent.keys().filter(|it| it.segment() == 2);
    in_two.for_each(|position| journal.release(*position));
    assert_eq!(journal.reclaim_before(at.from).unwrap(), 1);
    drop(journal);
    let aside = "00000000000000000002.damaged";
    assert_eq!(disk.live().file(aside), image.file("00000000000000000002.log"));
    let (_, recovery) = Journal::open(disk.share(), small(), &mut |_| {}).unwrap();
    assert_eq!((recovery.damaged, recovery.set_aside), (vec![], vec![aside.to_owned()]));
}

fn run_all(hits: Hits, kind: ErrorKind, for_ever: bool, samples: usize) -> (u64, usize) {
    let (mut met, mut images) = (0, 0);
    for seed in 1..=3 {
        for from in 1.. {
            let disk = SimDisk::new();
            disk.set_fault(Some(Fault { from, for_ever, kind, hits }));
            let mut owner = Owner::default();
            let outcome = live(&disk, seed, &mut owner);
            let refused = disk.refused();
            if refused == 0 {
                outcome.unwrap();
            }
            disk.set_fault(None);
            let mut random = Random::new(seed << 32 | from);
            let mut found = disk.after_power_loss(&mut random, samples);
            found.push(disk.live());
            for image in found {
                let told = || format!("seed {seed}, operation {from}, for ever: {for_ever}");
                let image = std::panic::AssertUnwindSafe(&image);
                let owner = std::panic::AssertUnwindSafe(&owner);
                let judged = std::panic::catch_unwind(|| go_on(&image, &owner, from));
                judged.unwrap_or_else(|_| panic!("{}", told()));
                images += 1;
            }
            if refused == 0 {
                break;
            }
            met += 1;
        }
    }
    (met, images)
}

#[test]
fn a_power_loss_at_any_operation_loses_nothing_and_brings_nothing_back() {
    let (met, images) = run_all(Hits::All, ErrorKind::Other, true, 6);
    println!("{met} operations, {images} images");
    assert!(met > 300 && images > 2000, "only {met} operations and {images} images");
}

#[test]
fn an_operation_that_fails_once_loses_nothing_and_brings_nothing_back() {
    let (met, _) = run_all(Hits::All, ErrorKind::Other, false, 1);
    assert!(met > 300, "only {met} operations were refused");
}

#[test]
fn on_a_full_disk_segments_at_the_front_go_without_a_list_and_nothing_is_lost() {
    let (met, _) = run_all(Hits::Growing, ErrorKind::StorageFull, false, 1);
    assert!(met > 30, "only {met} operations were refused");
    // Full for good: those at the front make room, and others stay, as they would be missed.
    let disk = SimDisk::new();
    let mut owner = Owner::default();
    let journal = owner.open(&disk, Start::Checkpoint).unwrap();
    for _ in 0..12 {
        owner.send(&journal, vec![5; 600]).unwrap();
    }
    journal.commit().unwrap();
    let dead: Vec<_> = owner.sent.keys().filter(|it| it.segment() != 3).copied().collect();
    owner.settle(&journal, &dead).unwrap();
    journal.commit().unwrap();
    let kind = ErrorKind::StorageFull;
    disk.set_fault(Some(Fault { from: 1, for_ever: true, kind, hits: Hits::Growing }));
    assert_eq!(journal.reclaim_before(journal.end()).unwrap(), 2);
    assert!(!disk.live().names().contains(&"reclaimed".to_owned()));
    disk.set_fault(None);
    // As soon as there is space for it, the list is made.
    assert_eq!(journal.reclaim_before(journal.end()).unwrap(), 1);
    assert!(disk.live().names().contains(&"reclaimed".to_owned()));
    drop(journal);
    let (_, recovery) = Journal::open(disk.share(), small(), &mut |_| {}).unwrap();
    assert_eq!(recovery.damaged, []);
}

#[test]
fn a_deleted_segment_that_is_there_again_holds_nothing() {
    let disk = SimDisk::new();
    let mut owner = Owner::default();
    let journal = owner.open(&disk, Start::Checkpoint).unwrap();
    owner.work(&journal, &mut Random::new(1)).unwrap();
    let before = disk.live();
    let at = Checkpoint::take(&journal).unwrap();
    let dead = owner.unsettled.iter().copied().filter(|it| it.segment() == 3).collect::<Vec<_>>();
    owner.settle(&journal, &dead).unwrap();
    journal.commit().unwrap();
    assert!(journal.reclaim_before(at.from).unwrap() > 0);
    drop(journal);
    let name = "00000000000000000003.log";
    let mut image = disk.live();
    assert!(!image.names().contains(&name.to_owned()));
    image.put(name, before.file(name).clone());
    let disk = SimDisk::from_image(image);
    let mut found = BTreeSet::new();
    let (_, recovery) = Journal::open(disk.share(), small(), &mut |record| {
        found.insert(record.position.segment());
    })
    .unwrap();
    assert_eq!(recovery.damaged, []);
    assert!(recovery.removed.contains(&name.to_owned()));
    assert!(!found.contains(&3) && found.contains(&4));
    assert!(!disk.live().names().contains(&name.to_owned()));
}
