//! What found no space is taken back, and the journal goes on as if it had never been appended.

use std::io::ErrorKind;

use journal::{Error, Journal};

use crate::model::small;
use crate::sim_disk::{Fault, Hits, SimDisk};

fn payloads(disk: &SimDisk) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let (_, recovery) =
        Journal::open(disk.share(), small(), &mut |record| found.push(record.payload.to_vec()))
            .unwrap();
    assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
    found
}

#[test]
fn what_was_withdrawn_is_on_disk_neither_at_once_nor_after_the_next_commit() {
    let disk = SimDisk::new();
    let journal = Journal::open(disk.share(), small(), &mut |_| {}).unwrap().0;
    let mut expected: Vec<Vec<u8>> = Vec::new();
    for round in 0..12_u8 {
        // Of a size that fills up a segment now and then, and of several segments.
        let refused = vec![round; 900 + usize::from(round) * 150];
        let kind = ErrorKind::StorageFull;
        disk.set_fault(Some(Fault { from: 1, for_ever: true, kind, hits: Hits::Growing }));
        let at = journal.append(1, &[&refused]).unwrap();
        match journal.commit() {
            Ok(_) => expected.push(refused),
            Err(Error::Full { .. }) => {
                for _ in 0..round % 4 {
                    journal.append(1, &[&refused]).unwrap();
                }
                journal.withdraw().unwrap();
                assert!(!journal.is_durable(at));
                assert!(!journal.commit().unwrap(), "nothing is pending");
            }
            Err(error) => panic!("{error}"),
        }
        disk.set_fault(None);
        let taken = vec![100 + round; 300];
        journal.append(1, &[&taken]).unwrap();
        journal.commit().unwrap();
        expected.push(taken);
    }
    drop(journal);
    assert_eq!(payloads(&disk), expected);
    assert!((13..24).contains(&expected.len()), "some were refused and some were not");
}
