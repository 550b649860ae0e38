//! Streams: messages that stay, read by many from wherever they like, and trimmed by age and size.

#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod model;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use broker::{
    Broker, Clock, Entry, Headers, Label, Letter, Options, Property, ReadFrom, Reading,
    StreamFilter, Timestamp, Value, Wake, error::Kind, policy::QueueType,
};
use bytes::Bytes;
use model::{Client, open};
use tempfile::tempdir;

#[derive(Debug, Default)]
struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(SeqCst))
    }
}

/// Properties that are the filter's value and nothing else.
#[derive(Debug)]
struct ValueOnly;

struct Of(String);

impl Headers for Of {
    fn header(&self, name: &str) -> Option<Value> {
        let is_it = name == "x-stream-filter-value" && !self.0.is_empty();
        is_it.then(|| Value::Longstr(self.0.clone()))
    }

    fn property(&self, _: Property) -> Option<Value> {
        None
    }
}

impl broker::Properties for ValueOnly {
    fn group(&self, _: &[u8], _: broker::Encoding) -> Option<broker::Group> {
        None
    }

    fn headers<'a>(&self, label: &'a Label) -> Box<dyn Headers + 'a> {
        Box::new(Of(String::from_utf8(label.properties.to_vec()).unwrap()))
    }

    fn with_header(&self, label: &Label, _: &str, _: Value) -> Bytes {
        label.properties.clone()
    }

    fn without_header(&self, label: &Label, _: &str) -> Bytes {
        label.properties.clone()
    }
}

const SEGMENT_BYTES: u32 = 64 * 1024;

fn options() -> (Options, Arc<TestClock>) {
    let clock = Arc::new(TestClock(AtomicU64::new(1_000_000)));
    let options = Options {
        journal: journal::Options { segment_bytes: SEGMENT_BYTES, ..Default::default() },
        backlog: broker::BacklogSizes { head: 200, chunk: 50 },
        clock: clock.clone(),
        properties: Arc::new(ValueOnly),
        ..Options::default()
    };
    (options, clock)
}

fn start(directory: &Path, options: &Options) -> (Broker, Client) {
    let (broker, report) = open(directory, options);
    assert_eq!(report.damage, Vec::<String>::new());
    let client = Client::new(&broker);
    (broker, client)
}

fn body(n: u64) -> String {
    format!("{n:06} {:0400}", 0)
}

/// Publishes these to the stream `s` in batches, and lets the broker do what it does meanwhile.
fn publish(broker: &Broker, client: &mut Client, numbers: std::ops::Range<u64>) {
    let bodies: Vec<String> = numbers.map(body).collect();
    for batch in bodies.chunks(20) {
        let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
        client.publish("", "s", &batch);
        broker.commit().unwrap();
        broker.tick().unwrap();
        broker.tidy().unwrap();
    }
}

fn from(from: ReadFrom) -> Reading {
    Reading { from, filter: None }
}

/// What is read from somewhere on, as stretches of numbers; each message is the one of its number.
fn read(client: &Client, reading: Reading) -> Vec<std::ops::Range<u64>> {
    let mut stretches: Vec<std::ops::Range<u64>> = Vec::new();
    for (offset, text) in client.read_all("s", reading) {
        assert_eq!(text.trim_start_matches('0').trim_end(), body(offset).trim_start_matches('0'));
        match stretches.last_mut() {
            Some(last) if last.end == offset => last.end += 1,
            _ => stretches.push(offset..offset + 1),
        }
    }
    stretches
}

fn length_max(bytes: i64) -> (&'static str, Value) {
    ("x-max-length-bytes", Value::Long(bytes))
}

fn stretch(numbers: std::ops::Range<u64>) -> Vec<std::ops::Range<u64>> {
    Vec::from_iter([numbers])
}

/// Asserts that these and no others are read.
fn assert_reads(client: &Client, reading: Reading, numbers: std::ops::Range<u64>) {
    assert_eq!(read(client, reading), stretch(numbers));
}

#[test]
fn what_is_read_stays_and_each_reader_has_a_place_of_its_own() {
    let directory = tempdir().unwrap();
    let (options, _) = options();
    let (broker, mut client) = start(directory.path(), &options);
    client.declare_stream("s", &[]);
    publish(&broker, &mut client, 0..1000);
    let slow = client.read("s", "slow", 10, false, from(ReadFrom::First)).unwrap();
    let first: Vec<Entry> = client.receive().into_iter().map(|(_, entry)| entry).collect();
    assert_eq!(first.iter().map(Entry::offset).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert_reads(&client, from(ReadFrom::First), 0..1000);
    assert_reads(&client, from(ReadFrom::Offset(777)), 777..1000);
    assert_reads(&client, from(ReadFrom::Last), 999..1000);
    assert_eq!(read(&client, from(ReadFrom::Next)), []);
    let counts = client.counts("s");
    assert_eq!((counts.ready, counts.unacknowledged, counts.consumers), (1000, 10, 1));
    // Whatever it thinks of a message, the next one comes, and none comes again.
    slow.queue().reject(first, Some(&slow)).unwrap();
    let next: Vec<u64> = client.receive().iter().map(|(_, entry)| entry.offset()).collect();
    assert_eq!(next, (10..20).collect::<Vec<_>>());
    assert_eq!(client.counts("s").ready, 1000);
}

#[test]
fn nothing_is_seen_before_a_loss_of_power_could_not_take_it_back() {
    let directory = tempdir().unwrap();
    let (broker, mut client) = start(directory.path(), &options().0);
    client.declare_stream("s", &[]);
    let reader = client.read("s", "r", 10, false, from(ReadFrom::Next)).unwrap();
    client.publish("", "s", &["a", "b"]);
    assert!(client.receive().is_empty());
    broker.commit().unwrap();
    let seen = client.receive();
    assert_eq!(seen.iter().map(|(_, entry)| entry.offset()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(reader.queue().message(&seen[1].1).unwrap().body.concat(), b"b");
}

/// Does something when a mailbox has something, once.
struct Then(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Then {
    fn wake(&self) {
        let then = self.0.lock().unwrap().take();
        if let Some(then) = then {
            then();
        }
    }
}

impl Then {
    fn new(then: impl FnOnce() + Send + 'static) -> Then {
        Then(Mutex::new(Some(Box::new(then))))
    }
}

#[test]
fn what_is_committed_while_a_stream_hands_out_is_seen_after_the_next_commit() {
    let directory = tempdir().unwrap();
    let (broker, mut publisher) = start(directory.path(), &options().0);
    let broker = Arc::new(broker);
    let mut late = Client::new(&broker);
    ["first", "second"].iter().for_each(|name| publisher.declare_stream(name, &[]));
    // While the first one is handed out something comes to the second, not committed yet; and
    // while that is handed out somebody else commits.
    let publishes = Then::new(move || {
        late.publish("", "second", &["late"]);
    });
    let one = Client::woken(&broker, publishes);
    let committer = Arc::downgrade(&broker);
    let other =
        Client::woken(&broker, Then::new(move || committer.upgrade().unwrap().commit().unwrap()));
    let reads = |client: &Client, stream: &str| {
        client.read(stream, "r", 10, false, from(ReadFrom::First)).unwrap()
    };
    let _readers = (reads(&one, "first"), reads(&other, "second"));
    publisher.publish("", "first", &["a"]);
    publisher.publish("", "second", &["b"]);
    broker.commit().unwrap();
    assert_eq!((one.receive().len(), other.receive().len()), (1, 1));
    broker.commit().unwrap();
    assert_eq!(other.receive().len(), 1);
}

#[test]
fn a_restart_finds_every_message_under_its_number_with_the_index_and_without() {
    let directory = tempdir().unwrap();
    let (options, _) = options();
    {
        let (broker, mut client) = start(directory.path(), &options);
        client.declare_stream("s", &[]);
        publish(&broker, &mut client, 0..1000);
    }
    for round in 0..4 {
        let (broker, mut client) = start(directory.path(), &options);
        let known = 1000 + round * 10;
        assert_reads(&client, from(ReadFrom::First), 0..known);
        publish(&broker, &mut client, known..known + 10);
        if round == 1 {
            broker.checkpoint().unwrap();
        }
        drop((broker, client));
        if round == 2 {
            std::fs::remove_dir_all(directory.path().join("index")).unwrap();
        }
    }
}

#[test]
fn a_stream_keeps_no_more_bytes_than_it_may_and_gives_the_disk_back() {
    let directory = tempdir().unwrap();
    let (options, _) = options();
    let size = body(0).len() as i64;
    {
        let (broker, mut client) = start(directory.path(), &options);
        client.declare_stream("s", &[length_max(230 * size)]);
        publish(&broker, &mut client, 0..2000);
        assert_reads(&client, from(ReadFrom::First), 1770..2000);
        let (used, alive) = (broker.journal_bytes(), 230 * size as u64);
        assert!(used < 2 * alive + 4 * u64::from(SEGMENT_BYTES), "{used} bytes for {alive}");
        assert_eq!(broker.reports(), []);
    }
    let (broker, mut client) = start(directory.path(), &options);
    assert_reads(&client, from(ReadFrom::Offset(3)), 1770..2000);
    publish(&broker, &mut client, 2000..2020);
    assert_reads(&client, from(ReadFrom::First), 1790..2020);
}

#[test]
fn a_stream_keeps_messages_no_longer_than_it_may_but_for_the_newest() {
    let directory = tempdir().unwrap();
    let (options, clock) = options();
    {
        let (broker, mut client) = start(directory.path(), &options);
        client.declare_stream("s", &[("x-max-age", Value::Longstr("1h".into()))]);
        for (n, age) in [(0..300, 0), (300..330, 1_800_000), (330..400, 3_599_000)] {
            clock.0.store(1_000_000 + age, SeqCst);
            publish(&broker, &mut client, n);
        }
        assert_eq!(client.counts("s").ready, 400);
        clock.0.store(1_000_000 + 3_600_000, SeqCst);
        broker.tick().unwrap();
        assert_reads(&client, from(ReadFrom::First), 300..400);
        broker.commit().unwrap();
    }
    {
        let (broker, client) = start(directory.path(), &options);
        assert_reads(&client, from(ReadFrom::First), 300..400);
        clock.0.store(100_000_000, SeqCst);
        broker.tick().unwrap();
        assert_reads(&client, from(ReadFrom::First), 399..400);
        broker.commit().unwrap();
    }
    let (broker, mut client) = start(directory.path(), &options);
    publish(&broker, &mut client, 400..401);
    assert_eq!(read(&client, from(ReadFrom::Next)), []);
    assert_eq!(read(&client, from(ReadFrom::First)).last().unwrap().end, 401);
}

#[test]
fn a_reader_begins_at_a_time_and_takes_what_its_filter_lets_through() {
    let directory = tempdir().unwrap();
    let (options, clock) = options();
    let (broker, mut client) = start(directory.path(), &options);
    client.declare_stream("s", &[]);
    for n in 0..600 {
        clock.0.store(1_000_000 + n, SeqCst);
        let value = ["", "even", "odd"][(n as usize / 100) % 3];
        client.publish_with("", "s", &(), Bytes::from(value), &[&body(n)]);
        broker.commit().unwrap();
        broker.tidy().unwrap();
    }
    let since = |n: u64| read(&client, from(ReadFrom::Time(Timestamp(1_000_000 + n))));
    assert_eq!(since(0), stretch(0..600));
    assert_eq!(since(123), stretch(123..600));
    assert_eq!(since(598), stretch(598..600));
    assert_eq!(since(600), []);
    let filtered = |values: &[&str], unfiltered| {
        let filter = Some(StreamFilter::new(values.iter().copied(), unfiltered));
        read(&client, Reading { from: ReadFrom::First, filter })
    };
    assert_eq!(filtered(&["odd"], false), [200..300, 500..600]);
    assert_eq!(filtered(&["even", "none"], true), [0..200, 300..500]);
    assert_eq!(filtered(&["none"], false), []);
}

#[test]
fn compaction_moves_a_streams_messages_and_they_keep_their_numbers() {
    let directory = tempdir().unwrap();
    let (options, _) = options();
    {
        let (broker, mut client) = start(directory.path(), &options);
        client.declare_stream("s", &[]);
        client.declare("busy", true);
        for n in 0..400 {
            client.publish("", "s", &[&body(n)]);
            (0..20).for_each(|m| _ = client.publish("", "busy", &[&body(m)]));
            broker.commit().unwrap();
            client.drain("busy");
            broker.tidy().unwrap();
        }
        let reader = client.read("s", "r", 5, false, from(ReadFrom::First)).unwrap();
        let held = client.receive();
        (0..200).for_each(|_| {
            broker.commit().unwrap();
            broker.tidy().unwrap();
        });
        assert!(broker.copied_bytes() > 0, "nothing was copied");
        let (used, alive) = (broker.journal_bytes(), 400 * body(0).len() as u64);
        assert!(used < 2 * alive + 4 * u64::from(SEGMENT_BYTES), "{used} bytes for {alive}");
        // What was handed out before it moved is still to be had.
        for (_, entry) in &held {
            let message = reader.queue().message(entry).unwrap();
            assert_eq!(message.body.concat(), body(entry.offset()).as_bytes());
        }
        client.vhost.cancel(&reader).unwrap();
        assert_reads(&client, from(ReadFrom::First), 0..400);
        assert_eq!(broker.reports(), []);
    }
    for _ in 0..2 {
        let (broker, client) = start(directory.path(), &options);
        assert_reads(&client, from(ReadFrom::First), 0..400);
        broker.tidy().unwrap();
    }
    std::fs::remove_dir_all(directory.path().join("index")).unwrap();
    let (_broker, client) = start(directory.path(), &options);
    assert_reads(&client, from(ReadFrom::First), 0..400);
}

#[test]
fn numbers_are_the_same_for_everybody_whoever_publishes_at_once() {
    let directory = tempdir().unwrap();
    let (options, _) = options();
    let seen: BTreeMap<u64, String> = {
        let (broker, client) = start(directory.path(), &options);
        client.declare_stream("s", &[]);
        client.declare_stream("t", &[]);
        client.bind("amq.fanout", "s", "");
        client.bind("amq.fanout", "t", "");
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let publishers: Vec<_> = (0..4)
                .map(|p| {
                    let mut client = Client::new(&broker);
                    scope.spawn(move || {
                        for n in 0..200 {
                            client.publish("amq.fanout", "", &[&format!("{p} {n}")]);
                        }
                    })
                })
                .collect();
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    broker.commit().unwrap();
                    broker.tidy().unwrap();
                }
            });
            publishers.into_iter().for_each(|it| it.join().unwrap());
            done.store(true, SeqCst);
        });
        broker.commit().unwrap();
        let all = client.read_all("s", from(ReadFrom::First));
        assert!(all.iter().map(|(offset, _)| *offset).eq(0..800));
        assert_eq!(client.read_all("t", from(ReadFrom::First)), all);
        all.into_iter().collect()
    };
    let (_broker, client) = start(directory.path(), &options);
    for stream in ["s", "t"] {
        let again: BTreeMap<u64, String> =
            client.read_all(stream, from(ReadFrom::First)).into_iter().collect();
        assert_eq!(again, seen);
    }
}

#[test]
fn a_stream_that_is_deleted_gives_its_disk_back() {
    let directory = tempdir().unwrap();
    let (options, _) = options();
    let (broker, mut client) = start(directory.path(), &options);
    client.declare_stream("s", &[]);
    publish(&broker, &mut client, 0..1000);
    let before = broker.journal_bytes();
    assert_eq!(client.vhost.delete_queue("s", client.id, false, false), Ok(0));
    // What it counted stays in the totals.
    assert_eq!(broker.gone_queues(QueueType::Stream).publish, 1000);
    assert_eq!(broker.queue_churn().deleted, 1);
    broker.tidy().unwrap();
    assert!(broker.journal_bytes() < before / 4, "{} of {before}", broker.journal_bytes());
    assert_eq!(broker.memory_bytes(), 0);
    client.declare_stream("s", &[]);
    publish(&broker, &mut client, 0..1);
    assert_reads(&client, from(ReadFrom::First), 0..1);
}

#[test]
fn who_begins_to_read_a_stream_as_it_is_deleted_learns_of_it() {
    let broker = Arc::new(Broker::in_memory(&options().0));
    let owner = Client::new(&broker);
    owner.declare_stream("s", &[]);
    // It comes when the others are being told, and before the name is gone.
    let late = Client::new(&broker);
    let (send, refusal) = std::sync::mpsc::channel();
    let told = Client::woken(
        &broker,
        Then::new(move || {
            let refused = late.read("s", "late", 1, false, Reading::default());
            send.send(refused.map(drop).map_err(|it| it.kind)).unwrap();
        }),
    );
    let _consumer = told.read("s", "told", 1, false, Reading::default()).unwrap();
    owner.vhost.delete_queue("s", owner.id, false, false).unwrap();
    let mut letters = Vec::new();
    told.mailbox.drain(&mut letters);
    assert!(matches!(letters[..], [Letter::Cancelled { .. }]));
    assert_eq!(refusal.recv(), Ok(Err(Kind::NotFound)));
}

#[test]
fn what_streams_do_not_do_is_refused_in_rabbitmqs_words() {
    let broker = Broker::in_memory(&options().0);
    let client = Client::new(&broker);
    client.declare_stream("s", &[]);
    let queue = client.vhost.queue("s", client.id).unwrap();
    let what = "queue 's' in vhost '/'";
    let refused = |prefetch, no_ack| {
        let error = client.read("s", "r", prefetch, no_ack, Reading::default()).unwrap_err();
        (error.kind, error.text)
    };
    let expected = format!("consumer prefetch count is not set for stream {what}");
    assert_eq!(refused(0, true), (Kind::PreconditionFailed, expected));
    let expected = format!("automatic acknowledgement not supported by stream {what}");
    assert_eq!(refused(1, true), (Kind::NotImplemented, expected));
    let error = queue.get().unwrap_err();
    assert_eq!(error.text, format!("basic.get not supported by stream queues {what}"));
    assert_eq!(queue.purge().unwrap_err().kind, Kind::NotImplemented);
}

#[test]
fn in_memory_a_stream_keeps_its_messages_and_is_trimmed() {
    let (options, _) = options();
    let broker = Broker::in_memory(&options);
    let mut client = Client::new(&broker);
    let size = body(0).len() as i64;
    client.declare_stream("s", &[length_max(30 * size)]);
    publish(&broker, &mut client, 0..100);
    assert_reads(&client, from(ReadFrom::First), 70..100);
}
