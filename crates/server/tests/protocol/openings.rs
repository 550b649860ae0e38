//! What a peer says first: the right protocol, another one, none at all.

use std::{
    net::Shutdown,
    time::{Duration, Instant},
};

use amqp091::{Method, PROTOCOL_HEADER, ReplyCode, method::connection};

use crate::{
    client::{Client, Said, open, start_ok, text},
    server::TestServer,
};

#[test]
fn a_header_of_another_protocol_is_answered_with_ours_and_the_end() {
    let server = TestServer::start();
    for header in [
        &b"AMQP\x00\x00\x08\x00"[..],
        b"AMQP\x00\x00\x0a\x00",
        b"amqp\x00\x00\x09\x01",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello, in part",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        &[0xff; 4096],
    ] {
        let mut client = Client::connect(&server);
        client.send_octets(header);
        assert_eq!(client.rest(), PROTOCOL_HEADER[..], "{header:?}");
    }
}

#[test]
fn who_may_know_amqp_1_0_is_answered_with_it_and_the_end() {
    let server = TestServer::start();
    // 0-10, and 1.0 without a login, or with TLS of its own.
    for header in [b"AMQP\x01\x01\x00\x0a", b"AMQP\x00\x01\x00\x00", b"AMQP\x02\x01\x00\x00"] {
        let mut client = Client::connect(&server);
        client.send_octets(header);
        assert_eq!(client.rest(), b"AMQP\x03\x01\x00\x00"[..], "{header:?}");
    }
}

#[test]
fn each_octet_of_the_header_counts() {
    let server = TestServer::start();
    for at in 0..PROTOCOL_HEADER.len() {
        for octet in [0x02, 0x7f, 0xff] {
            let mut header = PROTOCOL_HEADER;
            header[at] = octet;
            let mut client = Client::connect(&server);
            client.send_octets(&header);
            assert_eq!(client.rest(), PROTOCOL_HEADER[..], "{header:?}");
        }
    }
}

#[test]
fn a_browser_is_told_in_words_what_this_port_is() {
    let server = TestServer::start();
    let mut client = Client::connect(&server);
    client.send_octets(b"GET / HTTP/1.1\r\nHost: broker.example.org:5672\r\n\r\n");
    let answer = client.rest();
    let answer = str::from_utf8(&answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("speaks AMQP, not HTTP"), "{answer}");
}

#[test]
fn amqp_0_9_is_taken_as_0_9_1() {
    let server = TestServer::start();
    let mut client = Client::connect(&server);
    client.send_octets(b"AMQP\x01\x01\x00\x09");
    assert_eq!(client.method(0).name(), "connection.start");
}

#[test]
fn start_says_what_clients_look_for() {
    let server = TestServer::start();
    let mut client = Client::connect(&server);
    client.send_octets(&PROTOCOL_HEADER);
    let Method::ConnectionStart(start) = client.method(0) else { panic!("no start") };
    let property = |name| start.server_properties.get(name).and_then(|it| it.as_str());
    // kombu: RabbitMQ from 3.3 on has RabbitMQ's qos; Celery: before 4.0 it may be global.
    assert_eq!(property("product"), Some("RabbitMQ"));
    let version = property("version").unwrap();
    let (major, minor) = version.split_once('.').unwrap();
    assert_eq!(major, "3");
    assert!(minor.split('.').next().unwrap().parse::<u32>().unwrap() >= 3, "{version}");
    assert!(property("platform").unwrap().starts_with("Tubepost "));
    let capabilities = start.server_properties.get("capabilities").and_then(|it| it.as_table());
    for name in [
        "authentication_failure_close",
        "basic.nack",
        "connection.blocked",
        "consumer_cancel_notify",
        "consumer_priorities",
        "direct_reply_to",
        "exchange_exchange_bindings",
        "per_consumer_qos",
        "publisher_confirms",
    ] {
        assert_eq!(
            capabilities.unwrap().get(name).and_then(|it| it.as_bool()),
            Some(true),
            "{name}"
        );
    }
}

#[test]
fn a_wrong_password_is_told_to_who_can_be_told_and_the_socket_of_others_closes() {
    let server = TestServer::start();
    let wrong = amqp091::Secret::new(bytes::Bytes::from_static(b"\0guest\0wrong"));
    let mut client = Client::connect(&server);
    client.send_octets(&PROTOCOL_HEADER);
    client.method(0);
    client.send(0, &connection::StartOk { response: wrong.clone(), ..start_ok() });
    let (code, words) = client.connection_closed();
    assert_eq!(code, ReplyCode::AccessRefused.number());
    assert!(words.contains("Login was refused using authentication mechanism PLAIN"), "{words}");

    let mut client = Client::connect(&server).wait_up_to(Duration::from_secs(5));
    client.send_octets(&PROTOCOL_HEADER);
    client.method(0);
    let client_properties = amqp091::FieldTable::new();
    let begun = Instant::now();
    client.send(0, &connection::StartOk { response: wrong, client_properties, ..start_ok() });
    assert_eq!(client.said(), Said::End);
    assert!(begun.elapsed() >= Duration::from_secs(2), "guessing is slow");
}

#[test]
fn an_unknown_virtual_host_is_refused_by_name() {
    let server = TestServer::start();
    let mut client = Client::connect(&server);
    client.tuned(2047, 131_072);
    client.send(0, &connection::Open { virtual_host: text("nowhere"), ..open() });
    let close = client.connection_closed();
    assert_eq!(close, (530, "NOT_ALLOWED - vhost nowhere not found".to_owned()));
}

#[test]
fn tuning_beyond_the_offer_is_refused_and_4096_is_enough() {
    let server = TestServer::start();
    for (channel_max, frame_max, words) in [
        (0, 131_072, "channel_max = no limit is higher than the maximum allowed value (2047)"),
        (2048, 131_072, "channel_max = 2048 is higher than the maximum allowed value (2047)"),
        (2047, 131_073, "frame_max = 131073 is higher than the maximum allowed value (131072)"),
        (2047, 4095, "frame_max = 4095 is lower than the minimum allowed value (4096)"),
    ] {
        let mut client = Client::connect(&server);
        client.tuned(channel_max, frame_max);
        assert_eq!(client.connection_closed(), (530, format!("NOT_ALLOWED - negotiated {words}")));
    }
    Client::open_with(&server, 1, 4096);
}

#[test]
fn a_peer_that_hangs_up_half_way_is_forgotten() {
    let server = TestServer::start();
    for octets in [&b""[..], b"AMQP", &PROTOCOL_HEADER, b"GET"] {
        let mut client = Client::connect(&server);
        client.send_octets(octets);
        client.socket.shutdown(Shutdown::Write).unwrap();
        client.rest();
    }
    Client::open(&server);
}
