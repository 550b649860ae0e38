//! Every way not to get in, and what is said about it.

use std::io::{Read, Write};

use client::{Error, Published, Publisher, Subscriber};
use serde_json::json;

use crate::{RabbitMq, durable, event, next, or_skip, raw, temporary, unique, url};

async fn refused(text: &str) -> Error {
    let error = Publisher::connect(&url(text), "test").await.unwrap_err();
    assert!(!error.to_string().contains("s3cret"), "{error}");
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    let subscriber = Subscriber::connect(&url(text), "test", temporary("#")).await.unwrap_err();
    assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&subscriber));
    error
}

fn shared_with_login(login: &str, rest: &str) -> Option<String> {
    let url = or_skip(RabbitMq::shared())?.url();
    Some(format!("{}{rest}", url.replace("guest:guest", login)))
}

#[tokio::test]
async fn an_unknown_host_is_named() {
    let error = refused("amqp://u:s3cret@no-such-host.invalid").await;
    assert!(matches!(error, Error::UnknownHost { .. }), "{error:?}");
    assert!(error.to_string().contains("'no-such-host.invalid'"), "{error}");
}

#[tokio::test]
async fn a_port_where_nothing_listens_asks_whether_serve_runs() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = refused(&format!("amqp://u:s3cret@127.0.0.1:{port}")).await;
    assert!(matches!(error, Error::ConnectionRefused { .. }), "{error:?}");
    let text = error.to_string();
    for part in [&port.to_string(), "tubepost serve", "TUBEPOST_BUS", "***"] {
        assert!(text.contains(part), "{part} not in {text}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_a_refused_login() {
    let Some(bus) = shared_with_login("guest:s3cret", "") else { return };
    let error = refused(&bus).await;
    assert!(matches!(error, Error::LoginRefused { .. }), "{error:?}");
    assert!(error.to_string().contains("'guest'") && error.is_outage(), "{error}");
}

#[tokio::test]
async fn a_virtual_host_that_is_not_there_is_named() {
    let Some(bus) = shared_with_login("guest:guest", "/nowhere") else { return };
    let error = refused(&bus).await;
    assert!(matches!(error, Error::VirtualHost { .. }), "{error:?}");
    assert!(error.to_string().contains("'nowhere'"), "{error}");
}

#[tokio::test]
async fn a_url_that_ends_with_a_slash_gets_the_mend() {
    let Some(bus) = shared_with_login("guest:guest", "/") else { return };
    let error = refused(&bus).await;
    assert!(matches!(error, Error::VirtualHost { .. }), "{error:?}");
    assert!(error.to_string().contains("/%2F"), "{error}");
}

/// A server that reads a little, says `answer` and hangs up; its URL.
fn peer_that_says(answer: &'static [u8]) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 8]);
            let _ = stream.write_all(answer);
        }
    });
    format!("127.0.0.1:{port}")
}

#[tokio::test]
async fn another_protocol_at_the_port_is_recognised() {
    let http = peer_that_says(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    let error = refused(&format!("amqp://u:s3cret@{http}")).await;
    assert!(error.to_string().contains("AMQP"), "{error}");
    let other_amqp = peer_that_says(b"AMQP\x03\x01\x00\x00");
    let error = refused(&format!("amqp://u:s3cret@{other_amqp}")).await;
    assert!(error.to_string().contains("AMQP"), "{error}");
}

#[tokio::test]
async fn tls_at_a_plain_port_says_so() {
    let http = peer_that_says(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let error = refused(&format!("amqps://u:s3cret@{http}")).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("TLS") && text.contains("write amqp://"), "{text}");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_and_of_a_named_one_taken() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let openssl = |arguments: &[&str]| {
        let mut command = std::process::Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
        command.args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let (ca, ca_key) = (path("ca.pem"), path("ca-key.pem"));
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    let names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
    let made = openssl(&["-subj", "/CN=test authority", "-keyout", &ca_key, "-out", &ca])
        && openssl(
            &[
                ["-subj", "/CN=test", "-CA", &ca, "-CAkey", &ca_key, "-keyout", &key].as_slice(),
                &["-out", &certificate, "-addext", names, "-addext", "basicConstraints=CA:FALSE"],
            ]
            .concat(),
        );
    if !made {
        return eprintln!("skipped: no openssl 3 to make certificates with");
    }
    let configuration = format!(
        "listeners.ssl.1 = 127.0.0.1:TLS_PORT\nssl_options.certfile = {}\nssl_options.keyfile = {}\n",
        certificate, key
    );
    let Some(mut broker) = or_skip(RabbitMq::prepare(&configuration)) else { return };
    broker.run();
    let bus = format!("amqps://localhost:{}", broker.port_tls());
    let error = refused(&bus).await;
    assert!(error.to_string().contains("cacertfile"), "{error}");
    let error = refused(&format!("{bus}?cacertfile={key}")).await;
    assert!(error.to_string().contains("key.pem"), "{error}");

    let bus = url(&format!("{bus}?cacertfile={ca}"));
    let topic = unique();
    let mut subscriber = Subscriber::connect(&bus, "test", temporary(&topic)).await.unwrap();
    let publisher = Publisher::connect(&bus, "test").await.unwrap();
    assert_eq!(publisher.publish(&event(&topic, 1)).await.unwrap(), Published::Routed);
    next(&mut subscriber).await.ack().await.unwrap();
}

#[tokio::test]
async fn a_queue_that_exists_with_other_properties_is_named() {
    let Some(bus) = crate::a_bus() else { return };
    let queue = unique();
    let (_connection, channel) = raw(&bus).await;
    let options = lapin::options::QueueDeclareOptions { auto_delete: true, ..Default::default() };
    channel.queue_declare(queue.as_str().into(), options, Default::default()).await.unwrap();
    let subscription = durable(&queue, "#");
    let error = Subscriber::connect(&url(&bus), "test", subscription).await.unwrap_err();
    assert!(matches!(error, Error::Refused { code: 406, .. }), "{error:?}");
    assert!(error.to_string().contains(&queue), "{error}");

    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    let error = publisher.publish_to_queue(&queue, &event("a.b", 1)).await.unwrap_err();
    assert!(matches!(error, Error::Refused { code: 406, .. }), "{error:?}");
    publisher.publish(&event(&unique(), 1)).await.expect("the connection is good for the next");
    channel.queue_delete(queue.as_str().into(), Default::default()).await.unwrap();
}

#[tokio::test]
async fn a_refused_event_takes_no_other_event_along() {
    let Some(broker) = or_skip(RabbitMq::shared()) else { return };
    let topic = unique();
    let mut subscriber =
        Subscriber::connect(&url(&broker.url()), "test", temporary(&topic)).await.unwrap();
    let publisher = Publisher::connect(&url(&broker.url()), "test").await.unwrap();
    let mut events: Vec<_> = (0..20).map(|n| event(&topic, n)).collect();
    // RabbitMQ: CC must be an array; anything else is 406 and the end of the channel.
    events[7].headers.insert("CC".to_owned(), json!("not an array"));
    for (n, outcome) in publisher.publish_all(&events).await.into_iter().enumerate() {
        match (n, outcome) {
            (7, Err(Error::Refused { code: 406, what, .. })) => {
                assert!(what.contains(&events[7].id), "{what}");
            }
            (7, outcome) => panic!("event 7: {outcome:?}"),
            (n, outcome) => assert_eq!(outcome.unwrap(), Published::Routed, "event {n}"),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 19 {
        let delivery = next(&mut subscriber).await;
        seen.insert(crate::number(delivery.event.as_ref().unwrap()));
        delivery.ack().await.unwrap();
    }
    assert!(!seen.contains(&7));
}

#[tokio::test]
async fn an_event_amqp_cannot_carry_is_refused_before_it_is_sent() {
    let Some(bus) = crate::a_bus() else { return };
    let publisher = Publisher::connect(&url(&bus), "test").await.unwrap();
    let mut bad = event("a.b", 1);
    bad.headers.insert("n".repeat(256), json!(1));
    let error = publisher.publish(&bad).await.unwrap_err();
    assert!(matches!(error, Error::Event { .. }), "{error:?}");
    assert!(error.to_string().contains(&bad.id), "{error}");
}
