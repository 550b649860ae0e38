//! Looking without touching: it sees what opening sees, changes nothing, and is not misled by a
//! server that works meanwhile.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use journal::{Disk, DiskFile, Error, FileDisk, Journal, Options, Reason, survey};

use crate::damage::Sample;
use crate::model::{Model, open, small};
use sim::Random;
use sim::SimDisk;

/// A disk that nobody may change.
struct LookOnly(SimDisk);

struct LookOnlyFile(Arc<dyn DiskFile>);

impl Disk for LookOnly {
    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(LookOnlyFile(self.0.open(name)?)))
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        panic!("creates {name}")
    }
    fn rename(&self, from: &str, _: &str) -> io::Result<()> {
        panic!("renames {from}")
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        panic!("removes {name}")
    }
    fn sync_dir(&self) -> io::Result<()> {
        panic!("syncs the directory")
    }
}

impl DiskFile for LookOnlyFile {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(into, offset)
    }
    fn write_at(&self, _: &[u8], offset: u64) -> io::Result<()> {
        panic!("writes at {offset}")
    }
    fn reserve(&self, _: u64) -> io::Result<bool> {
        panic!("reserves")
    }
    fn sync(&self) -> io::Result<()> {
        panic!("syncs")
    }
}

#[test]
fn it_sees_exactly_what_opening_sees() {
    let sample = Sample::new(30);
    let mut random = Random::new(4);
    let names = sample.image.names();
    let (mut clean, mut torn, mut damaged) = (0, 0, 0);
    for round in 0..1500 {
        let mut image = sample.image.clone();
        if round > 0 {
            let name = &names[random.below(names.len() as u64) as usize];
            let file = image.file_mut(name);
            let at = random.below(file.len() as u64) as usize;
            match random.below(4) {
                0 => file[at] ^= 1 << random.below(8),
                1 => file.truncate(at),
                2 => file[at..].iter_mut().take(300).for_each(|byte| *byte = 0),
                _ => drop(image.remove(name)),
            }
        }
        let disk = SimDisk::from_image(image.clone());
        let found = survey(&LookOnly(disk.clone())).unwrap();
        assert!(disk.live() == image);
        let (_, recovery, records) = open(&disk).unwrap();
        let all: u64 = found.segments.iter().map(|segment| segment.records).sum();
        assert_eq!(all, records.len() as u64, "round {round}");
        let bytes: u64 = found.segments.iter().map(|segment| segment.record_bytes).sum();
        let expected =
            records.values().map(|(_, payload)| (32 + payload.len() as u64).next_multiple_of(8));
        assert_eq!(bytes, expected.sum::<u64>(), "round {round}");
        let is_torn = |reason| reason == Reason::TornBatch;
        let certain = recovery.damaged.iter().filter(|it| !is_torn(it.reason)).cloned();
        assert_eq!(found.damaged, certain.collect::<Vec<_>>(), "round {round}");
        let tail: u64 = found.torn.iter().map(|it| it.bytes).sum();
        let batch = recovery.damaged.iter().filter(|it| is_torn(it.reason)).map(|it| it.bytes);
        assert_eq!(tail, recovery.torn_bytes + batch.sum::<u64>(), "round {round}");
        clean += u32::from(found.is_clean() && found.torn.is_empty());
        torn += u32::from(!found.torn.is_empty());
        damaged += u32::from(!found.is_clean());
    }
    assert!(clean > 50 && torn > 50 && damaged > 200, "{clean} clean, {torn} torn, {damaged}");
}

#[test]
fn a_newer_format_is_said() {
    let sample = Sample::new(3);
    let mut image = sample.image.clone();
    let name = image.names()[0].clone();
    crate::golden::make_newer(image.file_mut(&name));
    match survey(&LookOnly(SimDisk::from_image(image))) {
        Err(Error::NewerFormat { file, found: 2, known: 1 }) => assert_eq!(file, name),
        other => panic!("{other:?}"),
    }
}

/// Every byte, size, time and mode below a directory.
fn everything(path: &Path) -> Vec<(String, Vec<u8>, [i64; 4], u32)> {
    let mut all: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            let times = [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap(), times, meta.mode())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_read_only_directory_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let disk = Arc::new(FileDisk::open(&path).unwrap());
    let (journal, _) = Journal::open(disk, small(), &mut |_| {}).unwrap();
    let mut model = Model::default();
    for _ in 0..30 {
        model.append(&journal, vec![1; 300]).unwrap();
        journal.commit().unwrap();
    }
    journal.prepare_next().unwrap();
    drop(journal);
    // A torn tail: opening for real would begin another segment.
    let last = format!("{:020}.log", model.appended.keys().next_back().unwrap().segment());
    let mut bytes = fs::read(path.join(&last)).unwrap();
    *bytes.last_mut().unwrap() = 9;
    fs::write(path.join(&last), bytes).unwrap();
    for entry in fs::read_dir(&path).unwrap() {
        let file = entry.unwrap().path();
        let mut mode = fs::metadata(&file).unwrap().permissions();
        mode.set_readonly(true);
        fs::set_permissions(file, mode).unwrap();
    }
    let directory = |readonly| {
        let mut mode = fs::metadata(&path).unwrap().permissions();
        mode.set_readonly(readonly);
        fs::set_permissions(&path, mode).unwrap();
    };
    directory(true);
    let before = (everything(&path), fs::metadata(&path).unwrap().mtime_nsec());
    let disk = FileDisk::open_read_only(&path).unwrap();
    let found = survey(&disk).unwrap();
    assert!(found.is_clean());
    assert_eq!((found.torn.len(), found.torn[0].file.as_str()), (1, last.as_str()));
    let records: u64 = found.segments.iter().map(|it| it.records).sum();
    assert_eq!(records, model.appended.len() as u64);
    assert!(
        disk.create("x").is_err()
            && disk.remove(&last).is_err()
            && disk.rename(&last, "x").is_err()
    );
    assert!(disk.open(&last).unwrap().write_at(b"x", 0).is_err());
    assert!(before == (everything(&path), fs::metadata(&path).unwrap().mtime_nsec()));
    directory(false);
    assert!(matches!(FileDisk::open_read_only(path.join("no")), Err(Error::Io { .. })));
    assert!(!path.join("no").exists());
}

#[test]
fn a_server_that_works_meanwhile_is_not_taken_for_damage() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(FileDisk::open(dir.path()).unwrap());
    let options = Options { segment_bytes: 64 << 10, ..Options::default() };
    let (journal, _) = Journal::open(disk, options, &mut |_| {}).unwrap();
    let stop = AtomicBool::new(false);
    let looks = thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(1);
            let mut held = Vec::new();
            while !stop.load(Ordering::Acquire) {
                for _ in 0..1 + random.below(8) {
                    let payload = vec![7; random.below(9000) as usize];
                    let mut appender = journal.appender().unwrap();
                    let position = appender.append(1, &[&payload]).unwrap();
                    journal.retain(position);
                    held.push(position);
                }
                journal.commit().unwrap();
                journal.prepare_next().unwrap();
                // A few stay for long, so that holes come about.
                while held.len() > 60 {
                    journal.release(held.remove(random.below(30) as usize));
                }
                journal.reclaim_before(journal.end()).unwrap();
            }
        });
        let mut looks = 0;
        let started = std::time::Instant::now();
        while started.elapsed().as_secs() < 3 || looks < 20 {
            let disk = FileDisk::open_read_only(dir.path()).unwrap();
            let found = survey(&disk).inspect_err(|_| stop.store(true, Ordering::Release)).unwrap();
            if !found.is_clean() {
                stop.store(true, Ordering::Release);
                panic!("look {looks}: {:?}", found.damaged);
            }
            looks += 1;
        }
        stop.store(true, Ordering::Release);
        looks
    });
    println!("{looks} looks");
    assert!(dir.path().join("reclaimed").exists(), "there were holes to be explained");
}
