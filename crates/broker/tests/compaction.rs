//! The disk that a queue pins which nobody reads, beside one that is busy.

#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod model;

use broker::{Broker, Options, Return};
use model::{Client, open};
use tempfile::tempdir;

const SEGMENT_BYTES: u32 = 64 * 1024;

fn options() -> Options {
    let journal = journal::Options { segment_bytes: SEGMENT_BYTES, ..Default::default() };
    let backlog = broker::BacklogSizes { head: 200, chunk: 100 };
    Options { paged_bytes_min: 64 * 1024, journal, backlog, ..Options::default() }
}

const ROUNDS: usize = 400;

/// At least so much of a record is not the message's body.
const HEAD_BYTES: usize = 64;

fn body(round: usize, n: usize) -> String {
    format!("{round:05} {n:02} {:0500}", 0)
}

/// Publishes twenty messages a round, of which one in twenty goes to `kept`, and one to both;
/// `busy` is emptied each time.
fn live(broker: &Broker, client: &mut Client, rounds: std::ops::Range<usize>) {
    for round in rounds {
        for n in 0..20 {
            let queue = match n {
                7 => "kept",
                _ => "busy",
            };
            client.publish("", queue, &[&body(round, n)]);
        }
        client.publish("amq.fanout", "", &[&body(round, 99)]);
        broker.commit().unwrap();
        let queue = client.vhost.queue("busy", client.id).unwrap();
        while let Some((entry, _)) = queue.get().unwrap() {
            queue.settle([entry], None).unwrap();
        }
        broker.tidy().unwrap();
    }
}

fn expected(rounds: usize) -> Vec<String> {
    (0..rounds).flat_map(|round| [body(round, 7), body(round, 99)]).collect()
}

fn settled_down(broker: &Broker) -> u64 {
    // As many turns as it takes for the last segments to be looked into and copied.
    (0..200).for_each(|_| {
        broker.commit().unwrap();
        broker.tidy().unwrap();
    });
    broker.journal_bytes()
}

#[test]
fn a_queue_that_nobody_reads_pins_little_more_than_its_own() {
    let directory = tempdir().unwrap();
    let live_bytes = (ROUNDS * 2 * (body(0, 0).len() + HEAD_BYTES)) as u64;
    {
        let (broker, _) = open(directory.path(), &options());
        let mut client = Client::new(&broker);
        client.declare("kept", true);
        client.declare("busy", true);
        client.bind("amq.fanout", "kept", "");
        client.bind("amq.fanout", "busy", "");
        live(&broker, &mut client, 0..ROUNDS);
        let used = settled_down(&broker);
        assert!(broker.copied_bytes() > 0, "nothing was copied");
        let slack = 4 * u64::from(SEGMENT_BYTES);
        assert!(used < 2 * live_bytes + slack, "{used} bytes for {live_bytes} alive");
        assert_eq!(broker.reports(), []);
    }
    // Without a word it ends, and starts again twice; more is published in between.
    let (broker, report) = open(directory.path(), &options());
    assert_eq!((report.messages, report.damage), (ROUNDS * 2, vec![]));
    live(&broker, &mut Client::new(&broker), ROUNDS..ROUNDS + 50);
    settled_down(&broker);
    drop(broker);
    let (broker, report) = open(directory.path(), &options());
    assert_eq!((report.messages, report.damage), ((ROUNDS + 50) * 2, vec![]));
    let bodies = Client::new(&broker).drain("kept");
    let bodies: Vec<&str> = bodies.iter().map(|it| it.trim_end_matches('*')).collect();
    assert_eq!(bodies, expected(ROUNDS + 50));
}

#[test]
fn what_moved_is_found_in_its_order_without_a_checkpoint() {
    let directory = tempdir().unwrap();
    {
        let (broker, _) = open(directory.path(), &options());
        let mut client = Client::new(&broker);
        client.declare("kept", true);
        client.declare("busy", true);
        client.bind("amq.fanout", "kept", "");
        live(&broker, &mut client, 0..ROUNDS);
        settled_down(&broker);
        assert!(broker.copied_bytes() > 0, "nothing was copied");
    }
    std::fs::remove_dir_all(directory.path().join("index")).unwrap();
    let (broker, report) = open(directory.path(), &options());
    assert_eq!(report.damage, [""; 0]);
    let bodies = Client::new(&broker).drain("kept");
    let bodies: Vec<&str> = bodies.iter().map(|it| it.trim_end_matches('*')).collect();
    assert_eq!(bodies, expected(ROUNDS));
}

#[test]
fn what_a_consumer_holds_moves_as_well_and_is_settled_where_it_is_then() {
    let directory = tempdir().unwrap();
    let held = 100;
    {
        let (broker, _) = open(directory.path(), &options());
        let mut client = Client::new(&broker);
        client.declare("kept", true);
        client.declare("busy", true);
        live(&broker, &mut client, 0..ROUNDS / 2);
        let queue = client.vhost.queue("kept", client.id).unwrap();
        let entries: Vec<_> = (0..held).map(|_| queue.get().unwrap().unwrap().0).collect();
        live(&broker, &mut client, ROUNDS / 2..ROUNDS);
        settled_down(&broker);
        assert!(broker.copied_bytes() > 0, "nothing was copied");
        for (round, entry) in entries.iter().enumerate() {
            let message = queue.message(entry).unwrap();
            assert_eq!(message.body.concat(), body(round, 7).as_bytes());
        }
        let (first, last): (Vec<_>, Vec<_>) =
            entries.into_iter().enumerate().partition(|(n, _)| *n < held / 2);
        queue.settle(first.into_iter().map(|(_, it)| it), None).unwrap();
        queue.requeue(last.into_iter().map(|(_, it)| it), None, Return::Failed);
        broker.commit().unwrap();
    }
    let (broker, report) = open(directory.path(), &options());
    assert_eq!((report.messages, report.damage), (ROUNDS - held / 2, vec![]));
    let bodies = Client::new(&broker).drain("kept");
    let bodies: Vec<&str> = bodies.iter().map(|it| it.trim_end_matches('*')).collect();
    assert_eq!(bodies, (held / 2..ROUNDS).map(|it| body(it, 7)).collect::<Vec<_>>());
}

#[test]
fn what_is_all_alive_stays_where_it_is_however_small_its_bodies() {
    let directory = tempdir().unwrap();
    let (broker, _) = open(directory.path(), &options());
    let mut client = Client::new(&broker);
    client.declare("kept", true);
    client.bind("amq.fanout", "kept", "");
    // As events are: more on the outside than within.
    let key = "k".repeat(200);
    for round in 0..40 {
        let bodies: Vec<String> = (0..100).map(|n| format!("{round} {n}")).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        client.publish("amq.fanout", &key, &bodies);
        broker.commit().unwrap();
        broker.tidy().unwrap();
    }
    let used = settled_down(&broker);
    assert!(used > 8 * u64::from(SEGMENT_BYTES), "{used} bytes");
    assert_eq!(broker.copied_bytes(), 0, "copied although nothing can be gained");
}
