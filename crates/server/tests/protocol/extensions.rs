//! RabbitMQ's extensions as far as they are this side of the broker's model: direct reply-to, CC
//! and BCC, `user-id`, `expiration`, exchange-to-exchange bindings, consumer cancel notification,
//! blocked connections.

use amqp091::{
    BasicProperties, FieldTable, FieldValue, Method, ShortStr,
    method::{basic, channel, connection, exchange, queue},
};
use broker::Options;
use bytes::Bytes;
use server::Limits;

use crate::{
    client::{Client, Said, text},
    frames::{declared, get},
    server::TestServer,
};

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

fn consume(queue: &str, tag: &str, no_ack: bool) -> basic::Consume {
    let (queue, consumer_tag) = (text(queue), text(tag));
    basic::Consume { queue, consumer_tag, no_ack, ..basic::Consume::default() }
}

fn asking() -> BasicProperties {
    BasicProperties {
        reply_to: Some(text(REPLY_TO)),
        correlation_id: Some(text("7")),
        priority: Some(2),
        ..BasicProperties::default()
    }
}

#[test]
fn an_answer_finds_its_way_to_who_asked_without_a_queue() {
    let server = TestServer::start();
    let (mut client, mut service) = (Client::open_channel(&server), Client::open_channel(&server));
    declared(&mut service, "requests");
    client.send(1, &consume(REPLY_TO, "answers", true));
    assert_eq!(client.method(1).name(), "basic.consume-ok");
    client.publish_with(1, "", "requests", b"what?", &asking(), false);
    client.nothing_came(2);

    service.send(1, &basic::Get { queue: text("requests"), no_ack: true, ..Default::default() });
    let request = service.content(1).header.properties().unwrap();
    let address = request.reply_to.clone().unwrap();
    assert!(address.starts_with("amq.rabbitmq.reply-to.") && address.len() > 40, "{address}");
    assert_eq!((request.correlation_id, request.priority), (Some(text("7")), Some(2)));
    // Somebody is there, whoever asks, and however.
    for passive in [true, false] {
        let declare = queue::Declare { queue: address.clone(), passive, ..Default::default() };
        let expected =
            queue::DeclareOk { queue: address.clone(), message_count: 0, consumer_count: 1 };
        assert_eq!(service.call(1, &declare), expected.into());
    }
    service.publish_with(1, "", &address, b"that", &BasicProperties::default(), true);
    let answer = client.content(1);
    let Method::BasicDeliver(deliver) = answer.method else { panic!("{:?}", answer.method) };
    assert_eq!((&*deliver.consumer_tag, &*deliver.exchange), ("answers", ""));
    assert_eq!((deliver.routing_key, deliver.delivery_tag), (address.clone(), 1));
    assert_eq!(answer.body.concat(), b"that");

    // Gone with its consumer: then it is as if it had never been.
    client.call(1, &basic::Cancel { consumer_tag: text("answers"), nowait: false });
    service.publish_with(1, "", &address, b"too late", &BasicProperties::default(), true);
    assert_eq!(service.content(1).body.concat(), b"too late");
    service
        .send(1, &queue::Declare { queue: address.clone(), passive: true, ..Default::default() });
    let words = format!("NOT_FOUND - no queue '{address}' in vhost '/'");
    assert_eq!(service.channel_closed(1), (404, words));
    // And it can be begun anew.
    client.send(1, &consume(REPLY_TO, "again", true));
    assert_eq!(client.method(1).name(), "basic.consume-ok");
}

#[test]
fn what_direct_reply_to_does_not_do_is_refused_in_rabbitmqs_words() {
    let server = TestServer::start();
    let mut client = Client::open_channel(&server);
    client.publish_with(1, "", "nobody", b"", &asking(), false);
    let words = "PRECONDITION_FAILED - fast reply consumer does not exist";
    assert_eq!(client.channel_closed(1), (406, words.to_owned()));
    client.call(1, &channel::Open::default());
    client.send(1, &consume(REPLY_TO, "", false));
    let words = "PRECONDITION_FAILED - reply consumer cannot acknowledge";
    assert_eq!(client.channel_closed(1), (406, words.to_owned()));
    client.call(1, &channel::Open::default());
    client.call(1, &consume(REPLY_TO, "", true));
    client.send(1, &consume(REPLY_TO, "", true));
    let words = "PRECONDITION_FAILED - reply consumer already set";
    assert_eq!(client.channel_closed(1), (406, words.to_owned()));
}

#[test]
fn nobody_can_take_from_or_bind_somebodys_reply_queue() {
    let server = TestServer::start();
    let mut client = Client::open_channel(&server);
    declared(&mut client, "requests");
    client.call(1, &consume(REPLY_TO, "", true));
    client.publish_with(1, "", "requests", b"", &asking(), false);
    client.send(1, &basic::Get { queue: text("requests"), no_ack: true, ..Default::default() });
    let address = client.content(1).header.properties().unwrap().reply_to.unwrap();
    let queue = address.clone();
    let methods: [Method; 4] = [
        basic::Get { queue: queue.clone(), ..Default::default() }.into(),
        consume(&address, "", true).into(),
        queue::Purge { queue: queue.clone(), ..Default::default() }.into(),
        queue::Bind { queue, exchange: text("amq.topic"), ..Default::default() }.into(),
    ];
    for (method, id) in methods.into_iter().zip(2..) {
        client.call(id, &channel::Open::default());
        client.send(id, &method);
        let words = format!("NOT_FOUND - no queue '{address}' in vhost '/'");
        assert_eq!(client.channel_closed(id), (404, words), "{method:?}");
    }
    // Deleting what is not there succeeds; and it is still there.
    let delete = queue::Delete { queue: address.clone(), ..Default::default() };
    let mut other = Client::open_channel(&server);
    for client in [&mut client, &mut other] {
        assert_eq!(client.call(1, &delete), queue::DeleteOk { message_count: 0 }.into());
    }
    other.publish(1, "", &address, b"answer");
    assert_eq!(client.content(1).body.concat(), b"answer");
}

fn longstr(text: &str) -> FieldValue {
    FieldValue::LongStr(Bytes::copy_from_slice(text.as_bytes()))
}

fn with_headers(headers: &[(&str, FieldValue)]) -> BasicProperties {
    let headers: FieldTable =
        headers.iter().map(|(name, value)| (text(name), value.clone())).collect();
    BasicProperties { headers: Some(headers), ..BasicProperties::default() }
}

#[test]
fn cc_and_bcc_take_a_message_further_once_each_and_bcc_is_not_seen() {
    let server = TestServer::start();
    let mut client = Client::open_channel(&server);
    let (cc, bcc) = (["b", "c", "b", "a"].map(longstr).to_vec(), vec![longstr("d")]);
    for name in ["a", "b", "c", "d"] {
        declared(&mut client, name);
    }
    let properties = with_headers(&[
        ("BCC", FieldValue::Array(bcc)),
        ("CC", FieldValue::Array(cc.clone())),
        ("x", FieldValue::I32(1)),
    ]);
    client.publish_with(1, "", "a", b"copy", &properties, true);
    for name in ["a", "b", "c", "d"] {
        client.send(1, &basic::Get { queue: text(name), no_ack: true, ..Default::default() });
        let content = client.content(1);
        let Method::BasicGetOk(ok) = &content.method else { panic!("{:?}", content.method) };
        assert_eq!((&*ok.routing_key, ok.message_count), ("a", 0), "in {name}");
        let headers = content.header.properties().unwrap().headers.unwrap();
        assert_eq!(headers.get("BCC"), None);
        assert_eq!(headers.get("CC"), Some(&FieldValue::Array(cc.clone())));
        assert_eq!(headers.len(), 2);
    }
    // One that is routable by its copy only is not returned.
    let properties = with_headers(&[("BCC", FieldValue::Array(vec![longstr("d")]))]);
    client.publish_with(1, "", "nobody", b"copy", &properties, true);
    client.nothing_came(2);
    client.publish_with(1, "", "a", b"", &with_headers(&[("CC", longstr("b"))]), false);
    let words = "PRECONDITION_FAILED - invalid message: \
                 {unacceptable_type_in_header,\"CC\",longstr}";
    assert_eq!(client.channel_closed(1), (406, words.to_owned()));
}

#[test]
fn a_message_may_claim_its_own_user_and_a_wait_that_is_a_number() {
    let server = TestServer::start();
    let mut client = Client::open_channel(&server);
    declared(&mut client, "q");
    let good = BasicProperties {
        user_id: Some(text("guest")),
        expiration: Some(text("60000")),
        ..BasicProperties::default()
    };
    client.publish_with(1, "", "q", b"mine", &good, false);
    assert_eq!(get(&mut client, "q", true).unwrap().1, b"mine");
    let refused = [
        (
            BasicProperties { user_id: Some(text("eve")), ..BasicProperties::default() },
            "user_id property set to 'eve' but authenticated user was 'guest'",
        ),
        (
            BasicProperties { expiration: Some(text("1h")), ..BasicProperties::default() },
            "invalid expiration '1h': {leftover_string,\"h\"}",
        ),
    ];
    for (properties, words) in refused {
        client.publish_with(1, "", "q", b"", &properties, false);
        let expected = (406, format!("PRECONDITION_FAILED - {words}"));
        assert_eq!(client.channel_closed(1), expected);
        client.call(1, &channel::Open::default());
    }
    // What is wrong first is said first.
    client.publish_with(
        1,
        "missing",
        "q",
        b"",
        &BasicProperties { user_id: Some(text("eve")), ..good },
        false,
    );
    assert_eq!(client.channel_closed(1).0, 404);
}

#[test]
fn exchanges_lead_to_exchanges_until_they_are_unbound() {
    let server = TestServer::start();
    let mut client = Client::open_channel(&server);
    declared(&mut client, "q");
    for (name, kind) in [("from", "topic"), ("to", "fanout")] {
        let (exchange, kind) = (text(name), text(kind));
        client.call(1, &exchange::Declare { exchange, kind, ..Default::default() });
    }
    let bind = queue::Bind { queue: text("q"), exchange: text("to"), ..Default::default() };
    client.call(1, &bind);
    let (source, destination, routing_key) = (text("from"), text("to"), text("a.#"));
    let bind = exchange::Bind { source, destination, routing_key, ..Default::default() };
    // Twice is once.
    assert_eq!(client.call(1, &bind).name(), "exchange.bind-ok");
    assert_eq!(client.call(1, &bind).name(), "exchange.bind-ok");
    client.publish(1, "from", "a.b", b"through");
    client.publish(1, "from", "b", b"not");
    assert_eq!(get(&mut client, "q", true).unwrap().1, b"through");
    assert_eq!(get(&mut client, "q", true), None);
    let exchange::Bind { source, destination, routing_key, .. } = bind;
    let unbind = exchange::Unbind { source, destination, routing_key, ..Default::default() };
    assert_eq!(client.call(1, &unbind).name(), "exchange.unbind-ok");
    assert_eq!(client.call(1, &unbind).name(), "exchange.unbind-ok", "away is away");
    client.publish(1, "from", "a.b", b"not");
    assert_eq!(get(&mut client, "q", true), None);
}

#[test]
fn an_empty_name_means_the_last_declared_queue_in_bind_and_unbind_alike() {
    let server = TestServer::start();
    let mut client = Client::open_channel(&server);
    declared(&mut client, "last");
    let exchange = text("amq.direct");
    client.call(1, &queue::Bind { exchange: exchange.clone(), ..Default::default() });
    client.publish(1, "amq.direct", "last", b"by its name");
    assert_eq!(get(&mut client, "", true).unwrap().1, b"by its name");
    client.call(1, &queue::Unbind { exchange, ..Default::default() });
    client.publish(1, "amq.direct", "last", b"not");
    assert_eq!(get(&mut client, "", true), None);
}

#[test]
fn a_consumer_is_told_that_its_queue_went_and_its_tag_is_free() {
    let server = TestServer::start();
    let mut client = Client::open_channel(&server);
    declared(&mut client, "q");
    client.call(1, &consume("q", "t", false));
    client.call(2, &channel::Open::default());
    client.send(2, &queue::Delete { queue: text("q"), ..Default::default() });
    let mut said = [client.said(), client.said()];
    said.sort_by_key(|it| matches!(it, Said::Method(2, _)));
    let cancel = basic::Cancel { consumer_tag: text("t"), nowait: true };
    assert_eq!(said[0], Said::Method(1, cancel.into()));
    assert!(matches!(&said[1], Said::Method(2, Method::QueueDeleteOk(_))), "{said:?}");
    // Its own cancel may cross it, and clients may answer.
    client.send(1, &basic::CancelOk { consumer_tag: text("t") });
    let cancel = client.call(1, &basic::Cancel { consumer_tag: text("t"), nowait: false });
    assert_eq!(cancel.name(), "basic.cancel-ok");
    declared(&mut client, "q");
    assert_eq!(client.call(1, &consume("q", "t", false)).name(), "basic.consume-ok");
    client.send(1, &consume("q", "t", false));
    let words = "NOT_ALLOWED - attempt to reuse consumer tag 't'";
    assert_eq!(client.connection_closed(), (530, words.to_owned()));
}

#[test]
fn who_publishes_is_told_that_memory_is_low_and_when_it_may_go_on() {
    let options = Options { memory_bytes_max: 100_000, ..Options::default() };
    let server = TestServer::with(Limits::default(), &options);
    let (mut publisher, mut consumer) =
        (Client::open_channel(&server), Client::open_channel(&server));
    declared(&mut publisher, "q");
    publisher.publish(1, "", "q", &[0; 300_000]);
    let reason = ShortStr::from_static("low on memory");
    assert_eq!(publisher.method(0), connection::Blocked { reason }.into());
    assert!(server.broker.blocked().is_some());
    // Not read while it lasts; but who only consumes is.
    publisher.send(1, &basic::Qos::default());
    assert!(get(&mut consumer, "q", true).is_some());
    let mut publisher = publisher.wait_up_to(std::time::Duration::from_secs(5));
    assert_eq!(publisher.method(0), connection::Unblocked {}.into());
    assert_eq!(publisher.method(1).name(), "basic.qos-ok");
}
