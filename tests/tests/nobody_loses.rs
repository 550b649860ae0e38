//! Publisher, agent, broker and subscriber are killed at random, one after the other, while events
//! are published by the command and by the library. Every event whose publish returned arrives;
//! what arrives twice has the same id.
#![allow(clippy::print_stdout, reason = "the numbers")]

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use harness::{Process, Site, is_time_over, scaled, seed, wait_for};
use serde_json::json;
use tokio::runtime::Runtime;
use tubepost::{AgentConnection, Queue, Sender, Subscriber, Subscription, Surroundings};

const TOPIC: &str = "org.example.loss";
const BY_COMMAND: u64 = 30;
const BY_LIBRARY: u64 = 40;

#[derive(Debug, Clone, Copy)]
enum Victim {
    Publisher,
    Agent,
    Broker,
    Subscriber,
}

const VICTIMS: [Victim; 4] = [Victim::Publisher, Victim::Agent, Victim::Broker, Victim::Subscriber];

#[test]
fn whoever_is_killed_every_event_whose_publish_returned_arrives() -> Result<()> {
    let (seed, cycles) = (seed(), scaled(8, 200));
    let mut rng = Rng::with_seed(seed);
    let site = Site::new()?;
    let runtime = Runtime::new()?;
    let arrived: Arrived = Arc::default();
    let (mut broker, mut agent) = (start_broker(&site)?, start_agent(&site)?);
    let mut subscriber = runtime.spawn(receive(site.amqp_url(), arrived.clone()));
    let sender = Sender::new(Surroundings {
        agents: vec![site.agent_socket()],
        bus: site.amqp_url().parse()?,
        spool: site.path("own-spool"),
        spool_size_bytes_max: 1 << 30,
        topic_prefix: String::new(),
        app: "loss test".to_owned(),
        signing: tubepost::Signing::default(),
    });
    // Its durable queue has to be there before the first event.
    wait_for("the subscriber", 30, || {
        site.publish(TOPIC, &json!({"n": 0})).map_err(|error| error.to_string())?;
        if held(&arrived).is_empty() { Err("nothing came".to_owned()) } else { Ok(()) }
    })?;
    let (mut returned, mut number) = (HashSet::new(), 1);
    let begun = Instant::now();
    for cycle in 0..cycles {
        // Each of them once in any four, in an order of chance.
        let victim = VICTIMS[(cycle as usize + rng.usize(0..4) * usize::from(cycle > 8)) % 4];
        let pause = Duration::from_micros(rng.u64(0..30_000));
        let mut command = start_command(&site)?;
        for n in number..number + BY_COMMAND {
            // It may have ended, with the agent.
            _ = command.send_line(&json!({"n": n}).to_string());
        }
        number += BY_COMMAND;
        let publishing = thread::spawn({
            let (sender, first) = (sender.clone(), number);
            move || -> Result<Vec<String>> {
                (first..first + BY_LIBRARY)
                    .map(|n| Ok(sender.publish(TOPIC, json!({"n": n}))?))
                    .collect()
            }
        });
        number += BY_LIBRARY;
        // tidy: the moment is what is left to chance.
        thread::sleep(pause);
        match victim {
            Victim::Publisher => command.kill()?,
            Victim::Agent => {
                agent.kill()?;
                agent = start_agent(&site).with_context(|| format!("cycle {cycle}, {seed}"))?;
            }
            Victim::Broker => {
                broker.kill()?;
                broker = start_broker(&site).with_context(|| format!("cycle {cycle}, {seed}"))?;
            }
            Victim::Subscriber => {
                subscriber.abort();
                subscriber = runtime.spawn(receive(site.amqp_url(), arrived.clone()));
            }
        }
        let Ok(published) = publishing.join() else { bail!("the publishing thread panicked") };
        returned.extend(published?);
        _ = command.send_all(b"");
        command.wait(30)?;
        returned.extend(command.stdout());
        if is_time_over(begun) {
            break;
        }
    }
    ensure!(returned.len() as u64 > cycles * BY_LIBRARY / 2, "only {} published", returned.len());
    let missing = wait_for("every event", 60, || {
        let arrived = held(&arrived);
        let missing: Vec<_> = returned.iter().filter(|id| !arrived.contains_key(*id)).collect();
        match missing.as_slice() {
            [] => Ok(()),
            some => Err(format!("{} of {} are missing: {some:.3?}", some.len(), returned.len())),
        }
    });
    missing.with_context(|| format!("seed {seed}; agent:\n{}", agent.log()))?;
    let arrived = held(&arrived);
    let numbers: HashSet<u64> = arrived.values().map(|(number, _)| *number).collect();
    // The probes at the start have all the same number.
    let probes = arrived.values().filter(|(number, _)| *number == 0).count();
    ensure!(numbers.len() - 1 + probes == arrived.len(), "an event came with two ids");
    let twice: u64 = arrived.values().map(|(_, times)| times - 1).sum();
    println!("{} published, all arrived; {twice} came again with the same id", returned.len());
    subscriber.abort();
    Ok(())
}

/// By id: the number in the body, and how often it came.
type Arrived = Arc<Mutex<HashMap<String, (u64, u64)>>>;

fn held(arrived: &Arrived) -> MutexGuard<'_, HashMap<String, (u64, u64)>> {
    arrived.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn receive(bus: String, arrived: Arrived) {
    let subscription = Subscription {
        queue: Queue::Durable("loss".to_owned()),
        patterns: vec![TOPIC.parse().expect("it is a pattern")],
        prefetch: 50,
    };
    let bus = bus.parse().expect("it is a URL");
    let mut subscriber = Subscriber::connect_patiently(&bus, "loss", subscription).await;
    loop {
        let delivery = subscriber.next().await;
        if let Ok(event) = &delivery.event {
            let number = event.body.object()["n"].as_u64().unwrap_or_default();
            held(&arrived).entry(event.id.clone()).or_insert((number, 0)).1 += 1;
        }
        // When the bus is away it comes again.
        _ = delivery.ack().await;
    }
}

fn start_broker(site: &Site) -> Result<Process> {
    let mut words = site.serve_arguments();
    words.extend(["--parts".to_owned(), "broker".to_owned()]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut broker = site.start(&words)?;
    broker.wait_for_line("its greeting", 30, |line| line == "Tubepost listens.")?;
    Ok(broker)
}

fn start_agent(site: &Site) -> Result<Process> {
    let mut agent = site.start(&["agent"])?;
    wait_for("the agent's socket", 30, || {
        if agent.ended().is_some() {
            return Ok(Err(anyhow::anyhow!("the agent ended:\n{}", agent.log())));
        }
        let opened = AgentConnection::open(&site.agent_socket());
        opened.map(|_| Ok(())).map_err(|error| error.to_string())
    })??;
    Ok(agent)
}

fn start_command(site: &Site) -> Result<Process> {
    let socket = site.agent_socket().display().to_string();
    site.start(&["publish", "--agent", &socket, "--lines", TOPIC])
}

#[test]
fn alone_commands_and_services_hand_over_and_how_long_that_takes_is_printed() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve_with(&[("TUBEPOST_AGENT_SYNC", "interval")])?;
    let socket = site.agent_socket();
    let named = socket.display().to_string();
    wait_for("the agent's socket", 30, || {
        AgentConnection::open(&socket).map(drop).map_err(|error| error.to_string())
    })?;
    let mut commands = Vec::new();
    for n in 0..30 {
        let mut command = site.command(&["publish", "--agent", &named, TOPIC]);
        command.arg(json!({"n": n}).to_string());
        let begun = Instant::now();
        let done = command.output()?;
        commands.push(begun.elapsed());
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let mut agent = AgentConnection::open(&socket)?;
    let mut services = Vec::new();
    for n in 0..5000 {
        let begun = Instant::now();
        let event = tubepost::Event::new(TOPIC.parse()?, json!({"n": n}))?;
        agent.hand_over(&[event])?.pop().context("no outcome")??;
        services.push(begun.elapsed());
    }
    commands.sort_unstable();
    services.sort_unstable();
    let (middle, p99) = (commands[commands.len() / 2], services[services.len() * 99 / 100]);
    println!(
        "tubepost publish: median {middle:.1?}, fastest {:.1?}; a service: p50 {:.1?}, p99 {p99:.1?}",
        commands[0],
        services[services.len() / 2],
    );
    Ok(())
}
