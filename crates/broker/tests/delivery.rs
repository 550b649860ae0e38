//! Who gets the next message, and what becomes of it.

mod model;

use std::sync::Arc;

use broker::{Broker, ConsumerRequest, ExchangeKind, Letter, Options, Reading, Return};
use model::Client;

fn with_queue() -> (Broker, Client) {
    let broker = Broker::in_memory(&Options::default());
    let client = Client::new(&broker);
    client.declare("q", false);
    (broker, client)
}

#[test]
fn consumers_take_turns_and_a_full_one_is_passed_over() {
    let (_broker, mut client) = with_queue();
    client.consume("q", "wide", 0, false);
    client.consume("q", "narrow", 1, false);
    client.publish("", "q", &["1", "2", "3", "4", "5"]);
    let tags: Vec<String> = client.receive().into_iter().map(|(tag, _)| tag).collect();
    let narrow = tags.iter().filter(|tag| *tag == "narrow").count();
    assert_eq!((tags.len(), narrow), (5, 1));
}

#[test]
fn settling_makes_room_for_the_next() {
    let (_broker, mut client) = with_queue();
    let consumer = client.consume("q", "c", 2, false);
    client.publish("", "q", &["1", "2", "3"]);
    let first: Vec<_> = client.receive();
    assert_eq!(first.len(), 2);
    assert_eq!((client.counts("q").ready, client.counts("q").unacknowledged), (1, 2));
    consumer.queue().settle(first.into_iter().map(|(_, it)| it), Some(&consumer)).unwrap();
    assert_eq!(client.receive().len(), 1);
    assert_eq!(client.counts("q").unacknowledged, 1);
}

#[test]
fn a_consumer_by_credit_gets_what_it_was_allowed_and_no_more() {
    let (_broker, mut client) = with_queue();
    client.publish("", "q", &["1", "2", "3", "4", "5"]);
    let request = ConsumerRequest {
        reading: Reading::default(),
        channel: 1,
        tag: "c".into(),
        no_ack: false,
        exclusive: false,
        priority: 0,
        prefetch: 0,
        supply: broker::Supply::Credit,
        shared_limit: Arc::default(),
        mailbox: client.mailbox.clone(),
    };
    let consumer = client.vhost.consume("q", client.id, request).unwrap();
    let queue = consumer.queue().clone();
    queue.dispatch();
    assert_eq!(client.receive().len(), 0, "nothing was allowed");
    consumer.allow(2);
    queue.dispatch();
    let two: Vec<_> = client.receive().into_iter().map(|(_, it)| it).collect();
    assert_eq!(two.len(), 2);
    // Settling is no credit.
    queue.settle(two, Some(&consumer)).unwrap();
    assert_eq!(client.receive().len(), 0);
    // What went back unsent may be handed out again, once that is allowed.
    consumer.allow(4);
    queue.dispatch();
    let two: Vec<_> = client.receive().into_iter().map(|(_, it)| it).collect();
    consumer.allow(2);
    queue.requeue(two, Some(&consumer), Return::Unsent);
    assert_eq!(client.receive().len(), 0);
    consumer.allow(3);
    queue.dispatch();
    assert_eq!(client.receive().len(), 1);
    assert_eq!((client.counts("q").ready, client.counts("q").unacknowledged), (2, 1));
}

#[test]
fn requeued_entries_stand_where_they_stood() {
    let (_broker, mut client) = with_queue();
    client.publish("", "q", &["1", "2", "3", "4"]);
    let queue = client.vhost.queue("q", client.id).unwrap();
    let mut taken: Vec<_> = (0..3).map(|_| queue.get().unwrap().unwrap().0).collect();
    let third = taken.pop().unwrap();
    queue.requeue(taken, None, Return::Failed);
    queue.requeue([third], None, Return::Unsent);
    assert_eq!(client.drain("q"), ["1*", "2*", "3", "4"], "and only what was sent is marked");
}

#[test]
fn a_consumer_that_takes_nothing_holds_a_bounded_amount() {
    let (_broker, mut client) = with_queue();
    let consumer = client.consume("q", "idle", 0, true);
    let body = "x".repeat(10_000);
    for _ in 0..40 {
        client.publish("", "q", &[body.as_str(); 10]);
    }
    let waiting = client.counts("q").ready;
    assert!(waiting > 300, "only what fits the outbox leaves the queue, {waiting} are left");
    let mut received = 0;
    while client.counts("q").ready > 0 {
        let batch = client.receive();
        assert!(!batch.is_empty(), "taking made room");
        received += batch.len();
        let entries = batch.into_iter().map(|(_, entry)| entry);
        consumer.queue().settle(entries, Some(&consumer)).unwrap();
    }
    assert_eq!(received + client.receive().len(), 400);
}

#[test]
fn consumers_hear_that_their_queue_is_gone() {
    let (_broker, client) = with_queue();
    let consumer = client.consume("q", "c", 0, false);
    client.vhost.delete_queue("q", client.id, false, false).unwrap();
    let mut letters = Vec::new();
    client.mailbox.drain(&mut letters);
    match letters.as_slice() {
        [Letter::Cancelled { consumer: told }] => assert!(Arc::ptr_eq(told, &consumer)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_reaches_each_queue_once_however_many_ways_lead_there() {
    let (_broker, mut client) = with_queue();
    client.exchange("a", ExchangeKind::Topic, false);
    client.bind("a", "q", "#");
    client.bind("a", "q", "x.*");
    client.bind("amq.topic", "q", "#");
    let (a, topic) = ("a".into(), broker::BindingEnd::Exchange("amq.topic"));
    client.vhost.bind(&a, topic, "#".into(), Default::default(), client.id).unwrap();
    // And round in a circle.
    let to_a = broker::BindingEnd::Exchange("a");
    let amq_topic = "amq.topic".into();
    client.vhost.bind(&amq_topic, to_a, "#".into(), Default::default(), client.id).unwrap();
    assert_eq!(client.publish("a", "x.y", &["once"]), 1);
    assert_eq!(client.drain("q"), ["once"]);
}

#[test]
fn a_remembered_route_is_forgotten_when_the_topology_changes() {
    let (_broker, mut client) = with_queue();
    assert_eq!(client.publish("amq.direct", "k", &["lost"]), 0);
    client.bind("amq.direct", "q", "k");
    assert_eq!(client.publish("amq.direct", "k", &["found"]), 1);
    client.vhost.delete_queue("q", client.id, false, false).unwrap();
    assert_eq!(client.publish("amq.direct", "k", &["lost"]), 0);
}
