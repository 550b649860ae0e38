//! What is there again after a stop without warning: a broker is dropped as it stands and the
//! directory opened anew.

mod model;

use std::sync::Arc;

use broker::{Arguments, BindingEnd, ExchangeKind, Options, Value, error::Kind};
use model::{Client, open};
use tempfile::tempdir;

#[test]
fn durable_things_and_committed_messages_are_there_again() {
    let directory = tempdir().unwrap();
    {
        let (broker, _) = open(directory.path(), &Options::default());
        let mut client = Client::new(&broker);
        client.exchange("events", ExchangeKind::Topic, false);
        client.declare("kept", true);
        client.declare("forgotten", false);
        client.bind("events", "kept", "org.#");
        client.bind("events", "forgotten", "org.#");
        assert_eq!(client.publish("events", "org.x", &["a", "b", "c"]), 2);
        broker.commit().unwrap();
    }
    let (broker, report) = open(directory.path(), &Options::default());
    assert_eq!((report.queues, report.messages), (1, 3));
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    let mut client = Client::new(&broker);
    assert_eq!(client.drain("kept"), ["a*", "b*", "c*"], "in order, and marked");
    let missing = client.vhost.check_queue("forgotten", client.id).unwrap_err();
    assert_eq!(missing.kind, Kind::NotFound);
    assert_eq!(client.publish("events", "org.x", &["d"]), 1, "the binding is there");
    assert_eq!(client.drain("kept"), ["d"]);
}

#[test]
fn what_was_settled_or_purged_does_not_come_back() {
    let directory = tempdir().unwrap();
    {
        let (broker, _) = open(directory.path(), &Options::default());
        let mut client = Client::new(&broker);
        client.declare("q", true);
        client.declare("p", true);
        client.publish("", "q", &["a", "b", "c"]);
        client.publish("", "p", &["x", "y"]);
        let queue = client.vhost.queue("q", client.id).unwrap();
        let (first, _) = queue.get().unwrap().unwrap();
        let (second, _) = queue.get().unwrap().unwrap();
        queue.settle([second], None).unwrap();
        drop(first);
        assert_eq!(client.vhost.queue("p", client.id).unwrap().purge().unwrap(), 2);
        broker.commit().unwrap();
    }
    let (broker, _) = open(directory.path(), &Options::default());
    let client = Client::new(&broker);
    assert_eq!(client.drain("q"), ["a*", "c*"], "what was taken and not settled is there");
    assert!(client.drain("p").is_empty());
}

#[test]
fn a_deleted_queue_stays_deleted_and_its_name_begins_empty() {
    let directory = tempdir().unwrap();
    {
        let (broker, _) = open(directory.path(), &Options::default());
        let mut client = Client::new(&broker);
        client.declare("q", true);
        client.bind("amq.topic", "q", "#");
        client.publish("amq.topic", "a", &["old"]);
        assert_eq!(client.vhost.delete_queue("q", client.id, false, false).unwrap(), 1);
        client.declare("q", true);
        broker.commit().unwrap();
    }
    let (broker, report) = open(directory.path(), &Options::default());
    assert_eq!((report.queues, report.messages), (1, 0));
    let mut client = Client::new(&broker);
    assert_eq!(client.publish("amq.topic", "a", &["new"]), 0, "the old binding is gone");
    assert!(client.drain("q").is_empty());
}

#[test]
fn an_auto_delete_exchange_that_went_stays_away() {
    let directory = tempdir().unwrap();
    {
        let (broker, _) = open(directory.path(), &Options::default());
        let client = Client::new(&broker);
        client.exchange("passing", ExchangeKind::Fanout, true);
        client.declare("q", true);
        client.bind("passing", "q", "");
        client.vhost.delete_queue("q", client.id, false, false).unwrap();
    }
    let (broker, _) = open(directory.path(), &Options::default());
    assert!(broker.vhost("/").unwrap().check_exchange("passing").is_err());
}

#[test]
fn a_rewritten_ledger_says_the_same() {
    let directory = tempdir().unwrap();
    {
        let (broker, _) = open(directory.path(), &Options::default());
        let mut client = Client::new(&broker);
        client.declare("q", true);
        client.exchange("events", ExchangeKind::Direct, false);
        // History enough that the ledger is rewritten.
        let wordy: Arguments =
            [("note".to_owned(), Value::Longstr("x".repeat(50_000)))].into_iter().collect();
        let events = "events".into();
        for _ in 0..12 {
            let to = BindingEnd::Queue("q");
            client.vhost.bind(&events, to, "no".into(), wordy.clone(), client.id).unwrap();
            client.vhost.unbind(&events, to, "no".into(), wordy.clone(), client.id).unwrap();
        }
        client.bind("events", "q", "yes");
        let last_of = || {
            std::fs::read_dir(directory.path().join("ledger"))
                .unwrap()
                .map(|file| file.unwrap().file_name())
                .max()
        };
        let before = last_of();
        broker.tidy().unwrap();
        assert!(last_of() > before, "a new segment was begun");
        client.publish("events", "yes", &["m"]);
        broker.commit().unwrap();
    }
    let (broker, report) = open(directory.path(), &Options::default());
    assert_eq!((report.queues, report.messages), (1, 1));
    let mut client = Client::new(&broker);
    assert_eq!(client.publish("events", "yes", &["n"]), 1);
    assert_eq!(client.publish("events", "no", &["o"]), 0);
    assert_eq!(client.drain("q"), ["m*", "n"]);
}

#[test]
fn messages_over_the_memory_budget_are_read_back_from_disk() {
    let directory = tempdir().unwrap();
    let options = Options {
        paged_bytes_min: 1024 * 1024,
        memory_bytes_max: 2 * 1024 * 1024,
        ..Options::default()
    };
    let (broker, _) = open(directory.path(), &options);
    let mut client = Client::new(&broker);
    client.declare("q", true);
    let bodies: Vec<String> = (0..4000).map(|n| format!("{n:01000}")).collect();
    client.publish("", "q", &bodies.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(broker.blocked(), Some("low on memory"));
    broker.tidy().unwrap();
    assert!(broker.blocked().is_some(), "nothing may leave the memory before it is on disk");
    broker.commit().unwrap();
    broker.page_out().unwrap();
    assert_eq!(broker.blocked(), None, "{} bytes are held", broker.memory_bytes());
    assert_eq!(client.drain("q"), bodies);
    assert_eq!(broker.memory_bytes(), 0);
}

#[test]
fn a_record_that_only_a_newer_version_knows_stops_the_start_and_stays() {
    let directory = tempdir().unwrap();
    drop(open(directory.path(), &Options::default()));
    let messages = || Arc::new(journal::FileDisk::open(directory.path().join("messages")).unwrap());
    {
        let options = journal::Options::default();
        let (journal, _) = journal::Journal::open(messages(), options, &mut |_| {}).unwrap();
        journal.append(99, &[b"from the future"]).unwrap();
        journal.commit().unwrap();
    }
    let disk = |name: &str| -> Arc<dyn journal::Disk> {
        Arc::new(journal::FileDisk::open(directory.path().join(name)).unwrap())
    };
    let disks =
        broker::Disks { messages: disk("messages"), ledger: disk("ledger"), index: disk("index") };
    for _ in 0..2 {
        let error = broker::Broker::open(&disks, &Options::default()).unwrap_err();
        assert!(error.text.contains("kind 99") && error.text.contains("version"), "{error}");
    }
}
