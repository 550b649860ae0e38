//! Events there and back.

use client::{EXCHANGE, Inbox, Published, Publisher, Queue, Subscriber, Subscription};
use event::Event;
use futures_util::future::join_all;
use lapin::{options::*, types::FieldTable};
use serde_json::json;

use crate::{a_bus, durable, event, event_of, next, number, raw, temporary, unique, url, within};

fn with_headers(topic: &str) -> Event {
    let mut event = event_of(topic, json!({"text": "wörld", "nested": [1, 2.5, null]}));
    event.severity = event::Severity::Warning;
    event.schema = Some("test.v1".to_owned());
    event.priority = Some(4);
    let headers = json!({
        "bool": true, "int": -5, "long": 5_000_000_000_i64, "double": 0.5, "string": "ö", "null": null,
        "array": [1, "two", [true]], "table": {"inner": {"k": 1}},
        "fedora_messaging_user_ada": true,
    });
    event.headers = headers.as_object().unwrap().clone();
    event
}

#[tokio::test]
async fn an_event_arrives_as_it_was_sent_with_every_kind_of_header() {
    let Some(bus) = a_bus() else { return };
    let topic = format!("{}.git.receive", unique());
    let mut subscriber = Subscriber::connect(&url(&bus), "test", temporary(&topic)).await.unwrap();
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    let sent = with_headers(&topic);
    assert_eq!(publisher.publish(&sent).await.unwrap(), Published::Routed);

    let delivery = next(&mut subscriber).await;
    assert!(!delivery.redelivered);
    let received = delivery.event.clone().unwrap();
    assert_eq!(received.body.bytes(), sent.body.bytes());
    for (name, value) in &sent.headers {
        assert_eq!(received.headers.get(name), Some(value), "{name}");
    }
    assert_eq!(
        (&received.id, &received.topic, received.sent_at, received.severity, &received.schema),
        (&sent.id, &sent.topic, sent.sent_at, sent.severity, &sent.schema)
    );
    assert_eq!(received.priority, sent.priority);
    delivery.ack().await.unwrap();
    subscriber.close().await;
    publisher.close().await;
}

#[tokio::test]
async fn properties_and_header_types_on_the_wire_are_fedora_messagings() {
    let Some(bus) = a_bus() else { return };
    let topic = unique();
    let (_connection, channel) = raw(&bus).await;
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await.unwrap();
    let queue = queue.name().clone();
    let (key, arguments) = (topic.as_str().into(), FieldTable::default());
    channel
        .queue_bind(queue.clone(), EXCHANGE.into(), key, Default::default(), arguments)
        .await
        .unwrap();
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    let sent = with_headers(&topic);
    publisher.publish(&sent).await.unwrap();

    let got = channel.basic_get(queue, BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
    let properties = &got.delivery.properties;
    let text = |text: &Option<lapin::types::ShortString>| text.clone().unwrap().to_string();
    assert_eq!(text(properties.content_type()), "application/json");
    assert_eq!(text(properties.content_encoding()), "utf-8");
    assert_eq!(text(properties.message_id()), sent.id);
    assert_eq!((*properties.delivery_mode(), *properties.priority()), (Some(2), Some(4)));
    assert!(properties.timestamp().is_none() && properties.app_id().is_none());
    let headers = properties.headers().clone().unwrap();
    for (name, kind) in [
        ("fedora_messaging_schema", 'S'),
        ("fedora_messaging_severity", 'I'),
        ("sent-at", 'S'),
        ("priority", 'I'),
        ("fedora_messaging_user_ada", 't'),
        ("bool", 't'),
        ("int", 'I'),
        ("long", 'l'),
        ("double", 'd'),
        ("string", 'S'),
        ("null", 'V'),
        ("array", 'A'),
        ("table", 'F'),
    ] {
        let value = headers.inner().get(name).unwrap_or_else(|| panic!("no header {name}"));
        assert_eq!(value.get_type().get_id(), kind, "{name}");
    }
}

#[tokio::test]
async fn an_event_nobody_wants_is_known_to_be_unrouted() {
    let Some(bus) = a_bus() else { return };
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    let outcome = publisher.publish(&event(&unique(), 1)).await.unwrap();
    assert_eq!(outcome, Published::Unrouted);
}

#[tokio::test]
async fn of_many_events_published_at_once_exactly_the_unroutable_ones_are_named() {
    let Some(bus) = a_bus() else { return };
    let (wanted, unwanted) = (unique(), unique());
    let _subscriber = Subscriber::connect(&url(&bus), "test", temporary(&wanted)).await.unwrap();
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    for _ in 0..5 {
        let topic = |n: usize| if n.is_multiple_of(3) { &unwanted } else { &wanted };
        let events: Vec<Event> = (0..600).map(|n| event(topic(n), n)).collect();
        let outcomes = publisher.publish_all(&events).await;
        for (n, outcome) in outcomes.into_iter().enumerate() {
            let expected =
                if n.is_multiple_of(3) { Published::Unrouted } else { Published::Routed };
            assert_eq!(outcome.unwrap(), expected, "event {n}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clones_publish_at_the_same_time_over_one_connection() {
    let Some(bus) = a_bus() else { return };
    let topic = unique();
    let mut subscriber = Subscriber::connect(&url(&bus), "test", temporary(&topic)).await.unwrap();
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    let tasks = (0..8).map(|task| {
        let (publisher, topic) = (publisher.clone(), topic.clone());
        tokio::spawn(async move {
            for n in 0..50 {
                let outcome = publisher.publish(&event(&topic, task * 50 + n)).await;
                assert_eq!(outcome.unwrap(), Published::Routed);
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut seen = Vec::new();
    for _ in 0..400 {
        let delivery = next(&mut subscriber).await;
        seen.push(number(delivery.event.as_ref().unwrap()));
        delivery.ack().await.unwrap();
    }
    for outcome in join_all(tasks).await {
        outcome.unwrap();
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..400).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_publisher_that_was_closed_connects_again() {
    let Some(bus) = a_bus() else { return };
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    publisher.clone().close().await;
    within("publish", publisher.publish(&event(&unique(), 1))).await.unwrap();
}

#[tokio::test]
async fn a_durable_queue_keeps_what_comes_while_nobody_listens() {
    let Some(bus) = a_bus() else { return };
    let topic = unique();
    let queue = durable(&topic, &topic);
    let subscriber = Subscriber::connect(&url(&bus), "test", queue.clone()).await.unwrap();
    subscriber.close().await;
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    assert_eq!(publisher.publish(&event(&topic, 7)).await.unwrap(), Published::Routed);

    let mut subscriber = Subscriber::connect(&url(&bus), "test", queue).await.unwrap();
    let delivery = next(&mut subscriber).await;
    assert_eq!(number(delivery.event.as_ref().unwrap()), 7);
    delivery.requeue().await.unwrap();
    let delivery = next(&mut subscriber).await;
    assert!(delivery.redelivered);
    delivery.ack().await.unwrap();
    subscriber.close().await;
    delete(&bus, &topic).await;
}

#[tokio::test]
async fn no_more_events_come_than_may_be_unacknowledged() {
    let Some(bus) = a_bus() else { return };
    let topic = unique();
    let subscription = Subscription { prefetch: 2, ..temporary(&topic) };
    let mut subscriber = Subscriber::connect(&url(&bus), "test", subscription).await.unwrap();
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    let events: Vec<Event> = (0..3).map(|n| event(&topic, n)).collect();
    publisher.publish_all(&events).await;
    let first = next(&mut subscriber).await;
    let _second = next(&mut subscriber).await;
    let third =
        tokio::time::timeout(std::time::Duration::from_millis(200), subscriber.next()).await;
    assert!(third.is_err(), "a third came with two unacknowledged");
    first.ack().await.unwrap();
    assert_eq!(number(next(&mut subscriber).await.event.as_ref().unwrap()), 2);
}

#[tokio::test]
async fn every_pattern_of_a_subscription_is_bound_and_none_means_all() {
    let Some(bus) = a_bus() else { return };
    let prefix = unique();
    let pattern = |text: &str| format!("{prefix}.{text}").parse().unwrap();
    let patterns = vec![pattern("git.#"), pattern("*.build")];
    let some = Subscription { queue: Queue::Temporary, patterns, prefetch: 10 };
    let all = Subscription { patterns: Vec::new(), ..some.clone() };
    let mut some = Subscriber::connect(&url(&bus), "test", some).await.unwrap();
    let mut all = Subscriber::connect(&url(&bus), "test", all).await.unwrap();
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    for (n, topic) in ["git.receive", "mail", "koji.build"].into_iter().enumerate() {
        publisher.publish(&event(&format!("{prefix}.{topic}"), n)).await.unwrap();
    }
    for expected in [0, 2] {
        let delivery = next(&mut some).await;
        assert_eq!(number(delivery.event.as_ref().unwrap()), expected);
        delivery.ack().await.unwrap();
    }
    let mut ours = Vec::new();
    while ours.len() < 3 {
        // Other tests publish on this bus too.
        let delivery = next(&mut all).await;
        if let Ok(event) = &delivery.event
            && event.topic.as_str().starts_with(&prefix)
        {
            ours.push(number(event));
        }
        delivery.ack().await.unwrap();
    }
    assert_eq!(ours, [0, 1, 2]);
}

#[tokio::test]
async fn a_message_that_is_no_event_is_shown_as_it_came_and_stops_nothing() {
    let Some(bus) = a_bus() else { return };
    let topic = unique();
    let mut subscriber = Subscriber::connect(&url(&bus), "test", temporary(&topic)).await.unwrap();
    let (_connection, channel) = raw(&bus).await;
    channel
        .basic_publish(
            EXCHANGE.into(),
            topic.as_str().into(),
            Default::default(),
            b"not \xff json",
            Default::default(),
        )
        .await
        .unwrap()
        .await
        .unwrap();
    let delivery = next(&mut subscriber).await;
    let undecodable = delivery.event.clone().unwrap_err();
    assert_eq!(
        (undecodable.topic.as_str(), undecodable.body.as_slice()),
        (topic.as_str(), &b"not \xff json"[..])
    );
    assert!(!undecodable.reason.is_empty());
    delivery.reject().await.unwrap();
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    publisher.publish(&event(&topic, 1)).await.unwrap();
    next(&mut subscriber).await.event.unwrap();
}

#[tokio::test]
async fn what_is_put_into_a_queue_by_name_keeps_its_topic_and_an_inbox_keeps_the_newest() {
    let Some(bus) = a_bus() else { return };
    let (queue, topic) = (unique(), format!("{}.git.receive", unique()));
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    let sent = event(&topic, 3);
    publisher.publish_to_queue(&queue, &sent).await.unwrap();
    let mut subscriber =
        Subscriber::connect(&url(&bus), "test", durable(&queue, &unique())).await.unwrap();
    let received = next(&mut subscriber).await;
    assert_eq!(received.event.as_ref().unwrap().topic.as_str(), topic);
    assert!(received.event.as_ref().unwrap().headers.get("tubepost_topic").is_none());
    received.ack().await.unwrap();
    subscriber.close().await;
    delete(&bus, &queue).await;

    let (name, topic) = (unique(), unique());
    let inbox = Inbox { name: name.clone(), length_max: 3 };
    for n in 1..=5 {
        publisher.publish_to_inbox(&inbox, &event(&topic, n)).await.unwrap();
    }
    // It is there already, as whoever reads it says it is.
    let queue = Queue::Inbox(inbox.clone());
    let subscription = Subscription { queue, patterns: Vec::new(), prefetch: 10 };
    let mut subscriber = Subscriber::connect(&url(&bus), "test", subscription).await.unwrap();
    publisher.publish(&event(&topic, 6)).await.unwrap();
    publisher.publish_to_inbox(&inbox, &event(&topic, 7)).await.unwrap();
    for n in [3, 4, 5, 7] {
        let received = next(&mut subscriber).await;
        assert_eq!(number(received.event.as_ref().unwrap()), n);
        received.ack().await.unwrap();
    }
    subscriber.close().await;
    delete(&bus, &name).await;
}

#[tokio::test]
async fn a_topic_in_a_header_is_not_believed_when_it_came_through_the_exchange() {
    let Some(bus) = a_bus() else { return };
    let topic = unique();
    let mut subscriber = Subscriber::connect(&url(&bus), "test", temporary(&topic)).await.unwrap();
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    let mut forged = event(&topic, 1);
    forged.headers.insert("tubepost_topic".to_owned(), json!("org.example.trusted"));
    publisher.publish(&forged).await.unwrap();
    let received = next(&mut subscriber).await.event.unwrap();
    assert_eq!(received.topic.as_str(), topic);
}

#[tokio::test]
async fn a_large_event_passes_the_frame_size() {
    let Some(bus) = a_bus() else { return };
    let topic = unique();
    let mut subscriber = Subscriber::connect(&url(&bus), "test", temporary(&topic)).await.unwrap();
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    let sent = event_of(&topic, json!({"patch": "x".repeat(3 << 20)}));
    publisher.publish(&sent).await.unwrap();
    assert_eq!(next(&mut subscriber).await.event.unwrap().body.bytes(), sent.body.bytes());
}

#[tokio::test]
async fn the_broker_shows_who_is_connected() {
    let Some(broker) = crate::or_skip(crate::RabbitMq::shared()) else { return };
    let app = unique();
    let _publisher = Publisher::connect(&url(&broker.url()), &app).await.unwrap();
    let shown = broker.ctl(&["list_connections", "client_properties"]);
    let ours = shown.lines().find(|line| line.contains(&app)).expect("our connection");
    for part in ["Tubepost", env!("CARGO_PKG_VERSION"), &format!("pid {}", std::process::id())] {
        assert!(ours.contains(part), "{part} not in {ours}");
    }
}

async fn delete(bus: &str, queue: &str) {
    let (_connection, channel) = raw(bus).await;
    channel.queue_delete(queue.into(), Default::default()).await.unwrap();
}
