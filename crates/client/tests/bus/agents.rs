//! The spool's way to the bus.

use std::{collections::HashMap, fs, time::Duration};

use client::{Agent, Spool, Subscriber, Subscription};
use event::Event;
use serde_json::json;

use crate::{
    RabbitMq, a_bus, durable, event, next, number, or_skip, temporary, unique, url, within,
};

fn spool() -> (tempfile::TempDir, Spool) {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::open(directory.path().join("spool"), 1 << 30).unwrap();
    (directory, spool)
}

async fn until_empty(spool: &Spool) {
    within("an empty spool", async {
        while spool.backlog().unwrap().batches > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await; // tidy: looks again
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_over_before_the_bus_is_there_arrives_in_order() {
    let Some(mut broker) = or_skip(RabbitMq::prepare("")) else { return };
    let bus = url(&broker.url());
    let (_directory, spool) = spool();
    let events: Vec<Event> = (0..400).map(|n| event("t.spool", n)).collect();
    let agent = tokio::spawn(Agent::new(spool.clone(), bus.clone(), "test-agent").run());
    for batch in events.chunks(3) {
        spool.hand_over(batch).unwrap();
    }
    assert_eq!(spool.backlog().unwrap().batches, 134);
    let subscribing = {
        let bus = bus.clone();
        tokio::spawn(async move {
            Subscriber::connect_patiently(&bus, "test", durable("q", "t.#")).await
        })
    };
    tokio::task::block_in_place(|| broker.run());
    let mut subscriber = within("a subscriber", subscribing).await.unwrap();
    until_empty(&spool).await;

    // RabbitMQ 3 may lose a binding that it confirmed just before it is killed, and then confirms
    // what nobody gets: a crash is looked at here, and not that.
    let written = tokio::task::block_in_place(|| broker.ctl(&["eval", "mnesia:dump_log()."]));
    assert_eq!(written.trim(), "dumped");

    // Now that the queue is there, which keeps all: the same again around a crash.
    let again: Vec<Event> = (0..400).map(|n| event("t.spool", 1000 + n)).collect();
    tokio::task::block_in_place(|| broker.kill());
    for batch in again.chunks(3) {
        spool.hand_over(batch).unwrap();
    }
    tokio::task::block_in_place(|| broker.run());
    let mut first_seen = Vec::new();
    let mut times: HashMap<String, u32> = HashMap::new();
    while first_seen.len() < again.len() {
        let delivery = next(&mut subscriber).await;
        let event = delivery.event.as_ref().unwrap();
        if number(event) >= 1000 {
            let times = times.entry(event.id.clone()).or_default();
            *times += 1;
            if *times == 1 {
                first_seen.push(event.id.clone());
            }
        }
        // After a kill the same delivery may come again.
        let _ = delivery.ack().await;
    }
    assert_eq!(first_seen, again.iter().map(|event| event.id.clone()).collect::<Vec<_>>());
    until_empty(&spool).await;
    agent.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_agents_on_one_spool_deliver_each_event_once() {
    let Some(bus) = a_bus() else { return };
    let topic = unique();
    let (_directory, spool) = spool();
    let subscription = Subscription { prefetch: 500, ..temporary(&topic) };
    let mut subscriber = Subscriber::connect(&url(&bus), "test", subscription).await.unwrap();
    let agents: Vec<_> = (0..2)
        .map(|_| tokio::spawn(Agent::new(spool.clone(), url(&bus), "test-agent").run()))
        .collect();
    for n in 0..200 {
        spool.hand_over(&[event(&topic, n)]).unwrap();
    }
    spool.hand_over(&[event(&topic, 200)]).unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&200) {
        let delivery = next(&mut subscriber).await;
        seen.push(number(delivery.event.as_ref().unwrap()));
        delivery.ack().await.unwrap();
    }
    assert_eq!(seen, (0..=200).collect::<Vec<u64>>());
    until_empty(&spool).await;
    for agent in agents {
        agent.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_handed_over_while_the_holder_lets_go_is_not_left_behind() {
    let Some(bus) = a_bus() else { return };
    let (_directory, spool) = spool();
    let topic = unique();
    for _ in 0..10 {
        let tasks: Vec<_> = (0..4)
            .map(|task| {
                let (spool, bus, topic) = (spool.clone(), url(&bus), topic.clone());
                // As a git hook does: hand over, then deliver unless somebody does already.
                tokio::spawn(async move {
                    for n in 0..5 {
                        spool.hand_over(&[event(&topic, task * 5 + n)]).unwrap();
                        Agent::new(spool.clone(), bus.clone(), "hook")
                            .run_until_empty()
                            .await
                            .unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            within("the hooks", task).await.unwrap();
        }
        assert_eq!(spool.backlog().unwrap().batches, 0, "all have returned");
    }
}

#[tokio::test]
async fn an_agent_finds_a_batch_at_once() {
    let Some(bus) = a_bus() else { return };
    let topic = unique();
    let (_directory, spool) = spool();
    let mut subscriber = Subscriber::connect(&url(&bus), "test", temporary(&topic)).await.unwrap();
    let agent = tokio::spawn(Agent::new(spool.clone(), url(&bus), "test-agent").run());
    for n in 0..3 {
        spool.hand_over(&[event(&topic, n)]).unwrap();
        let delivery = next(&mut subscriber).await;
        assert_eq!(number(delivery.event.as_ref().unwrap()), n as u64);
        delivery.ack().await.unwrap();
        until_empty(&spool).await;
    }
    agent.abort();
}

#[tokio::test]
async fn a_damaged_batch_and_a_refused_event_stand_in_nobodys_way() {
    let Some(broker) = or_skip(RabbitMq::shared()) else { return };
    let bus = url(&broker.url());
    let topic = unique();
    let (_directory, spool) = spool();
    let mut subscriber = Subscriber::connect(&bus, "test", temporary(&topic)).await.unwrap();
    let mut refused = event(&topic, 1);
    refused.headers.insert("CC".to_owned(), json!("not an array"));
    spool.hand_over(&[event(&topic, 0)]).unwrap();
    let damaged = fs::read_dir(spool.directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "events"))
        .unwrap();
    fs::write(&damaged, "cut").unwrap();
    spool.hand_over(&[event(&topic, 2), refused.clone(), event(&topic, 3)]).unwrap();
    spool.hand_over(&[event(&topic, 4)]).unwrap();

    within("an empty spool", Agent::new(spool.clone(), bus, "test-agent").run_until_empty())
        .await
        .unwrap();
    let backlog = spool.backlog().unwrap();
    assert_eq!((backlog.batches, backlog.damaged, backlog.refused), (0, 1, 1));
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 3 {
        let delivery = next(&mut subscriber).await;
        seen.insert(number(delivery.event.as_ref().unwrap()));
        delivery.ack().await.unwrap();
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [2, 3, 4]);
    let kept: Vec<String> = fs::read_dir(spool.directory().join("refused"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert!(kept.iter().any(|text| text.contains("406")), "{kept:?}");
    assert!(kept.iter().any(|text| text.lines().count() == 1 && text.contains(&refused.id)));
}
