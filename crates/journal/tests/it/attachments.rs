//! Attachments: whole or not there, gone with their record, and damage to one is noticed.

use std::sync::Arc;

use journal::{Disk as _, Error, Journal, Reason, survey};

use crate::model::{ATTACHED, Model, attach, attached, open, read_attachment};
use sim::SimDisk;

const PAYLOAD: &[u8] = b"a large one";
const FIRST: &str = "00000000000000000001.attached";

fn with_one(disk: &SimDisk) -> (Arc<Journal>, Model) {
    let journal = Arc::new(open(disk).unwrap().0);
    let mut model = Model::default();
    let attachment = attach(&journal, PAYLOAD).unwrap();
    model.append_attached(&journal, &attachment, PAYLOAD.to_vec()).unwrap();
    assert!(attachment.bytes() > 0, "this shows nothing");
    assert!(journal.commit().unwrap());
    model.look(&journal);
    (journal, model)
}

#[test]
fn it_has_its_record_and_its_segment_for_itself() {
    let disk = SimDisk::new();
    let (journal, mut model) = with_one(&disk);
    model.append(&journal, b"small".to_vec()).unwrap();
    journal.commit().unwrap();
    let segments = journal.segments();
    let [first, second] = &segments[..] else { panic!("{segments:?}") };
    assert!(first.attached && !second.attached && first.retained == 1);
    let position = *model.appended.keys().next().unwrap();
    assert_eq!(read_attachment(&journal, position).unwrap(), attached(PAYLOAD));
    let small = *model.appended.keys().last().unwrap();
    assert!(matches!(journal.attachment(small), Err(Error::NoRecord(_))));
    drop(journal);
    model.check_and_go_on(&disk, "with an attachment");
}

#[test]
fn it_goes_with_its_record_and_who_reads_it_reads_on() {
    let disk = SimDisk::new();
    let (journal, mut model) = with_one(&disk);
    model.append(&journal, b"small".to_vec()).unwrap();
    journal.commit().unwrap();
    let position = *model.appended.keys().next().unwrap();
    let mut reader = journal.attachment(position).unwrap().read().unwrap();
    journal.release(position);
    assert_eq!(journal.reclaim().unwrap(), 1);
    assert!(!disk.live().names().contains(&FIRST.to_owned()));
    assert_eq!(reader.next(usize::MAX).unwrap(), attached(PAYLOAD));
    assert!(journal.attachment(position).is_err());
}

#[test]
fn what_belongs_to_no_record_leaves_nothing() {
    let disk = SimDisk::new();
    let journal = Arc::new(open(&disk).unwrap().0);
    let names = || disk.live().names().into_iter().filter(|name| name.contains("attach")).count();
    drop(attach(&journal, PAYLOAD).unwrap());
    assert_eq!(names(), 0);
    // Cut off by a crash, and written by nobody's record.
    disk.create("00000000000000000007.attaching").unwrap();
    disk.create("00000000000000000009.attached").unwrap();
    drop(journal);
    let (_, recovery, _) = open(&disk).unwrap();
    assert_eq!((names(), recovery.removed.len()), (0, 2));
}

#[test]
fn a_journal_goes_on_behind_it_after_a_restart() {
    let disk = SimDisk::new();
    let (journal, model) = with_one(&disk);
    drop(journal);
    let journal = open(&disk).unwrap().0;
    model.appended.keys().for_each(|position| journal.retain(*position));
    let next = journal.append(1, &[b"next"]).unwrap();
    assert_eq!(next.segment(), 2);
}

#[test]
fn every_flipped_octet_and_every_cut_is_noticed_when_it_is_read_and_by_who_only_looks() {
    let disk = SimDisk::new();
    let (journal, model) = with_one(&disk);
    let position = *model.appended.keys().next().unwrap();
    let whole = disk.live().file(FIRST).to_vec();
    for at in (0..whole.len()).step_by(97).chain(whole.len() - 24..whole.len()) {
        let mut image = disk.live();
        image.file_mut(FIRST)[at] ^= 1;
        let other = SimDisk::from_image(image);
        let journal = open(&other).unwrap().0;
        let read = read_attachment(&journal, position);
        assert!(matches!(read, Err(Error::Damaged { .. })), "octet {at}: {read:?}");
        assert_eq!(survey(&other).unwrap().damaged.len(), 1, "octet {at}");
    }
    for end in [0, 1, 23, 24, whole.len() / 2, whole.len() - 1] {
        let mut image = disk.live();
        image.file_mut(FIRST).truncate(end);
        let other = SimDisk::from_image(image);
        let read = read_attachment(&open(&other).unwrap().0, position);
        assert!(matches!(read, Err(Error::Damaged { .. })), "cut at {end}");
    }
    disk.remove(FIRST).unwrap();
    assert!(read_attachment(&journal, position).is_err());
    let (_, recovery, found) = open(&disk).unwrap();
    assert_eq!(found.values().next().unwrap().0, ATTACHED);
    let [damage] = &recovery.damaged[..] else { panic!("{:?}", recovery.damaged) };
    assert_eq!((damage.file.as_str(), damage.reason), (FIRST, Reason::Missing));
}
