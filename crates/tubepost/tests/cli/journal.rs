//! `tubepost journal check`: what it says of whole and of damaged directories, and that it touches
//! nothing.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use journal::{FileDisk, Journal, Options};
use serde_json::Value;

use crate::home::{Ended, Home};

const FIRST: &str = "00000000000000000001.log";
const SECOND: &str = "00000000000000000002.log";

/// A data directory with two journals; the messages have two segments and five records.
fn data(home: &Home) -> PathBuf {
    home.write("data/format", "tubepost 1\n");
    for (name, records) in [("messages", 5), ("ledger", 1)] {
        let options = Options { segment_bytes: 4096, ..Options::default() };
        let disk = Arc::new(FileDisk::open(home.path("data").join(name)).unwrap());
        let (journal, _) = Journal::open(disk, options, &mut |_| {}).unwrap();
        for _ in 0..records {
            journal.append(1, &[&[7; 1000]]).unwrap();
        }
        journal.commit().unwrap();
    }
    home.path("data")
}

/// Every byte, time and mode below a directory.
fn everything(path: &Path) -> Vec<(PathBuf, Vec<u8>, [i64; 4], u32)> {
    let meta = fs::symlink_metadata(path).unwrap();
    let times = [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
    let bytes = if meta.is_dir() { Vec::new() } else { fs::read(path).unwrap() };
    let mut all = vec![(path.to_owned(), bytes, times, meta.mode())];
    if meta.is_dir() {
        let entries = fs::read_dir(path).unwrap();
        all.extend(entries.flat_map(|entry| everything(&entry.unwrap().path())));
    }
    all.sort();
    all
}

/// Checks a directory that nobody may write to, and that it stays as it is.
fn check(home: &Home, directory: &Path, arguments: &[&str]) -> Ended {
    let writable = |writable: bool| {
        for (path, ..) in everything(directory) {
            let mut mode = fs::metadata(&path).unwrap().permissions();
            mode.set_readonly(!writable);
            fs::set_permissions(path, mode).unwrap();
        }
    };
    writable(false);
    let before = everything(directory);
    let directory_text = directory.to_str().unwrap();
    let arguments = [&["journal", "check", directory_text], arguments].concat();
    let ended = home.run(&arguments);
    assert!(everything(directory) == before, "something was touched");
    writable(true);
    ended
}

#[test]
fn a_whole_directory_is_clean() {
    let home = Home::new();
    let data = data(&home);
    let ended = check(&home, &data, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines: Vec<_> = ended.out.lines().collect();
    assert_eq!(lines[0], "messages: 2 segments, 5 records, 5.0 KiB; clean");
    assert!(lines[1].contains(FIRST) && lines[1].contains("format 1"), "{ended:?}");
    assert_eq!(lines[3], "ledger: 1 segment, 1 record, 1.0 KiB; clean");
    // By the configuration, and one journal alone.
    let by_flag = home.run(&["journal", "check", "--data-dir", data.to_str().unwrap()]);
    assert_eq!((by_flag.code, by_flag.out), (0, ended.out));
    let ended = check(&home, &data.join("ledger"), &[]);
    assert_eq!((ended.code, ended.out.lines().count()), (0, 2), "{ended:?}");
}

#[test]
fn damage_is_said_with_file_and_offset_and_a_torn_end_is_none() {
    let home = Home::new();
    let data = data(&home);
    let second = data.join("messages").join(SECOND);
    let mut bytes = fs::read(&second).unwrap();
    bytes[4000..4010].fill(9);
    fs::write(&second, bytes).unwrap();
    let ended = check(&home, &data, &[]);
    assert_eq!(ended.code, 0, "a torn end is no damage: {ended:?}");
    assert!(ended.out.contains(&format!("torn: {SECOND} at offset ")), "{ended:?}");

    let first = data.join("messages").join(FIRST);
    let mut bytes = fs::read(&first).unwrap();
    bytes[200] ^= 1;
    fs::write(&first, bytes).unwrap();
    let ended = check(&home, &data, &[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains(&format!("damaged: {FIRST} at offset 64, 1032 bytes")), "{ended:?}");
    assert!(ended.out.contains("4 records"), "{ended:?}");

    let ended = check(&home, &data, &["--json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let all: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(all["clean"], false);
    let messages = &all["journals"][0];
    assert_eq!((&messages["name"], &messages["records"]), (&"messages".into(), &4.into()));
    assert_eq!(messages["damaged"][0]["file"], FIRST);
    assert_eq!(messages["damaged"][0]["offset"], 64);
    assert_eq!(messages["segments"][1]["format"], 1);
    assert_eq!(all["journals"][1]["clean"], true);
}

#[test]
fn a_newer_format_is_said() {
    let home = Home::new();
    let data = data(&home);
    let first = data.join("messages").join(FIRST);
    let mut bytes = fs::read(&first).unwrap();
    bytes[8] = 9;
    let crc = crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    fs::write(&first, bytes).unwrap();
    let ended = check(&home, &data, &[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let said = "has the journal format 9, this program knows up to 1: use the newer program";
    assert!(ended.said.contains(FIRST) && ended.said.contains(said), "{ended:?}");
    // The data directory's own format.
    home.write("data/format", "tubepost 999\n");
    let refused = check(&home, &data, &[]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.said.contains("is of format 999") && refused.out.is_empty(), "{refused:?}");
    // The other one is checked all the same.
    assert!(ended.out.contains("ledger: 1 segment, 1 record"), "{ended:?}");
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| crc >> 1 ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn where_there_is_no_journal_it_was_called_wrongly() {
    let home = Home::new();
    home.write("thesis/chapter1.tex", "x");
    for (directory, why) in
        [("thesis", "there is no journal in it"), ("no-such", "it cannot be read")]
    {
        let ended = home.run(&["journal", "check", directory]);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.said.contains(directory) && ended.said.contains(why), "{ended:?}");
    }
    assert!(!home.path("no-such").exists());
    assert_eq!(home.run(&["journal", "check", "a", "b"]).code, 2);
    assert_eq!(home.run(&["journal"]).code, 2);
}
