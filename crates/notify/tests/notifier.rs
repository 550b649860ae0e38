//! The whole notifier between a real broker (RabbitMQ of this machine) and a real SMTP server:
//! what is published arrives, whatever goes away in between.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail and say why")]

#[path = "../../client/tests/rabbitmq/mod.rs"]
mod rabbitmq;
mod smtp;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use client::{BusUrl, Published, Publisher};
use event::{Event, Registry};
use notify::{
    Config, Counters, Notifier, QUEUE,
    rule::{Condition, Rule},
    store::{Location, Store},
};
use rabbitmq::{RabbitMq, port::free_port};
use smtp::{Received, SmtpServer, config};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

const ADA: &str = "ada@example.org";
const GRACE: &str = "grace@example.org";
const DEADLINE: Duration = Duration::from_secs(60);

/// A virtual host of its own on the broker all tests share.
struct Bus {
    broker: &'static RabbitMq,
    host: String,
    url: BusUrl,
    publisher: Publisher,
    /// Where its notifiers have their outbox.
    outbox: Location,
    _directory: tempfile::TempDir,
}

impl Bus {
    async fn new(host: &str) -> Option<Bus> {
        let Some(broker) = RabbitMq::shared() else {
            eprintln!("skipped: RabbitMQ is not on this machine");
            return None;
        };
        broker.ctl(&["add_vhost", host]);
        broker.ctl(&["set_permissions", "-p", host, "guest", ".*", ".*", ".*"]);
        let url: BusUrl = format!("{}/{host}", broker.url()).parse().unwrap();
        let publisher = Publisher::connect(&url, "test").await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let outbox = Location::File(directory.path().join("outbox.db"));
        let host = host.to_owned();
        Some(Bus { broker, host, url, publisher, outbox, _directory: directory })
    }

    /// Publishes, and waits for a queue that takes it: the notifier may still be on its way.
    async fn publish(&self, id: &str) {
        let topic = "org.example.test.thing".parse().unwrap();
        let mut event = Event::new(topic, serde_json::json!({"agent": "ada", "n": id})).unwrap();
        event.id = id.to_owned();
        let publishing = async {
            while self.publisher.publish(&event).await.unwrap() == Published::Unrouted {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, publishing).await.expect("the notifier bound its queue");
    }

    /// Waits until the notifier's queue has no message left, not even one that is being handled.
    async fn drained(&self) {
        let draining = async {
            let expected = format!("{QUEUE}\t0");
            let columns = ["name", "messages"];
            loop {
                let listed =
                    self.broker.ctl(&[&["list_queues", "-p", &self.host][..], &columns].concat());
                if listed.lines().any(|line| line == expected) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, draining).await.expect("every event is acknowledged");
    }
}

/// A notifier in a task.
struct Running {
    counters: Arc<Counters>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(bus: &Bus, config: Config) -> Running {
        Running::of(bus, Notifier::new(config, Registry::builtin(), bus.url.clone()).unwrap())
    }

    fn of(bus: &Bus, notifier: Notifier) -> Running {
        Running::with(notifier, bus.outbox.open().unwrap())
    }

    fn with(notifier: Notifier, outbox: Store) -> Running {
        let (stop, stopped) = oneshot::channel::<()>();
        let counters = notifier.counters();
        let task = tokio::spawn(notifier.run(Arc::new(outbox), async move { drop(stopped.await) }));
        Running { counters, stop, task }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(DEADLINE, self.task).await.expect("it stops").unwrap();
    }

    /// Ends it as a crash would, in the middle of what it does.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    async fn until(&self, reached: impl Fn(notify::Counts) -> bool) {
        let waiting = async {
            while !reached(self.counters.read()) {
                tokio::time::sleep(Duration::from_millis(5)).await; // tidy: looks again
            }
        };
        timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("{:?}", self.counters.read()));
    }
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("event-{n:04}")).collect()
}

async fn take(server: &mut SmtpServer, count: usize) -> Vec<Received> {
    let mut mails = Vec::new();
    while mails.len() < count {
        mails.push(server.mail().await);
    }
    mails
}

macro_rules! some {
    ($option:expr) => {
        match $option {
            Some(value) => value,
            None => return,
        }
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_in_the_mailbox_and_then_acknowledged() {
    let bus = some!(Bus::new("whole-way").await);
    let mut server = some!(SmtpServer::start(&[]).await);
    let mut config = config(server.port, "", &[ADA, GRACE]);
    config.subscriptions[1].what = Condition::Topic(vec!["#.nothing".parse().unwrap()]);
    let running = Running::start(&bus, config);
    bus.publish("one").await;
    bus.publish("two").await;
    let mails = take(&mut server, 2).await;
    assert_eq!((mails[0].id(), mails[0].to()), ("one", ADA));
    assert_eq!((mails[1].id(), mails[1].to()), ("two", ADA));
    assert!(mails[0].header("Subject").unwrap().starts_with('['), "{mails:?}");
    bus.drained().await;
    running.stop().await;
    assert!(server.stop().await.is_empty(), "Grace asked for something else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_of_the_store_is_told_from_when_it_is_made_to_when_it_is_removed() {
    let bus = some!(Bus::new("rules").await);
    let mut server = some!(SmtpServer::start(&[]).await);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify.db");
    let open = || Location::File(path.clone()).open().unwrap();
    let (ours, theirs) = (open(), open());
    let notifier =
        Notifier::new(config(server.port, "", &[]), Registry::builtin(), bus.url.clone());
    let notifier = notifier.unwrap().following(Arc::new(ours)).unwrap();
    let audience = notifier.audience();
    let running = Running::of(&bus, notifier);
    bus.publish("before").await;
    bus.drained().await;

    let ada = "ada".parse().unwrap();
    let mail = notify::store::Destination::new(&format!("mail:{ADA}")).unwrap();
    theirs.put_destination(&ada, &mail).unwrap();
    let json = r#"{"owner": {"person": "ada"}, "name": "mine", "what": {"people": "@me"},
        "outlets": [{"to": ["@mail"]}]}"#;
    let rule = theirs.put_rule(Rule::from_json(json).unwrap()).unwrap();
    let in_force = async |count: usize| {
        let began = Instant::now();
        while audience.len() != count {
            tokio::time::sleep(Duration::from_millis(5)).await; // tidy: looks again
            assert!(began.elapsed() < Duration::from_secs(20), "{}", audience.len());
        }
    };
    in_force(1).await;
    bus.publish("while").await;
    let mail = server.mail().await;
    assert_eq!((mail.id(), mail.to()), ("while", ADA));
    assert_eq!(mail.header("X-Tubepost-Subscription"), Some("mine"));
    theirs.remove_rule(&rule.id).unwrap();
    in_force(0).await;
    bus.publish("after").await;
    bus.drained().await;
    running.stop().await;
    assert!(server.stop().await.is_empty(), "one mail, and no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_away_loses_nothing_and_no_order() {
    let bus = some!(Bus::new("away").await);
    let port = free_port();
    let running = Running::start(&bus, config(port, "", &[ADA, GRACE]));
    let ids = ids(300);
    for id in &ids {
        bus.publish(id).await;
    }
    running.until(|counts| counts.retried > 0).await;
    let mut server = some!(SmtpServer::start_at(port, &[]).await);
    let mut arrived: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for mail in take(&mut server, 2 * ids.len()).await {
        arrived.entry(mail.to().to_owned()).or_default().push(mail.id().to_owned());
    }
    assert_eq!(arrived[ADA], ids);
    assert_eq!(arrived[GRACE], ids);
    bus.drained().await;
    running.stop().await;
    assert!(server.stop().await.is_empty(), "nothing twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_killed_again_and_again_loses_nothing() {
    let bus = some!(Bus::new("killed-server").await);
    let mut server = some!(SmtpServer::start(&[]).await);
    let port = server.port;
    let running = Running::start(&bus, config(port, "", &[ADA, GRACE]));
    let ids = ids(200);
    for id in &ids {
        bus.publish(id).await;
    }
    let mut arrived: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let mut note = |mail: &Received| {
        let key = (mail.to().to_owned(), mail.id().to_owned());
        let id = mail.header("Message-ID").unwrap().to_owned();
        arrived.entry(key).or_default().insert(id);
        arrived.len()
    };
    for _ in 0..3 {
        for mail in take(&mut server, 30).await {
            note(&mail);
        }
        for mail in server.stop().await {
            note(&mail);
        }
        server = some!(SmtpServer::start_at(port, &[]).await);
    }
    while note(&server.mail().await) < 2 * ids.len() {}
    assert!(arrived.values().all(|message_ids| message_ids.len() == 1), "repeated, but the same");
    bus.drained().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notifier_killed_in_the_middle_loses_nothing() {
    let bus = some!(Bus::new("killed-notifier").await);
    let mut server = some!(SmtpServer::start(&[]).await);
    let config = config(server.port, "", &[ADA, GRACE]);
    let ids = ids(200);
    let mut arrived = BTreeSet::new();
    let mut running = Running::start(&bus, config.clone());
    for (n, id) in ids.iter().enumerate() {
        bus.publish(id).await;
        if n % 60 == 59 {
            let mail = server.mail().await;
            arrived.insert((mail.to().to_owned(), mail.id().to_owned()));
            running.kill().await;
            running = Running::start(&bus, config.clone());
        }
    }
    while arrived.len() < 2 * ids.len() {
        let mail = server.mail().await;
        arrived.insert((mail.to().to_owned(), mail.id().to_owned()));
    }
    bus.drained().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_bounces_is_disabled_and_its_owner_hears_of_it_by_another() {
    let bus = some!(Bus::new("bounces").await);
    let faults =
        r#"[{"stage": "rcpt", "match": "gone", "times": 99, "reply": "550 5.1.1 no such user"}]"#;
    let mut server = some!(SmtpServer::start(&["--faults", faults]).await);
    let directory = tempfile::tempdir().unwrap();
    let rules = Location::File(directory.path().join("notify.db"));
    let store = rules.open().unwrap();
    let ada = "ada".parse().unwrap();
    let gone = notify::store::Destination::new("mail:gone@example.org").unwrap();
    let other = notify::store::Destination::new(&format!("mail:{ADA}")).unwrap();
    for one in [&gone, &other] {
        store.put_destination(&ada, one).unwrap();
    }
    let json = r##"{"owner": {"person": "ada"}, "name": "mine", "what": {"topic": "#"},
        "outlets": [{"to": ["mail:gone@example.org"]}]}"##;
    store.put_rule(Rule::from_json(json).unwrap()).unwrap();
    let outbox = bus.outbox.open().unwrap().beside(rules.open().unwrap());
    let notifier =
        Notifier::new(config(server.port, "", &[]), Registry::builtin(), bus.url.clone()).unwrap();
    let notifier = notifier.following(Arc::new(rules.open().unwrap())).unwrap();
    let running = Running::with(notifier, outbox);
    for id in ids(5) {
        bus.publish(&id).await;
    }
    let mail = server.mail().await;
    assert_eq!(mail.to(), ADA);
    let subject = mail.header("Subject").unwrap();
    assert!(subject.contains("Nothing is told to gone@example.org any more"), "{subject}");
    let all = store.destinations(&ada).unwrap();
    let enabled: Vec<_> = all.iter().map(|one| (one.id.as_str(), one.enabled)).collect();
    assert_eq!(enabled, [(other.id.as_str(), true), (gone.id.as_str(), false)]);
    running.until(|counts| counts.parked == 5).await;
    bus.publish("after").await;
    bus.drained().await;
    running.stop().await;
    assert!(server.stop().await.is_empty(), "told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_share_the_work_and_nobody_hears_anything_twice() {
    let bus = some!(Bus::new("several").await);
    let mut server = some!(SmtpServer::start(&[]).await);
    let mut several = Vec::new();
    for _ in 0..3 {
        let config = config(server.port, "", &[ADA, GRACE]);
        let notifier = Notifier::new(config, Registry::builtin(), bus.url.clone()).unwrap();
        let listening = notifier.listening();
        several.push(Running::of(&bus, notifier));
        timeout(DEADLINE, listening).await.expect("it takes from the queue");
    }
    let ids = ids(150);
    for id in &ids {
        bus.publish(id).await;
    }
    let mails = take(&mut server, 2 * ids.len()).await;
    for address in [ADA, GRACE] {
        let mut told: Vec<_> =
            mails.iter().filter(|it| it.to() == address).map(Received::id).collect();
        told.sort_unstable();
        assert_eq!(told, ids, "{address}");
    }
    bus.drained().await;
    let received: Vec<u64> = several.iter().map(|it| it.counters.read().received).collect();
    assert_eq!(received.iter().sum::<u64>(), ids.len() as u64);
    assert!(received.iter().all(|count| *count > 0), "{received:?}");
    for running in several {
        running.stop().await;
    }
    assert!(server.stop().await.is_empty(), "nothing twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_notice_is_parked_with_the_reason_and_the_other_has_its_mail() {
    let bus = some!(Bus::new("refused").await);
    let faults = r#"[{"stage": "rcpt", "match": "ada", "times": 1, "reply": "550 5.1.1 gone"},
                     {"stage": "rcpt", "match": "grace", "times": 2, "reply": "450 4.2.0 busy"}]"#;
    let mut server = some!(SmtpServer::start(&["--faults", faults]).await);
    let running = Running::start(&bus, config(server.port, "", &[ADA, GRACE]));
    bus.publish("one").await;
    bus.publish("two").await;
    let mails = take(&mut server, 3).await;
    let of = |to| mails.iter().filter(|m| m.to() == to).map(|m| m.id()).collect::<Vec<_>>();
    assert_eq!((of(ADA), of(GRACE)), (vec!["two"], vec!["one", "two"]));
    bus.drained().await;
    running.until(|counts| counts.parked == 1).await;
    running.stop().await;
    let store = bus.outbox.open().unwrap();
    let parked = store.parked(9).unwrap();
    let [letter] = parked.as_slice() else { panic!("{parked:?}") };
    assert_eq!((letter.event_id.as_str(), letter.place.as_str()), ("one", ADA));
    assert!(letter.reason.contains("550") && letter.reason.contains("5.1.1 gone"), "{letter:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notifier_stops_while_the_mail_server_is_away_and_the_next_one_goes_on() {
    let bus = some!(Bus::new("handed-on").await);
    let port = free_port();
    let first = Running::start(&bus, config(port, "", &[ADA]));
    let ids = ids(100);
    for id in &ids {
        bus.publish(id).await;
    }
    first.until(|counts| counts.retried > 0).await;
    first.stop().await;
    let mut server = some!(SmtpServer::start_at(port, &[]).await);
    let second = Running::start(&bus, config(port, "", &[ADA]));
    let mails = take(&mut server, ids.len()).await;
    assert_eq!(mails.iter().map(Received::id).collect::<Vec<_>>(), ids);
    bus.drained().await;
    second.until(|counts| counts.delivered == 100).await;
    second.stop().await;
    assert!(server.stop().await.is_empty());
}
