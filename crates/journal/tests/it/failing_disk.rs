//! The disk refuses operation N, once or from then on, for N = 1, 2, … until the script passes.
//! Nothing committed is ever lost, nothing is durable that is not on the medium, and a failed write
//! or sync is the last that is tried. (SQLite's and redb's loop.)

use std::io::ErrorKind;

use journal::Error;

use crate::model::{Model, live, open};
use sim::{Fault, Hits, Programme, Random, SimDisk};

/// Runs the script with the fault; returns whether the fault was met.
fn run(seed: u64, fault: Fault, grow_only: bool) -> bool {
    let context = format!("seed {seed}, {fault:?}, grow only {grow_only}");
    let disk = SimDisk::new();
    let disk = if grow_only { disk.grow_only() } else { disk };
    disk.set_fault(Some(fault));
    let mut model = Model::default();
    let outcome = live(&disk, seed, &mut model);
    let refused = disk.refused();
    if refused == 0 {
        outcome.unwrap_or_else(|error| panic!("{context}: {error} without a fault"));
    }
    disk.set_fault(None);
    let mut random = Random::new(seed);
    let mut images = disk.after_power_loss(&mut random, 3);
    images.push(disk.live());
    for image in images {
        model.check_and_go_on(&SimDisk::from_image(image), &context);
    }
    // The program starts again on a machine that stayed up; only then the power fails.
    model.check_and_go_on(&disk, &context);
    refused > 0
}

/// Every N of some scripts.
fn run_all(name: &'static str, hits: Hits, kind: ErrorKind, for_ever: bool, grow_only: bool) {
    let programme = Programme::new(name);
    for seed in programme.seeds(3, 60, &[]) {
        let _replay = programme.replay(seed);
        for from in 1.. {
            if !run(seed, Fault { from, for_ever, kind, hits }, grow_only) {
                break;
            }
            programme.count(1);
        }
    }
    programme.finish("operations refused", 30);
}

#[test]
fn an_operation_that_fails_once_loses_nothing_confirmed() {
    let name = "cargo test -p tubepost-journal --test it that_fails_once_loses_nothing_confirmed";
    run_all(name, Hits::All, ErrorKind::Other, false, false);
}

#[test]
fn a_disk_that_fails_for_ever_loses_nothing_confirmed() {
    let name = "cargo test -p tubepost-journal --test it that_fails_for_ever";
    run_all(name, Hits::All, ErrorKind::Other, true, false);
}

#[test]
fn a_growing_file_that_fails_loses_nothing_confirmed() {
    let name = "cargo test -p tubepost-journal --test it a_growing_file";
    run_all(name, Hits::All, ErrorKind::Other, false, true);
    run_all(name, Hits::All, ErrorKind::StorageFull, true, true);
}

#[test]
fn a_disk_that_is_full_anywhere_loses_nothing_confirmed() {
    let name = "cargo test -p tubepost-journal --test it full_anywhere";
    run_all(name, Hits::All, ErrorKind::StorageFull, true, false);
}

#[test]
fn a_disk_full_when_a_segment_is_made_stops_nothing() {
    let name = "cargo test -p tubepost-journal --test it full_when_a_segment_is_made";
    let programme = Programme::new(name);
    for seed in programme.seeds(3, 60, &[]) {
        let _replay = programme.replay(seed);
        for from in 1.. {
            let context = format!("seed {seed}, full at {from}");
            let disk = SimDisk::new();
            let kind = ErrorKind::StorageFull;
            disk.set_fault(Some(Fault { from, for_ever: false, kind, hits: Hits::Growing }));
            let mut model = Model::default();
            live(&disk, seed, &mut model).unwrap_or_else(|error| panic!("{context}: {error}"));
            // Even seeds have one made ahead, which stays.
            let is_unfinished = |name: &String| name.ends_with(".new") && seed % 2 == 1;
            let unfinished = disk.live().names().into_iter().find(is_unfinished);
            assert_eq!(unfinished, None, "{context}: half a segment stays behind");
            // A need that nobody had is not to be refused to who looks whether all is well.
            let refused = disk.refused();
            disk.set_fault(None);
            model.check_and_go_on(&disk, &context);
            if refused == 0 {
                break;
            }
            programme.count(refused);
        }
    }
    programme.finish("needs for space refused", 30);
}

#[test]
fn after_a_failed_sync_no_sync_is_tried_and_nothing_of_the_batch_is_durable() {
    let kind = ErrorKind::Other;
    for from in 1.. {
        let disk = SimDisk::new();
        let (journal, ..) = open(&disk).unwrap();
        disk.set_fault(Some(Fault { from, for_ever: false, kind, hits: Hits::Syncs }));
        let mut model = Model::default();
        let mut failure = None;
        for _ in 0..12 {
            for bytes in [10, 300, 700] {
                model.append(&journal, vec![1; bytes]).unwrap();
            }
            let syncs = disk.syncs();
            if let Err(error) = journal.commit() {
                failure = Some((error, syncs));
                break;
            }
            model.look(&journal);
            assert_eq!(model.confirmed.len(), model.appended.len());
        }
        let Some((error, _)) = failure else {
            assert!(from > 20, "the script has only {from} syncs");
            return;
        };
        let Error::Failed(reason) = &error else { panic!("{error}") };
        assert!(reason.contains("sync"), "{reason}");
        let (confirmed, syncs) = (model.confirmed.clone(), disk.syncs());
        for _ in 0..3 {
            assert!(matches!(journal.commit(), Err(Error::Failed(again)) if again == *reason));
            assert!(matches!(journal.append(1, &[b"x"]), Err(Error::Failed(_))));
            assert!(matches!(journal.rewrite(&[]), Err(Error::Failed(_))));
            assert!(matches!(journal.reclaim(), Err(Error::Failed(_))));
        }
        assert_eq!(disk.syncs(), syncs, "a sync was tried after one had failed");
        assert_eq!(journal.failed().as_ref(), Some(reason));
        // Chunks synced before the failing one are durable; the failing one is not.
        model.look(&journal);
        for position in model.confirmed.difference(&confirmed) {
            assert!(journal.is_durable(*position));
        }
        assert!(model.confirmed.len() < model.appended.len());
        // What was durable is still readable.
        if let Some(position) = model.confirmed.first() {
            assert_eq!(journal.read(*position).unwrap(), model.appended[position].1);
        }
        drop(journal);
        for image in disk.after_power_loss(&mut Random::new(from), 8) {
            model.check_and_go_on(&SimDisk::from_image(image), &format!("sync {from}"));
        }
        model.check_and_go_on(&disk, &format!("sync {from}, started again"));
    }
}

#[test]
fn what_a_failed_sync_left_in_memory_is_written_again_before_it_is_trusted() {
    let disk = SimDisk::new();
    let (journal, ..) = open(&disk).unwrap();
    let mut model = Model::default();
    model.append(&journal, vec![1; 100]).unwrap();
    journal.commit().unwrap();
    model.append(&journal, vec![2; 100]).unwrap();
    let (from, for_ever, kind) = (1, false, ErrorKind::Other);
    disk.set_fault(Some(Fault { from, for_ever, kind, hits: Hits::Syncs }));
    journal.commit().unwrap_err();
    drop(journal);
    // The second record is read from memory now, and no sync of itself would write it.
    let (journal, _, found) = open(&disk).unwrap();
    assert_eq!(found, model.appended);
    model.look(&journal);
    assert_eq!(model.confirmed.len(), 2);
    for image in disk.after_power_loss(&mut Random::new(1), 8) {
        let (_, _, found) = open(&SimDisk::from_image(image)).unwrap();
        model.check(&found, "power loss after the second start");
    }
}
