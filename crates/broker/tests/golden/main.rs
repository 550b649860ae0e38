//! A data directory of each format, as it was left when its program was killed: `format-2/` has
//! the three directories of a broker, and `contents.txt` says in words what is in them. Today's
//! broker has to find exactly that. `format-1/` was written by the last version before there was an
//! index: messages of kind 1, no marks, and a ledger of one virtual host.
//!
//! When the format's number rises, the directory of the number before stays as it is, for ever, and
//! a new one is written beside it, with `FORMAT` raised and whatever is new added to `scene.rs`:
//!
//! ```text
//! TUBEPOST_WRITE_GOLDEN=1 cargo test -p tubepost-broker --test golden the_newest_format
//! ```
//!
//! Nothing that is there is written over. What `contents.txt` says is then read by a person, line
//! by line, against the scene: it is what all later versions are held to.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod contents;
#[path = "../model/mod.rs"]
mod model;
mod scene;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use broker::{Broker, ConnectionId, RecoveryReport, Return};
use journal::FileDisk;
use model::{Client, open};
use scene::{Hands, options};
use sim::SimDisk;

/// The number of the newest golden directory: that of `format` in a data directory.
const FORMAT: u32 = 7;
const DIRECTORIES: [&str; 3] = ["index", "ledger", "messages"];
const CONTENTS: &str = "contents.txt";

fn golden(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/format-{format}"))
}

/// Files by name, `messages/00000000000000000001.log`, and their bytes.
type Files = BTreeMap<String, Vec<u8>>;

fn read(directory: &Path) -> Files {
    let mut files = Files::new();
    for part in DIRECTORIES {
        // Format 1 had no index.
        let entries = fs::read_dir(directory.join(part));
        for entry in entries.into_iter().flatten() {
            let entry = entry.unwrap();
            let name = format!("{part}/{}", entry.file_name().into_string().unwrap());
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    files
}

fn write(files: &Files, directory: &Path) {
    DIRECTORIES.iter().for_each(|part| fs::create_dir_all(directory.join(part)).unwrap());
    files.iter().for_each(|(name, bytes)| fs::write(directory.join(name), bytes).unwrap());
}

/// A copy that may be changed.
fn copy(format: u32) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    write(&read(&golden(format)), copy.path());
    copy
}

fn contents(format: u32) -> String {
    fs::read_to_string(golden(format).join(CONTENTS)).unwrap()
}

/// What the scene leaves on a disk when its process is killed, and the disk.
fn written() -> (Files, SimDisk) {
    // A file is as long as what is in it: a reader takes zeros behind it for nothing anyway.
    let disk = SimDisk::new().grow_only();
    scene::play(&disk);
    let image = disk.live();
    // The file that only holds space is empty here, and is made anew by each start.
    let names = image.names().into_iter().filter(|name| name != "index/reserve");
    (names.map(|name| (name.clone(), image.file(&name).clone())).collect(), disk)
}

fn opened(directory: &Path, clock: &Arc<Hands>) -> (Broker, RecoveryReport) {
    open(directory, &options(clock))
}

#[test]
fn what_is_in_a_data_directory_of_every_format_is_found() {
    for format in 1..=FORMAT {
        let (copy, clock) = (copy(format), Hands::later());
        let (broker, report) = opened(copy.path(), &clock);
        assert_eq!((report.damage, report.torn_bytes), (Vec::new(), 0));
        let exclusive = broker.vhost("/").unwrap().queue("exclusive", ConnectionId(1));
        assert!(exclusive.is_err() && broker.vhost("gone").is_err());
        broker.tick().unwrap();
        let found = contents::of(&broker);
        let meant = contents(format);
        let line = found.lines().zip(meant.lines()).find(|(found, meant)| found != meant);
        assert!(found == meant, "format {format}: first found, then meant: {line:#?}\n{found}");
        assert_eq!(broker.reports(), []);
    }
}

/// An index is a cache: without it everything is there, and may be what was settled as well.
#[test]
fn it_is_found_without_its_index_as_well() {
    let (copy, clock) = (copy(FORMAT), Hands::later());
    fs::remove_dir_all(copy.path().join("index")).unwrap();
    let (broker, report) = opened(copy.path(), &clock);
    assert_eq!(report.damage, [""; 0]);
    broker.tick().unwrap();
    let found = contents::of(&broker);
    // How often a message came back is in the index alone, and what was settled in a segment that
    // is deleted comes again.
    let found: BTreeSet<&str> = found.lines().map(contents::without_returns).collect();
    for line in contents(FORMAT).lines().map(contents::without_returns) {
        assert!(found.contains(line), "{line}\nis not in\n{found:#?}");
    }
}

#[test]
fn it_goes_on_and_what_it_writes_is_found_again() {
    let (copy, clock) = (copy(FORMAT), Hands::later());
    let (broker, _) = opened(copy.path(), &clock);
    let mut client = Client::new(&broker);
    let before = client.counts("long").ready;
    client.publish("", "long", &["one more"]);
    client.declare("new", true);
    client.bind("x.fanout", "new", "");
    // What was delayed is due.
    assert_eq!(client.vhost.delayed_messages("x.delayed"), Some(2));
    clock.forward(3_600_000);
    broker.fire_due().unwrap();
    assert_eq!(client.vhost.delayed_messages("x.delayed"), Some(0));
    client.publish("x.fanout", "", &["to the new one"]);
    broker.commit().unwrap();
    (0..20).for_each(|_| broker.tidy().unwrap());
    drop((client, broker));
    let (broker, report) = opened(copy.path(), &clock);
    assert_eq!(report.damage, [""; 0]);
    let client = Client::new(&broker);
    assert_eq!(client.counts("long").ready, before + 1);
    assert_eq!(client.drain("new"), ["to the new one*"]);
    assert_eq!(client.drain("delayed"), ["after a minute*", "after an hour*"]);
    let long = client.drain("long");
    assert_eq!(long.last().unwrap(), "one more*");
    let mut numbers: Vec<&String> = long[..before].iter().collect();
    numbers.sort();
    assert!(long[..before].iter().eq(numbers), "in order: {long:?}");
}

/// What it is held to is what the scene did, and not what a reader made of it: the broker that
/// played it, and never read its disk, has the same; but for the marks, as nothing of it restarted.
#[test]
fn the_contents_are_what_the_broker_had_that_wrote_them() {
    let disk = SimDisk::new().grow_only();
    let (broker, clock) = scene::play(&disk);
    clock.forward(scene::DOWN_MS);
    broker.tick().unwrap();
    let unmarked = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.contains(scene::NOT_COMMITTED));
        lines.map(|line| line.replace(contents::MARK, "")).collect()
    };
    let (had, meant) = (unmarked(&contents::of(&broker)), unmarked(&contents(FORMAT)));
    let line = had.iter().zip(&meant).find(|(had, meant)| had != meant);
    assert!(had == meant, "first had, then meant: {line:#?}");
    assert!(!contents(FORMAT).contains(scene::NOT_COMMITTED));
}

#[test]
fn all_that_a_directory_may_hold_is_in_it() {
    for files in [read(&golden(FORMAT)), written().0] {
        let directory = tempfile::tempdir().unwrap();
        write(&files, directory.path());
        let kinds = |part: &str| {
            let disk = Arc::new(FileDisk::open_read_only(directory.path().join(part)).unwrap());
            let mut kinds = BTreeMap::<u8, usize>::new();
            let options = journal::Options { segment_bytes: 4096, ..Default::default() };
            let copied = SimDisk::new();
            for name in journal::Disk::list(&*disk).unwrap() {
                let bytes = fs::read(directory.path().join(part).join(&name)).unwrap();
                let file = journal::Disk::create(&copied, &name).unwrap();
                file.write_at(&bytes, 0).unwrap();
            }
            journal::Journal::open(Arc::new(copied), options, &mut |record| {
                *kinds.entry(record.kind).or_default() += 1;
            })
            .unwrap();
            kinds
        };
        let messages = kinds("messages");
        // Settled, moved, a message, trimmed, a part: docs/storage.md, "What the records say".
        assert_eq!(messages.keys().copied().collect::<Vec<_>>(), [2, 3, 4, 5, 6], "{messages:?}");
        assert!(
            messages.iter().all(|(kind, count)| *count >= 5 || [5, 6].contains(kind)),
            "{messages:?}"
        );
        assert!(kinds("ledger").contains_key(&1));
        let named = |part: &str| files.keys().filter(|name| name.contains(part)).count();
        assert_eq!(named("index/checkpoint"), 1);
        assert!(named(".index") >= 2, "{:?}", files.keys());
        assert!(named("messages/reclaimed") == 1, "{:?}", files.keys());
        let segments = files.keys().filter(|name| name.starts_with("messages/0")).count();
        assert!(segments >= 3, "{:?}", files.keys());
        let text = files.iter().filter(|(name, _)| name.starts_with("ledger/"));
        let text: Vec<u8> = text.flat_map(|(_, bytes)| bytes.clone()).collect();
        let text = String::from_utf8_lossy(&text);
        for change in [
            "queue_ids",
            "virtual_host",
            "virtual_host_settings",
            "virtual_host_deleted",
            "permission",
            "topic_set",
            "policy",
            "policy_deleted",
            "exchange",
            "exchange_deleted",
            "queue",
            "queue_deleted",
            "bound",
            "unbound",
        ] {
            assert!(text.contains(&format!("\"{change}\":")), "{change} is not in the ledger");
        }
    }
}

/// It goes on in the new format: what moves is written again as another kind of record.
#[test]
fn a_directory_of_format_1_goes_on_and_its_messages_move() {
    let (copy, clock) = (copy(1), Hands::later());
    let (broker, _) = opened(copy.path(), &clock);
    let mut client = Client::new(&broker);
    let kept = client.vhost.queue("kept", client.id).unwrap();
    let taken: Vec<_> = std::iter::from_fn(|| kept.get().unwrap()).map(|(it, _)| it).collect();
    let (stay, go): (Vec<_>, Vec<_>) =
        taken.into_iter().enumerate().partition(|(number, _)| number % 10 == 0);
    kept.settle(go.into_iter().map(|(_, entry)| entry), None).unwrap();
    kept.requeue(stay.into_iter().map(|(_, entry)| entry), None, Return::Unsent);
    client.vhost.queue("other", client.id).unwrap().purge().unwrap();
    client.declare("busy", true);
    for _ in 0..60 {
        client.publish("", "busy", &["x".repeat(300).as_str(); 5]);
        broker.commit().unwrap();
        client.drain("busy");
        broker.tidy().unwrap();
    }
    assert!(broker.copied_bytes() > 0, "nothing moved");
    drop((client, broker, kept));
    let (broker, report) = opened(copy.path(), &clock);
    assert_eq!(report.damage, [""; 0]);
    let in_kept = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.contains("in kept:")).map(str::to_owned).collect()
    };
    let meant = in_kept(&contents(1)).into_iter().step_by(10);
    assert_eq!(in_kept(&contents::of(&broker)), meant.collect::<Vec<_>>());
}

#[test]
fn the_same_is_written_each_time() {
    let (first, second) = (written().0, written().0);
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    let differs = first.iter().find(|(name, bytes)| second[*name] != **bytes);
    assert_eq!(differs.map(|(name, _)| name), None);
}

/// Writes it, once, if that is asked for: see the head of this file.
#[test]
fn the_newest_format_has_its_golden_directory() {
    let directory = golden(FORMAT);
    if std::env::var_os("TUBEPOST_WRITE_GOLDEN").is_some() && !directory.exists() {
        write(&written().0, &directory);
        let (copy, clock) = (copy(FORMAT), Hands::later());
        let (broker, _) = opened(copy.path(), &clock);
        broker.tick().unwrap();
        fs::write(directory.join(CONTENTS), contents::of(&broker)).unwrap();
    }
    let there = directory.join(CONTENTS).exists();
    assert!(there, "{} is not there: TUBEPOST_WRITE_GOLDEN=1 makes it", directory.display());
}
