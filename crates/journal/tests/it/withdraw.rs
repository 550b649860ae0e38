//! What is withdrawn was never there, and what is appended instead is all there.

use std::io::ErrorKind;

use journal::Error;
use sim::{Fault, Hits, Random, SimDisk};

use crate::model::{no_false_alarm, open};

#[test]
fn what_is_withdrawn_is_never_written_and_the_journal_goes_on_as_if_it_had_not_been() {
    let (mut withdrawn, mut full) = (0, 0);
    for seed in 1..=200 {
        let mut random = Random::new(seed);
        let disk = SimDisk::new();
        let (mut journal, ..) = open(&disk).unwrap();
        let (mut committed, mut pending) = (Vec::new(), Vec::new());
        for number in 0..60_u8 {
            match random.below(10) {
                0..=4 => {
                    let bytes = random.below(900) as usize;
                    journal.append(number, &[&vec![number; bytes]]).unwrap();
                    pending.push(number);
                }
                5..=6 => {
                    journal.commit().unwrap();
                    committed.append(&mut pending);
                }
                7 => {
                    let kind = ErrorKind::StorageFull;
                    let fault = Fault { from: 1, for_ever: true, kind, hits: Hits::Growing };
                    disk.set_fault(Some(fault));
                    let before = pending.len();
                    journal.append(number, &[&[number; 1500]]).unwrap();
                    pending.push(number);
                    match journal.commit() {
                        Ok(_) => committed.append(&mut pending),
                        Err(Error::Full { .. }) => {
                            // Of what was before it, some may be durable: make sure of all.
                            disk.set_fault(None);
                            if before > 0 {
                                journal.commit().unwrap();
                                committed.append(&mut pending);
                            } else {
                                journal.withdraw().unwrap();
                                pending.clear();
                                full += 1;
                            }
                        }
                        Err(error) => panic!("{error}"),
                    }
                    disk.set_fault(None);
                }
                8 => {
                    journal.withdraw().unwrap();
                    withdrawn += pending.len();
                    pending.clear();
                }
                _ => {
                    drop(journal);
                    pending.clear();
                    let found;
                    (journal, _, found) = open(&disk).unwrap();
                    assert!(found.values().map(|(kind, _)| *kind).eq(committed.iter().copied()));
                }
            }
        }
        for image in disk.after_power_loss(&mut random, 4) {
            let (_, recovery, found) = open(&SimDisk::from_image(image)).unwrap();
            let found: Vec<u8> = found.values().map(|(kind, _)| *kind).collect();
            assert_eq!(found, committed, "seed {seed}");
            no_false_alarm(&recovery, "withdrawn");
        }
    }
    assert!(withdrawn > 500 && full > 50, "{withdrawn} withdrawn, {full} found no space");
}

#[test]
fn withdrawing_from_a_failed_journal_is_refused() {
    let disk = SimDisk::new();
    let (journal, ..) = open(&disk).unwrap();
    journal.append(1, &[b"x"]).unwrap();
    let kind = ErrorKind::Other;
    disk.set_fault(Some(Fault { from: 1, for_ever: false, kind, hits: Hits::Syncs }));
    journal.commit().unwrap_err();
    assert!(matches!(journal.withdraw(), Err(Error::Failed(_))));
}
