//! Delayed exchanges: a message waits for its time, across a restart too, and nobody but the
//! exchange gets at it meanwhile.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

mod model;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use broker::{
    Arguments, BindingEnd, Broker, Clock, ExchangeDeclaration, ExchangeKind, Headers as _, Label,
    Marks, Message, Options, Publish, Publisher, Timestamp, Value, error::Kind,
};
use model::{Client, Plain, open, read, written};

/// A clock that a test turns.
#[derive(Debug)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(SeqCst))
    }
}

impl Hands {
    fn new() -> Arc<Hands> {
        Arc::new(Hands(AtomicU64::new(1_800_000_000_000)))
    }

    fn forward(&self, milliseconds: u64) {
        self.0.fetch_add(milliseconds, SeqCst);
    }
}

fn delay(milliseconds: i64) -> Arguments {
    [("x-delay".to_owned(), Value::Long(milliseconds))].into_iter().collect()
}

fn options(clock: &Arc<Hands>) -> Options {
    Options { clock: clock.clone(), properties: Arc::new(Plain), ..Options::default() }
}

fn declare(client: &Client, name: &str, kind: &str) {
    let arguments = [("x-delayed-type".to_owned(), Value::Longstr(kind.into()))];
    let declaration = ExchangeDeclaration {
        name: name.into(),
        kind: ExchangeKind::Delayed,
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: arguments.into_iter().collect(),
    };
    client.vhost.declare_exchange(declaration).unwrap();
}

/// A client with a direct delayed exchange `later` that leads to `q`.
fn client(broker: &Broker) -> Client {
    let client = Client::new(broker);
    client.declare("q", true);
    declare(&client, "later", "direct");
    client.bind("later", "q", "k");
    client
}

fn publish(client: &mut Client, exchange: &str, headers: &Arguments, bodies: &[&str]) {
    client.publish_with(exchange, "k", headers, written(headers), bodies);
}

fn ready(client: &Client, queue: &str) -> usize {
    client.vhost.check_queue(queue, client.id).unwrap().counts.ready
}

/// Takes all that is in a queue.
fn taken(client: &Client, queue: &str) -> Vec<(String, Option<Value>)> {
    let queue = client.vhost.queue(queue, client.id).unwrap();
    let mut taken = Vec::new();
    while let Some((entry, _)) = queue.get().unwrap() {
        let message = queue.message(&entry).unwrap();
        let body = String::from_utf8(message.body.concat()).unwrap();
        assert!(!entry.is_redelivered());
        taken.push((body, read(&message.properties).header("x-delay")));
        queue.settle([entry], None).unwrap();
    }
    taken
}

fn restarted(directory: &Path, clock: &Arc<Hands>) -> (Broker, Client) {
    let (broker, report) = open(directory, &options(clock));
    assert_eq!(report.damage, Vec::<String>::new());
    let client = Client::new(&broker);
    (broker, client)
}

#[test]
fn messages_come_when_they_are_due_the_first_to_be_due_first() {
    let clock = Hands::new();
    let broker = Broker::in_memory(&options(&clock));
    let mut client = client(&broker);
    publish(&mut client, "later", &delay(3000), &["third"]);
    publish(&mut client, "later", &delay(1000), &["first", "second"]);
    publish(&mut client, "later", &delay(0), &["at once"]);
    publish(&mut client, "later", &delay(-5), &["at once too"]);
    publish(&mut client, "later", &Arguments::default(), &["and this"]);
    let bodies = |client: &Client| -> Vec<String> {
        taken(client, "q").into_iter().map(|(body, _)| body).collect()
    };
    assert_eq!(bodies(&client), ["at once", "at once too", "and this"]);
    assert_eq!(client.vhost.delayed_messages("later"), Some(3));
    broker.fire_due().unwrap();
    clock.forward(999);
    broker.fire_due().unwrap();
    assert_eq!(ready(&client, "q"), 0);
    clock.forward(1);
    broker.fire_due().unwrap();
    let minus = |delay: i32| Some(Value::SignedInt(-delay));
    assert_eq!(
        taken(&client, "q"),
        [("first".into(), minus(1000)), ("second".into(), minus(1000))]
    );
    clock.forward(60_000);
    broker.fire_due().unwrap();
    assert_eq!(taken(&client, "q"), [("third".into(), minus(3000))]);
    assert_eq!(client.vhost.delayed_messages("later"), Some(0));
    assert_eq!(broker.memory_bytes(), 0);
}

#[test]
fn the_alarm_is_set_for_what_is_due_first() {
    let clock = Hands::new();
    let broker = Broker::in_memory(&options(&clock));
    let due = || broker.wait_due(std::time::Duration::ZERO);
    let mut client = client(&broker);
    assert!(due(), "once at the start, for what waited before it");
    broker.fire_due().unwrap();
    assert!(!due());
    publish(&mut client, "later", &delay(500), &["m"]);
    assert!(!due());
    broker.fire_due().unwrap();
    clock.forward(500);
    assert!(due());
    broker.fire_due().unwrap();
    assert!(!due());
    assert_eq!(ready(&client, "q"), 1);
}

#[test]
fn a_delayed_message_survives_a_restart_and_is_settled_once_it_came() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Hands::new());
    {
        let (broker, _) = open(directory.path(), &options(&clock));
        let mut client = client(&broker);
        publish(&mut client, "later", &delay(10_000), &["late", "late too"]);
        publish(&mut client, "later", &delay(5000), &["early"]);
        broker.commit().unwrap();
    }
    clock.forward(6000);
    {
        let (broker, client) = restarted(directory.path(), &clock);
        assert_eq!(client.vhost.delayed_messages("later"), Some(3));
        broker.fire_due().unwrap();
        assert_eq!(taken(&client, "q"), [("early".into(), Some(Value::SignedInt(-5000)))]);
        assert_eq!(client.vhost.delayed_messages("later"), Some(2));
        broker.commit().unwrap();
    }
    clock.forward(6000);
    let (broker, client) = restarted(directory.path(), &clock);
    broker.fire_due().unwrap();
    let bodies: Vec<String> = taken(&client, "q").into_iter().map(|(body, _)| body).collect();
    assert_eq!(bodies, ["late", "late too"]);
}

#[test]
fn many_wait_through_checkpoints_compaction_and_a_full_memory() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Hands::new());
    let options = Options {
        paged_bytes_min: 1024,
        journal: journal::Options { segment_bytes: 64 * 1024, ..Default::default() },
        compaction_slack_segments: 1,
        disk_free_bytes_min: 0,
        ..options(&clock)
    };
    let count: usize = 2000;
    {
        let (broker, _) = open(directory.path(), &options);
        let mut client = client(&broker);
        for number in 0..count {
            // Every tenth is due at once, and leaves holes in the journal.
            let wait = if number % 10 == 0 { 1000 + (number as i64 * 7919) % 1000 } else { 1 };
            publish(
                &mut client,
                "later",
                &delay(wait),
                &[&format!("{number} {}", "x".repeat(200))],
            );
            if number % 50 == 0 {
                clock.forward(2);
                broker.commit().unwrap();
                broker.fire_due().unwrap();
                taken(&client, "q");
                broker.page_out().unwrap();
                broker.tidy().unwrap();
            }
        }
        broker.commit().unwrap();
        assert!(broker.copied_bytes() > 0, "compaction had something to do");
        assert!(broker.memory_bytes() < 200 * 1024, "{} bytes", broker.memory_bytes());
    }
    clock.forward(10_000);
    let (broker, report) = open(directory.path(), &options);
    assert_eq!(report.damage, Vec::<String>::new());
    let client = Client::new(&broker);
    let mut numbers = Vec::new();
    while broker.wait_due(std::time::Duration::ZERO) {
        broker.fire_due().unwrap();
        let bodies = taken(&client, "q").into_iter().map(|(body, _)| body);
        numbers.extend(bodies.map(|it| it.split(' ').next().unwrap().parse::<usize>().unwrap()));
    }
    let mut waited: Vec<usize> = numbers.into_iter().filter(|it| it % 10 == 0).collect();
    waited.sort();
    assert_eq!(waited, (0..count).step_by(10).collect::<Vec<_>>());
    assert_eq!(client.vhost.delayed_messages("later"), Some(0));
}

#[test]
fn nobody_reaches_what_waits_and_it_goes_with_its_exchange() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Hands::new());
    {
        let (broker, _) = open(directory.path(), &options(&clock));
        let mut client = client(&broker);
        publish(&mut client, "later", &delay(1000), &["m"]);
        let hidden = "amq.rabbitmq.delayed.later";
        assert_eq!(client.vhost.queues().len(), 1, "only q is listed");
        assert_eq!(client.vhost.queue(hidden, client.id).unwrap_err().kind, Kind::NotFound);
        assert_eq!(client.publish("", hidden, &["m"]), 0);
        broker.fire_due().unwrap();
        client.vhost.delete_exchange(&"later".into(), false).unwrap();
        assert_eq!(client.vhost.delayed_messages("later"), None);
        assert_eq!(broker.memory_bytes(), 0);
        declare(&client, "later", "direct");
        clock.forward(2000);
        broker.fire_due().unwrap();
        assert_eq!(client.vhost.delayed_messages("later"), Some(0));
        broker.commit().unwrap();
    }
    let (broker, client) = restarted(directory.path(), &clock);
    broker.fire_due().unwrap();
    assert_eq!((ready(&client, "q"), client.vhost.delayed_messages("later")), (0, Some(0)));
}

#[test]
fn it_goes_by_the_bindings_there_are_when_it_is_due() {
    let clock = Hands::new();
    let broker = Broker::in_memory(&options(&clock));
    let mut client = Client::new(&broker);
    for queue in ["now", "blue", "rest"] {
        client.declare(queue, true);
    }
    declare(&client, "later", "headers");
    client.exchange("first", ExchangeKind::Fanout, false);
    client.bind("first", "now", "");
    let to = BindingEnd::Exchange("later");
    client.vhost.bind(&"first".into(), to, "".into(), Arguments::default(), client.id).unwrap();
    let colour = |colour: &str| ("colour".to_owned(), Value::Longstr(colour.into()));
    let wait = |name: &str| -> Arguments {
        [colour(name), ("x-delay".to_owned(), Value::Long(1000))].into_iter().collect()
    };
    publish(&mut client, "first", &wait("blue"), &["b"]);
    publish(&mut client, "first", &wait("red"), &["r"]);
    assert_eq!(ready(&client, "now"), 2, "what does not wait is there");
    let delays: Vec<_> = taken(&client, "now").into_iter().map(|(_, delay)| delay).collect();
    assert_eq!(delays, [Some(Value::Long(1000)), Some(Value::Long(1000))], "as it was published");
    let to = BindingEnd::Queue("blue");
    let blue = [colour("blue")].into_iter().collect();
    client.vhost.bind(&"later".into(), to, "".into(), blue, client.id).unwrap();
    client.exchange("rest", ExchangeKind::Fanout, false);
    client.bind("rest", "rest", "");
    broker.set_policy(model::alternate_policy("^later$", "rest")).unwrap();
    clock.forward(1000);
    broker.fire_due().unwrap();
    assert_eq!((ready(&client, "now"), ready(&client, "blue"), ready(&client, "rest")), (0, 1, 1));
}

#[test]
fn a_message_that_waits_is_not_unroutable() {
    let clock = Hands::new();
    let broker = Broker::in_memory(&options(&clock));
    let mut client = client(&broker);
    let routes = client.route("later", "nobody listens", &delay(1000)).unwrap();
    assert!(!routes.is_empty() && routes.iter().next().is_none());
    assert!(client.route("later", "nobody listens", &()).unwrap().is_empty());
}

/// What waits goes by all keys that it was published with, those that nobody sees included.
#[test]
fn a_message_with_several_keys_waits_once_and_then_goes_by_all_of_them() {
    let clock = Hands::new();
    let broker = Broker::in_memory(&options(&clock));
    let client = client(&broker);
    for (queue, key) in [("copied", "cc"), ("hidden", "bcc")] {
        client.declare(queue, true);
        client.bind("later", queue, key);
    }
    let copies = Value::Array(vec![Value::Longstr("cc".to_owned())]);
    let headers = [("x-delay".to_owned(), Value::Long(1000)), ("CC".to_owned(), copies)];
    let headers: Arguments = headers.into_iter().collect();
    let publisher = Publisher::new(client.vhost.clone());
    let routes = publisher.route_by_all("later", &["k", "cc", "bcc"], &headers).unwrap();
    let label = Label {
        exchange: "later".into(),
        routing_key: "k".into(),
        properties: written(&headers),
        persistent: true,
        marks: Marks { bcc: Some(Arc::new(vec!["bcc".into()])), ..Marks::default() },
        ..Label::default()
    };
    let message = Message::new(label, ["x".to_owned().into()].into_iter().collect());
    publisher.publish(&mut vec![Publish { message, routes }], &mut Vec::new()).unwrap();
    let all = |client: &Client| ["q", "copied", "hidden"].map(|queue| ready(client, queue));
    assert_eq!((client.vhost.delayed_messages("later"), all(&client)), (Some(1), [0, 0, 0]));
    clock.forward(1000);
    broker.fire_due().unwrap();
    assert_eq!((client.vhost.delayed_messages("later"), all(&client)), (Some(0), [1, 1, 1]));
}
