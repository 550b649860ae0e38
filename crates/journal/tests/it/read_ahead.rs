//! Reading one record after the other, and what was read ahead meanwhile.

use journal::{Error, Journal, Options, Position, ReadAhead};
use sim::{Random, SimDisk};

fn journal(disk: &SimDisk) -> Journal {
    let options = Options { segment_bytes: 64 * 1024, ..Options::default() };
    Journal::open(disk.share(), options, &mut |_| ()).unwrap().0
}

fn append(journal: &Journal, random: &mut Random, count: usize) -> Vec<(Position, Vec<u8>)> {
    let mut all = Vec::new();
    for number in 0..count {
        let bytes = [0, 20, 900, 5_000][random.below(4) as usize];
        let payload = vec![number as u8; bytes];
        let mut appender = journal.appender().unwrap();
        let position = appender.append(7, &[&payload]).unwrap();
        drop(appender);
        journal.retain(position);
        all.push((position, payload));
    }
    all
}

#[test]
fn every_record_is_the_one_that_was_asked_for_in_whatever_order() {
    let disk = SimDisk::new();
    let (journal, mut random) = (journal(&disk), Random::new(3));
    let mut all = append(&journal, &mut random, 400);
    assert!(journal.commit().unwrap());
    let mut ahead = ReadAhead::default();
    for step in [1, 2, 7, 31] {
        for (position, payload) in all.iter().step_by(step) {
            let (kind, found) = journal.read_record_ahead(*position, &mut ahead).unwrap();
            assert_eq!((kind, &found[..]), (7, &payload[..]), "{position}, every {step}th");
        }
    }
    all.reverse();
    for (position, payload) in &all {
        let (_, found) = journal.read_record_ahead(*position, &mut ahead).unwrap();
        assert_eq!(found, payload, "{position}, backwards");
    }
}

#[test]
fn what_is_written_after_it_was_read_ahead_is_read_as_it_is() {
    let disk = SimDisk::new();
    let (journal, mut random) = (journal(&disk), Random::new(4));
    let (mut ahead, mut all) = (ReadAhead::default(), Vec::new());
    for _ in 0..40 {
        let new = append(&journal, &mut random, 6);
        let first = new[0].0;
        let refused = journal.read_record_ahead(first, &mut ahead);
        assert!(matches!(refused, Err(Error::NotDurable(at)) if at == first));
        assert!(journal.commit().unwrap());
        for (position, payload) in &new {
            let (_, found) = journal.read_record_ahead(*position, &mut ahead).unwrap();
            assert_eq!(found, payload, "{position}");
        }
        all.extend(new);
    }
    let mut again = ReadAhead::default();
    for (position, payload) in &all {
        assert_eq!(journal.read_record_ahead(*position, &mut again).unwrap().1, payload);
    }
}

#[test]
fn a_damaged_record_is_an_error_and_those_beside_it_are_read() {
    let disk = SimDisk::new();
    let (journal, mut random) = (journal(&disk), Random::new(5));
    let all = append(&journal, &mut random, 60);
    assert!(journal.commit().unwrap());
    let damaged = all.iter().skip(30).find(|(_, payload)| payload.len() == 900).unwrap().0;
    let file = format!("{:020}.log", damaged.segment());
    let name = disk.live().names().into_iter().find(|it| *it == file).unwrap();
    disk.share().open(&name).unwrap().write_at(&[0xff], u64::from(damaged.offset()) + 100).unwrap();
    let mut ahead = ReadAhead::default();
    for (position, payload) in &all {
        match journal.read_record_ahead(*position, &mut ahead) {
            Ok((_, found)) => assert_eq!(found, payload),
            Err(Error::Damaged { offset, .. }) => {
                assert_eq!((*position, offset), (damaged, damaged.offset().into()));
            }
            Err(error) => panic!("{position}: {error}"),
        }
    }
    assert!(journal.read_record_ahead(damaged, &mut ahead).is_err());
}
