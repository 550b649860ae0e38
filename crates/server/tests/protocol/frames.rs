//! Frames and their limits: bodies cut both ways, closes and what comes after, heartbeats, order.

use std::time::{Duration, Instant};

use amqp091::{
    BasicProperties, ChannelId, Frame, Method, ShortStr, encode_header, encode_heartbeat,
    encode_method,
    method::{basic, channel, confirm, connection, exchange, queue},
};
use bytes::BytesMut;

use crate::{
    client::{Client, Said, open, text},
    server::TestServer,
};

pub(crate) fn declared(client: &mut Client, name: &str) {
    let declare = queue::Declare { queue: text(name), ..queue::Declare::default() };
    assert_eq!(client.call(1, &declare).name(), "queue.declare-ok");
}

pub(crate) fn get(
    client: &mut Client,
    name: &str,
    no_ack: bool,
) -> Option<(basic::GetOk, Vec<u8>)> {
    client.send(1, &basic::Get { queue: text(name), no_ack, ..basic::Get::default() });
    match client.said() {
        Said::Method(1, Method::BasicGetEmpty(_)) => None,
        Said::Content(1, content) => match content.method {
            Method::BasicGetOk(ok) => Some((ok, content.body.concat())),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_body_of_any_size_travels_in_frames_of_the_negotiated_size_both_ways() {
    let server = TestServer::start();
    for frame_max in [4096_u32, 4097, 8192, 131_072] {
        let mut client = Client::open_with(&server, 10, frame_max);
        client.call(1, &channel::Open::default());
        let name = format!("split {frame_max}");
        declared(&mut client, &name);
        let room = frame_max as usize - 8;
        for size in [0, 1, room - 1, room, room + 1, 3 * room + 7, 400_000] {
            let body: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
            client.publish(1, "", &name, &body);
            client.send(1, &basic::Get { queue: text(&name), ..basic::Get::default() });
            let mut received = Vec::new();
            let (mut bodies, mut headers) = (0, 0);
            while headers == 0 || received.len() < size {
                match client.frame().unwrap() {
                    Frame::Header { .. } => headers += 1,
                    Frame::Body { payload, .. } => {
                        bodies += 1;
                        assert!(payload.len() <= room, "{} of {room}", payload.len());
                        assert!(!payload.is_empty(), "no body frame without a body");
                        received.extend_from_slice(&payload);
                    }
                    _ => {}
                }
            }
            assert!(received == body, "{size} octets in frames of {frame_max}");
            assert!(size > 0 || bodies == 0);
            client.nothing_came(2);
        }
    }
}

#[test]
fn after_channel_close_everything_is_ignored_content_too_and_the_number_serves_again() {
    let server = TestServer::start();
    let mut client = Client::open_channel(&server);
    declared(&mut client, "kept");
    let missing = queue::Declare { queue: text("missing"), passive: true, ..Default::default() };
    client.send(1, &missing);
    client.send(1, &missing);
    client.publish(1, "", "kept", b"ignored");
    client.send(1, &queue::Delete { queue: text("kept"), ..queue::Delete::default() });
    client.send(1, &basic::Ack { delivery_tag: 77, multiple: false });
    let close = client.channel_closed(1);
    assert_eq!(close, (404, "NOT_FOUND - no queue 'missing' in vhost '/'".to_owned()));
    assert_eq!(client.call(1, &channel::Open::default()).name(), "channel.open-ok");
    assert_eq!(get(&mut client, "kept", true), None, "the queue is there, and empty");
}

#[test]
fn both_sides_may_close_a_channel_at_once() {
    let server = TestServer::start();
    let mut client = Client::open_channel(&server);
    let missing = queue::Declare { queue: text("missing"), passive: true, ..Default::default() };
    client.send(1, &missing);
    client.send(1, &channel::Close { reply_code: 200, ..channel::Close::default() });
    assert_eq!(client.method(1).name(), "channel.close");
    client.send(1, &channel::CloseOk {});
    assert_eq!(client.method(1).name(), "channel.close-ok");
    assert_eq!(client.call(1, &channel::Open::default()).name(), "channel.open-ok");
}

#[test]
fn after_connection_close_everything_is_ignored() {
    let server = TestServer::start();
    let mut client = Client::open_channel(&server);
    declared(&mut client, "kept");
    client.send(1, &channel::Open::default());
    client.publish(1, "", "kept", b"ignored");
    client.send(1, &connection::Start::default());
    client.send_octets(b"\x01\0\x01\0\0\0\x04\xff\xff\xff\xff\xce");
    let close = client.connection_closed();
    assert_eq!(close, (504, "CHANNEL_ERROR - second 'channel.open' seen".to_owned()));
    let mut client = Client::open_channel(&server);
    assert_eq!(get(&mut client, "kept", true), None);
}

#[test]
fn a_message_that_cannot_be_routed_comes_back_before_its_ack() {
    let server = TestServer::start();
    let mut client = Client::open_channel(&server);
    client.call(1, &confirm::Select::default());
    let properties = BasicProperties {
        message_id: Some(ShortStr::from_static("m")),
        ..BasicProperties::default()
    };
    client.publish_with(1, "amq.direct", "nobody", b"body", &properties, true);
    let returned = client.content(1);
    let Method::BasicReturn(it) = returned.method else { panic!("{:?}", returned.method) };
    assert_eq!((it.reply_code, &*it.reply_text), (312, "NO_ROUTE"));
    assert_eq!((&*it.exchange, &*it.routing_key), ("amq.direct", "nobody"));
    assert_eq!(returned.header.properties().unwrap(), properties);
    assert_eq!(returned.body.concat(), b"body");
    assert_eq!(client.method(1), basic::Ack { delivery_tag: 1, multiple: false }.into());
    client.publish_with(1, "amq.direct", "nobody", b"body", &properties, false);
    assert_eq!(client.method(1), basic::Ack { delivery_tag: 2, multiple: false }.into());
}

#[test]
fn what_is_not_implemented_is_refused_as_rabbitmq_refuses_it() {
    let server = TestServer::start();
    type Say<'a> = &'a dyn Fn(&mut Client);
    let refused: [(Say<'_>, u16, &str); 8] = [
        (
            &|client| client.send(1, &channel::Flow { active: false }),
            540,
            "NOT_IMPLEMENTED - active=false",
        ),
        (
            &|client| client.send(1, &basic::Recover { requeue: false }),
            540,
            "NOT_IMPLEMENTED - requeue=false",
        ),
        (
            &|client| client.send(1, &basic::Qos { prefetch_size: 7, ..Default::default() }),
            540,
            "NOT_IMPLEMENTED - prefetch_size!=0 (7)",
        ),
        (
            &|client| {
                let (id, mut out) = (ChannelId(1), BytesMut::new());
                let publish = basic::Publish { immediate: true, ..basic::Publish::default() };
                encode_method(id, &publish, &mut out);
                encode_header(id, 0, &[0, 0], &mut out);
                client.send_octets(&out);
            },
            540,
            "NOT_IMPLEMENTED - immediate=true",
        ),
        (
            &|client| client.send(1, &queue::DeclareOk::default()),
            503,
            "COMMAND_INVALID - unimplemented method",
        ),
        (
            &|client| client.send(3, &confirm::Select::default()),
            504,
            "CHANNEL_ERROR - expected 'channel.open'",
        ),
        (
            &|client| client.send(0, &connection::TuneOk::default()),
            504,
            "CHANNEL_ERROR - unexpected method in connection state running",
        ),
        (
            &|client| client.send(0, &connection::UpdateSecret::default()),
            530,
            "NOT_ALLOWED - New secret was refused by one of the backends",
        ),
    ];
    for (send, code, words) in refused {
        let mut client = Client::open_channel(&server);
        send(&mut client);
        assert_eq!(client.connection_closed(), (code, words.to_owned()));
    }
}

#[test]
fn refusals_that_close_a_channel_have_rabbitmqs_words() {
    let server = TestServer::start();
    let exchange = |name: &str| exchange::Declare {
        exchange: text(name),
        kind: text("fanout"),
        ..exchange::Declare::default()
    };
    let queue = |name: &str| queue::Declare { queue: text(name), ..queue::Declare::default() };
    let refused: Vec<(Method, u16, &str)> = vec![
        (exchange("").into(), 403, "operation not permitted on the default exchange"),
        (
            exchange::Declare { passive: true, ..exchange("") }.into(),
            403,
            "operation not permitted on the default exchange",
        ),
        (
            exchange("amq.mine").into(),
            403,
            "exchange name 'amq.mine' contains reserved prefix 'amq.*'",
        ),
        (
            exchange::Declare { kind: text("odd"), ..exchange("x") }.into(),
            406,
            "unknown exchange type 'odd'",
        ),
        (
            exchange::Delete { exchange: text("amq.topic"), ..Default::default() }.into(),
            403,
            "deletion of system exchange 'amq.topic' in vhost '/' not allowed",
        ),
        (
            exchange::Bind {
                source: text("no\r\n"),
                destination: text("amq.topic"),
                ..Default::default()
            }
            .into(),
            404,
            "no exchange 'no' in vhost '/'",
        ),
        (
            exchange::Delete { exchange: text("amq.none"), ..Default::default() }.into(),
            403,
            "deletion of system exchange 'amq.none' in vhost '/' not allowed",
        ),
        (
            queue::Bind { queue: text("no"), exchange: text("none"), ..Default::default() }.into(),
            404,
            "no exchange 'none' in vhost '/'",
        ),
        (queue("amq.mine").into(), 403, "queue name 'amq.mine' contains reserved prefix 'amq.*'"),
        (queue::Declare { passive: true, ..queue("") }.into(), 404, "no queue '' in vhost '/'"),
        (queue::Purge::default().into(), 404, "no previously declared queue"),
        (
            queue::Purge { queue: text("no"), ..Default::default() }.into(),
            404,
            "no queue 'no' in vhost '/'",
        ),
        (basic::Get::default().into(), 404, "no previously declared queue"),
        (basic::Ack { delivery_tag: 3, multiple: true }.into(), 406, "unknown delivery tag 3"),
    ];
    let mut client = Client::open_channel(&server);
    for (method, code, words) in refused {
        client.send(1, &method);
        let (found, text) = client.channel_closed(1);
        assert_eq!(found, code, "{method:?}: {text}");
        assert!(text.ends_with(&format!(" - {words}")), "{method:?}: {text}");
        client.call(1, &channel::Open::default());
    }
}

#[test]
fn heartbeats_go_both_ways_and_silence_ends_the_connection() {
    let server = TestServer::start();
    let mut client = Client::connect(&server).wait_up_to(Duration::from_secs(5));
    client.logged_in();
    client.send(0, &connection::TuneOk { channel_max: 1, frame_max: 4096, heartbeat: 1 });
    client.send(0, &open());
    assert_eq!(client.method(0).name(), "connection.open-ok");
    // Alive as long as it says so.
    let begun = Instant::now();
    let mut beats = 0;
    while begun.elapsed() < Duration::from_millis(2500) {
        assert_eq!(client.any_frame(), Some(Frame::Heartbeat));
        beats += 1;
        let mut out = BytesMut::new();
        encode_heartbeat(&mut out);
        client.send_octets(&out);
    }
    assert!((3..=8).contains(&beats), "{beats} heartbeats");
    let silent_since = Instant::now();
    while client.any_frame().is_some() {}
    let took = silent_since.elapsed();
    assert!((1500..4500).contains(&took.as_millis()), "{took:?} of silence");
}

#[test]
fn a_client_that_asks_for_much_and_reads_nothing_is_not_served_more_than_it_takes() {
    let server = TestServer::start();
    let mut client = Client::open_channel(&server).wait_up_to(Duration::from_secs(20));
    declared(&mut client, "large");
    let body = vec![7; 4 << 20];
    client.publish(1, "", "large", &body);
    assert!(get(&mut client, "large", false).is_some());
    // Every recover and get asks for 4 MiB in 40 octets; all of them come in one read.
    let mut out = BytesMut::new();
    for _ in 0..64 {
        encode_method(ChannelId(1), &basic::RecoverAsync { requeue: true }, &mut out);
        let get = basic::Get { queue: text("large"), ..basic::Get::default() };
        encode_method(ChannelId(1), &get, &mut out);
    }
    client.send_octets(&out);
    for _ in 0..64 {
        assert_eq!(client.content(1).body.iter().map(bytes::Bytes::len).sum::<usize>(), body.len());
    }
    client.nothing_came(2);
}
