//! Subscriptions: queues that are made for a link.

use amqp10::{
    SectionKind,
    endpoint::{Event, Intake, Outgoing, Sent},
    messaging::{Source, TerminusDurability, TerminusExpiryPolicy},
    performative::Attach,
    section::{encode_data, encode_map_section},
    types::{Map, Symbol},
};
use bytes::{Bytes, BytesMut};

use super::{Client, receiving, selecting, with_queue};
use crate::server::TestServer;

#[test]
fn a_subscription_gets_what_its_selector_wants_and_credit_is_for_nothing_else() {
    let server = TestServer::start();
    let (mut client, session) = Client::open(&server);
    let from = client.selecting(session, "/exchange/amq.fanout", "kind = 'wanted' AND n > 2");
    let event = client.wait(|event| matches!(event, Event::Attached { .. }));
    let Event::Attached { attach, .. } = event else { unreachable!() };
    assert!(attach.source.unwrap().filter.is_some(), "it is in force");
    let to = client.sender(session, Some("/exchanges/amq.fanout"));
    client.attached();
    client.protocol.grant(from, 2, false, &mut client.out);
    for (n, kind) in [(1, "wanted"), (3, "other"), (4, "wanted"), (5, "other"), (6, "wanted")] {
        client.wait_for_credit(to);
        let mut head = BytesMut::new();
        encode_map_section(SectionKind::ApplicationProperties, &mut head, |map| {
            map.entry("kind", kind);
            map.entry("n", &n);
        });
        encode_data(&Bytes::from(format!("{n}")), &mut head);
        let message = Outgoing { tag: n as u64, head: &head, ..Outgoing::default() };
        let sent = client.protocol.send(to, &message, &mut client.out);
        assert!(matches!(sent, Sent::Whole(_)), "{sent:?}");
    }
    assert_eq!(client.delivery().1, "4");
    assert_eq!(client.delivery().1, "6");
    assert_eq!(client.protocol.credit(from), 0);
    client.selecting(session, "/exchange/amq.fanout", "n >");
    let told = client.refusal();
    assert!(told.starts_with("amqp:invalid-field: the selector: "), "{told}");
}

#[test]
fn a_subscription_that_is_refused_leaves_no_queue_behind() {
    let server = TestServer::start();
    let (mut client, session) = Client::open(&server);
    client.selecting(session, "/exchanges/amq.fanout", "n >");
    assert!(client.refusal().starts_with("amqp:invalid-field: the selector: "));
    client.receiver(session, "/exchanges/none", true);
    assert!(client.refusal().starts_with("amqp:not-found: no exchange 'none'"));
    let left = server.broker.vhost("/").unwrap().queues();
    let left: Vec<_> = left.iter().map(|queue| queue.name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_subscription_that_was_there_stays_when_a_link_to_it_is_refused() {
    let server = TestServer::start();
    let vhost = server.broker.vhost("/").unwrap();
    let (mut client, session) = Client::open(&server);
    let subscribing = |filter: Option<Map>| {
        let source = Source {
            address: Some("/exchanges/amq.fanout/".into()),
            durable: TerminusDurability::UnsettledState,
            expiry_policy: TerminusExpiryPolicy::Never,
            filter,
            ..Source::default()
        };
        receiving("news", source)
    };
    let intake = Intake::default();
    let link = client.protocol.attach(session, subscribing(None), intake, &mut client.out);
    client.attached();
    client.protocol.detach(link.unwrap(), false, None, &mut client.out);
    client.wait(|event| matches!(event, Event::Detached { .. }));
    let wrong = subscribing(Some(selecting("n >")));
    client.protocol.attach(session, wrong, intake, &mut client.out).unwrap();
    assert!(client.refusal().starts_with("amqp:invalid-field: the selector: "));
    assert!(vhost.has_queue("client.news"), "nothing is lost for one wrong attach");
}

#[test]
fn a_queue_of_others_is_never_taken_for_a_subscription() {
    let server = with_queue("jobs");
    let vhost = server.broker.vhost("/").unwrap();
    let (exchange, to) = ("amq.fanout".into(), broker::BindingEnd::Queue("jobs"));
    let me = broker::ConnectionId(0);
    vhost.bind(&exchange, to, "".into(), Default::default(), me).unwrap();
    let (mut client, session) = Client::open(&server);
    let subscribing = |name: &str, source: Option<Source>| Attach {
        source,
        ..receiving(name, Source::default())
    };
    let shared = Source {
        address: Some("/exchanges/amq.fanout/".into()),
        capabilities: ["shared", "global"].into_iter().map(Symbol::from_static).collect(),
        ..Source::default()
    };
    for (attach, told) in [
        (
            subscribing("jobs|1", Some(shared.clone())),
            "amqp:not-allowed: the queue 'jobs' is there",
        ),
        (subscribing("jobs", None), "amqp:not-found: no subscription 'jobs'"),
    ] {
        client.protocol.attach(session, attach, Intake::default(), &mut client.out).unwrap();
        let refused = client.refusal();
        assert!(refused.starts_with(told), "{refused}");
    }
    assert!(vhost.has_queue("jobs"));
    // One that is goes when its link is closed.
    let attach = subscribing("news|1", Some(shared));
    let link = client.protocol.attach(session, attach, Intake::default(), &mut client.out).unwrap();
    client.attached();
    assert!(vhost.has_queue("news"));
    client.protocol.detach(link, true, None, &mut client.out);
    client.wait(|event| matches!(event, Event::Detached { .. }));
    assert!(!vhost.has_queue("news"));
}
