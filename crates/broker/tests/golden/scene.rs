//! What happened to the data directory: something of everything that leaves a trace in it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use broker::{
    Arguments, BacklogSizes, BindingEnd, Broker, Clock, Disks, Encoding, ExchangeDeclaration,
    ExchangeKind, Label, Marks, Message, Options, Publish, Publisher, QueueDeclaration, Return,
    Settlement, Timestamp, Value, VirtualHostLimits, VirtualHostMetadata,
    authorize::Permission,
    policy::{Policy, PolicyKind},
};
use bytes::Bytes;
use bytestring::ByteString;
use serde_json::json;
use sim::SimDisk;

use crate::model::{self, Client, Plain, written};

/// When it happened.
const BEGAN_MS: u64 = 1_800_000_000_000;
/// How long nothing ran on it until it is looked at.
pub(crate) const DOWN_MS: u64 = 10_000;

/// The body of a message that nobody was told is on disk.
pub(crate) const NOT_COMMITTED: &str = "lost with the process";

/// A clock that stands still, until it is turned.
#[derive(Debug)]
pub(crate) struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(SeqCst))
    }
}

impl Hands {
    /// When the directory is looked at.
    pub(crate) fn later() -> Arc<Hands> {
        Arc::new(Hands(AtomicU64::new(BEGAN_MS + DOWN_MS)))
    }

    pub(crate) fn forward(&self, milliseconds: u64) {
        self.0.fetch_add(milliseconds, SeqCst);
    }
}

/// Small enough for all of it to happen in a few kilobytes.
pub(crate) fn options(clock: &Arc<Hands>) -> Options {
    Options {
        paged_bytes_min: 1024,
        disk_free_bytes_min: 0,
        backlog: BacklogSizes { head: 8, chunk: 8 },
        compaction_slack_segments: 1,
        clock: clock.clone(),
        properties: Arc::new(Plain),
        journal: journal::Options {
            segment_bytes: 4096,
            first_sequence: Some(1),
            ..Default::default()
        },
        ledger_rewrite_bytes: 3000,
        ..Options::default()
    }
}

/// Plays it on a disk, up to the moment at which the process is killed.
pub(crate) fn play(disk: &SimDisk) -> (Broker, Arc<Hands>) {
    let clock = Arc::new(Hands(AtomicU64::new(BEGAN_MS)));
    let [messages, ledger, index] =
        ["messages", "ledger", "index"].map(|name| disk.directory(name));
    let (broker, _) = Broker::open(&Disks { messages, ledger, index }, &options(&clock)).unwrap();
    let mut client = Client::new(&broker);
    topology(&client);
    broker.tidy().unwrap();
    assert_eq!(disk.live().names().iter().filter(|name| name.starts_with("ledger/0")).count(), 1);
    administration(&broker);
    no_longer(&client);
    routed(&mut client);
    marked(&mut client);
    attached(&broker, &client, "large before the checkpoint");
    broker.commit().unwrap();
    long(&broker, &mut client);
    sparse(&broker, &mut client);
    assert!(broker.copied_bytes() > 0, "something was moved");
    came_back(&client);
    broker.commit().unwrap();
    broker.checkpoint().unwrap();
    after_the_checkpoint(&broker, &mut client);
    assert_eq!(broker.reports(), []);
    (broker, clock)
}

fn administration(broker: &Broker) {
    let metadata = VirtualHostMetadata {
        description: "the build system's".to_owned(),
        tags: vec!["build".to_owned(), "ci".to_owned()],
        ..VirtualHostMetadata::default()
    };
    broker.create_vhost("v/1", metadata.clone()).unwrap();
    let limits = VirtualHostLimits { max_connections: Some(50), max_queues: Some(9) };
    broker.set_vhost_limits("v/1", limits).unwrap();
    broker.create_vhost("gone", metadata).unwrap();
    broker.set_permission("ada", "gone", Permission::full().clone()).unwrap();
    broker.delete_vhost("gone").unwrap();
    let permission = Permission::new("^ada\\.", ".*", "").unwrap();
    broker.set_permission("ada", "v/1", permission).unwrap();
    broker.set_permission("bob", "/", Permission::full().clone()).unwrap();
    broker.clear_permission("bob", "/").unwrap();
    broker.set_permission("eve", "v/1", Permission::full().clone()).unwrap();
    broker.forget_user("eve").unwrap();
    broker.set_topic_permission("ada", "v/1", "amq.topic", "^org\\.example\\.", "^$").unwrap();
    broker.set_topic_permission("ada", "/", "amq.topic", "", "").unwrap();
    broker.clear_topic_permission("ada", "/", None).unwrap();
    let policy = |kind, vhost: &str, name: &str, body| {
        let policy = Policy::parse(kind, vhost, name, &body).unwrap();
        broker.set_policy(policy).unwrap();
    };
    let limit = |bytes: u64| {
        json!({"pattern": "^long$", "apply-to": "queues", "priority": 3,
               "definition": {"max-length-bytes": bytes}})
    };
    policy(PolicyKind::User, "/", "roomy", limit(2_000_000));
    policy(PolicyKind::Operator, "/", "less", limit(1_000_000));
    policy(PolicyKind::User, "v/1", "gone", limit(5));
    broker.clear_policy(PolicyKind::User, "v/1", "gone").unwrap();
}

fn topology(client: &Client) {
    use ExchangeKind::{ConsistentHash, Delayed, Direct, Fanout, Headers, Topic};
    for (name, kind, arguments) in [
        ("x.direct", Direct, vec![("alternate-exchange", text("x.fanout"))]),
        ("x.fanout", Fanout, vec![]),
        ("x.topic", Topic, vec![]),
        ("x.headers", Headers, vec![]),
        ("x.hash", ConsistentHash, vec![("hash-header", text("user"))]),
        ("x.delayed", Delayed, vec![("x-delayed-type", text("direct"))]),
        ("x.gone", Fanout, vec![]),
    ] {
        let (durable, auto_delete, arguments) = (true, name == "x.fanout", table(arguments));
        let (name, internal) = (name.into(), name == "x.headers");
        let declaration =
            ExchangeDeclaration { name, kind, durable, auto_delete, internal, arguments };
        client.vhost.declare_exchange(declaration).unwrap();
    }
    let every_type = Value::Table(table(vec![
        ("void", Value::Void),
        ("bool", Value::Bool(true)),
        ("signed", Value::Array(vec![Value::Byte(-1), Value::Short(-2), Value::SignedInt(-3)])),
        ("unsigned", Value::Array(vec![Value::UnsignedByte(1), Value::UnsignedShort(2)])),
        ("wide", Value::Array(vec![Value::UnsignedInt(3), Value::Long(i64::MIN)])),
        ("float", Value::Array(vec![Value::Float(0.5), Value::Double(f64::INFINITY)])),
        ("decimal", Value::Decimal(2, 314)),
        ("binary", Value::Binary(vec![0, 255])),
        ("timestamp", Value::Timestamp(1_800_000_000)),
    ]));
    for (name, arguments) in [
        ("busy", vec![]),
        ("dead", vec![]),
        ("delayed", vec![]),
        ("gone", vec![]),
        ("kept", vec![("x-of-every-type", every_type)]),
        ("log", vec![("x-queue-type", text("stream")), ("x-max-length-bytes", Value::Long(500))]),
        ("long", vec![]),
        ("mortal", vec![("x-dead-letter-exchange", text("")), ("x-max-length", Value::Long(2))]),
        ("timed", vec![("x-message-ttl", Value::Long(60_000))]),
        ("urgent", vec![("x-max-priority", Value::Long(5))]),
    ] {
        let mut arguments = table(arguments);
        if name == "mortal" {
            let key = ("x-dead-letter-routing-key".to_owned(), text("dead"));
            arguments = arguments.iter().map(own).chain([key]).collect();
        }
        let declaration = QueueDeclaration { arguments, ..model::queue(name, true) };
        client.vhost.declare_queue(declaration, client.id, false).unwrap();
    }
    // Neither leaves a trace.
    client.declare("transient", false);
    let exclusive = QueueDeclaration { exclusive: true, ..model::queue("exclusive", false) };
    client.vhost.declare_queue(exclusive, client.id, false).unwrap();
    client.bind("x.direct", "kept", "a");
    client.bind("x.direct", "kept", "b");
    client.bind("x.fanout", "kept", "");
    client.bind("x.fanout", "timed", "");
    client.bind("x.fanout", "gone", "");
    client.bind("x.hash", "kept", "10");
    client.bind("x.delayed", "delayed", "k");
    let matched = table(vec![("x-match", text("any")), ("a", Value::Long(1)), ("b", text("x"))]);
    let (from, to) = ("x.headers".into(), BindingEnd::Queue("kept"));
    client.vhost.bind(&from, to, "".into(), matched, client.id).unwrap();
    let (from, to) = ("x.topic".into(), BindingEnd::Exchange("x.fanout"));
    let none = Arguments::default();
    client.vhost.bind(&from, to, "org.*.git.#".into(), none, client.id).unwrap();
}

/// What is taken away behind a ledger that was rewritten. A queue goes later, with its messages.
fn no_longer(client: &Client) {
    client.vhost.delete_exchange(&"x.gone".into(), false).unwrap();
    let (from, to) = ("x.direct".into(), BindingEnd::Queue("kept"));
    client.vhost.unbind(&from, to, "b".into(), Arguments::default(), client.id).unwrap();
    client.exchange("x.late", ExchangeKind::Topic, false);
    client.bind("x.late", "kept", "#");
}

/// One message in several queues, in some of which it is done with.
fn routed(client: &mut Client) {
    client.publish("x.topic", "org.example.git.receive", &["in three", "in two of three", ""]);
    client.publish("x.direct", "a", &["by its key"]);
    client.publish("x.direct", "nobody's", &["by the alternate"]);
    client.publish("", "gone", &["goes with its queue"]);
    let timed = client.vhost.queue("timed", client.id).unwrap();
    let entries: Vec<_> = (0..2).map(|_| timed.get().unwrap().unwrap().0).collect();
    let [first, second] = <[_; 2]>::try_from(entries).unwrap();
    timed.settle([second], None).unwrap();
    timed.requeue([first], None, Return::Unsent);
    client.vhost.delete_queue("gone", client.id, false, false).unwrap();
}

/// Messages with marks of every kind.
fn marked(client: &mut Client) {
    for (queue, body, marks) in [
        ("urgent", "last", Marks { priority: 0, ..Marks::default() }),
        ("urgent", "first", Marks { priority: 5, ..Marks::default() }),
        ("urgent", "second", Marks { priority: 3, ..Marks::default() }),
        ("timed", "over by then", Marks { ttl: Some(DOWN_MS), ..Marks::default() }),
        ("timed", "not over yet", Marks { ttl: Some(DOWN_MS + 1), ..Marks::default() }),
        ("mortal", "one too many", Marks { priority: 7, ..Marks::default() }),
        ("mortal", "lives on", Marks { ttl: Some(9_999_999), ..Marks::default() }),
        ("mortal", "rejected", Marks { bcc: bcc(&["kept"]), ..Marks::default() }),
        ("urgent", "copied", Marks { bcc: bcc(&["nobody's", ""]), ..Marks::default() }),
    ] {
        publish_marked(client, queue, body, marks, Encoding::default());
    }
    // By another protocol.
    let marks = Marks { priority: 2, ..Marks::default() };
    publish_marked(client, "urgent", "in other words", marks, Encoding(1));
    let mortal = client.vhost.queue("mortal", client.id).unwrap();
    let (lives, _) = mortal.get().unwrap().unwrap();
    let (rejected, _) = mortal.get().unwrap().unwrap();
    mortal.reject([rejected], None).unwrap();
    mortal.requeue([lives], None, Return::Unsent);
    for (ms, body) in [(3_600_000, "after an hour"), (60_000, "after a minute")] {
        let headers = table(vec![("x-delay", Value::Long(ms))]);
        client.publish_with("x.delayed", "k", &headers, written(&headers), &[body]);
    }
}

fn bcc(keys: &[&str]) -> Option<Arc<Vec<ByteString>>> {
    Some(Arc::new(keys.iter().map(|key| ByteString::from(*key)).collect()))
}

fn publish_marked(client: &Client, queue: &str, body: &str, marks: Marks, encoding: Encoding) {
    let mut publisher = Publisher::new(client.vhost.clone());
    let routes = publisher.route(&"".into(), &queue.into(), &()).unwrap();
    let message = Message::new(
        Label {
            routing_key: queue.into(),
            properties: written(&table(vec![("kind", text("marked"))])),
            encoding,
            persistent: true,
            marks,
            ..Label::default()
        },
        [body.to_owned().into()].into_iter().collect(),
    );
    publisher.publish(&mut vec![Publish { message, routes }], &mut Vec::new()).unwrap();
}

/// A large message, most of it written before it was published.
fn attached(broker: &Broker, client: &Client, body: &str) {
    let mut writer = broker.attach().unwrap();
    writer.write(format!("{body} {:09000}", 0).as_bytes()).unwrap();
    let mut publisher = Publisher::new(client.vhost.clone());
    let routes = publisher.route(&"".into(), &"dead".into(), &()).unwrap();
    let label = Label { routing_key: "dead".into(), persistent: true, ..Label::default() };
    let begin = [Bytes::from_static(b"A message ")].into_iter().collect();
    let rest = Some(Arc::new(writer.finish().unwrap()));
    let message = Message { rest, ..Message::new(label, begin) };
    publisher.publish(&mut vec![Publish { message, routes }], &mut Vec::new()).unwrap();
}

/// Longer than stays in memory, with gaps in its chunks.
fn long(broker: &Broker, client: &mut Client) {
    for first in (0..60).step_by(10) {
        let bodies: Vec<String> = (first..first + 10).map(|n| format!("{n:03} of many")).collect();
        client.publish("", "long", &bodies.iter().map(String::as_str).collect::<Vec<_>>());
        broker.commit().unwrap();
        broker.tidy().unwrap();
    }
    settle_all_but_every_third(client, 20);
    // A stream, of which the oldest is trimmed away and the rest is in chunks.
    for first in (0..50).step_by(10) {
        let bodies: Vec<String> = (first..first + 10).map(|n| format!("{n:03} in a log")).collect();
        client.publish("", "log", &bodies.iter().map(String::as_str).collect::<Vec<_>>());
        broker.commit().unwrap();
        broker.tick().unwrap();
        broker.tidy().unwrap();
    }
    // Larger than a segment.
    client.publish("", "long", &[&format!("060 is large {:05000}", 0)]);
    broker.commit().unwrap();
}

fn settle_all_but_every_third(client: &Client, count: usize) {
    let queue = client.vhost.queue("long", client.id).unwrap();
    let taken: Vec<_> = (0..count).map(|_| queue.get().unwrap().unwrap().0).collect();
    let (kept, gone): (Vec<_>, Vec<_>) =
        taken.into_iter().enumerate().partition(|(n, _)| n % 3 == 0);
    queue.settle(gone.into_iter().map(|(_, entry)| entry), None).unwrap();
    queue.requeue(kept.into_iter().map(|(_, entry)| entry), None, Return::Unsent);
}

/// A few messages that stay among many that do not, until they have to move.
fn sparse(broker: &Broker, client: &mut Client) {
    for round in 0..40 {
        let bodies: Vec<String> = (0..8).map(|n| format!("{round} {n} {:0200}", 0)).collect();
        client.publish("", "busy", &bodies.iter().map(String::as_str).collect::<Vec<_>>());
        if round % 4 == 0 {
            client.publish("x.fanout", "", &[&format!("{round:02} stays and moves")]);
            client.publish("", "log", &[&format!("{round:02} stays in the log")]);
        }
        broker.commit().unwrap();
        let queue = client.vhost.queue("busy", client.id).unwrap();
        while let Some((entry, _)) = queue.get().unwrap() {
            queue.settle([entry], None).unwrap();
        }
        broker.tidy().unwrap();
    }
}

/// A message that consumers gave back, once and twice.
fn came_back(client: &Client) {
    let queue = client.vhost.queue("kept", client.id).unwrap();
    for count in [2, 1] {
        let taken: Vec<_> = (0..count).map(|_| queue.get().unwrap().unwrap().0).collect();
        queue.requeue(taken, None, Return::Failed);
    }
}

/// What a start finds in the journal alone.
fn after_the_checkpoint(broker: &Broker, client: &mut Client) {
    attached(broker, client, "large behind the checkpoint");
    client.publish("x.fanout", "", &["after the checkpoint", "and settled in one queue"]);
    client.publish("", "long", &["061 is the last"]);
    client.publish("", "log", &["after the checkpoint", "and the last of the log"]);
    broker.commit().unwrap();
    broker.tick().unwrap();
    let queue = client.vhost.queue("kept", client.id).unwrap();
    let mut taken = Vec::new();
    while let Some((entry, _)) = queue.get().unwrap() {
        taken.push(entry);
    }
    queue.settle(taken.pop(), None).unwrap();
    // One that the checkpoint names, and one that had moved.
    let moved = taken.iter().position(|it| body(&queue, it).ends_with("stays and moves")).unwrap();
    queue.settle([taken.remove(moved)], None).unwrap();
    queue.settle([taken.remove(2)], None).unwrap();
    queue.requeue(taken, None, Return::Unsent);
    settle_all_but_every_third(client, 4);
    client.declare("late", true);
    client.publish("", "late", &["to the latest queue"]);
    by_transaction(client);
    broker.commit().unwrap();
    client.publish("", "late", &[NOT_COMMITTED]);
}

/// From one queue into two others, in one piece.
fn by_transaction(client: &Client) {
    let from = client.vhost.queue("urgent", client.id).unwrap();
    let (entry, _) = from.get().unwrap().unwrap();
    let mut publisher = Publisher::new(client.vhost.clone());
    let mut batch = Vec::new();
    for queue in ["late", "kept"] {
        let routes = publisher.route(&"".into(), &queue.into(), &()).unwrap();
        let label = Label { routing_key: queue.into(), persistent: true, ..Label::default() };
        let body = format!("by transaction, to {queue}").into();
        let message = Message::new(label, [body].into_iter().collect());
        batch.push(Publish { message, routes });
    }
    let mut settled = vec![Settlement { queue: from, entries: vec![entry], consumer: None }];
    publisher.commit(&mut batch, &mut settled, false, &mut Vec::new()).unwrap();
}

fn body(queue: &broker::Queue, entry: &broker::Entry) -> String {
    String::from_utf8(queue.message(entry).unwrap().body.concat()).unwrap()
}

fn own((name, value): (&str, &Value)) -> (String, Value) {
    (name.to_owned(), value.clone())
}

fn table(pairs: Vec<(&str, Value)>) -> Arguments {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn text(value: &str) -> Value {
    Value::Longstr(value.to_owned())
}
