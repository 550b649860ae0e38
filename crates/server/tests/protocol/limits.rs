//! Every limit one below it, at it, and one above it (reliability S9): the refusal is exact, and
//! names the limit.

use amqp091::{
    BasicProperties, FieldTable, FieldValue, Method, ShortStr,
    method::{basic, channel, connection, exchange, queue},
};
use server::Limits;
use std::time::Duration;

use crate::{
    client::{Client, Said, open, text},
    frames::declared,
    server::TestServer,
};

#[test]
fn connections() {
    let server = TestServer::with_limits(Limits { connections_max: 3, ..Limits::default() });
    let mut open_ones: Vec<Client> = (0..3).map(|_| Client::open(&server)).collect();
    let refused = "NOT_ALLOWED - connection refused: node connection limit (3) is reached";
    let mut fourth = Client::connect(&server);
    fourth.tuned(2047, 131_072);
    fourth.send(0, &open());
    assert_eq!(fourth.connection_closed(), (530, refused.to_owned()));
    // A place that becomes free is free at once.
    let mut leaves = open_ones.pop().unwrap();
    let close = connection::Close { reply_code: 200, ..connection::Close::default() };
    assert_eq!(leaves.call(0, &close).name(), "connection.close-ok");
    assert_eq!(leaves.said(), Said::End);
    Client::open(&server);
}

#[test]
fn peers_that_say_nothing_keep_nobody_out() {
    let server = TestServer::with_limits(Limits { connections_max: 2, ..Limits::default() });
    let silent: Vec<Client> = (0..60).map(|_| Client::connect(&server)).collect();
    let (_first, _second) = (Client::open(&server), Client::open(&server));
    drop(silent);
}

#[test]
fn channels() {
    let server = TestServer::start();
    let mut client = Client::open_with(&server, 3, 131_072);
    // It is how many that counts (RabbitMQ), and not which numbers they have.
    for id in [1, 9, 2] {
        assert_eq!(client.call(id, &channel::Open::default()).name(), "channel.open-ok");
    }
    let close = channel::Close { reply_code: 200, ..channel::Close::default() };
    assert_eq!(client.call(9, &close).name(), "channel.close-ok");
    assert_eq!(client.call(3, &channel::Open::default()).name(), "channel.open-ok");
    client.send(4, &channel::Open::default());
    let words = "NOT_ALLOWED - number of channels opened (3) has reached the negotiated \
                 channel_max (3)";
    assert_eq!(client.connection_closed(), (530, words.to_owned()));
}

#[test]
fn consumers_of_a_channel() {
    let limits = Limits { consumers_per_channel_max: 3, ..Limits::default() };
    let server = TestServer::with_limits(limits);
    let mut client = Client::open_channel(&server);
    declared(&mut client, "q");
    let consume = |tag: &str| basic::Consume {
        queue: text("q"),
        consumer_tag: text(tag),
        ..basic::Consume::default()
    };
    for tag in ["a", "b", "c"] {
        assert_eq!(client.call(1, &consume(tag)).name(), "basic.consume-ok");
    }
    client.call(1, &basic::Cancel { consumer_tag: text("b"), nowait: false });
    assert_eq!(client.call(1, &consume("d")).name(), "basic.consume-ok");
    // Another channel has its own.
    client.call(2, &channel::Open::default());
    assert_eq!(client.call(2, &consume("a")).name(), "basic.consume-ok");
    client.send(1, &consume("e"));
    let words = "NOT_ALLOWED - reached maximum (3) of consumers per channel";
    assert_eq!(client.connection_closed(), (530, words.to_owned()));
}

#[test]
fn the_size_of_a_message() {
    let limits = Limits { message_bytes_max: 100_000, ..Limits::default() };
    let server = TestServer::with_limits(limits);
    for frame_max in [4096, 131_072] {
        let mut client = Client::open_with(&server, 10, frame_max);
        client.call(1, &channel::Open::default());
        declared(&mut client, "q");
        for size in [99_999, 100_000] {
            client.publish(1, "", "q", &vec![0; size]);
            client.nothing_came(2);
        }
        client.publish(1, "", "q", &vec![0; 100_001]);
        let words = "PRECONDITION_FAILED - message size 100001 is larger than configured max size \
                     100000";
        assert_eq!(client.channel_closed(1), (406, words.to_owned()));
        client.call(1, &channel::Open::default());
    }
}

#[test]
fn the_depth_of_tables() {
    let server = TestServer::with_limits(Limits { table_depth_max: 5, ..Limits::default() });
    let nested = |depth: usize| -> FieldTable {
        let mut value = FieldValue::Void;
        for at in 0..depth {
            value = match at % 2 {
                0 => FieldValue::Array(vec![value]),
                _ => FieldValue::Table([(text("k"), value)].into_iter().collect()),
            };
        }
        [(text("x-k"), value)].into_iter().collect()
    };
    let mut client = Client::open_channel(&server);
    for depth in [4, 5] {
        let (queue, arguments) = (text("q"), nested(depth));
        let declare = queue::Declare { queue, arguments, ..queue::Declare::default() };
        assert_eq!(client.call(1, &declare).name(), "queue.declare-ok");
        let headers = Some(nested(depth));
        let properties = BasicProperties { headers, ..BasicProperties::default() };
        client.publish_with(1, "", "q", b"", &properties, false);
        client.nothing_came(2);
    }
    let (queue, arguments) = (text("q"), nested(6));
    client.send(1, &queue::Declare { queue, arguments, ..queue::Declare::default() });
    let (code, words) = client.connection_closed();
    assert_eq!(code, 502);
    assert!(words.ends_with("field 'arguments' nests tables or arrays deeper than 5"), "{words}");
    let mut client = Client::open_channel(&server);
    let properties = BasicProperties { headers: Some(nested(6)), ..BasicProperties::default() };
    client.publish_with(1, "", "q", b"", &properties, false);
    let (code, words) = client.connection_closed();
    assert_eq!(code, 502);
    assert!(words.ends_with("field 'headers' nests tables or arrays deeper than 5"), "{words}");
}

#[test]
fn the_length_of_names() {
    let server = TestServer::with_limits(Limits { name_bytes_max: 40, ..Limits::default() });
    let mut client = Client::open_channel(&server);
    let methods = |name: &str| -> [(&'static str, Method); 3] {
        let kind = text("direct");
        let exchange = text(name);
        [
            ("exchange", exchange::Declare { exchange, kind, ..Default::default() }.into()),
            ("queue", queue::Declare { queue: text(name), ..Default::default() }.into()),
            (
                "consumer",
                basic::Consume { queue: text("q"), consumer_tag: text(name), ..Default::default() }
                    .into(),
            ),
        ]
    };
    declared(&mut client, "q");
    for length in [39, 40] {
        for (kind, method) in methods(&"n".repeat(length)) {
            let answer = client.call(1, &method);
            assert!(answer.name().ends_with("-ok"), "{kind}: {answer:?}");
        }
    }
    for (kind, method) in methods(&"n".repeat(41)) {
        client.send(1, &method);
        let (code, words) = client.channel_closed(1);
        assert_eq!(code, 406);
        let expected = format!("{kind} name of 41 bytes is longer than configured max 40");
        assert!(words.contains(&expected) && words.contains("amqp.name_bytes_max"), "{words}");
        client.call(1, &channel::Open::default());
    }
    // A name of the server's own making is never too long.
    assert_eq!(client.call(1, &queue::Declare::default()).name(), "queue.declare-ok");
}

#[test]
fn the_number_of_arguments() {
    let server = TestServer::with_limits(Limits { arguments_max: 10, ..Limits::default() });
    let mut client = Client::open_channel(&server);
    let many = |count: usize| -> FieldTable {
        (0..count).map(|at| (text(&format!("x-{at}")), FieldValue::Bool(true))).collect()
    };
    let methods = |count| -> [Method; 3] {
        let (queue, kind, exchange) = (text("q"), text("direct"), text("amq.headers"));
        [
            queue::Declare { queue: queue.clone(), arguments: many(count), ..Default::default() }
                .into(),
            exchange::Declare {
                exchange: text("x"),
                kind,
                arguments: many(count),
                ..Default::default()
            }
            .into(),
            queue::Bind { queue, exchange, arguments: many(count), ..Default::default() }.into(),
        ]
    };
    for count in [9, 10] {
        for method in methods(count) {
            assert!(client.call(1, &method).name().ends_with("-ok"), "{method:?}");
        }
    }
    for method in methods(11) {
        client.send(1, &method);
        let words = "PRECONDITION_FAILED - 11 arguments are more than configured max 10 \
                     (amqp.arguments_max)";
        assert_eq!(client.channel_closed(1), (406, words.to_owned()));
        client.call(1, &channel::Open::default());
    }
}

#[test]
fn a_short_string_ends_at_255_octets() {
    let server = TestServer::start();
    let mut client = Client::open_channel(&server);
    let longest = ShortStr::try_from(bytestring::ByteString::from("n".repeat(255))).unwrap();
    let declare = queue::Declare { queue: longest, ..queue::Declare::default() };
    assert_eq!(client.call(1, &declare).name(), "queue.declare-ok");
}

/// Declares a queue that may ask for a time of its own, puts a message into it and takes it.
fn hold_a_delivery(client: &mut Client, id: u16, queue: &str, own: Option<i64>) {
    put_a_message(client, id, queue, own);
    let consume = basic::Consume { queue: text(queue), ..basic::Consume::default() };
    assert_eq!(client.call(id, &consume).name(), "basic.consume-ok");
    assert_eq!(&*client.content(id).body.concat(), b"held");
}

fn put_a_message(client: &mut Client, id: u16, queue: &str, own: Option<i64>) {
    let named = |ms| (ShortStr::from_static("x-consumer-timeout"), FieldValue::I64(ms));
    let arguments: FieldTable = own.map(named).into_iter().collect();
    let declare = queue::Declare { queue: text(queue), arguments, ..queue::Declare::default() };
    assert_eq!(client.call(id, &declare).name(), "queue.declare-ok");
    client.publish_with(id, "", queue, b"held", &BasicProperties::default(), false);
}

#[test]
fn the_time_that_a_delivery_is_held() {
    let text_of = |ms| {
        format!(
            "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value \
             used: {ms} ms. This timeout value can be configured, see consumers doc guide to learn \
             more"
        )
    };
    let limits = Limits {
        consumer_timeout: Duration::from_millis(1500),
        consumer_timeout_tick: Duration::ZERO,
        ..Limits::default()
    };
    let server = TestServer::with_limits(limits);
    // The queue asks for less, or for more than there is.
    for (queue, own, used) in
        [("own", Some(20), 20), ("more", Some(60_000), 1500), ("none", None, 1500)]
    {
        let mut client = Client::open_channel(&server).wait_up_to(Duration::from_secs(20));
        // Another channel, and one that settles, are not concerned.
        client.call(2, &channel::Open::default());
        client.call(2, &basic::Qos { prefetch_count: 1, ..basic::Qos::default() });
        hold_a_delivery(&mut client, 1, queue, own);
        assert_eq!(client.channel_closed(1), (406, text_of(used)));
        client.send(1, &channel::CloseOk {});
        // It is there again, for somebody else.
        client.send(2, &basic::Get { queue: text(queue), no_ack: true, ..Default::default() });
        let Method::BasicGetOk(got) = client.content(2).method else { panic!("it is lost") };
        assert!(got.redelivered);
    }
    // One that was fetched, behind one that may be held for longer.
    let mut client = Client::open_channel(&server).wait_up_to(Duration::from_secs(20));
    hold_a_delivery(&mut client, 1, "longer", None);
    put_a_message(&mut client, 1, "fetched", Some(20));
    client.send(1, &basic::Get { queue: text("fetched"), ..Default::default() });
    assert_eq!(&*client.content(1).body.concat(), b"held");
    assert_eq!(client.channel_closed(1), (406, text_of(20)));
}
