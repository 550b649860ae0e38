//! A long backlog: memory, and restarts that begin at a checkpoint.

#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod model;

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::Duration,
};

use broker::{BacklogSizes, Broker, Options};
use model::{Client, open};
use tempfile::{TempDir, tempdir};

/// Small segments, so that there are many.
fn options() -> Options {
    let journal = journal::Options { segment_bytes: 256 * 1024, ..Default::default() };
    Options { paged_bytes_min: 1024 * 1024, journal, ..Options::default() }
}

fn fill(broker: &Broker, client: &mut Client, from: usize, to: usize) {
    for first in (from..to).step_by(1000) {
        let bodies: Vec<String> = (first..first + 1000).map(|n| format!("{n:050}")).collect();
        client.publish("", "q", &bodies.iter().map(String::as_str).collect::<Vec<_>>());
        broker.commit().unwrap();
        broker.page_out().unwrap();
        broker.tidy().unwrap();
    }
}

/// The numbers that are left, as they come; all marked when `marked`.
fn drained(client: &Client, marked: bool) -> Vec<usize> {
    let bodies = client.drain("q");
    assert!(bodies.iter().all(|body| body.ends_with('*') == marked));
    bodies.iter().map(|body| body.trim_end_matches('*').parse().unwrap()).collect()
}

const MANY: usize = 120_000;

fn with_backlog() -> TempDir {
    let directory = tempdir().unwrap();
    let (broker, _) = open(directory.path(), &options());
    let mut client = Client::new(&broker);
    client.declare("q", true);
    fill(&broker, &mut client, 0, MANY);
    assert!(broker.memory_bytes() < 2 * 1024 * 1024, "{} bytes", broker.memory_bytes());
    assert!(broker.reports().is_empty());
    directory
}

#[test]
fn a_backlog_is_there_again_after_a_kill_from_its_checkpoint() {
    let directory = with_backlog();
    assert!(directory.path().join("index/checkpoint").exists());
    let (broker, report) = open(directory.path(), &options());
    assert_eq!((report.messages, report.damage.len()), (MANY, 0), "{:?}", report.damage);
    let client = Client::new(&broker);
    assert_eq!(drained(&client, true), (0..MANY).collect::<Vec<_>>());
}

#[test]
fn what_was_settled_after_the_checkpoint_does_not_come_back() {
    let directory = with_backlog();
    {
        let (broker, _) = open(directory.path(), &options());
        let client = Client::new(&broker);
        let queue = client.vhost.queue("q", client.id).unwrap();
        // Through the head and into chunks, every third kept.
        for n in 0..60_000 {
            let (entry, _) = queue.get().unwrap().unwrap();
            if n % 3 != 0 {
                queue.settle([entry], None).unwrap();
            }
        }
        broker.commit().unwrap();
    }
    let (broker, report) = open(directory.path(), &options());
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    let client = Client::new(&broker);
    let expected: Vec<usize> = (0..MANY).filter(|n| *n >= 60_000 || n % 3 == 0).collect();
    assert_eq!(drained(&client, true), expected);
}

#[test]
fn checkpoints_between_settlements_lose_nothing_and_give_back_the_disk() {
    let directory = with_backlog();
    let (broker, _) = open(directory.path(), &options());
    let mut client = Client::new(&broker);
    let queue = client.vhost.queue("q", client.id).unwrap();
    for n in 0..MANY - 10 {
        let (entry, _) = queue.get().unwrap().unwrap();
        queue.settle([entry], None).unwrap();
        if n % 10_000 == 0 {
            broker.commit().unwrap();
            broker.checkpoint().unwrap();
        }
    }
    fill(&broker, &mut client, MANY, MANY + 1000);
    broker.checkpoint().unwrap();
    let files = |name: &str| std::fs::read_dir(directory.path().join(name)).unwrap().count();
    assert!(files("messages") < 8, "{} segments", files("messages"));
    assert!(files("index") < 3, "{} index files", files("index"));
    drop(broker);
    let (broker, _) = open(directory.path(), &options());
    let left = client_drained(&broker);
    assert_eq!(left, (MANY - 10..MANY + 1000).collect::<Vec<_>>());
}

fn client_drained(broker: &Broker) -> Vec<usize> {
    drained(&Client::new(broker), true)
}

#[test]
fn a_lost_or_damaged_index_costs_time_and_no_message() {
    for damage in ["checkpoint", "chunk"] {
        let directory = with_backlog();
        let index = directory.path().join("index");
        let file = match damage {
            "checkpoint" => index.join("checkpoint"),
            _ => {
                let mut names: Vec<_> = std::fs::read_dir(&index)
                    .unwrap()
                    .map(|it| it.unwrap().path())
                    .filter(|path| path.extension().is_some_and(|it| it == "index"))
                    .collect();
                names.sort();
                names.remove(1)
            }
        };
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[50] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let (broker, _) = open(directory.path(), &options());
        let queue = broker.vhost("/").unwrap();
        let client = Client::new(&broker);
        drop(queue);
        if damage == "chunk" {
            // Found when it is read: the rest is served, and a restart finds what it named.
            let queue = client.vhost.queue("q", client.id).unwrap();
            let mut faults = 0;
            loop {
                match queue.get() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => faults += 1,
                }
            }
            assert_eq!(faults, 1);
        }
        drop(broker);
        let (broker, report) = open(directory.path(), &options());
        assert_eq!(report.messages, MANY, "after a damaged {damage}");
        assert_eq!(client_drained(&broker), (0..MANY).collect::<Vec<_>>());
    }
}

#[test]
fn a_purged_or_deleted_backlog_gives_back_the_disk() {
    let directory = with_backlog();
    let (broker, _) = open(directory.path(), &options());
    let mut client = Client::new(&broker);
    assert_eq!(client.vhost.queue("q", client.id).unwrap().purge().unwrap(), MANY);
    fill(&broker, &mut client, 0, 40_000);
    assert_eq!(client.vhost.delete_queue("q", client.id, false, false).unwrap(), 40_000);
    broker.commit().unwrap();
    broker.checkpoint().unwrap();
    let segments = std::fs::read_dir(directory.path().join("messages")).unwrap().count();
    assert!(segments <= 2, "{segments} segments");
    drop(broker);
    let (_, report) = open(directory.path(), &options());
    assert_eq!((report.queues, report.messages), (0, 0));
}

/// Flips a bit of a message's body in whichever file of the journal has it.
fn flip(directory: &TempDir, body: &str) {
    for file in std::fs::read_dir(directory.path().join("messages")).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(body.len() - 1).position(|it| it == &body.as_bytes()[1..]);
        if let Some(at) = found {
            bytes[at - 1] ^= 1;
            std::fs::write(path, bytes).unwrap();
            return;
        }
    }
    panic!("no file has {body}");
}

/// As docs/guarantees.md has it: the file mended, and the journal read from its beginning.
#[test]
fn a_message_that_a_start_found_damaged_is_served_when_its_file_is_mended() {
    let directory = tempdir().unwrap();
    let hit = format!("{:050}", 1);
    {
        let (broker, _) = open(directory.path(), &options());
        let mut client = Client::new(&broker);
        client.declare("q", true);
        // In two commits: in the last one, damage looks like a write that was cut short.
        fill(&broker, &mut client, 0, 2000);
    }
    std::fs::remove_dir_all(directory.path().join("index")).unwrap();
    flip(&directory, &hit);
    {
        let (broker, report) = open(directory.path(), &options());
        assert_eq!((report.messages, report.damage.len()), (1999, 1), "{:?}", report.damage);
        let mut client = Client::new(&broker);
        assert!(!drained(&client, true).contains(&1));
        // More than a segment, so that the damaged one is done with.
        fill(&broker, &mut client, 2000, 6000);
        drained(&client, false);
        fill(&broker, &mut client, 6000, 7000);
    }
    let aside = directory.path().join("messages/00000000000000000001.damaged");
    assert!(aside.exists(), "the file is not set aside");
    flip(&directory, &hit);
    std::fs::rename(&aside, aside.with_extension("log")).unwrap();
    // Else the file is taken for one that was to be deleted.
    std::fs::remove_file(directory.path().join("messages/reclaimed")).unwrap();
    std::fs::remove_file(directory.path().join("index/checkpoint")).unwrap();
    let (broker, report) = open(directory.path(), &options());
    assert!(report.damage.iter().all(|it| it.contains("missing")), "{:?}", report.damage);
    let left = client_drained(&broker);
    assert!(left.contains(&1), "{} messages, and not the mended one", left.len());
    assert!((6000..7000).all(|number| left.contains(&number)));
}

#[test]
fn who_waits_for_work_is_woken_to_stop() {
    let directory = tempdir().unwrap();
    let (broker, _) = open(directory.path(), &options());
    let hour = Duration::from_secs(3600);
    thread::scope(|scope| {
        scope.spawn(|| broker.wait_pending(hour));
        scope.spawn(|| broker.wait_due(hour));
        scope.spawn(|| broker.wait_over_budget(hour));
        // Before they wait or meanwhile: without it this never ends.
        broker.wake_workers();
    });
}

/// The server does these on threads of their own.
#[test]
fn a_checkpoint_beside_what_goes_to_disk_has_every_message_once() {
    let backlog = BacklogSizes { head: 8, chunk: 8 };
    let options = Options { paged_bytes_min: 0, backlog, ..options() };
    for round in 0..20 {
        let directory = tempdir().unwrap();
        let count = 4_000 + round * 100;
        {
            let (broker, _) = open(directory.path(), &options);
            let mut client = Client::new(&broker);
            client.declare("q", true);
            let is_over = AtomicBool::new(false);
            let until_over = |work: &(dyn Fn() + Sync)| {
                while !is_over.load(SeqCst) {
                    work();
                }
            };
            thread::scope(|scope| {
                scope.spawn(|| until_over(&|| broker.commit().unwrap()));
                scope.spawn(|| until_over(&|| _ = broker.page_out().unwrap()));
                scope.spawn(|| until_over(&|| broker.checkpoint().unwrap()));
                for number in 0..count {
                    client.publish("", "q", &[format!("{number}").as_str()]);
                }
                is_over.store(true, SeqCst);
            });
            broker.commit().unwrap();
        }
        let (broker, _) = open(directory.path(), &options);
        let client = Client::new(&broker);
        assert_eq!(drained(&client, true), (0..count).collect::<Vec<_>>(), "round {round}");
    }
}
