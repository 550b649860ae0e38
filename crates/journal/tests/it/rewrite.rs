//! A small journal that holds a state: rewritten whole, and never a mix of old and new.

use std::io::ErrorKind;

use journal::{Error, Reason};

use crate::model::{Records, no_false_alarm, open};
use sim::{Fault, Hits, Random, SimDisk};

const OLD: [&[u8]; 3] = [b"queue a", b"queue b", b"delete a"];
const NEW: [(u8, &[u8]); 2] = [(2, b"queue b"), (3, b"exchange c")];

fn payloads(records: &Records) -> Vec<&[u8]> {
    records.values().map(|(_, payload)| payload.as_slice()).collect()
}

fn new() -> Vec<&'static [u8]> {
    NEW.iter().map(|(_, payload)| *payload).collect()
}

/// A journal with old contents over several segments.
fn old(disk: &SimDisk) -> (journal::Journal, Vec<Vec<u8>>) {
    let (journal, ..) = open(disk).unwrap();
    let filler = vec![9; 900];
    let mut contents = Vec::new();
    for payload in [OLD[0], &filler, OLD[1], &filler, &filler, OLD[2]] {
        journal.append(1, &[payload]).unwrap();
        journal.commit().unwrap();
        contents.push(payload.to_vec());
    }
    (journal, contents)
}

#[test]
fn a_rewrite_replaces_everything_and_appends_go_on_behind_it() {
    let disk = SimDisk::new();
    let (journal, _) = old(&disk);
    let before = journal.append(1, &[b"not committed yet"]).unwrap();
    journal.rewrite(&NEW).unwrap();
    assert_eq!(disk.live().names().len(), 1, "the old segments are gone");
    assert!(journal.is_durable(before), "its promise was kept before it was replaced");
    assert!(matches!(journal.read(before), Err(Error::NoRecord(_))));
    assert!(!journal.commit().unwrap(), "a rewrite leaves nothing to commit");
    let after = journal.append(4, &[b"queue d"]).unwrap();
    assert!(before < after && !journal.is_durable(after));
    journal.commit().unwrap();
    assert_eq!(journal.read(after).unwrap(), "queue d");
    drop(journal);
    let (journal, recovery, found) = open(&disk).unwrap();
    assert_eq!(payloads(&found), [new(), vec![b"queue d".as_slice()]].concat());
    let kinds: Vec<_> = found.values().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [2, 3, 4]);
    no_false_alarm(&recovery, "rewritten");
    // To nothing, and on from there.
    journal.rewrite(&[]).unwrap();
    assert_eq!(journal.size_bytes(), 0);
    drop(journal);
    let (journal, _, found) = open(&disk).unwrap();
    assert!(found.is_empty());
    journal.append(5, &[b"again"]).unwrap();
    journal.commit().unwrap();
    drop(journal);
    assert_eq!(payloads(&open(&disk).unwrap().2), [b"again"]);
}

#[test]
fn a_crash_at_any_operation_of_a_rewrite_leaves_the_old_or_the_new() {
    let (mut olds, mut news) = (0, 0);
    for for_ever in [true, false] {
        for from in 1.. {
            let disk = SimDisk::new();
            let (journal, contents) = old(&disk);
            let kind = ErrorKind::Other;
            disk.set_fault(Some(Fault { from, for_ever, kind, hits: Hits::All }));
            let outcome = journal.rewrite(&NEW);
            let refused = disk.refused();
            drop(journal);
            disk.set_fault(None);
            let mut random = Random::new(from);
            let mut images = disk.after_power_loss(&mut random, 40);
            images.push(disk.live());
            for image in images {
                let context = format!("operation {from}, for ever: {for_ever}");
                let disk = SimDisk::from_image(image);
                let (journal, recovery, found) = open(&disk).unwrap();
                no_false_alarm(&recovery, &context);
                let is_new = payloads(&found) == new();
                assert!(is_new || payloads(&found) == contents, "{context}: a mix");
                assert!(is_new || outcome.is_err(), "{context}: the old came back");
                if is_new {
                    news += 1
                } else {
                    olds += 1
                }
                // Whichever it is, it stays, and another rewrite works.
                journal.rewrite(&[(7, b"later")]).unwrap();
                drop(journal);
                for image in disk.after_power_loss(&mut random, 4) {
                    let found = open(&SimDisk::from_image(image)).unwrap().2;
                    assert_eq!(payloads(&found), [b"later"], "{context}");
                }
            }
            if refused == 0 {
                outcome.unwrap();
                break;
            }
        }
    }
    assert!(olds > 100 && news > 25, "{olds} old, {news} new");
}

#[test]
fn a_full_disk_leaves_the_old_contents_in_force() {
    for from in [1, 2] {
        let disk = SimDisk::new();
        let (journal, contents) = old(&disk);
        let kind = ErrorKind::StorageFull;
        disk.set_fault(Some(Fault { from, for_ever: true, kind, hits: Hits::Growing }));
        let error = journal.rewrite(&NEW).unwrap_err();
        assert!(matches!(error, Error::Full { .. }), "{error}");
        assert_eq!(journal.failed(), None);
        disk.set_fault(None);
        assert_eq!(payloads(&open(&SimDisk::from_image(disk.live())).unwrap().2), contents);
        let position = journal.append(1, &[b"more"]).unwrap();
        journal.commit().unwrap();
        assert_eq!(journal.read(position).unwrap(), "more");
        journal.rewrite(&NEW).unwrap();
        drop(journal);
        assert_eq!(payloads(&open(&disk).unwrap().2), new());
    }
}

#[test]
fn a_rewrite_with_a_damaged_header_still_voids_what_was_before_it() {
    // A crash came between the rename and the removals, and then a bit of the header flips.
    let disk = SimDisk::new();
    let (journal, _) = old(&disk);
    let before = disk.live();
    journal.rewrite(&NEW).unwrap();
    let rewritten = disk.live().names()[0].clone();
    for byte in 0..64 {
        let mut image = before.clone();
        let mut bytes = disk.live().file(&rewritten).clone();
        bytes[byte] ^= 0x10;
        image.put(&rewritten, bytes);
        let (_, recovery, found) = open(&SimDisk::from_image(image)).unwrap();
        assert_eq!(payloads(&found), new(), "byte {byte}");
        assert_eq!(recovery.damaged[0].reason, Reason::SegmentHeader);
    }
}

#[test]
fn a_damaged_segment_is_set_aside_by_a_rewrite() {
    let disk = SimDisk::new();
    let (journal, _) = old(&disk);
    drop(journal);
    let mut image = disk.live();
    image.file_mut(&image.names()[0])[70] ^= 1;
    let disk = SimDisk::from_image(image.clone());
    let (journal, ..) = open(&disk).unwrap();
    journal.rewrite(&NEW).unwrap();
    let aside = "00000000000000000001.damaged";
    assert_eq!(disk.live().names().len(), 2);
    assert_eq!(disk.live().file(aside), image.file(&image.names()[0]));
}
