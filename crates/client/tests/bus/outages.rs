//! The broker goes, and comes back.

use std::{collections::BTreeSet, time::Duration};

use client::{Error, Published, Publisher, Subscriber, Subscription};
use event::Event;

use crate::{
    RabbitMq, a_bus, durable, event, next, number, or_skip, raw, temporary, unique, url, within,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_in_the_middle_costs_neither_subscriber_nor_publisher_an_event() {
    let Some(mut broker) = or_skip(RabbitMq::start()) else { return };
    let bus = url(&broker.url());
    let subscription = Subscription { prefetch: 20, ..durable("mail", "t.#") };
    let mut subscriber = Subscriber::connect(&bus, "test", subscription).await.unwrap();
    let mut passing = Subscriber::connect(&bus, "test", temporary("t.#")).await.unwrap();
    let publisher = Publisher::connect(&bus, "test").await.unwrap();
    let events: Vec<Event> = (0..100).map(|n| event("t.a", n)).collect();
    for outcome in publisher.publish_all(&events).await {
        assert_eq!(outcome.unwrap(), Published::Routed);
    }
    let mut acknowledged = BTreeSet::new();
    for _ in 0..30 {
        let delivery = next(&mut subscriber).await;
        acknowledged.insert(number(delivery.event.as_ref().unwrap()));
        delivery.ack().await.unwrap();
    }
    let held = next(&mut subscriber).await;

    broker.kill();
    let error = within("an error", publisher.publish(&event("t.a", 100))).await.unwrap_err();
    assert!(error.is_outage(), "{error:?}");
    let error = within("the same error, fast", publisher.publish(&event("t.a", 100))).await;
    assert!(matches!(error, Err(Error::ConnectionRefused { .. })), "{error:?}");
    let waiting = tokio::time::timeout(Duration::from_millis(10), async {
        loop {
            // What was on its way to us before the kill still comes; then it waits.
            subscriber.next().await;
        }
    });
    assert!(waiting.await.is_err());
    let error = held.ack().await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error:?}");

    tokio::task::block_in_place(|| broker.run());
    let mut rest: BTreeSet<u64> = (0..100).collect();
    while !rest.is_empty() {
        let delivery = next(&mut subscriber).await;
        let seen = number(delivery.event.as_ref().unwrap());
        // RabbitMQ may lose the acknowledgements of its last moment, never an event.
        if delivery.ack().await.is_ok() {
            rest.remove(&seen);
        }
        if rest.is_subset(&acknowledged) {
            break;
        }
    }
    // A temporary queue went with its connection; what is published from now on comes again.
    let publishing = async {
        loop {
            publisher.publish(&event("t.a", 101)).await.expect("the publisher came back by itself");
            tokio::task::yield_now().await;
        }
    };
    let passing = async { while number(passing.next().await.event.as_ref().unwrap()) != 101 {} };
    within("the new event by the temporary queue", async {
        tokio::select! {
            () = passing => {}
            () = publishing => {}
        }
    })
    .await;
    broker.stop();
}

#[tokio::test]
async fn a_queue_deleted_under_its_consumer_is_declared_again() {
    let Some(bus) = a_bus() else { return };
    let topic = unique();
    let mut subscriber =
        Subscriber::connect(&url(&bus), "test", durable(&topic, &topic)).await.unwrap();
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    let (_connection, channel) = raw(&bus).await;
    for round in 0..3 {
        channel.queue_delete(topic.as_str().into(), Default::default()).await.unwrap();
        let publish = async {
            // Until the queue is there again nobody wants the event.
            while publisher.publish(&event(&topic, round)).await.unwrap() == Published::Unrouted {
                tokio::task::yield_now().await;
            }
        };
        let (delivery, ()) =
            within("the event", async { tokio::join!(subscriber.next(), publish) }).await;
        assert_eq!(number(delivery.event.as_ref().unwrap()), round as u64);
        delivery.ack().await.unwrap();
    }
    channel.queue_delete(topic.as_str().into(), Default::default()).await.unwrap();
}

#[tokio::test]
async fn a_reconnection_goes_on_however_often_next_is_cancelled() {
    let Some(bus) = a_bus() else { return };
    let topic = unique();
    let mut subscriber =
        Subscriber::connect(&url(&bus), "test", durable(&topic, &topic)).await.unwrap();
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    let (_connection, channel) = raw(&bus).await;
    channel.queue_delete(topic.as_str().into(), Default::default()).await.unwrap();
    let arrived = within("the event", async {
        loop {
            // A service with a timer of its own. Shorter than any reconnection.
            match tokio::time::timeout(Duration::from_millis(5), subscriber.next()).await {
                Ok(delivery) => return delivery,
                Err(_) => {
                    publisher.publish(&event(&topic, 9)).await.unwrap();
                }
            }
        }
    })
    .await;
    assert_eq!(number(arrived.event.as_ref().unwrap()), 9);
    channel.queue_delete(topic.as_str().into(), Default::default()).await.unwrap();
}

#[tokio::test]
async fn an_operator_who_closes_connections_is_no_refusal() {
    let Some(broker) = or_skip(RabbitMq::start()) else { return };
    let bus = url(&broker.url());
    let mut subscriber = Subscriber::connect(&bus, "test", durable("q", "t")).await.unwrap();
    let publisher = Publisher::connect(&bus, "test").await.unwrap();
    broker.ctl(&["close_all_connections", "maintenance"]);
    assert_eq!(publisher.publish(&event("t", 1)).await.unwrap(), Published::Routed);
    next(&mut subscriber).await.ack().await.unwrap();
}

#[tokio::test]
async fn a_bus_short_of_memory_holds_publishers_back_and_loses_nothing() {
    let Some(broker) = or_skip(RabbitMq::start()) else { return };
    let bus = url(&broker.url());
    let mut subscriber = Subscriber::connect(&bus, "test", durable("q", "t")).await.unwrap();
    let publisher = Publisher::connect(&bus, "test").await.unwrap();
    broker.ctl(&["set_vm_memory_high_watermark", "0.00000001"]);
    let events: Vec<Event> = (0..10).map(|n| event("t", n)).collect();
    let mut publishing = Box::pin(publisher.publish_all(&events));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut publishing).await;
    assert!(early.is_err(), "confirmed while short of memory: {early:?}");
    broker.ctl(&["set_vm_memory_high_watermark", "0.9"]);
    for outcome in within("the confirms", publishing).await {
        assert_eq!(outcome.unwrap(), Published::Routed);
    }
    for n in 0..10 {
        let delivery = next(&mut subscriber).await;
        assert_eq!(number(delivery.event.as_ref().unwrap()), n);
        delivery.ack().await.unwrap();
    }
}
