//! The format is fixed: these bytes are what every program of format 1 writes, and reads.

use journal::{Journal, Options};

use sim::{Image, SimDisk};

/// As written by format 1: two commits, the first of two records.
const FIRST: &str = include_str!("golden/00000000000000000001.hex");
/// The segment that a rewrite began.
const REWRITTEN: &str = include_str!("golden/00000000000000000002.hex");

fn options() -> Options {
    Options { segment_bytes: 512, first_sequence: Some(0x0102_0304), ..Options::default() }
}

/// Hexadecimal digits, with comments behind `#`.
fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().chars())
        .filter(|digit| !digit.is_whitespace())
        .map(|digit| digit.to_digit(16).unwrap())
        .collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
    bytes.chunks(8).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_written_is_format_1_to_the_byte() {
    let disk = SimDisk::new();
    let (journal, _) = Journal::open(disk.share(), options(), &mut |_| {}).unwrap();
    journal.append(1, &[b"hel", b"lo"]).unwrap();
    journal.append(2, &[]).unwrap();
    journal.commit().unwrap();
    journal.append(255, &[b"12345678"]).unwrap();
    journal.commit().unwrap();
    let first = disk.live().file("00000000000000000001.log").clone();
    assert_eq!(first.len(), 512);
    assert!(first[176..].iter().all(|byte| *byte == 0));
    assert_eq!(hex(&first[..176]), hex(&bytes(FIRST)));
    journal.rewrite(&[(3, b"state")]).unwrap();
    let rewritten = disk.live().file("00000000000000000002.log").clone();
    assert_eq!(hex(&rewritten[..104]), hex(&bytes(REWRITTEN)));
}

#[test]
fn what_format_1_wrote_is_read() {
    let mut image = Image::default();
    image.put("00000000000000000001.log", bytes(FIRST));
    let read = |image: &Image| {
        let mut found = Vec::new();
        let disk = SimDisk::from_image(image.clone());
        let visit = &mut |record: journal::Record<'_>| {
            found.push((record.position.to_bits(), record.kind, record.payload.to_vec()));
        };
        let (_, recovery) = Journal::open(disk.share(), options(), visit).unwrap();
        assert!(recovery.damaged.is_empty() && recovery.torn_bytes == 0);
        found
    };
    let expected = [
        (0x1_0000_0040, 1, b"hello".to_vec()),
        (0x1_0000_0068, 2, b"".to_vec()),
        (0x1_0000_0088, 255, b"12345678".to_vec()),
    ];
    assert_eq!(read(&image), expected);
    image.put("00000000000000000002.log", bytes(REWRITTEN));
    assert_eq!(read(&image), [(0x2_0000_0040, 3, b"state".to_vec())]);
}
