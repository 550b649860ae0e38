//! AMQP 1.0 against a broker that is not ours: RabbitMQ 3 with its plugin. Ours is in the tests
//! from end to end (`library_amqp10`).

use std::collections::BTreeSet;

use client::{Published, Publisher, Subscriber, Subscription};
use serde_json::json;

use crate::{RabbitMq, durable, event, next, number, or_skip, temporary, unique, url};

#[tokio::test]
async fn rabbitmq_3_takes_events_and_gives_them_by_amqp_1_0() {
    let Some(broker) = or_skip(RabbitMq::prepare("")) else { return };
    let mut broker = broker.with_plugin("rabbitmq_amqp1_0");
    broker.run();
    let old = broker.url();
    let bus = url(&old.replacen("amqp://", "amqp10://", 1));
    let (one, other) = (unique(), unique());
    let patterns = [&one, &other].map(|it| format!("{it}.#").parse().unwrap()).to_vec();
    let both = Subscription { patterns, ..temporary("") };
    let mut subscriber = Subscriber::connect(&bus, "test", both).await.unwrap();
    let publisher = Publisher::connect(&bus, "test").await.unwrap();
    let mut sent = event(&format!("{one}.a"), 1);
    sent.headers.insert("count".to_owned(), json!(7));
    assert_eq!(publisher.publish(&sent).await.unwrap(), Published::Routed);
    publisher.publish(&event(&format!("{other}.b"), 2)).await.unwrap();
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        let delivery = next(&mut subscriber).await;
        let came = delivery.event.as_ref().unwrap();
        if number(came) == 1 {
            assert_eq!(*came, sent);
        }
        seen.insert(number(came));
        delivery.ack().await.unwrap();
    }
    let error = Subscriber::connect(&bus, "test", durable("q", "#")).await.unwrap_err();
    assert!(error.to_string().contains("RabbitMQ 3"), "{error}");
    let wrong = url(&bus_of(&bus, "guest:s3cret"));
    let error = Publisher::connect(&wrong, "test").await.unwrap_err();
    assert!(matches!(error, client::Error::LoginRefused { .. }), "{error:?}");
}

fn bus_of(bus: &client::BusUrl, login: &str) -> String {
    format!("amqp10://{login}@{}:{}", bus.host(), bus.port())
}
