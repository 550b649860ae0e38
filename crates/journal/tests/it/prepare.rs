//! The next segment's file is made ahead of need, and whatever becomes of it harms nothing.

use std::io::ErrorKind;

use journal::{Error, Journal, Options};

use crate::model::{Model, no_false_alarm, open};
use sim::Random;
use sim::{Fault, Hits, SimDisk};

const NEXT: &str = "00000000000000000002.new";

/// Whoever makes a file or reserves space from now on is refused.
fn no_space(disk: &SimDisk) {
    let (kind, hits) = (ErrorKind::StorageFull, Hits::Growing);
    disk.set_fault(Some(Fault { from: 1, for_ever: true, kind, hits }));
}

fn more_than_half(disk: &SimDisk) -> (Journal, Model) {
    let (journal, ..) = open(disk).unwrap();
    let mut model = Model::default();
    assert!(!journal.prepare_next().unwrap(), "there is no segment in use yet");
    model.append(&journal, vec![1; 900]).unwrap();
    journal.commit().unwrap();
    assert!(!journal.prepare_next().unwrap(), "half of it is free");
    model.append(&journal, vec![2; 200]).unwrap();
    assert!(journal.prepare_next().unwrap());
    assert!(!journal.prepare_next().unwrap(), "it is made once");
    assert_eq!(disk.live().file(NEXT).len(), 2048);
    (journal, model)
}

#[test]
fn a_commit_that_needs_the_next_segment_makes_no_file_and_reserves_nothing() {
    let disk = SimDisk::new();
    let (journal, mut model) = more_than_half(&disk);
    no_space(&disk);
    model.append(&journal, vec![3; 1500]).unwrap();
    journal.commit().unwrap();
    model.look(&journal);
    assert_eq!((model.confirmed.len(), disk.refused()), (3, 0));
    assert!(!disk.live().names().contains(&NEXT.to_owned()));
    // The one after it was not made ahead, and there is no space.
    assert!(matches!(journal.prepare_next(), Err(Error::Full { .. })));
    assert!(matches!(journal.prepare_next(), Err(Error::Full { .. })), "and it is tried again");
    assert_eq!(journal.failed(), None);
    model.append(&journal, vec![4; 1500]).unwrap();
    assert!(matches!(journal.commit(), Err(Error::Full { .. })));
    disk.set_fault(None);
    assert!(journal.commit().unwrap());
    model.look(&journal);
    drop(journal);
    model.check_and_go_on(&disk, "prepared");
}

#[test]
fn a_large_record_and_a_rewrite_use_it_too() {
    let disk = SimDisk::new();
    let (journal, mut model) = more_than_half(&disk);
    model.append(&journal, vec![3; 5000]).unwrap();
    journal.commit().unwrap();
    model.look(&journal);
    assert!(disk.live().file("00000000000000000002.log").len() >= 5000);
    drop(journal);
    model.check_and_go_on(&disk, "a large record");

    let disk = SimDisk::new();
    let (journal, _) = more_than_half(&disk);
    no_space(&disk);
    journal.rewrite(&[(1, b"state")]).unwrap();
    assert_eq!(disk.live().names(), ["00000000000000000002.log"]);
}

#[test]
fn a_start_removes_it() {
    let disk = SimDisk::new();
    let (journal, mut model) = more_than_half(&disk);
    journal.commit().unwrap();
    model.look(&journal);
    drop(journal);
    for image in disk.after_power_loss(&mut Random::new(1), 8).into_iter().chain([disk.live()]) {
        let there = image.names().contains(&NEXT.to_owned());
        let disk = SimDisk::from_image(image);
        let (_, recovery, found) = open(&disk).unwrap();
        model.check(&found, "left behind");
        no_false_alarm(&recovery, "left behind");
        assert_eq!(recovery.removed.contains(&NEXT.to_owned()), there);
        assert_eq!(disk.live().names(), ["00000000000000000001.log"]);
    }
}

#[test]
fn zeros_written_ahead_of_records_change_nothing_that_is_read() {
    let disk = SimDisk::new();
    let (journal, mut model) = more_than_half(&disk);
    let syncs = disk.syncs();
    journal.fill_ahead().unwrap();
    assert_eq!(disk.syncs(), syncs, "something is pending");
    journal.commit().unwrap();
    model.look(&journal);
    let syncs = disk.syncs();
    journal.fill_ahead().unwrap();
    assert_eq!(disk.syncs(), syncs + 1, "what is left of the segment in use");
    journal.fill_ahead().unwrap();
    assert_eq!(disk.syncs(), syncs + 1, "once");
    assert!(!journal.fill_next().unwrap(), "the next one is smaller than a part");
    assert_eq!(disk.syncs(), syncs + 2);
    assert!(!journal.fill_next().unwrap());
    assert_eq!(disk.syncs(), syncs + 2, "once");
    for bytes in [700, 1500, 10, 900] {
        model.append(&journal, vec![3; bytes]).unwrap();
        journal.fill_ahead().unwrap();
        journal.commit().unwrap();
        model.look(&journal);
        journal.fill_ahead().unwrap();
    }
    assert_eq!(model.confirmed.len(), 6);
    drop(journal);
    model.check_and_go_on(&disk, "filled");
}

/// The page cache keeps what was written at once together, and small writes into much are slow.
#[test]
fn zeros_are_written_in_small_pieces_where_records_are_small() {
    let pieces = |record_bytes: usize| {
        let disk = SimDisk::new().logged();
        let options = Options { segment_bytes: 4 << 20, ..Options::default() };
        let (journal, _) = Journal::open(disk.share(), options, &mut |_| ()).unwrap();
        while !journal.prepare_next().unwrap() {
            journal.append(1, &[&vec![1; record_bytes]]).unwrap();
            journal.commit().unwrap();
        }
        let (mut begun, mut counts) = (disk.moment(), Vec::new());
        let mut count =
            || counts.push(disk.moment() - std::mem::replace(&mut begun, disk.moment()));
        journal.fill_ahead().unwrap();
        count();
        while journal.fill_next().unwrap() {}
        count();
        counts
    };
    // 16 KiB each, and a sync for 128 KiB.
    assert_eq!(pieces(10_000), [8 + 1, 4096 / 16 + 4096 / 128]);
    assert_eq!(pieces(100_000), [1 + 1, 4 + 4]);
}

#[test]
fn zeros_that_cannot_be_written_stop_the_journal_like_records() {
    let disk = SimDisk::new();
    let (journal, mut model) = more_than_half(&disk);
    let hits = Hits::Syncs;
    disk.set_fault(Some(Fault { from: 1, for_ever: true, kind: ErrorKind::Other, hits }));
    let Err(Error::Failed(reason)) = journal.fill_next() else { panic!("it did not fail") };
    assert!(reason.contains(NEXT), "{reason}");
    assert!(matches!(journal.commit(), Err(Error::Failed(again)) if again == reason));
    assert!(matches!(journal.fill_ahead(), Err(Error::Failed(_))));
    model.look(&journal);
    drop(journal);
    disk.set_fault(None);
    model.check_and_go_on(&disk, "not filled");
}
