//! What RabbitMQ's queues do besides: messages and queues that expire, limits, dead letters,
//! priorities of messages and of consumers, one consumer at a time, a limit of deliveries.

#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod model;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use broker::policy::{Policy, PolicyKind};
use broker::{
    Arguments, Broker, Clock, ConsumerRequest, DeathReason, Label, Marks, Message, Options,
    Publish, Publisher, QueueDeclaration, Receipt, Return, SharedLimit, Timestamp, Value,
};
use model::{Client, Plain, open, read, written};
use tempfile::tempdir;

#[derive(Debug, Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(SeqCst))
    }
}

/// A broker whose time is set by hand.
struct Scene {
    broker: Broker,
    clock: Hand,
    client: Client,
}

impl Scene {
    fn open(directory: &Path, at: u64) -> Scene {
        let clock = Hand::default();
        clock.0.store(at, SeqCst);
        let options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
        let (broker, report) = open(directory, &options);
        assert_eq!(report.damage, [""; 0]);
        let client = Client::new(&broker);
        Scene { broker, clock, client }
    }

    fn declare(&self, name: &str, arguments: &[(&str, Value)]) {
        let arguments: Arguments =
            arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let declaration = QueueDeclaration { arguments, ..model::queue(name, true) };
        self.client.vhost.declare_queue(declaration, self.client.id, false).unwrap();
    }

    /// Lets time pass and looks at the clock.
    fn pass(&self, milliseconds: u64) {
        self.clock.0.fetch_add(milliseconds, SeqCst);
        self.broker.tick().unwrap();
    }

    fn publish(&self, queue: &str, body: &str, marks: Marks) -> Receipt {
        self.publish_as(true, queue, body, marks)
    }

    fn publish_as(&self, persistent: bool, queue: &str, body: &str, marks: Marks) -> Receipt {
        let mut publisher = Publisher::new(self.client.vhost.clone());
        let routes = publisher.route(&"".into(), &queue.into(), &()).unwrap();
        let message = Message::new(
            Label { routing_key: queue.into(), persistent, marks, ..Label::default() },
            [body.to_owned().into()].into_iter().collect(),
        );
        let mut receipts = Vec::new();
        publisher.publish(&mut vec![Publish { message, routes }], &mut receipts).unwrap();
        receipts[0]
    }

    fn message(&self, queue: &str) -> Option<Arc<Message>> {
        let queue = self.client.vhost.queue(queue, self.client.id).unwrap();
        let (entry, _) = queue.get().unwrap()?;
        let message = queue.message(&entry).unwrap().into_owned();
        queue.settle([entry], None).unwrap();
        Some(message)
    }

    fn ready(&self, queue: &str) -> usize {
        self.client.counts(queue).ready
    }
}

fn ttl(ttl: u64) -> Marks {
    Marks { ttl: Some(ttl), ..Marks::default() }
}

fn number(value: i64) -> Value {
    Value::Long(value)
}

fn text(value: &str) -> Value {
    Value::Longstr(value.to_owned())
}

/// Queue, reason and count of each death, the last one first.
fn deaths(message: &Message) -> Vec<(String, DeathReason, u64)> {
    let deaths = message.marks.deaths.as_ref().unwrap();
    deaths.entries.iter().map(|it| (it.queue.to_string(), it.reason, it.count)).collect()
}

#[test]
fn messages_expire_by_the_shorter_of_both_times_also_over_a_restart() {
    let directory = tempdir().unwrap();
    {
        let scene = Scene::open(directory.path(), 1_000_000);
        scene.declare("q", &[("x-message-ttl", number(1000))]);
        scene.declare("plain", &[]);
        scene.publish("q", "short", ttl(100));
        scene.publish("q", "long", Marks::default());
        scene.publish("plain", "own", ttl(3000));
        scene.pass(99);
        assert_eq!(scene.ready("q"), 2);
        scene.pass(1);
        assert_eq!(scene.ready("q"), 1);
        scene.broker.commit().unwrap();
    }
    // As long as it was down counts as well: by the journal alone, and by a checkpoint.
    for at in [1_000_999, 1_000_999, 1_002_999] {
        let scene = Scene::open(directory.path(), at);
        scene.pass(0);
        assert_eq!((scene.ready("q"), scene.ready("plain")), (usize::from(at < 1_001_000), 1));
        scene.broker.checkpoint().unwrap();
    }
    let scene = Scene::open(directory.path(), 1_003_000);
    assert!(scene.message("plain").is_none());
}

#[test]
fn a_message_that_may_not_wait_reaches_who_waits_for_it() {
    let directory = tempdir().unwrap();
    let scene = Scene::open(directory.path(), 5);
    scene.declare("q", &[]);
    scene.publish("q", "nobody waits", ttl(0));
    assert_eq!(scene.ready("q"), 0);
    let _consumer = scene.client.consume("q", "c", 0, true);
    scene.publish("q", "somebody waits", ttl(0));
    assert_eq!(scene.client.receive().len(), 1);
}

#[test]
fn an_expired_message_becomes_a_dead_letter_that_says_so() {
    let directory = tempdir().unwrap();
    let scene = Scene::open(directory.path(), 10_000);
    let dead = [
        ("x-message-ttl", number(50)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("dead")),
    ];
    scene.declare("q", &dead);
    scene.declare("dead", &[]);
    scene.publish("q", "m", ttl(40));
    scene.pass(40);
    let letter = scene.message("dead").unwrap();
    assert_eq!((&*letter.routing_key, letter.marks.ttl), ("dead", None));
    assert_eq!(deaths(&letter), [("q".to_owned(), DeathReason::Expired, 1)]);
    let death = &letter.marks.deaths.as_ref().unwrap().entries[0];
    assert_eq!((death.time, death.original_expiration), (10, Some(40)));
    assert_eq!((&*death.exchange, &*death.routing_keys[0]), ("", "q"));
    assert_eq!(scene.ready("q"), 0);
}

#[test]
fn dead_letters_survive_a_kill_and_are_there_once() {
    let directory = tempdir().unwrap();
    {
        let scene = Scene::open(directory.path(), 10_000);
        scene.declare("q", &[("x-dead-letter-exchange", text("amq.fanout"))]);
        scene.declare("dead", &[]);
        scene.client.bind("amq.fanout", "dead", "");
        scene.publish("q", "m", Marks::default());
        let queue = scene.client.vhost.queue("q", scene.client.id).unwrap();
        let (entry, _) = queue.get().unwrap().unwrap();
        queue.reject([entry], None).unwrap();
        scene.broker.commit().unwrap();
    }
    let scene = Scene::open(directory.path(), 20_000);
    assert_eq!((scene.ready("q"), scene.ready("dead")), (0, 1));
    let letter = scene.message("dead").unwrap();
    assert_eq!(deaths(&letter), [("q".to_owned(), DeathReason::Rejected, 1)]);
    assert_eq!((&*letter.exchange, &*letter.routing_key), ("amq.fanout", "q"));
}

#[test]
fn a_letter_that_would_go_round_for_ever_ends_and_a_rejected_one_goes_on() {
    let directory = tempdir().unwrap();
    let scene = Scene::open(directory.path(), 10_000);
    let to = |key: &str| {
        [
            ("x-message-ttl", number(10)),
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(key)),
        ]
    };
    scene.declare("a", &to("b"));
    scene.declare("b", &to("a"));
    scene.publish("a", "round", Marks::default());
    scene.pass(10);
    assert_eq!((scene.ready("a"), scene.ready("b")), (0, 1));
    scene.pass(10);
    assert_eq!((scene.ready("a"), scene.ready("b")), (0, 0), "it came round by itself");
    scene.publish("a", "retry", Marks::default());
    for round in 1..=3 {
        let queue = scene.client.vhost.queue("a", scene.client.id).unwrap();
        let (entry, _) = queue.get().unwrap().unwrap();
        queue.reject([entry], None).unwrap();
        assert_eq!(scene.ready("b"), 1);
        scene.pass(10);
        assert_eq!(scene.ready("a"), 1, "round {round}");
    }
    let letter = scene.message("a").unwrap();
    let expected = [("b", DeathReason::Expired, 3), ("a", DeathReason::Rejected, 3)];
    assert_eq!(deaths(&letter), expected.map(|(queue, reason, n)| (queue.to_owned(), reason, n)));
}

#[test]
fn a_full_queue_drops_its_oldest_or_refuses_the_newest() {
    let directory = tempdir().unwrap();
    let scene = Scene::open(directory.path(), 10_000);
    scene.declare("dead", &[]);
    let dead = [("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text("dead"))];
    let with = |more: &[(&'static str, Value)]| [&dead[..], more].concat();
    scene.declare("drops", &with(&[("x-max-length", number(2))]));
    let refuses = ("x-overflow", text("reject-publish"));
    scene.declare("refuses", &with(&[("x-max-length", number(2)), refuses.clone()]));
    let refuses_dlx = ("x-overflow", text("reject-publish-dlx"));
    scene.declare("buries", &with(&[("x-max-length-bytes", number(2)), refuses_dlx]));
    for body in ["1", "2", "3"] {
        assert!(matches!(scene.publish("drops", body, Marks::default()), Receipt::At(_)));
    }
    let letter = scene.message("dead").unwrap();
    assert_eq!(deaths(&letter), [("drops".to_owned(), DeathReason::Maxlen, 1)]);
    assert_eq!(letter.body[0], "1");
    for queue in ["refuses", "buries"] {
        for (body, taken) in [("1", true), ("2", true), ("3", false)] {
            let receipt = scene.publish(queue, body, Marks::default());
            assert_eq!(receipt != Receipt::Refused, taken, "{queue} {body}: {receipt:?}");
        }
        assert_eq!(scene.ready(queue), 2);
    }
    let letter = scene.message("dead").unwrap();
    assert_eq!(deaths(&letter), [("buries".to_owned(), DeathReason::Maxlen, 1)]);
    assert!(scene.message("dead").is_none(), "what is merely refused leaves no letter");
}

#[test]
fn what_comes_back_to_a_full_queue_is_its_oldest_and_goes() {
    let directory = tempdir().unwrap();
    let scene = Scene::open(directory.path(), 10_000);
    scene.declare("dead", &[]);
    let dead = [("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text("dead"))];
    scene.declare("q", &[&dead[..], &[("x-max-length", number(1))]].concat());
    scene.publish("q", "1", Marks::default());
    let queue = scene.client.vhost.queue("q", scene.client.id).unwrap();
    let (held, _) = queue.get().unwrap().unwrap();
    scene.publish("q", "2", Marks::default());
    assert_eq!(scene.ready("q"), 1, "what was delivered does not count");
    queue.requeue([held], None, Return::Failed);
    assert_eq!(scene.message("q").unwrap().body[0], "2");
    let letter = scene.message("dead").unwrap();
    assert_eq!(deaths(&letter), [("q".to_owned(), DeathReason::Maxlen, 1)]);
    assert_eq!(letter.body[0], "1");
}

#[test]
fn the_limit_counts_within_a_batch() {
    let directory = tempdir().unwrap();
    let scene = Scene::open(directory.path(), 10_000);
    scene.declare("q", &[("x-max-length", number(3)), ("x-overflow", text("reject-publish"))]);
    let mut client = Client::new(&scene.broker);
    client.publish("", "q", &["1", "2", "3", "4", "5"]);
    assert_eq!(client.drain("q"), ["1", "2", "3"]);
}

#[test]
fn the_highest_priority_goes_first_also_after_a_restart() {
    let directory = tempdir().unwrap();
    let body = |scene: &Scene| scene.message("q").map(|it| it.body.concat());
    {
        let scene = Scene::open(directory.path(), 10_000);
        scene.declare("q", &[("x-max-priority", number(5))]);
        for (name, priority) in [("a", 0), ("b", 3), ("c", 9), ("d", 5), ("e", 3), ("f", 1)] {
            scene.publish("q", name, Marks { priority, ..Marks::default() });
        }
        assert_eq!(body(&scene).unwrap(), b"c", "above the highest is the highest");
        scene.broker.commit().unwrap();
    }
    {
        let scene = Scene::open(directory.path(), 10_000);
        assert_eq!(body(&scene).unwrap(), b"d");
        scene.broker.checkpoint().unwrap();
    }
    let scene = Scene::open(directory.path(), 10_000);
    let left: Vec<_> = std::iter::from_fn(|| body(&scene)).collect();
    assert_eq!(left, [b"b", b"e", b"f", b"a"]);
}

fn consumer(scene: &Scene, tag: &str, priority: i64, prefetch: u32) -> Arc<broker::Consumer> {
    let request = ConsumerRequest {
        reading: Default::default(),
        channel: 1,
        tag: tag.into(),
        no_ack: false,
        exclusive: false,
        priority,
        prefetch,
        supply: broker::Supply::Prefetch,
        shared_limit: Arc::new(SharedLimit::default()),
        mailbox: scene.client.mailbox.clone(),
    };
    let consumer = scene.client.vhost.consume("q", scene.client.id, request).unwrap();
    consumer.queue().dispatch();
    consumer
}

fn tags(scene: &Scene) -> Vec<String> {
    scene.client.receive().into_iter().map(|(tag, _)| tag).collect()
}

#[test]
fn consumers_of_a_higher_priority_are_served_while_they_have_room() {
    let directory = tempdir().unwrap();
    let scene = Scene::open(directory.path(), 10_000);
    scene.declare("q", &[]);
    let _low = consumer(&scene, "low", -1, 0);
    let _one = consumer(&scene, "one", 5, 2);
    let _two = consumer(&scene, "two", 5, 2);
    for n in 0..6 {
        scene.publish("q", &n.to_string(), Marks::default());
    }
    let mut tags = tags(&scene);
    tags.sort();
    assert_eq!(tags, ["low", "low", "one", "one", "two", "two"]);
}

#[test]
fn a_single_active_consumer_is_served_alone_until_it_goes() {
    let directory = tempdir().unwrap();
    let scene = Scene::open(directory.path(), 10_000);
    scene.declare("q", &[("x-single-active-consumer", Value::Bool(true))]);
    let first = consumer(&scene, "first", 0, 0);
    let _second = consumer(&scene, "second", 0, 0);
    for n in 0..4 {
        scene.publish("q", &n.to_string(), Marks::default());
    }
    assert_eq!(tags(&scene), ["first"; 4]);
    scene.client.vhost.cancel(&first).unwrap();
    scene.publish("q", "5", Marks::default());
    assert_eq!(tags(&scene), ["second"]);
}

#[test]
fn a_message_returned_too_often_becomes_a_dead_letter() {
    let directory = tempdir().unwrap();
    let scene = Scene::open(directory.path(), 10_000);
    scene.declare("dead", &[]);
    scene.declare(
        "q",
        &[
            ("x-queue-type", text("quorum")),
            ("x-delivery-limit", number(2)),
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text("dead")),
        ],
    );
    scene.publish("q", "poison", Marks::default());
    let queue = scene.client.vhost.queue("q", scene.client.id).unwrap();
    for returns in 0..3 {
        let (entry, _) = queue.get().unwrap().unwrap();
        assert_eq!(entry.returns(), returns);
        queue.requeue([entry], None, Return::Failed);
    }
    assert!(queue.get().unwrap().is_none());
    let letter = scene.message("dead").unwrap();
    assert_eq!(deaths(&letter), [("q".to_owned(), DeathReason::DeliveryLimit, 1)]);
}

#[test]
fn a_queue_that_nobody_uses_goes() {
    let directory = tempdir().unwrap();
    let scene = Scene::open(directory.path(), 10_000);
    scene.declare("q", &[("x-expires", number(100))]);
    scene.pass(99);
    let consumer = scene.client.consume("q", "c", 0, true);
    scene.pass(1000);
    scene.client.vhost.cancel(&consumer).unwrap();
    scene.pass(99);
    assert_eq!(scene.ready("q"), 0);
    scene.pass(1);
    assert!(scene.client.vhost.check_queue("q", scene.client.id).is_err());
}

#[test]
fn a_dead_letter_goes_by_all_keys_that_its_publisher_asked_for_unless_its_queue_has_one() {
    let directory = tempdir().unwrap();
    let options = Options { properties: Arc::new(Plain), ..Options::default() };
    let (broker, _) = open(directory.path(), &options);
    let mut client = Client::new(&broker);
    let text = |text: &str| Value::Longstr(text.to_owned());
    for (name, arguments) in [
        ("any", vec![("x-dead-letter-exchange", text("amq.direct"))]),
        (
            "own",
            vec![
                ("x-dead-letter-exchange", text("amq.direct")),
                ("x-dead-letter-routing-key", text("key")),
            ],
        ),
        ("first", vec![]),
        ("second", vec![]),
        ("third", vec![]),
    ] {
        let arguments = arguments.into_iter().map(|(name, value)| (name.to_owned(), value));
        let declaration =
            QueueDeclaration { arguments: arguments.collect(), ..model::queue(name, true) };
        client.vhost.declare_queue(declaration, client.id, false).unwrap();
    }
    for (queue, key) in [("first", "any"), ("second", "copy"), ("third", "key")] {
        client.bind("amq.direct", queue, key);
    }
    let copies = Value::Array(vec![text("copy"), Value::Long(1)]);
    let headers = Arguments::from_iter([("CC".to_owned(), copies)]);
    for queue in ["any", "own"] {
        client.publish_with("", queue, &headers, written(&headers), &[queue]);
        let queue = client.vhost.queue(queue, client.id).unwrap();
        let (entry, _) = queue.get().unwrap().unwrap();
        queue.reject([entry], None).unwrap();
    }
    for (queue, body, kept) in
        [("first", "any", true), ("second", "any", true), ("third", "own", false)]
    {
        let queue = client.vhost.queue(queue, client.id).unwrap();
        let (entry, left) = queue.get().unwrap().unwrap();
        let message = queue.message(&entry).unwrap().into_owned();
        assert_eq!((message.body.concat(), left), (body.as_bytes().to_vec(), 0));
        assert_eq!(read(&message.properties).get("CC").is_some(), kept, "{body}");
        let keys = &message.marks.deaths.as_ref().unwrap().entries[0].routing_keys;
        assert_eq!(keys.iter().map(|key| &**key).collect::<Vec<_>>(), [body, "copy"]);
    }
}

#[test]
fn a_queue_that_takes_nothing_twice_drops_what_is_in_it_still() {
    let directory = tempdir().unwrap();
    let options = Options { properties: Arc::new(Plain), ..Options::default() };
    let (broker, _) = open(directory.path(), &options);
    let mut client = Client::new(&broker);
    let arguments = [("x-message-deduplication".to_owned(), Value::Bool(true))];
    let declaration =
        QueueDeclaration { arguments: arguments.into_iter().collect(), ..model::queue("q", true) };
    client.vhost.declare_queue(declaration, client.id, false).unwrap();
    let mut publish = |who: &str, body: &str| {
        let header = ("x-deduplication-header".to_owned(), Value::Longstr(who.to_owned()));
        let headers = Arguments::from_iter(Some(header).filter(|_| !who.is_empty()));
        client.publish_with("", "q", &headers, written(&headers), &[body]);
    };
    for (who, body) in [("a", "1"), ("a", "2"), ("b", "3"), ("", "4"), ("", "5"), ("b", "6")] {
        publish(who, body);
    }
    let queue = broker.vhost("/").unwrap().queue("q", broker.new_connection()).unwrap();
    let (first, left) = queue.get().unwrap().unwrap();
    assert_eq!((queue.message(&first).unwrap().body.concat(), left), (b"1".to_vec(), 3));
    // With a consumer it is there still, and when it comes back as well.
    publish("a", "7");
    queue.requeue([first], None, Return::Failed);
    publish("a", "8");
    assert_eq!(queue.counts().ready, 4);
    let (first, _) = queue.get().unwrap().unwrap();
    queue.settle([first], None).unwrap();
    publish("a", "9");
    assert_eq!(queue.purge(), Ok(4));
    publish("b", "10");
    assert_eq!(queue.counts().ready, 1);
    broker.commit().unwrap();
    drop((queue, client, broker));
    // What was dropped does not come with a restart either.
    let (broker, report) = open(directory.path(), &options);
    assert_eq!(report.messages, 1);
    assert_eq!(Client::new(&broker).drain("q"), ["10*"]);
}

#[test]
fn of_a_queue_that_takes_nothing_twice_only_what_is_persistent_is_counted_as_such() {
    let directory = tempdir().unwrap();
    let scene = Scene::open(directory.path(), 0);
    scene.declare("q", &[("x-message-deduplication", Value::Bool(true))]);
    scene.publish_as(false, "q", "transient", Marks::default());
    scene.publish("q", "persistent", Marks::default());
    let queue = scene.client.vhost.queue("q", scene.client.id).unwrap();
    let counted = || (queue.report().persistent, queue.report().persistent_bytes);
    assert_eq!(counted(), (1, 10));
    scene.message("q").unwrap();
    assert_eq!(counted(), (1, 10));
    scene.message("q").unwrap();
    assert_eq!(counted(), (0, 0));
}

#[test]
fn a_policys_time_to_live_counts_after_a_crash_as_well() {
    let directory = tempdir().unwrap();
    {
        let scene = Scene::open(directory.path(), 1000);
        scene.declare("q", &[]);
        let body = serde_json::json!({"pattern": "^q$", "definition": {"message-ttl": 500}});
        let policy = Policy::parse(PolicyKind::User, "/", "short", &body).unwrap();
        scene.broker.set_policy(policy).unwrap();
        scene.publish("q", "by policy", Marks::default());
        scene.publish("q", "by itself", ttl(100));
        scene.broker.commit().unwrap();
    }
    // Nothing but the journal knows of them.
    let scene = Scene::open(directory.path(), 1499);
    assert_eq!(scene.client.counts("q").ready, 2);
    scene.pass(1);
    assert_eq!(scene.client.counts("q").ready, 0);
}
