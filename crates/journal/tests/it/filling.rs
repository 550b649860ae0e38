//! Zeros are written beside the commits: nobody who commits waits for them, until the file is
//! needed.

use std::thread;

use journal::{Journal, Options};
use sim::SimDisk;

use crate::slow_disk::{Gate, SlowDisk};

#[test]
fn commits_go_on_while_the_next_file_is_filled_and_no_zero_goes_over_a_record() {
    let gate = Gate::open();
    let disk = SimDisk::new();
    let slow = SlowDisk::new(&disk, &gate);
    let options = Options { segment_bytes: 4096, ..Options::default() };
    let (journal, _) = Journal::open(slow, options.clone(), &mut |_| ()).unwrap();
    journal.append(1, &[&[7; 2500]]).unwrap();
    journal.commit().unwrap();
    assert!(journal.prepare_next().unwrap());
    gate.arm();
    thread::scope(|scope| {
        let filling = scope.spawn(|| journal.fill_next().unwrap());
        gate.meet();
        // The zeros are being synced. None of this waits for them, or the test would not end.
        assert!(!journal.prepare_next().unwrap());
        journal.append(1, &[&[8; 100]]).unwrap();
        assert!(journal.commit().unwrap());
        // What needs the file does.
        journal.append(1, &[&[9; 2000]]).unwrap();
        let committing = scope.spawn(|| journal.commit().unwrap());
        gate.meet();
        assert!(!filling.join().unwrap(), "it is smaller than one part");
        assert!(committing.join().unwrap());
    });
    assert!(!journal.fill_next().unwrap(), "there is nothing made ahead any more");
    drop(journal);
    let mut found = Vec::new();
    let mut visit = |record: journal::Record<'_>| found.push(record.payload.to_vec());
    let (_, recovery) = Journal::open(disk.share(), options, &mut visit).unwrap();
    assert_eq!(found, [vec![7; 2500], vec![8; 100], vec![9; 2000]]);
    assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
}
