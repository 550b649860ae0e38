//! `tx.select`, `tx.commit`, `tx.rollback`. That a commit is on disk when it is answered is seen
//! from outside the process, in the end-to-end tests.

use amqp091::{
    BasicProperties, ChannelId, Method, encode_method,
    method::{basic, channel, confirm, queue, tx},
};
use bytes::BytesMut;
use server::Limits;

use crate::{
    client::{Client, text},
    frames::{declared, get},
    server::TestServer,
};

fn transactional(server: &TestServer, queue: &str) -> Client {
    let mut client = Client::open_channel(server);
    declared(&mut client, queue);
    assert_eq!(client.call(1, &tx::Select {}).name(), "tx.select-ok");
    client
}

fn count(client: &mut Client, name: &str) -> u32 {
    let declare = queue::Declare { queue: text(name), passive: true, ..Default::default() };
    match client.call(1, &declare) {
        Method::QueueDeclareOk(ok) => ok.message_count,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_published_waits_for_its_commit() {
    let server = TestServer::start();
    let mut client = transactional(&server, "q");
    for body in [b"one", b"two"] {
        client.publish(1, "", "q", body);
    }
    assert_eq!(count(&mut client, "q"), 0);
    assert_eq!(client.call(1, &tx::Commit {}).name(), "tx.commit-ok");
    assert_eq!(count(&mut client, "q"), 2);
    assert_eq!(get(&mut client, "q", true).unwrap().1, b"one");
    client.publish(1, "", "q", b"three");
    assert_eq!(client.call(1, &tx::Rollback {}).name(), "tx.rollback-ok");
    assert_eq!(client.call(1, &tx::Commit {}).name(), "tx.commit-ok");
    assert_eq!(count(&mut client, "q"), 1);
}

#[test]
fn what_is_settled_waits_for_its_commit_and_comes_back_with_a_rollback() {
    let server = TestServer::start();
    let mut client = transactional(&server, "q");
    for body in [b"a", b"b", b"c"] {
        client.publish(1, "", "q", body);
    }
    client.call(1, &tx::Commit {});
    let tags: Vec<u64> =
        (0..3).map(|_| get(&mut client, "q", false).unwrap().0.delivery_tag).collect();
    assert_eq!(tags, [1, 2, 3]);
    client.send(1, &basic::Ack { delivery_tag: 2, multiple: true });
    client.send(1, &basic::Reject { delivery_tag: 3, requeue: true });
    assert_eq!(client.call(1, &tx::Rollback {}).name(), "tx.rollback-ok");
    // Unsettled again, under the same tags and in order.
    client.send(1, &basic::Ack { delivery_tag: 1, multiple: false });
    client.send(1, &basic::Nack { delivery_tag: 2, multiple: false, requeue: false });
    client.send(1, &basic::Reject { delivery_tag: 3, requeue: true });
    assert_eq!(count(&mut client, "q"), 0, "nothing is requeued before the commit");
    assert_eq!(client.call(1, &tx::Commit {}).name(), "tx.commit-ok");
    let (ok, body) = get(&mut client, "q", true).unwrap();
    assert_eq!((ok.redelivered, ok.message_count, body), (true, 0, b"c".to_vec()));
}

#[test]
fn a_tag_in_the_transaction_is_not_given_twice() {
    let server = TestServer::start();
    let mut client = transactional(&server, "q");
    client.publish(1, "", "q", b"a");
    client.call(1, &tx::Commit {});
    get(&mut client, "q", false).unwrap();
    client.send(1, &basic::Ack { delivery_tag: 1, multiple: false });
    client.send(1, &basic::Ack { delivery_tag: 1, multiple: false });
    let close = client.channel_closed(1);
    assert_eq!(close, (406, "PRECONDITION_FAILED - unknown delivery tag 1".to_owned()));
    // The transaction went with its channel: the message is back.
    client.call(1, &channel::Open::default());
    assert!(get(&mut client, "q", true).unwrap().0.redelivered);
}

#[test]
fn what_cannot_be_routed_comes_back_at_commit_before_its_answer() {
    let server = TestServer::start();
    let mut client = transactional(&server, "q");
    let properties = BasicProperties::default();
    client.publish_with(1, "", "nobody", b"lost", &properties, true);
    client.nothing_came(2);
    client.send(1, &tx::Commit {});
    assert_eq!(client.content(1).body.concat(), b"lost");
    assert_eq!(client.method(1).name(), "tx.commit-ok");
    client.publish(1, "no such exchange", "", b"");
    let close = client.channel_closed(1);
    assert_eq!(close.0, 404, "an exchange is missed when it is published to");
}

#[test]
fn confirms_and_transactions_do_not_mix() {
    let server = TestServer::start();
    let mut client = transactional(&server, "q");
    client.send(1, &confirm::Select::default());
    let words = "PRECONDITION_FAILED - cannot switch from tx to confirm mode";
    assert_eq!(client.channel_closed(1), (406, words.to_owned()));
    client.call(1, &channel::Open::default());
    client.call(1, &confirm::Select::default());
    client.send(1, &tx::Select {});
    let words = "PRECONDITION_FAILED - cannot switch from confirm to tx mode";
    assert_eq!(client.channel_closed(1), (406, words.to_owned()));
    for method in [Method::from(tx::Commit {}), tx::Rollback {}.into()] {
        client.call(1, &channel::Open::default());
        client.send(1, &method);
        let words = "PRECONDITION_FAILED - channel is not transactional";
        assert_eq!(client.channel_closed(1), (406, words.to_owned()));
    }
}

#[test]
fn a_channel_that_closes_forgets_its_transaction() {
    let server = TestServer::start();
    let mut client = transactional(&server, "q");
    client.publish(1, "", "q", b"never");
    // All in one read: the close comes right behind.
    let mut out = BytesMut::new();
    let close = channel::Close { reply_code: 200, ..channel::Close::default() };
    encode_method(ChannelId(1), &close, &mut out);
    encode_method(ChannelId(1), &channel::Open::default(), &mut out);
    client.send_octets(&out);
    assert_eq!(client.method(1).name(), "channel.close-ok");
    assert_eq!(client.method(1).name(), "channel.open-ok");
    assert_eq!(count(&mut client, "q"), 0);
}

#[test]
fn a_transaction_holds_back_as_much_as_configured() {
    let server =
        TestServer::with_limits(Limits { transaction_bytes_max: 100_000, ..Limits::default() });
    let mut client = transactional(&server, "q");
    for _ in 0..3 {
        client.publish(1, "", "q", &[0; 90_000]);
        assert_eq!(client.call(1, &tx::Commit {}).name(), "tx.commit-ok");
    }
    client.publish(1, "", "q", &[0; 90_000]);
    client.publish(1, "", "q", &[0; 90_000]);
    let (code, words) = client.channel_closed(1);
    assert_eq!(code, 406);
    assert!(words.contains("amqp.transaction_bytes_max"), "{words}");
    client.call(1, &channel::Open::default());
    assert_eq!(count(&mut client, "q"), 3);
}
