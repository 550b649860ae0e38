//! Synced at intervals: committed means that the process may die, durable that the machine may.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use journal::{Error, Journal, Options, Position, Sync};

use crate::model::{Model, Records, no_false_alarm, open, small};
use crate::slow_disk::{Gate, SlowDisk};
use sim::Random;
use sim::{Fault, Hits, SimDisk};

fn options() -> Options {
    Options { sync: Sync::Interval(Duration::from_millis(200)), ..small() }
}

fn begin(disk: &SimDisk) -> Result<(Journal, Records), Error> {
    let mut records = Records::new();
    let (journal, recovery) = Journal::open(disk.share(), options(), &mut |record| {
        records.insert(record.position, (record.kind, record.payload.to_vec()));
    })?;
    no_false_alarm(&recovery, "opened again");
    Ok((journal, records))
}

/// On a disk that waits in a sync when the gate is armed; there is a segment.
fn begin_slow() -> (Journal, SimDisk, Arc<Gate>) {
    let (disk, gate) = (SimDisk::new(), Gate::open());
    let (journal, _) = Journal::open(SlowDisk::new(&disk, &gate), options(), &mut |_| ()).unwrap();
    journal.append(1, &[b"makes the segment"]).unwrap();
    journal.commit().unwrap();
    (journal, disk, gate)
}

#[test]
fn a_write_commits_at_once_and_a_commit_makes_it_durable() {
    let disk = SimDisk::new();
    let (journal, _) = begin(&disk).unwrap();
    let first = journal.append(1, &[b"makes the segment"]).unwrap();
    assert!(journal.write().unwrap());
    assert!(journal.is_durable(first), "a new segment is durable before it is there");
    let mut model = Model::default();
    for _ in 0..5 {
        model.append(&journal, vec![1; 100]).unwrap();
        let (syncs, position) = (disk.syncs(), *model.appended.keys().next_back().unwrap());
        assert!(matches!(journal.read(position), Err(Error::NotDurable(_))));
        assert!(journal.write().unwrap());
        assert!(!journal.write().unwrap(), "nothing is left to write");
        assert_eq!(disk.syncs(), syncs, "a write was synced");
        assert!(journal.is_committed(position) && !journal.is_durable(position));
        assert_eq!(journal.read(position).unwrap(), [1; 100].as_slice());
    }
    let syncs = disk.syncs();
    assert!(journal.commit().unwrap());
    assert_eq!(disk.syncs(), syncs + 1, "one sync for all");
    assert!(model.appended.keys().all(|position| journal.is_durable(*position)));
    assert!(!journal.commit().unwrap());
    assert_eq!(disk.syncs(), syncs + 1);
}

#[test]
fn without_an_interval_a_write_is_a_commit() {
    let disk = SimDisk::new();
    let (journal, ..) = open(&disk).unwrap();
    for _ in 0..3 {
        let position = journal.append(1, &[b"x"]).unwrap();
        assert!(journal.write().unwrap());
        assert!(journal.is_durable(position) && journal.is_committed(position));
    }
}

#[test]
fn nobody_who_writes_waits_for_a_sync_and_it_says_nothing_of_what_came_meanwhile() {
    let (journal, disk, gate) = begin_slow();
    let before = journal.append(1, &[b"before the sync"]).unwrap();
    gate.arm();
    let meanwhile = thread::scope(|scope| {
        let committing = scope.spawn(|| journal.commit().unwrap());
        gate.meet();
        // It is being synced. None of this waits for it, or the test would not end.
        let meanwhile = journal.append(1, &[b"meanwhile"]).unwrap();
        assert!(journal.write().unwrap());
        assert!(journal.is_committed(meanwhile) && !journal.is_durable(before));
        gate.meet();
        assert!(committing.join().unwrap());
        meanwhile
    });
    assert!(journal.is_durable(before) && !journal.is_durable(meanwhile));
    // A power loss now: what the sync covered is there, whatever came of the rest.
    for image in disk.after_power_loss(&mut Random::new(7), 16) {
        let (_, recovery, found) = open(&SimDisk::from_image(image)).unwrap();
        no_false_alarm(&recovery, "after a power loss");
        assert!(found.contains_key(&before));
    }
    assert!(journal.commit().unwrap());
    assert!(journal.is_durable(meanwhile));
}

#[test]
fn nobody_who_writes_waits_for_the_sync_of_zeros_ahead() {
    let (journal, _, gate) = begin_slow();
    gate.arm();
    thread::scope(|scope| {
        let filling = scope.spawn(|| journal.fill_ahead().unwrap());
        gate.meet();
        // They are being synced. This does not wait for it, or the test would not end.
        let meanwhile = journal.append(1, &[b"meanwhile"]).unwrap();
        assert!(journal.write().unwrap());
        assert_eq!(journal.read(meanwhile).unwrap(), b"meanwhile".as_slice());
        gate.meet();
        filling.join().unwrap();
    });
}

#[test]
fn whoever_waits_for_a_sync_that_fails_tries_none() {
    let (journal, disk, gate) = begin_slow();
    journal.append(1, &[b"x"]).unwrap();
    gate.arm();
    let (from, for_ever, kind, hits) = (1, false, ErrorKind::Other, Hits::Syncs);
    disk.set_fault(Some(Fault { from, for_ever, kind, hits }));
    let syncs = disk.syncs();
    thread::scope(|scope| {
        let committing = scope.spawn(|| journal.commit());
        gate.meet();
        journal.append(1, &[b"meanwhile"]).unwrap();
        let rewriting = scope.spawn(|| journal.rewrite(&[(1, b"all there is")]));
        let waiting = scope.spawn(|| journal.commit());
        gate.meet();
        for outcome in [committing, waiting] {
            assert!(matches!(outcome.join().unwrap(), Err(Error::Failed(_))));
        }
        assert!(matches!(rewriting.join().unwrap(), Err(Error::Failed(_))));
    });
    assert!(disk.syncs() <= syncs + 1, "a sync was tried after one had failed");
}

#[test]
fn a_sync_that_fails_later_ends_it_all_the_same() {
    let disk = SimDisk::new();
    let (journal, _) = begin(&disk).unwrap();
    journal.append(1, &[b"makes the segment"]).unwrap();
    journal.commit().unwrap();
    let position = journal.append(1, &[b"x"]).unwrap();
    journal.write().unwrap();
    let (from, for_ever, kind, hits) = (1, false, ErrorKind::Other, Hits::Syncs);
    disk.set_fault(Some(Fault { from, for_ever, kind, hits }));
    assert!(matches!(journal.commit(), Err(Error::Failed(_))));
    let syncs = disk.syncs();
    assert!(matches!(journal.commit(), Err(Error::Failed(_))));
    assert!(matches!(journal.append(1, &[b"x"]), Err(Error::Failed(_))));
    assert_eq!(disk.syncs(), syncs, "a sync was tried after one had failed");
    assert!(!journal.is_durable(position));
}

/// What the journal said.
#[derive(Default)]
struct Told {
    model: Model,
    committed: BTreeSet<Position>,
}

fn live(disk: &SimDisk, seed: u64, told: &mut Told) -> Result<(), Error> {
    let mut random = Random::new(seed);
    for _ in 0..2 {
        let (journal, found) = begin(disk)?;
        told.model.check(&found, "opened again");
        for position in &told.committed {
            assert!(found.contains_key(position), "{position} was committed and is lost");
        }
        told.committed.extend(found.keys());
        told.model.appended = found;
        for _ in 0..14 {
            for _ in 0..1 + random.below(3) {
                let bytes = [0, 700, 60, 150][random.below(4) as usize];
                told.model.append(&journal, random.bytes(bytes))?;
            }
            let outcome = match random.below(4) {
                0 => journal.commit(),
                _ => journal.write(),
            };
            told.model.look(&journal);
            let committed = |it: &&Position| journal.is_committed(**it);
            told.committed.extend(told.model.appended.keys().filter(committed));
            outcome?;
            assert_eq!(told.committed.len(), told.model.appended.len());
        }
    }
    Ok(())
}

#[test]
fn a_power_loss_loses_nothing_durable_and_a_kill_nothing_committed() {
    let (mut images, mut lost) = (0, 0);
    for seed in 1..=4 {
        for from in 1.. {
            let disk = SimDisk::new();
            let (for_ever, kind) = (true, ErrorKind::Other);
            disk.set_fault(Some(Fault { from, for_ever, kind, hits: Hits::All }));
            let mut told = Told::default();
            let done = live(&disk, seed, &mut told).is_ok();
            disk.set_fault(None);
            let context = format!("seed {seed}, operation {from}");
            for image in disk.after_power_loss(&mut Random::new(from), 16) {
                let found = open(&SimDisk::from_image(image.clone())).unwrap().2;
                lost += usize::from(told.committed.iter().any(|it| !found.contains_key(it)));
                told.model.check_and_go_on(&SimDisk::from_image(image), &context);
                images += 1;
            }
            // Killed: what was written is there.
            let (_, recovery, found) = open(&SimDisk::from_image(disk.live())).unwrap();
            no_false_alarm(&recovery, &context);
            told.model.check(&found, &context);
            for position in &told.committed {
                assert!(found.contains_key(position), "{context}: {position} was committed");
            }
            if done && disk.refused() == 0 {
                break;
            }
        }
    }
    println!("{images} images, committed records missing in {lost}");
    assert!(images > 2000 && lost > 100, "{images} images, {lost} with a loss");
}
