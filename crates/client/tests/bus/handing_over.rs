//! From a service to the agent, or without one to its own spool, and on to the bus.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    time::Duration,
};

use client::{
    Agent, AgentConnection, BusUrl, Error, Reception, Sender, Spool, Subscriber, Subscription,
    Surroundings,
};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::{RabbitMq, durable, event, next, number, or_skip, temporary, unique, url, within};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn spool(&self) -> Spool {
        Spool::open(self.0.path().join("spool"), 1 << 20).unwrap()
    }

    fn socket(&self) -> std::path::PathBuf {
        self.0.path().join("run/agent.sock")
    }

    fn surroundings(&self, bus: &BusUrl) -> Surroundings {
        Surroundings {
            agents: vec![self.socket()],
            bus: bus.clone(),
            spool: self.0.path().join("spool"),
            spool_size_bytes_max: 1 << 20,
            topic_prefix: String::new(),
            app: "test".to_owned(),
            signing: client::Signing::default(),
        }
    }

    /// An agent that listens.
    async fn agent(&self, bus: &BusUrl, spool: Spool) -> JoinHandle<Result<(), Error>> {
        let reception = Reception {
            socket: self.socket(),
            is_named: true,
            mode: 0o600,
            sync: journal::Sync::Always,
            registry: event::Registry::builtin(),
        };
        let agent = Agent::new(spool, bus.clone(), "test-agent").receiving(reception);
        let running = tokio::spawn(agent.run());
        within("the agent's socket", async {
            while UnixStream::connect(self.socket()).is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await; // tidy: looks again
            }
        })
        .await;
        running
    }
}

/// Nobody listens there.
fn no_bus() -> BusUrl {
    url("amqp://127.0.0.1:1")
}

async fn end(agent: JoinHandle<Result<(), Error>>) {
    agent.abort();
    assert!(agent.await.is_err(), "it was to run until it is aborted");
}

fn hand_over(socket: &Path, events: &[event::Event]) -> Vec<Result<(), Error>> {
    AgentConnection::open(socket).unwrap().hand_over(events).unwrap()
}

/// One test, so that one broker is started for all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_over_arrives_whatever_the_bus_does_meanwhile() {
    let Some(broker) = or_skip(RabbitMq::start()) else { return };
    let bus = &broker.url();
    let bus = bus.as_str();
    what_an_agent_took_over_while_the_bus_was_away_arrives_after_its_restart_in_order(bus).await;
    three_lines_of_shell_publish(bus).await;
    a_full_agent_refuses_with_the_mend_and_loses_nothing_it_took(bus).await;
    without_an_agent_a_sender_keeps_and_delivers_by_itself_and_finds_an_agent_that_comes(bus).await;
    a_bus_that_refuses_the_login_gets_everything_when_it_does_not_any_more(&broker).await;
}

async fn what_an_agent_took_over_while_the_bus_was_away_arrives_after_its_restart_in_order(
    bus: &str,
) {
    let (place, topic) = (Place::new(), unique());
    let subscription = Subscription { prefetch: 500, ..temporary(&topic) };
    let mut subscriber = Subscriber::connect(&url(bus), "test", subscription).await.unwrap();
    let agent = place.agent(&no_bus(), place.spool()).await;
    for first in [0, 100, 200] {
        let events: Vec<_> = (first..first + 100).map(|n| event(&topic, n)).collect();
        for outcome in hand_over(&place.socket(), &events) {
            outcome.unwrap();
        }
    }
    end(agent).await;

    let agent = place.agent(&url(bus), place.spool()).await;
    for n in 0..300 {
        let delivery = next(&mut subscriber).await;
        let event = delivery.event.as_ref().unwrap();
        assert_eq!(number(event), n);
        let uid = json!(rustix::process::getuid().as_raw());
        assert_eq!(event.headers["tubepost_publisher_uid"], uid);
        assert_eq!(event.headers["tubepost_publisher_pid"], json!(std::process::id()));
        delivery.ack().await.unwrap();
    }
    end(agent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_line_publishes_with_nothing_set_up_before() {
    const IS_PROGRAM: &str = "PUBLISH_ONE_LINE";
    if std::env::var_os(IS_PROGRAM).is_some() {
        // The program, which this test runs.
        tokio::task::block_in_place(|| {
            client::publish("door.open", json!({"agent": "ada", "door": "north"})).unwrap();
        });
        return;
    }
    let place = Place::new();
    let agent = place.agent(&no_bus(), place.spool()).await;
    let program = || {
        let mut program = Command::new(std::env::current_exe().unwrap());
        let this = "handing_over::one_line_publishes_with_nothing_set_up_before";
        program.args(["--exact", this]).env(IS_PROGRAM, "1");
        let others = std::env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy();
            ["TUBEPOST_", "XDG_"].iter().any(|prefix| name.starts_with(prefix))
        });
        for (name, _) in others {
            program.env_remove(name);
        }
        program.env("HOME", place.0.path()).env("TUBEPOST_BUS", "amqp://127.0.0.1:1");
        program.env("TUBEPOST_SPOOL", place.0.path().join("own"));
        program
    };
    let own = Spool::open(place.0.path().join("own"), 1 << 20).unwrap();
    for (socket, waiting) in [(place.socket(), 0), ("/nowhere".into(), 1)] {
        let mut program = program();
        program.env("TUBEPOST_AGENT_SOCKET", socket);
        let done = tokio::task::block_in_place(|| program.output().unwrap());
        assert!(done.status.success(), "{done:?}");
        assert_eq!(own.backlog().unwrap().batches, waiting);
    }
    end(agent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_is_answered_in_order_also_those_that_are_no_events() {
    let place = Place::new();
    let agent = place.agent(&no_bus(), place.spool()).await;
    let mut stream = UnixStream::connect(place.socket()).unwrap();
    let lines = "{\"topic\": \"a.b\", \"id\": \"one\", \"body\": {}}\n\nnonsense\n\
                 {\"topic\": \"a.b\", \"id\": \"two\", \"body\": {}}";
    stream.write_all(lines.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let answers: Vec<String> = BufReader::new(stream).lines().map(Result::unwrap).collect();
    assert_eq!(answers.len(), 3, "{answers:?}");
    assert_eq!((answers[0].as_str(), answers[2].as_str()), ("ok one", "ok two"));
    assert!(answers[1].starts_with("error message line: is not JSON"), "{answers:?}");

    // Longer than any line may be, and never ended.
    let mut stream = UnixStream::connect(place.socket()).unwrap();
    let writing = stream.try_clone().unwrap();
    let flood = std::thread::spawn(move || {
        let mut writing = writing;
        while writing.write_all(&[b'x'; 1 << 16]).is_ok() {}
    });
    let mut answer = String::new();
    BufReader::new(&mut stream).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("error line: it has more than"), "{answer}");
    tokio::task::block_in_place(|| flood.join()).unwrap();
    end(agent).await;
}

async fn three_lines_of_shell_publish(bus: &str) {
    if Command::new("socat").arg("-V").output().is_err() {
        eprintln!("skipped: socat is not installed");
        return;
    }
    let (place, topic) = (Place::new(), unique());
    let mut subscriber = Subscriber::connect(&url(bus), "test", temporary(&topic)).await.unwrap();
    let agent = place.agent(&url(bus), place.spool()).await;
    // docs/agent.md has these lines.
    let script = r#"
        event='{"topic": "'$TOPIC'", "body": {"n": 7}}'
        answer=$(printf '%s\n' "$event" | socat -t 5 - "UNIX-CONNECT:$TUBEPOST_AGENT_SOCKET")
        case $answer in ok*) ;; *) echo "$answer" >&2; exit 1 ;; esac
    "#;
    let done = tokio::task::block_in_place(|| {
        Command::new("sh")
            .args(["-c", script])
            .env("TOPIC", &topic)
            .env("TUBEPOST_AGENT_SOCKET", place.socket())
            .output()
            .unwrap()
    });
    assert!(done.status.success(), "{done:?}");
    let delivery = next(&mut subscriber).await;
    assert_eq!(number(delivery.event.as_ref().unwrap()), 7);
    end(agent).await;
}

async fn a_full_agent_refuses_with_the_mend_and_loses_nothing_it_took(bus: &str) {
    let (place, topic) = (Place::new(), unique());
    let spool = Spool::open(place.0.path().join("spool"), 20_000).unwrap();
    let subscription = Subscription { prefetch: 500, ..temporary(&topic) };
    let mut subscriber = Subscriber::connect(&url(bus), "test", subscription).await.unwrap();
    let agent = place.agent(&no_bus(), spool.clone()).await;
    let mut taken = 0;
    let refusal = loop {
        match hand_over(&place.socket(), &[event(&topic, taken)]).pop().unwrap() {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal, Error::AgentRefused { .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("or allow more"), "{refusal}");
    assert!(taken > 10, "{taken}");
    end(agent).await;
    let agent = place.agent(&url(bus), spool).await;
    for n in 0..taken {
        let delivery = next(&mut subscriber).await;
        assert_eq!(number(delivery.event.as_ref().unwrap()), n as u64);
        delivery.ack().await.unwrap();
    }
    end(agent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_fit_its_schema_is_refused_at_the_publisher() {
    let place = Place::new();
    let sender = Sender::new(place.surroundings(&no_bus()));
    let publish = |sender: &Sender| {
        tokio::task::block_in_place(|| {
            sender.publish("org.example.git.receive", json!({"commit": 3}))
        })
    };
    let alone = publish(&sender).unwrap_err();
    let agent = place.agent(&no_bus(), place.spool()).await;
    let by_agent = publish(&sender).unwrap_err();
    for error in [&alone, &by_agent] {
        assert!(error.to_string().contains("commit"), "{error}");
    }
    end(agent).await;
}

async fn without_an_agent_a_sender_keeps_and_delivers_by_itself_and_finds_an_agent_that_comes(
    bus: &str,
) {
    let (place, topic) = (Place::new(), unique());
    let mut subscriber = Subscriber::connect(&url(bus), "test", temporary(&topic)).await.unwrap();
    let sender = Sender::new(place.surroundings(&url(bus)));
    let id = sender.publish_async(&topic, json!({"n": 1})).await.unwrap();
    let delivery = next(&mut subscriber).await;
    assert_eq!(delivery.event.as_ref().unwrap().id, id);
    assert!(!delivery.event.as_ref().unwrap().headers.contains_key("tubepost_publisher_uid"));
    delivery.ack().await.unwrap();
    assert!(tokio::task::block_in_place(|| sender.flush(Duration::from_secs(30))).unwrap());

    // A spool of its own: this process holds the other's lock.
    let agents = Spool::open(place.0.path().join("agents"), 1 << 20).unwrap();
    let agent = place.agent(&url(bus), agents.clone()).await;
    sender.publish_async(&topic, json!({"n": 2})).await.unwrap();
    let delivery = next(&mut subscriber).await;
    assert!(delivery.event.as_ref().unwrap().headers.contains_key("tubepost_publisher_uid"));
    delivery.ack().await.unwrap();

    // Without it again.
    end(agent).await;
    sender.publish_async(&topic, json!({"n": 3})).await.unwrap();
    let delivery = next(&mut subscriber).await;
    assert_eq!(number(delivery.event.as_ref().unwrap()), 3);
    delivery.ack().await.unwrap();
}

async fn a_bus_that_refuses_the_login_gets_everything_when_it_does_not_any_more(broker: &RabbitMq) {
    let place = Place::new();
    let mut subscriber =
        Subscriber::connect(&url(&broker.url()), "test", durable("q", "t.login")).await.unwrap();
    let later = broker.url().replace("guest:guest", "later:s3cret");
    assert_ne!(later, broker.url());
    let agent = place.agent(&url(&later), place.spool()).await;
    let sender = Sender::new(place.surroundings(&no_bus()));
    for n in 0..3 {
        sender.publish_async("t.login", json!({"n": n})).await.unwrap();
    }
    broker.ctl(&["add_user", "later", "s3cret"]);
    broker.ctl(&["set_permissions", "later", ".*", ".*", ".*"]);
    for n in 0..3 {
        let delivery = next(&mut subscriber).await;
        assert_eq!(number(delivery.event.as_ref().unwrap()), n);
        delivery.ack().await.unwrap();
    }
    end(agent).await;
}
