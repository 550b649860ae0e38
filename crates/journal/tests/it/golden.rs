//! Directories of the formats that were ever released are read as they were meant, and one of a
//! format to come is refused with every byte as it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::{Error, FileDisk, Journal, Options, Position, Reason, Recovery, survey};

use sim::{Image, SimDisk};

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/format-1").join(name)
}

fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let file = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    entries.map(file).collect()
}

/// A copy that may be changed.
fn copy(of: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for (name, bytes) in files(of) {
        fs::write(to.path().join(name), bytes).unwrap();
    }
    to
}

type Found = Vec<(u64, u8, Vec<u8>)>;

fn open(path: &Path, options: Options) -> Result<(Journal, Recovery, Found), Error> {
    let mut found = Vec::new();
    let disk = Arc::new(FileDisk::open(path)?);
    let (journal, recovery) = Journal::open(disk, options, &mut |record| {
        found.push((record.position.to_bits(), record.kind, record.payload.to_vec()));
    })?;
    Ok((journal, recovery, found))
}

/// Makes a file's header one of the next format.
pub(crate) fn make_newer(file: &mut [u8]) {
    file[8..12].copy_from_slice(&2_u32.to_le_bytes());
    let crc = crc32c::crc32c(&file[..60]);
    file[60..64].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn a_clean_directory_of_format_1_is_read_and_goes_on() {
    let found = survey(&FileDisk::open_read_only(directory("clean")).unwrap()).unwrap();
    assert!(found.is_clean() && found.torn.is_empty() && found.foreign.is_empty());
    let segments: Vec<_> =
        found.segments.iter().map(|it| (it.segment, it.format, it.records)).collect();
    assert_eq!(segments, [(1, Some(1), 2), (3, Some(1), 1)]);
    let copy = copy(&directory("clean"));
    let (journal, recovery, found) = open(copy.path(), Options::default()).unwrap();
    let expected = [
        (0x1_0000_0040, 1, b"hello".to_vec()),
        (0x1_0000_0068, 2, b"".to_vec()),
        (0x3_0000_0040, 1, b"after".to_vec()),
    ];
    assert_eq!(found, expected);
    assert_eq!((recovery.damaged, recovery.torn_bytes), (vec![], 0));
    // Reading changed nothing.
    assert!(files(copy.path()) == files(&directory("clean")));
    let next = journal.append(1, &[b"next"]).unwrap();
    assert_eq!(next.to_bits(), 0x3_0000_0068);
    journal.commit().unwrap();
    drop(journal);
    assert_eq!(open(copy.path(), Options::default()).unwrap().2.len(), 4);
    // From a checkpoint, too.
    let (from, retained) = (Position::from_bits(0x3_0000_0040), [(1, 2)]);
    let disk = Arc::new(FileDisk::open(copy.path()).unwrap());
    let (journal, recovery) =
        Journal::open_from(disk, Options::default(), from, &retained, &mut |_| {}).unwrap();
    assert_eq!((recovery.damaged, recovery.records), (vec![], 2));
    assert_eq!(journal.read(Position::from_bits(0x1_0000_0040)).unwrap(), "hello");
}

#[test]
fn what_is_written_today_is_that_directory_to_the_byte() {
    let disk = SimDisk::from_image(Image::default());
    let options =
        Options { segment_bytes: 512, first_sequence: Some(0x0102_0304), ..Options::default() };
    let (journal, _) = Journal::open(disk.share(), options, &mut |_| {}).unwrap();
    let append = |kind, payload: &[u8], kept| {
        let mut appender = journal.appender().unwrap();
        let position = appender.append(kind, &[payload]).unwrap();
        if kept {
            journal.retain(position);
        }
    };
    append(1, b"hello", true);
    append(2, b"", true);
    journal.commit().unwrap();
    append(3, &[b'A'; 400], false);
    journal.commit().unwrap();
    append(1, b"after", true);
    journal.commit().unwrap();
    assert_eq!(journal.reclaim_before(journal.end()).unwrap(), 1);
    let golden = files(&directory("clean"));
    assert_eq!(disk.live().names(), golden.keys().cloned().collect::<Vec<_>>());
    golden.iter().for_each(|(name, bytes)| assert!(disk.live().file(name) == bytes, "{name}"));
}

#[test]
fn a_crashed_directory_of_format_1_is_read_and_goes_on() {
    let second = "00000000000000000002.log";
    let found = survey(&FileDisk::open_read_only(directory("crashed")).unwrap()).unwrap();
    assert!(found.is_clean());
    let torn: Vec<_> =
        found.torn.iter().map(|it| (it.file.as_str(), it.offset, it.bytes)).collect();
    assert_eq!(torn, [(second, 440, 136), (second, 616, 20)]);
    let copy = copy(&directory("crashed"));
    let (journal, recovery, found) = open(copy.path(), Options::default()).unwrap();
    let at = |it: &(u64, u8, Vec<u8>)| (it.0, it.2.len());
    let expected =
        [(0x1_0000_0040, 800), (0x2_0000_0040, 300), (0x2_0000_0190, 5), (0x2_0000_0240, 5)];
    assert_eq!(found.iter().map(at).collect::<Vec<_>>(), expected);
    assert_eq!((recovery.torn_bytes, recovery.torn.unwrap().offset), (20, 616));
    let damage: Vec<_> = recovery.damaged.iter().map(|it| (it.offset, it.reason)).collect();
    assert_eq!(damage, [(440, Reason::TornBatch)]);
    assert_eq!(recovery.removed, ["00000000000000000003.new"]);
    let next = journal.append(1, &[b"next"]).unwrap();
    assert_eq!(next.to_bits(), 0x3_0000_0040);
    journal.commit().unwrap();
    drop(journal);
    let (_, recovery, found) = open(copy.path(), Options::default()).unwrap();
    assert_eq!((found.len(), recovery.torn_bytes, recovery.damaged.len()), (5, 0, 1));
    assert_eq!(recovery.damaged[0].reason, Reason::TornBatch);
}

#[test]
fn a_format_to_come_is_refused_with_every_byte_as_it_was() {
    for (kind, name) in [
        ("clean", "00000000000000000001.log"),
        ("clean", "00000000000000000003.log"),
        ("clean", "reclaimed"),
        // Here something would be removed, and a last commit written again.
        ("crashed", "00000000000000000001.log"),
        ("crashed", "00000000000000000002.log"),
    ] {
        let copy = copy(&directory(kind));
        let mut bytes = fs::read(copy.path().join(name)).unwrap();
        make_newer(&mut bytes);
        fs::write(copy.path().join(name), bytes).unwrap();
        let before = files(copy.path());
        let disk = Arc::new(FileDisk::open(copy.path()).unwrap());
        let from = Position::from_bits(0x2_0000_0040);
        let options = Options::default();
        let refusals = [
            open(copy.path(), Options::default()).map(drop).unwrap_err(),
            Journal::open_from(disk.clone(), options, from, &[(1, 1)], &mut |_| {})
                .map(drop)
                .unwrap_err(),
            survey(&*disk).map(drop).unwrap_err(),
        ];
        for refusal in refusals {
            let said = refusal.to_string();
            assert!(matches!(refusal, Error::NewerFormat { found: 2, known: 1, .. }), "{said}");
            assert!(said.contains(name) && said.contains("use the newer program"), "{said}");
        }
        assert!(files(copy.path()) == before, "{kind}/{name}: something was touched");
    }
}
