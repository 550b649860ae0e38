//! The same on a real file system.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use journal::{Error, FileDisk, Journal, Options, Position, Record};

fn open(path: &Path, options: &Options, visit: &mut dyn FnMut(Record<'_>)) -> Journal {
    let disk = Arc::new(FileDisk::open(path).unwrap());
    Journal::open(disk, options.clone(), visit).unwrap().0
}

#[test]
fn a_real_directory_keeps_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/by/the/journal");
    let options = Options { segment_bytes: 1 << 20, open_files_max: 2, ..Options::default() };
    let mut kept: Vec<(Position, Vec<u8>)> = Vec::new();
    for life in 0..3_u8 {
        let mut found = Vec::new();
        let journal = open(&path, &options, &mut |record| {
            found.push((record.position, record.payload.to_vec()));
        });
        assert!(found == kept, "life {life}");
        for number in 0..300_u32 {
            // Over the size of a first read, and one over the size of a segment.
            let bytes = if number == 77 { 3 << 20 } else { (number as usize * 97) % 9000 };
            let payload = vec![life ^ number as u8; bytes];
            let position = journal.append(life, &[&payload]).unwrap();
            kept.push((position, payload));
            if number % 10 == 0 {
                journal.commit().unwrap();
            }
        }
        journal.commit().unwrap();
        for (position, payload) in &kept {
            assert_eq!(journal.read(*position).unwrap(), payload);
        }
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for entry in fs::read_dir(&path).unwrap() {
        let file = entry.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        assert!(fs::metadata(&file).unwrap().len() >= 1 << 20, "{} reserved", file.display());
    }
    // The last one cut in the middle of its last record.
    let last = kept.last().unwrap();
    let name = path.join(format!("{:020}.log", last.0.segment()));
    let cut = u64::from(last.0.offset()) + 40;
    fs::File::options().write(true).open(&name).unwrap().set_len(cut).unwrap();
    kept.pop();
    let mut found = Vec::new();
    let disk = Arc::new(FileDisk::open(&path).unwrap());
    let (journal, recovery) = Journal::open(disk, options, &mut |record| {
        found.push((record.position, record.payload.to_vec()));
    })
    .unwrap();
    assert!(found == kept);
    assert_eq!(recovery.torn_bytes, 40);
    let position = journal.append(1, &[b"on"]).unwrap();
    journal.commit().unwrap();
    assert_eq!(journal.read(position).unwrap(), "on");
}

#[test]
fn errors_name_the_file_and_what_was_tried() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = FileDisk::open(file.join("below")).unwrap_err().to_string();
    assert!(error.contains("create directory") && error.contains("file/below"), "{error}");
    let disk: Arc<FileDisk> = Arc::new(FileDisk::open(dir.path()).unwrap());
    let options = Options { segment_bytes: 3, ..Options::default() };
    let error = Journal::open(disk.clone(), options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::Option { option: "segment_bytes", found: 3, .. }), "{error}");
    let (journal, recovery) = Journal::open(disk, Options::default(), &mut |_| {}).unwrap();
    assert_eq!(recovery.foreign, ["file"]);
    let huge = vec![0; journal::PAYLOAD_BYTES_MAX / 4];
    let error = journal.append(1, &[&huge, &huge, &huge, &huge, b"x"]).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

/// A file system of its own that is gone with the test.
struct SmallFileSystem(tempfile::TempDir);

impl SmallFileSystem {
    fn mount(mebibytes: u32) -> Option<SmallFileSystem> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .output();
        match mount {
            Ok(output) if output.status.success() => Some(SmallFileSystem(dir)),
            _ => None,
        }
    }
}

impl Drop for SmallFileSystem {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.unwrap().success());
    }
}

#[test]
fn a_full_file_system_stops_nothing_and_works_on_when_there_is_space() {
    let Some(small) = SmallFileSystem::mount(8) else {
        // The simulated disk's tests cover the same; see failing_disk.rs.
        println!("skipped: this user may not mount a tmpfs");
        return;
    };
    let path = small.0.path().join("journal");
    let options = Options { segment_bytes: 1 << 20, ..Options::default() };
    let journal = open(&path, &options, &mut |_| {});
    let mut durable = Vec::new();
    for round in 0..3 {
        // Fill.
        let full = loop {
            let mut appender = journal.appender().unwrap();
            let position = appender.append(1, &[&[7; 100_000]]).unwrap();
            journal.retain(position);
            drop(appender);
            durable.push(position);
            if let Err(error) = journal.commit() {
                break error;
            }
        };
        assert!(matches!(full, Error::Full { .. }), "round {round}: {full}");
        assert_eq!(journal.failed(), None);
        assert!(durable.len() >= 10, "round {round}: full after {}", durable.len());
        assert!(!journal.is_durable(durable[durable.len() - 1]));
        let used: u64 = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().blocks() * 512)
            .sum();
        assert!(used <= 8 << 20 && used > 6 << 20, "{used} bytes used");
        let unfinished = fs::read_dir(&path).unwrap().filter(|entry| {
            entry.as_ref().unwrap().path().extension().is_some_and(|suffix| suffix == "new")
        });
        assert_eq!(unfinished.count(), 0, "half a segment stays behind");
        // Drain.
        for position in durable.drain(..durable.len() - 1) {
            assert_eq!(journal.read(position).unwrap().len(), 100_000);
            journal.release(position);
        }
        assert!(journal.reclaim().unwrap() >= 6 - 1);
        assert!(journal.commit().unwrap());
        assert!(journal.is_durable(durable[0]));
    }
    drop(journal);
    let mut found = Vec::new();
    drop(open(&path, &options, &mut |record| found.push(record.position)));
    assert!(found.contains(&durable[0]));
}
