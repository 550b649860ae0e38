//! What a new segment costs the commit that needs it, with its file made ahead and without; and how
//! long opening takes, whole and from a checkpoint.
//!
//! `cargo run --release -p tubepost-journal --example roll_over -- [DIRECTORY] [SEGMENTS]`
//! The directory must lie on the disk to be measured.

#![allow(clippy::print_stdout, reason = "a measuring tool prints")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::{FileDisk, Journal, Options};

const PAYLOAD_BYTES: usize = 256 << 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let below = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let segments = arguments.next().map_or(Ok(12), |text| text.parse())?;
    for ahead in [false, true] {
        let dir = tempfile::tempdir_in(&below)?;
        let disk = Arc::new(FileDisk::open(dir.path())?);
        let (journal, _) = Journal::open(disk.clone(), Options::default(), &mut |_| {})?;
        let (mut ordinary, mut rolling, mut making) = (Vec::new(), Vec::new(), Vec::new());
        let mut last = 0;
        while last <= segments {
            let position = {
                let mut appender = journal.appender()?;
                let position = appender.append(1, &[&vec![0x5a; PAYLOAD_BYTES]])?;
                journal.retain(position);
                position
            };
            let began = Instant::now();
            journal.commit()?;
            let took = began.elapsed();
            match position.segment() == last {
                true => ordinary.push(took),
                false => rolling.push(took),
            }
            last = position.segment();
            let began = Instant::now();
            if ahead && journal.prepare_next()? {
                making.push(began.elapsed());
            }
        }
        println!("made ahead: {ahead}");
        print("  an ordinary commit", ordinary);
        print("  one that needs a segment", rolling);
        if ahead {
            print("  making a file ahead", making);
            let (from, retained) = (journal.end(), journal.live());
            drop(journal);
            let began = Instant::now();
            drop(Journal::open(disk.clone(), Options::default(), &mut |_| {})?);
            println!("opening {last} segments: {:?}", began.elapsed());
            let began = Instant::now();
            let options = Options::default();
            drop(Journal::open_from(disk, options, from, &retained, &mut |_| {})?);
            println!("opening them from a checkpoint: {:?}", began.elapsed());
        }
    }
    Ok(())
}

fn print(what: &str, mut all: Vec<Duration>) {
    all.sort();
    let at = |share: usize| all.get(all.len() * share / 100).or(all.last()).copied();
    let [median, high, max] = [50, 90, 100].map(|share| at(share).unwrap_or_default());
    println!("{what}: median {median:?}, 90 % {high:?}, max {max:?} of {}", all.len());
}
