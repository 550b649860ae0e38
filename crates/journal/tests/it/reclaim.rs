//! Space comes back from the front, and nothing that was settled comes back with it.

use std::io::ErrorKind;

use journal::{Error, Position};

use crate::model::{no_false_alarm, open};
use sim::{Fault, Hits, Random, SimDisk};

fn fill(journal: &journal::Journal, records: usize) -> Vec<Position> {
    let mut positions = Vec::new();
    for _ in 0..records {
        let mut appender = journal.appender().unwrap();
        let position = appender.append(1, &[&[3; 600]]).unwrap();
        journal.retain(position);
        drop(appender);
        journal.commit().unwrap();
        positions.push(position);
    }
    positions
}

#[test]
fn only_the_oldest_segments_with_nothing_alive_go() {
    let disk = SimDisk::new();
    let (journal, ..) = open(&disk).unwrap();
    let positions = fill(&journal, 12);
    let segments: Vec<_> = positions.iter().map(|position| position.segment()).collect();
    assert_eq!(segments, [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    assert_eq!(journal.size_bytes(), 12 * (32 + 600));
    // All of the second, third and fourth, and of the first all but one.
    positions[1..].iter().for_each(|position| journal.release(*position));
    journal.retain(positions[0]);
    assert_eq!(journal.reclaim().unwrap(), 0);
    journal.release(positions[0]);
    assert_eq!(journal.reclaim().unwrap(), 0, "counted twice, released once");
    journal.release(positions[0]);
    assert_eq!(journal.reclaim().unwrap(), 3, "the one in use stays");
    assert_eq!(disk.live().names(), ["00000000000000000004.log"]);
    assert_eq!(journal.size_bytes(), 3 * (32 + 600));
    for position in &positions[..9] {
        assert!(matches!(journal.read(*position), Err(Error::NoRecord(_))));
    }
    assert_eq!(journal.read(positions[9]).unwrap(), [3; 600].as_slice());
    assert_eq!(journal.reclaim().unwrap(), 0);
    drop(journal);
    let (_, recovery, found) = open(&disk).unwrap();
    assert_eq!(found.into_keys().collect::<Vec<_>>(), positions[9..]);
    no_false_alarm(&recovery, "reclaimed");
}

#[test]
fn the_last_segment_on_disk_stays_while_its_successor_is_not_there_yet() {
    let disk = SimDisk::new();
    let (journal, ..) = open(&disk).unwrap();
    let positions = fill(&journal, 6);
    let next = journal.append(2, &[&[4; 600]]).unwrap();
    assert_eq!(next.segment(), 3);
    positions.iter().for_each(|position| journal.release(*position));
    assert_eq!(journal.reclaim().unwrap(), 1);
    assert_eq!(disk.live().names(), ["00000000000000000002.log"]);
    journal.commit().unwrap();
    assert_eq!(journal.reclaim().unwrap(), 1);
    drop(journal);
    let found = open(&disk).unwrap().2;
    assert_eq!(found.into_keys().collect::<Vec<_>>(), [next]);
}

#[test]
fn a_segment_that_power_loss_brings_back_never_comes_without_those_behind_it() {
    let mut came_back = 0;
    for from in 1..40 {
        let disk = SimDisk::new();
        let (journal, ..) = open(&disk).unwrap();
        let positions = fill(&journal, 15);
        positions.iter().for_each(|position| journal.release(*position));
        let kind = ErrorKind::Other;
        disk.set_fault(Some(Fault { from, for_ever: true, kind, hits: Hits::All }));
        let _ = journal.reclaim();
        disk.set_fault(None);
        for image in disk.after_power_loss(&mut Random::new(from), 8) {
            let (_, recovery, found) = open(&SimDisk::from_image(image)).unwrap();
            let expected = &positions[positions.len() - found.len()..];
            assert_eq!(found.into_keys().collect::<Vec<_>>(), expected, "a hole at {from}");
            no_false_alarm(&recovery, "reclaimed");
            came_back += usize::from(expected.len() > 3);
        }
    }
    assert!(came_back > 5);
}

#[test]
fn a_file_that_cannot_be_removed_is_tried_again() {
    let disk = SimDisk::new();
    let (journal, ..) = open(&disk).unwrap();
    let positions = fill(&journal, 9);
    positions.iter().for_each(|position| journal.release(*position));
    let kind = ErrorKind::PermissionDenied;
    disk.set_fault(Some(Fault { from: 1, for_ever: false, kind, hits: Hits::All }));
    match journal.reclaim().unwrap_err() {
        Error::Io { action: "remove", file, .. } => assert_eq!(file, "00000000000000000001.log"),
        error => panic!("{error}"),
    }
    assert_eq!(journal.failed(), None);
    assert_eq!(journal.reclaim().unwrap(), 2);
}

#[test]
fn a_damaged_segment_is_set_aside_and_never_deleted() {
    let disk = SimDisk::new();
    let (journal, ..) = open(&disk).unwrap();
    fill(&journal, 9);
    drop(journal);
    let mut image = disk.live();
    let damaged = "00000000000000000002.log";
    image.file_mut(damaged)[100] ^= 1;
    let disk = SimDisk::from_image(image.clone());
    let (journal, recovery, _) = open(&disk).unwrap();
    assert_eq!(recovery.damaged.len(), 1);
    assert_eq!(journal.reclaim().unwrap(), 2);
    let names = ["00000000000000000002.damaged", "00000000000000000003.log"];
    assert_eq!(disk.live().names(), names);
    assert_eq!(disk.live().file(names[0]), image.file(damaged));
    drop(journal);
    let (_, recovery, _) = open(&disk).unwrap();
    assert_eq!(recovery.set_aside, [names[0]]);
    assert!(recovery.damaged.is_empty());
}

#[test]
#[should_panic(expected = "more records released than retained")]
fn releasing_more_than_was_retained_is_a_defect() {
    let disk = SimDisk::new();
    let (journal, ..) = open(&disk).unwrap();
    let positions = fill(&journal, 1);
    journal.release(positions[0]);
    journal.release(positions[0]);
}
