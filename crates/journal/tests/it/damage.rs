//! The medium changes, loses and misplaces what it had confirmed. Opening always succeeds, nothing
//! altered is delivered, only what was hit is missing, and it is reported; no file is deleted.

use std::collections::BTreeMap;

use journal::{Error, Journal, Options, Position, Reason, Recovery};

use crate::model::{Model, Records, open, small};
use sim::{Fault, Hits, Image, Programme, Random, SimDisk};

/// A journal of several segments, with the sizes of its records.
pub(crate) struct Sample {
    pub(crate) image: Image,
    pub(crate) records: Records,
}

const HEADER: u32 = 32;
const SEGMENT_HEADER: u64 = 64;

impl Sample {
    /// `commits` commits of a few records each.
    pub(crate) fn new(commits: u64) -> Sample {
        let disk = SimDisk::new();
        let (journal, ..) = open(&disk).unwrap();
        let mut model = Model::default();
        let mut random = Random::new(commits);
        for _ in 0..commits {
            for _ in 0..1 + random.below(5) {
                let bytes = random.below(220) as usize;
                model.append(&journal, random.bytes(bytes)).unwrap();
            }
            journal.commit().unwrap();
        }
        Sample { image: disk.live(), records: model.appended }
    }

    /// The record at `offset` of `segment`, if a byte there is in one (padding is not).
    fn at(&self, segment: u32, offset: u64) -> Option<Position> {
        self.records.iter().find_map(|(position, (_, payload))| {
            let start = u64::from(position.offset());
            let bytes = u64::from(HEADER) + payload.len() as u64;
            let hit = position.segment() == segment && (start..start + bytes).contains(&offset);
            hit.then_some(*position)
        })
    }

    fn without(&self, lost: impl Fn(&Position) -> bool) -> Records {
        self.records.clone().into_iter().filter(|(position, _)| !lost(position)).collect()
    }

    fn without_segment(&self, segment: u32) -> Records {
        self.without(|position| position.segment() == segment)
    }

    fn segments(&self) -> Vec<(u32, String)> {
        self.image.names().into_iter().map(|name| (name[..20].parse().unwrap(), name)).collect()
    }

    fn last_segment(&self) -> u32 {
        self.records.keys().next_back().unwrap().segment()
    }
}

fn name(segment: u32) -> String {
    format!("{segment:020}.log")
}

/// Opens a damaged image: no file may change but the last one's last commit, none may go.
fn open_damaged(image: &Image, context: &str) -> (Recovery, Records) {
    let disk = SimDisk::from_image(image.clone());
    let (journal, recovery, found) =
        open(&disk).unwrap_or_else(|error| panic!("{context}: does not open: {error}"));
    assert!(disk.live() == *image, "{context}: opening changed something");
    // Each is served one by one, too.
    if let Some(position) = found.keys().next_back() {
        assert_eq!(journal.read(*position).unwrap(), found[position].1, "{context}");
    }
    (recovery, found)
}

/// And it works on, without anything lost later or reported differently.
fn goes_on(image: &Image, found: &Records, first: &Recovery, context: &str) {
    let disk = SimDisk::from_image(image.clone());
    let (journal, ..) = open(&disk).unwrap();
    let position = journal.append(9, &[b"goes on"]).unwrap();
    journal.commit().unwrap();
    drop(journal);
    let (journal, recovery, mut again) = open(&disk).unwrap();
    assert_eq!(again.remove(&position), Some((9, b"goes on".to_vec())), "{context}");
    assert!(again == *found, "{context}");
    assert_eq!(recovery.damaged, first.damaged, "{context}");
    assert_eq!(recovery.torn_bytes, 0, "{context}: a tail is cut once");
    assert_eq!(journal.read(position).unwrap(), "goes on", "{context}");
}

#[test]
fn a_flipped_bit_costs_at_most_its_record_and_is_reported() {
    let (commits, least) = if sim::is_torture() { (200, 64 << 10) } else { (36, 8 << 10) };
    let sample = Sample::new(commits);
    let sizes: usize =
        sample.segments().iter().map(|(_, name)| sample.image.file(name).len()).sum();
    assert!((least..=2 * least).contains(&sizes), "{sizes} bytes in the sample");
    let programme = Programme::new("cargo test -p tubepost-journal --test it a_flipped_bit_costs");
    let mut image = sample.image.clone();
    for (segment, name) in sample.segments() {
        for byte in 0..sample.image.file(&name).len() {
            for bit in 0..8 {
                let context = format!("bit {bit} of byte {byte} of segment {segment}");
                image.file_mut(&name)[byte] ^= 1 << bit;
                let hit = sample.at(segment, byte as u64);
                let (recovery, found) = open_damaged(&image, &context);
                assert!(found == sample.without(|position| Some(*position) == hit), "{context}");
                let reports = recovery.damaged.len() as u64 + u64::from(recovery.torn_bytes > 0);
                let in_segment_header = (byte as u64) < SEGMENT_HEADER;
                let expected = u64::from(hit.is_some() || in_segment_header);
                // A bit flipped in what was reserved looks like a torn write; in padding it is
                // harmless.
                assert!(reports == expected || hit.is_none() && reports <= 1, "{context}");
                if let Some(damage) = recovery.damaged.first() {
                    let end = damage.offset + damage.bytes;
                    assert!((damage.offset..end).contains(&(byte as u64)), "{context}: {damage}");
                    assert_eq!(damage.file, name, "{context}");
                }
                if bit == byte % 8 {
                    goes_on(&image, &found, &recovery, &context);
                }
                image.file_mut(&name)[byte] ^= 1 << bit;
                programme.count(1);
            }
        }
    }
    programme.finish("bits flipped", 8 * least as u64);
}

#[test]
fn a_journal_cut_at_any_byte_keeps_exactly_what_is_before_the_cut() {
    let sample = Sample::new(if sim::is_torture() { 200 } else { 30 });
    let programme = Programme::new("cargo test -p tubepost-journal --test it cut_at_any_byte");
    for (segment, name) in sample.segments() {
        for cut in 0..sample.image.file(&name).len() {
            let context = format!("segment {segment} cut at {cut}");
            let mut image = sample.image.clone();
            image.file_mut(&name).truncate(cut);
            let (recovery, found) = open_damaged(&image, &context);
            let lost = |position: &Position| {
                let bytes = HEADER as usize + sample.records[position].1.len();
                position.segment() == segment && position.offset() as usize + bytes > cut
            };
            let expected = sample.without(lost);
            assert!(found == expected, "{context}");
            let reported = recovery.torn_bytes > 0 || !recovery.damaged.is_empty();
            let lost_in_the_middle =
                found.len() < sample.records.len() && segment != sample.last_segment();
            assert!(reported || !lost_in_the_middle, "{context}: a loss without a report");
            goes_on(&image, &found, &recovery, &context);
            programme.count(1);
        }
    }
    programme.finish("cuts", 6000);
}

#[test]
fn a_zeroed_or_overwritten_stretch_hides_nothing_behind_it() {
    let sample = Sample::new(30);
    let mut random = Random::new(5);
    for (segment, name) in sample.segments() {
        let bytes = sample.image.file(&name).len();
        for start in (0..bytes).step_by(8) {
            for (length, zero) in [(512, true), (64, true), (200, false)] {
                let range = start..(start + length).min(bytes);
                let mut image = sample.image.clone();
                let fill = random.bytes(range.len());
                let stretch = &mut image.file_mut(&name)[range.clone()];
                stretch.copy_from_slice(&fill);
                if zero {
                    stretch.fill(0);
                }
                let context = format!("segment {segment}, {range:?}, zero: {zero}");
                let hit: Vec<_> =
                    range.clone().filter_map(|at| sample.at(segment, at as u64)).collect();
                let (recovery, found) = open_damaged(&image, &context);
                assert!(found == sample.without(|position| hit.contains(position)), "{context}");
                let sealed = segment != sample.last_segment();
                let reported = recovery.torn_bytes > 0 || !recovery.damaged.is_empty();
                assert!(reported || hit.is_empty() || !sealed, "{context}");
            }
        }
    }
}

#[test]
fn a_record_written_to_a_wrong_place_is_not_delivered_there() {
    let sample = Sample::new(30);
    let positions: Vec<_> = sample.records.keys().copied().collect();
    let bytes_of = |position: &Position| {
        let at = position.offset() as usize;
        let bytes = (HEADER as usize + sample.records[position].1.len()).next_multiple_of(8);
        sample.image.file(&name(position.segment()))[at..at + bytes].to_vec()
    };
    let (mut over, mut inside) = (0, 0);
    for (from_index, from) in positions.iter().enumerate() {
        for (to_index, to) in positions.iter().enumerate() {
            let (source, target) = (bytes_of(from), bytes_of(to));
            // Over a record of its size or larger, so that just that one is hit.
            if from == to || source.len() > target.len() {
                continue;
            }
            let mut places = vec![0];
            // And behind that one's header, which is damaged too, in a gap too small for as many
            // records as would lie between the two.
            let step = from_index.abs_diff(to_index) as u32;
            let behind = HEADER as usize;
            if source.len() + behind <= target.len() && step > 10 {
                places.push(behind);
            }
            for place in places {
                let mut image = sample.image.clone();
                let at = to.offset() as usize;
                let file = image.file_mut(&name(to.segment()));
                file[at] ^= 1;
                file[at + place..at + place + source.len()].copy_from_slice(&source);
                let context = format!("the record at {from} written to {to} and {place}");
                let (recovery, found) = open_damaged(&image, &context);
                assert!(found == sample.without(|position| position == to), "{context}");
                assert!(!recovery.damaged.is_empty() || recovery.torn_bytes > 0, "{context}");
                let later_in_segment = from > to && from.segment() == to.segment();
                over += usize::from(place == 0 && later_in_segment);
                inside += usize::from(place > 0);
            }
        }
    }
    assert!(over > 50 && inside > 50, "{over} over a record, {inside} inside one");
}

#[test]
fn a_segment_of_a_life_that_was_rolled_back_is_refused() {
    // The directory was restored from a backup and went on differently; then a file of the first
    // life turns up under its old name.
    let live = |image: Image, bytes: usize| {
        let disk = SimDisk::from_image(image);
        let (journal, ..) = open(&disk).unwrap();
        let mut model = Model::default();
        for _ in 0..40 {
            model.append(&journal, vec![bytes as u8; bytes]).unwrap();
            journal.commit().unwrap();
        }
        Sample { image: disk.live(), records: model.appended }
    };
    let backup = live(Image::default(), 100);
    let (first, second) = (live(backup.image.clone(), 300), live(backup.image.clone(), 90));
    let id = backup.last_segment() + 2;
    assert!(first.last_segment() > id && second.last_segment() > id);
    let mut image = second.image.clone();
    *image.file_mut(&name(id)) = first.image.file(&name(id)).clone();
    let (recovery, found) = open_damaged(&image, "rolled back");
    let mut expected = backup.records;
    expected.extend(second.without_segment(id));
    assert!(found == expected);
    let damage = &recovery.damaged[0];
    assert_eq!((damage.file.clone(), damage.reason), (name(id), Reason::OutOfOrder));
    goes_on(&image, &found, &recovery, "rolled back");
}

#[test]
fn a_missing_segment_is_reported_and_the_others_are_served() {
    let sample = Sample::new(30);
    for (segment, file) in sample.segments() {
        let mut image = sample.image.clone();
        image.remove(&file);
        let (recovery, found) = open_damaged(&image, &file);
        assert!(found == sample.without_segment(segment));
        // The oldest may have been reclaimed, and nothing follows the newest.
        if segment > 1 && segment < sample.last_segment() {
            let damage = &recovery.damaged[0];
            assert_eq!((damage.file.as_str(), damage.reason), (file.as_str(), Reason::Missing));
            let records = sample.records.keys().filter(|position| position.segment() == segment);
            assert!(damage.bytes >= records.count() as u64 * u64::from(HEADER));
        }
        goes_on(&image, &found, &recovery, &file);
    }
}

#[test]
fn a_copied_or_swapped_segment_is_not_delivered() {
    let sample = Sample::new(30);
    let last = sample.last_segment();
    assert!(last >= 4);
    // A copy under a number of its own.
    let mut image = sample.image.clone();
    image.put(&name(last + 3), sample.image.file(&name(2)).clone());
    let (recovery, found) = open_damaged(&image, "copied");
    assert!(found == sample.records);
    assert_eq!(recovery.damaged[0].reason, Reason::Misplaced(2));
    goes_on(&image, &found, &recovery, "copied");
    // Two that changed places.
    let mut image = sample.image.clone();
    *image.file_mut(&name(2)) = sample.image.file(&name(3)).clone();
    *image.file_mut(&name(3)) = sample.image.file(&name(2)).clone();
    let (recovery, found) = open_damaged(&image, "swapped");
    let expected = sample.without(|position| [2, 3].contains(&position.segment()));
    assert!(found == expected);
    let reasons: Vec<_> = recovery.damaged.iter().map(|damage| damage.reason).collect();
    assert_eq!(reasons, [Reason::Misplaced(3), Reason::Misplaced(2)]);
    goes_on(&image, &found, &recovery, "swapped");
}

#[test]
fn an_old_copy_of_a_segment_costs_what_it_lacks() {
    // The second segment as it was after each commit, put back later.
    let disk = SimDisk::new();
    let (journal, ..) = open(&disk).unwrap();
    let mut model = Model::default();
    let mut old = BTreeMap::new();
    for _ in 0..40 {
        model.append(&journal, vec![7; 150]).unwrap();
        journal.commit().unwrap();
        let records = model.appended.len();
        if let Some(bytes) = disk.live().names().get(1).map(|name| disk.live().file(name).clone()) {
            old.insert(records, bytes);
        }
    }
    let sample = Sample { image: disk.live(), records: model.appended };
    for (records, bytes) in old {
        let mut image = sample.image.clone();
        *image.file_mut(&name(2)) = bytes;
        let newest = *sample.records.keys().nth(records - 1).unwrap();
        let context = format!("as it was after {records} records");
        let (recovery, found) = open_damaged(&image, &context);
        let lost = |position: &Position| position.segment() == 2 && *position > newest;
        assert!(found == sample.without(lost), "{context}");
        let reported = recovery.damaged.iter().filter(|damage| damage.file == name(2)).count();
        let lacks = found.len() < sample.records.len();
        assert_eq!(reported, usize::from(lacks), "{context}");
        goes_on(&image, &found, &recovery, &context);
    }
}

#[test]
fn a_segment_of_another_journal_is_refused_even_if_it_would_void_this_one() {
    let sample = Sample::new(30);
    let disk = SimDisk::new();
    let options = Options { first_sequence: Some(77_000), ..small() };
    let (other, _) = Journal::open(disk.share(), options, &mut |_| {}).unwrap();
    for _ in 0..sample.last_segment() {
        other.rewrite(&[(1, b"void everything")]).unwrap();
    }
    let file = disk.live().names().pop().unwrap();
    assert_eq!(file, name(sample.last_segment()));
    for id in [sample.last_segment(), sample.last_segment() + 1] {
        let mut image = sample.image.clone();
        if id == sample.last_segment() {
            image.remove(&file);
        } else {
            other.rewrite(&[(1, b"void everything")]).unwrap();
        }
        image.put(&name(id), disk.live().file(&disk.live().names()[0]).clone());
        let (recovery, found) = open_damaged(&image, "another journal's");
        let lost = (id == sample.last_segment()).then_some(id);
        assert!(found == sample.without(|position| Some(position.segment()) == lost));
        assert_eq!(recovery.damaged[0].reason, Reason::Foreign);
        goes_on(&image, &found, &recovery, "another journal's");
    }
}

#[test]
fn a_payload_that_looks_like_records_is_never_taken_for_them() {
    let disk = SimDisk::new();
    let options = Options { first_sequence: None, ..small() };
    let (journal, _) = Journal::open(disk.share(), options.clone(), &mut |_| {}).unwrap();
    // What another journal with guessable sequences holds at the same place.
    let guess = Sample::new(30);
    let forged = guess.image.file(&name(1))[SEGMENT_HEADER as usize..1024].to_vec();
    let first = journal.append(1, &[&forged]).unwrap();
    let second = journal.append(2, &[b"genuine"]).unwrap();
    journal.commit().unwrap();
    let mut image = disk.live();
    for damaged in 0..HEADER as usize {
        let mut image = image.clone();
        image.file_mut(&name(1))[first.offset() as usize + damaged] ^= 1;
        let mut found = Vec::new();
        let disk = SimDisk::from_image(image).share();
        Journal::open(disk, options.clone(), &mut |record| found.push(record.position)).unwrap();
        assert_eq!(found, [second]);
    }
    let untouched = image.file_mut(&name(1)).clone();
    assert!(untouched.windows(4).filter(|bytes| bytes == b"TPJ1").count() > 5);
}

#[test]
fn a_newer_format_is_refused_with_nothing_touched() {
    let sample = Sample::new(30);
    let last = name(sample.last_segment());
    let mut image = sample.image.clone();
    // Something that recovery would like to remove, and a torn tail.
    image.put("00000000000000000090.new", vec![1; 9]);
    let file = image.file_mut(&last);
    file[8] = 2;
    let crc = crc32c::crc32c(&file[..60]);
    file[60..64].copy_from_slice(&crc.to_le_bytes());
    *file.last_mut().unwrap() = 1;
    let disk = SimDisk::from_image(image.clone());
    let error = open(&disk).unwrap_err();
    let Error::NewerFormat { file, found: 2, known: 1 } = &error else { panic!("{error}") };
    assert_eq!(*file, last);
    assert!(error.to_string().contains("use the newer program"), "{error}");
    assert!(disk.live() == image);
    assert_eq!(disk.syncs(), 0);
}

#[test]
fn files_that_are_no_segments_are_left_alone_and_reported() {
    let sample = Sample::new(4);
    let mut image = sample.image.clone();
    for foreign in ["README", "1.log", "00000000000000000001.log.bak"] {
        image.put(foreign, b"mine".to_vec());
    }
    image.put("00000000000000000009.damaged", b"aside".to_vec());
    let (recovery, found) = open_damaged(&image, "foreign files");
    assert!(found == sample.records);
    assert_eq!(recovery.foreign, ["00000000000000000001.log.bak", "1.log", "README"]);
    assert_eq!(recovery.set_aside, ["00000000000000000009.damaged"]);
    // Garbage under a segment's name is reported as such, and stays.
    image.put(&name(8), Random::new(3).bytes(3000));
    let (recovery, found) = open_damaged(&image, "garbage");
    assert!(found == sample.records);
    assert_eq!(recovery.damaged[0].reason, Reason::SegmentHeader);
    // A segment that was never finished goes.
    let mut image = sample.image.clone();
    image.put("00000000000000000009.new", vec![0; 99]);
    let disk = SimDisk::from_image(image);
    let (_, recovery, found) = open(&disk).unwrap();
    assert!(found == sample.records && disk.live() == sample.image);
    assert_eq!(recovery.removed, ["00000000000000000009.new"]);
}

#[test]
fn a_disk_that_fails_to_read_now_and_then_costs_what_it_fails_on_and_deletes_nothing() {
    let sample = Sample::new(60);
    let (mut opened, mut reads, mut failed) = (0, 0, 0);
    for seed in 0..400 {
        let one_in = if seed % 2 == 0 { 100 } else { 10 };
        let disk = SimDisk::from_image(sample.image.clone()).random_read_faults(seed, one_in);
        let Ok((journal, recovery, found)) = open(&disk) else { continue };
        opened += 1;
        let lost = |position: &Position| !found.contains_key(position);
        assert!(found == sample.without(lost), "seed {seed}: altered");
        let reported = !recovery.damaged.is_empty() || recovery.torn_bytes > 0;
        assert!(reported || found.len() == sample.records.len(), "seed {seed}: lost silently");
        assert!(disk.live() == sample.image, "seed {seed}");
        for (position, (_, payload)) in &found {
            reads += 1;
            match journal.read(*position) {
                Ok(read) => assert_eq!(read, payload, "seed {seed}"),
                Err(Error::Io { action: "read", .. }) => failed += 1,
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
    }
    assert!(opened > 200, "opened {opened} times");
    assert!(reads > 10_000 && failed > 100 && failed < reads / 4, "{failed} of {reads} failed");
    // Reading again a little later works.
    let disk = SimDisk::from_image(sample.image.clone());
    let (journal, _, found) = open(&disk).unwrap();
    let kind = std::io::ErrorKind::Other;
    disk.set_fault(Some(Fault { from: 1, for_ever: false, kind, hits: Hits::Reads }));
    let position = found.keys().next().unwrap();
    journal.read(*position).unwrap_err();
    assert_eq!(journal.read(*position).unwrap(), found[position].1);
}

#[test]
fn short_reads_change_nothing() {
    let sample = Sample::new(20);
    for bytes in [1, 3, 64, 1000] {
        let disk = SimDisk::from_image(sample.image.clone()).short_reads(bytes);
        let (journal, recovery, found) = open(&disk).unwrap();
        assert!(recovery.damaged.is_empty() && recovery.torn_bytes == 0);
        assert!(found == sample.records);
        for (position, (_, payload)) in &found {
            assert_eq!(journal.read(*position).unwrap(), payload);
        }
    }
}

#[test]
fn a_record_damaged_while_the_journal_runs_is_an_error_for_its_reader_only() {
    let sample = Sample::new(20);
    let disk = SimDisk::from_image(sample.image.clone());
    let (journal, _, found) = open(&disk).unwrap();
    let positions: Vec<_> = found.keys().copied().collect();
    let hit = positions[3];
    let file = disk.share().open(&name(hit.segment())).unwrap();
    for (offset, reason) in [(0, Reason::Record), (HEADER, Reason::Payload)] {
        let mut byte = [0];
        let at = u64::from(hit.offset() + offset);
        file.read_at(&mut byte, at).unwrap();
        file.write_at(&[byte[0] ^ 4], at).unwrap();
        match journal.read(hit) {
            Err(Error::Damaged { file, offset, reason: found }) => {
                assert_eq!((file, offset), (name(hit.segment()), u64::from(hit.offset())));
                assert_eq!(found, reason);
            }
            other => panic!("{other:?}"),
        }
        file.write_at(&byte, at).unwrap();
    }
    for position in positions {
        assert_eq!(journal.read(position).unwrap(), found[&position].1);
    }
    for nowhere in [0, 64, 1 << 32, 1 << 32 | 65, 1 << 32 | 0xffff_fff8, 99 << 32 | 64, u64::MAX] {
        let error = journal.read(Position::from_bits(nowhere)).unwrap_err();
        assert!(matches!(error, Error::NoRecord(_) | Error::NotDurable(_)), "{error}");
    }
}
