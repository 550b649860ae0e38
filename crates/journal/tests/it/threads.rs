//! Many threads append while one commits.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use journal::{Disk, DiskFile, Error, Journal, Options};

use crate::model::small;
use sim::{Fault, Hits, SimDisk};

const PATIENCE: Duration = Duration::from_secs(60);

fn begin(disk: &SimDisk, options: Options) -> Arc<Journal> {
    Arc::new(Journal::open(disk.share(), options, &mut |_| {}).unwrap().0)
}

/// Commits until told to stop and nothing is left.
fn writer(journal: &Journal, stop: &AtomicBool) -> usize {
    let mut commits = 0;
    loop {
        let stopping = stop.load(Ordering::Acquire);
        let patience = if stopping { Duration::ZERO } else { PATIENCE };
        if journal.wait_pending(patience) {
            commits += usize::from(journal.commit().unwrap());
        } else if stopping {
            return commits;
        }
    }
}

#[test]
fn what_many_threads_append_is_in_the_order_of_positions_and_all_there() {
    let disk = SimDisk::new();
    let options = Options { segment_bytes: 64 << 10, pending_bytes_max: 4096, ..small() };
    let journal = begin(&disk, options.clone());
    let stop = AtomicBool::new(false);
    let (threads, batches) = (6_u32, 300_u32);
    thread::scope(|scope| {
        let commits = scope.spawn(|| writer(&journal, &stop));
        let appenders: Vec<_> = (0..threads)
            .map(|id| {
                let journal = &journal;
                scope.spawn(move || {
                    let mut last = None;
                    for batch in 0..batches {
                        let mut appender = journal.appender().unwrap();
                        for index in 0..3_u32 {
                            let parts = [&id.to_le_bytes()[..], &(batch * 3 + index).to_le_bytes()];
                            let position = appender.append(1, &parts).unwrap();
                            assert!(last < Some(position));
                            last = Some(position);
                        }
                    }
                    last.unwrap()
                })
            })
            .collect();
        let last = appenders.into_iter().map(|appender| appender.join().unwrap()).max().unwrap();
        stop.store(true, Ordering::Release);
        journal.wake();
        let commits = commits.join().unwrap();
        assert!(commits > 1 && commits <= (threads * batches) as usize);
        assert!(journal.is_durable(last));
    });
    let mut next = vec![0; threads as usize];
    let mut run = (u32::MAX, 0);
    Journal::open(disk.share(), options, &mut |record| {
        let id = u32::from_le_bytes(record.payload[..4].try_into().unwrap());
        let number = u32::from_le_bytes(record.payload[4..].try_into().unwrap());
        assert_eq!(number, next[id as usize], "thread {id}: out of order or lost");
        next[id as usize] += 1;
        // A batch under one lock stays together.
        run = if number.is_multiple_of(3) { (id, 1) } else { (run.0, run.1 + 1) };
        assert_eq!(run, (id, number % 3 + 1), "something got between a batch");
    })
    .unwrap();
    assert_eq!(next, vec![batches * 3; threads as usize]);
}

#[test]
fn an_appender_waits_at_the_bound_and_goes_on_after_a_commit() {
    let disk = SimDisk::new();
    let journal = begin(&disk, Options { pending_bytes_max: 100, ..small() });
    journal.append(1, &[&[0; 100]]).unwrap();
    let (sender, done) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| sender.send(journal.append(1, &[b"waits"]).unwrap()));
        let early = done.recv_timeout(Duration::from_millis(50));
        assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout), "it did not wait");
        assert!(journal.commit().unwrap());
        let position = done.recv_timeout(PATIENCE).unwrap();
        assert!(!journal.is_durable(position));
    });
}

#[test]
fn a_rewrite_makes_room_too() {
    let disk = SimDisk::new();
    let journal = begin(&disk, Options { pending_bytes_max: 100, ..small() });
    journal.append(1, &[&[0; 100]]).unwrap();
    let (sender, done) = mpsc::channel();
    journal.rewrite(&[(2, b"state")]).unwrap();
    thread::scope(|scope| {
        let journal = &journal;
        scope.spawn(move || sender.send(journal.append(3, &[b"goes on"]).is_ok()));
        let went_on = done.recv_timeout(PATIENCE);
        // Lets go of an appender that waits after all, so that the test ends.
        let _ = journal.rewrite(&[]);
        assert_eq!(went_on, Ok(true));
    });
}

#[test]
fn an_appender_that_waits_learns_that_the_journal_failed() {
    let disk = SimDisk::new();
    let journal = begin(&disk, Options { pending_bytes_max: 100, ..small() });
    journal.append(1, &[&[0; 100]]).unwrap();
    let kind = ErrorKind::Other;
    disk.set_fault(Some(Fault { from: 1, for_ever: false, kind, hits: Hits::Syncs }));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| journal.append(1, &[b"waits"]));
        let writer = scope.spawn(|| journal.wait_pending(PATIENCE));
        assert!(writer.join().unwrap());
        assert!(matches!(journal.commit(), Err(Error::Failed(_))));
        assert!(matches!(waiting.join().unwrap(), Err(Error::Failed(_))));
    });
    assert!(journal.wait_pending(PATIENCE), "the writer's next commit says why");
    assert!(matches!(journal.commit(), Err(Error::Failed(_))));
}

#[test]
fn a_full_disk_refuses_appends_at_the_bound_and_accepts_them_when_space_comes_back() {
    let disk = SimDisk::new();
    let journal = begin(&disk, Options { pending_bytes_max: 2000, ..small() });
    let first = journal.append(1, &[&[0; 1500]]).unwrap();
    journal.retain(first);
    journal.commit().unwrap();
    let kind = ErrorKind::StorageFull;
    disk.set_fault(Some(Fault { from: 1, for_ever: true, kind, hits: Hits::Growing }));
    let second = journal.append(2, &[&[0; 1500]]).unwrap();
    assert!(matches!(journal.commit(), Err(Error::Full { .. })));
    assert!(!journal.is_durable(second));
    // A writer's loop waits out its timeout rather than spin, and then may try again.
    let began = Instant::now();
    assert!(journal.wait_pending(Duration::from_millis(20)));
    assert!(began.elapsed() >= Duration::from_millis(20));
    let third = journal.append(3, &[&[0; 1500]]).unwrap();
    match journal.append(4, &[b"over the bound"]) {
        Err(Error::Full { file, bytes }) => {
            assert_eq!((file.as_str(), bytes), ("00000000000000000002.log", 2048));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(journal.commit(), Err(Error::Full { .. })));
    assert_eq!(journal.failed(), None);
    disk.set_fault(None);
    journal.wake();
    assert!(journal.wait_pending(PATIENCE));
    assert!(journal.commit().unwrap());
    assert!(journal.is_durable(third));
    journal.append(5, &[b"again"]).unwrap();
    journal.commit().unwrap();
}

/// A disk on which something is appended at the very moment that it turns out to be full.
struct BusyFullDisk {
    disk: SimDisk,
    journal: OnceLock<Weak<Journal>>,
}

impl Disk for BusyFullDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let journal = self.journal.get().and_then(Weak::upgrade).unwrap();
        journal.append(2, &[b"meanwhile"]).unwrap();
        self.disk.create(name)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
}

#[test]
fn what_is_appended_while_a_commit_finds_no_space_comes_behind_it() {
    let sim = SimDisk::new();
    let disk = Arc::new(BusyFullDisk { disk: sim.clone(), journal: OnceLock::new() });
    let shared: Arc<dyn Disk> = disk.clone();
    let journal = Arc::new(Journal::open(shared, small(), &mut |_| {}).unwrap().0);
    disk.journal.set(Arc::downgrade(&journal)).unwrap();
    let kind = ErrorKind::StorageFull;
    sim.set_fault(Some(Fault { from: 1, for_ever: true, kind, hits: Hits::Growing }));
    // Three segments' worth, so that several chunks are put back in front of what came meanwhile.
    for number in 0..6 {
        journal.append(1, &[&[number; 800]]).unwrap();
    }
    for _ in 0..3 {
        assert!(matches!(journal.commit(), Err(Error::Full { .. })));
    }
    sim.set_fault(None);
    while journal.commit().unwrap() {}
    drop(journal);
    let mut kinds = Vec::new();
    let mut visit = |record: journal::Record<'_>| kinds.push((record.kind, record.payload[0]));
    Journal::open(sim.share(), small(), &mut visit).unwrap();
    let first: Vec<_> = (0..6).map(|number| (1, number)).collect();
    assert_eq!(kinds[..6], first);
    assert!(kinds.len() >= 9 && kinds[6..].iter().all(|(kind, _)| *kind == 2), "{kinds:?}");
}

/// Ends a loop in another thread even if this one panics, so that a failure is not a hang.
struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn reads_go_on_while_segments_are_reclaimed_and_files_are_few() {
    let disk = SimDisk::new();
    let journal = begin(&disk, Options { open_files_max: 2, ..small() });
    let read = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (sender, positions) = mpsc::sync_channel(8);
        let (journal, read, stop) = (&journal, &read, &stop);
        let stopped = StopWhenDropped(stop);
        scope.spawn(move || {
            for number in 0..400_u32 {
                let mut appender = journal.appender().unwrap();
                let position = appender.append(1, &[&number.to_le_bytes(), &[1; 500]]).unwrap();
                journal.retain(position);
                drop(appender);
                journal.commit().unwrap();
                sender.send((number, position)).unwrap();
            }
        });
        scope.spawn(move || {
            while !stop.load(Ordering::Acquire) {
                journal.reclaim().unwrap();
                thread::yield_now();
            }
        });
        for (number, position) in positions {
            assert_eq!(journal.read(position).unwrap()[..4], number.to_le_bytes());
            journal.release(position);
            read.fetch_add(1, Ordering::Relaxed);
        }
        drop(stopped);
    });
    journal.reclaim().unwrap();
    assert_eq!(read.into_inner(), 400);
    assert!(disk.live().names().len() <= 1, "{:?}", disk.live().names());
}

#[test]
fn waking_ends_a_wait_even_when_it_comes_first() {
    let disk = SimDisk::new();
    let journal = begin(&disk, small());
    journal.wake();
    assert!(!journal.wait_pending(PATIENCE), "nothing is pending");
    assert!(!journal.wait_pending(Duration::from_millis(1)), "one wake ends one wait");
    thread::scope(|scope| {
        let writer = scope.spawn(|| journal.wait_pending(PATIENCE));
        journal.append(1, &[b"x"]).unwrap();
        assert!(writer.join().unwrap());
    });
    assert!(journal.commit().unwrap());
    assert!(!journal.commit().unwrap());
}

#[test]
fn what_nobody_waits_for_ends_no_wait_until_somebody_does_or_it_is_much() {
    const MOMENT: Duration = Duration::from_millis(20);
    let disk = SimDisk::new();
    let journal = begin(&disk, small());
    // Returns after how long, and what `wait_pending` said.
    let waited = |patience| {
        let began = Instant::now();
        let is_pending = journal.wait_pending(patience);
        (began.elapsed() >= MOMENT, is_pending)
    };
    let lazy = journal.append_lazily(1, &[b"lazy"]).unwrap();
    assert_eq!(waited(MOMENT), (true, true), "it is committed when the writer looks");
    assert!(journal.commit().unwrap());
    assert!(journal.is_durable(lazy));
    journal.hurry();
    assert_eq!(waited(MOMENT), (true, false), "nothing is pending that could be hurried");

    let lazy = journal.append_lazily(1, &[b"lazy"]).unwrap();
    journal.hurry();
    assert!(journal.wait_pending(PATIENCE));
    journal.commit().unwrap();
    assert!(journal.is_durable(lazy));

    let lazy = journal.append_lazily(1, &[b"lazy"]).unwrap();
    let urgent = journal.append(1, &[b"urgent"]).unwrap();
    assert!(journal.wait_pending(PATIENCE));
    journal.commit().unwrap();
    assert!(journal.is_durable(lazy) && journal.is_durable(urgent));

    thread::scope(|scope| {
        let writer = scope.spawn(|| journal.wait_pending(PATIENCE));
        while !writer.is_finished() {
            journal.append_lazily(1, &[&[0; 400]]).unwrap();
        }
        assert!(writer.join().unwrap());
    });
}

#[test]
fn who_waits_for_room_hurries_what_nobody_else_waits_for() {
    let disk = SimDisk::new();
    let journal = begin(&disk, Options { pending_bytes_max: 100, ..small() });
    journal.append_lazily(1, &[&[0; 100]]).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| journal.append(1, &[b"waits"]));
        assert!(journal.wait_pending(PATIENCE));
        journal.commit().unwrap();
        waiting.join().unwrap().unwrap();
    });
}
