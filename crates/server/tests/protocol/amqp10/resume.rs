//! Links that are attached again, on another connection: what was not settled goes on.

use std::time::{Duration, Instant};

use amqp10::{
    definition::{ReceiverSettleMode, Role, Seconds},
    endpoint::{Event, Intake, LinkId, Outgoing, Sent, SessionId},
    messaging::{
        Accepted, DeliveryState, LinkTarget, Released, Source, Target, TerminusExpiryPolicy,
    },
    performative::Attach,
    section::encode_data,
    types::{Map, Value},
};
use broker::Arguments;
use bytes::{Bytes, BytesMut};

use super::{Client, declare, receiving, with_queue};
use crate::server::TestServer;

const NEVER: (TerminusExpiryPolicy, u32) = (TerminusExpiryPolicy::Never, 0);
const ACCEPTED: DeliveryState = DeliveryState::Accepted(Accepted {});

impl Client {
    fn receiver_that_stays(
        &mut self,
        session: SessionId,
        (policy, timeout_s): (TerminusExpiryPolicy, u32),
        unsettled: Option<Map>,
    ) -> (LinkId, Attach) {
        self.receiver_of(session, "/queues/q", (policy, timeout_s), unsettled)
    }

    fn receiver_of(
        &mut self,
        session: SessionId,
        address: &'static str,
        (policy, timeout_s): (TerminusExpiryPolicy, u32),
        unsettled: Option<Map>,
    ) -> (LinkId, Attach) {
        let source = Source {
            address: Some(address.into()),
            expiry_policy: policy,
            timeout: Seconds(timeout_s),
            ..Source::default()
        };
        self.attach(session, Attach { unsettled, ..receiving("reader", source) })
    }

    fn sender_that_stays(
        &mut self,
        session: SessionId,
        address: &'static str,
        unsettled: Option<Map>,
    ) -> (LinkId, Attach) {
        let target = Target {
            address: Some(address.into()),
            expiry_policy: TerminusExpiryPolicy::Never,
            ..Target::default()
        };
        let attach = Attach {
            name: "writer".into(),
            role: Role::Sender,
            rcv_settle_mode: ReceiverSettleMode::Second,
            source: Some(Source::default()),
            target: Some(LinkTarget::Target(target)),
            unsettled,
            ..Attach::default()
        };
        self.attach(session, attach)
    }

    /// Attaches a link; the answer to it.
    fn attach(&mut self, session: SessionId, attach: Attach) -> (LinkId, Attach) {
        let intake = Intake { resumable: true, ..Intake::default() };
        let link = self.protocol.attach(session, attach, intake, &mut self.out).unwrap();
        let event = self.wait(|event| matches!(event, Event::Attached { .. }));
        let Event::Attached { attach, .. } = event else { unreachable!() };
        (link, *attach)
    }
}

fn counts(server: &TestServer) -> (usize, usize) {
    counts_of(server, "q")
}

fn counts_of(server: &TestServer, queue: &str) -> (usize, usize) {
    let queue = server.broker.vhost("/").unwrap().queue(queue, broker::ConnectionId(0)).unwrap();
    (queue.counts().ready, queue.counts().unacknowledged)
}

fn filled(bodies: &[&'static str]) -> TestServer {
    let server = with_queue("q");
    let (mut client, session) = Client::open(&server);
    let to = client.sender(session, Some("/queues/q"));
    client.attached();
    for (tag, body) in bodies.iter().enumerate() {
        client.send(to, tag as u64, body);
        assert_eq!(client.outcome(), ACCEPTED);
    }
    server
}

fn tags(map: &Map) -> Vec<Bytes> {
    let tag = |tag: &Value| match tag {
        Value::Binary(tag) => tag.clone(),
        other => panic!("{other:?}"),
    };
    map.iter().map(|(name, _)| tag(name)).collect()
}

#[test]
fn deliveries_of_a_link_that_comes_back_are_settled_resumed_or_sent_again() {
    let server = filled(&["settled", "resumed", "forgotten", "new"]);
    let (mut client, session) = Client::open(&server);
    let (link, answer) = client.receiver_that_stays(session, NEVER, None);
    let source = answer.source.unwrap();
    assert_eq!(source.expiry_policy, TerminusExpiryPolicy::Never);
    client.protocol.grant(link, 3, false, &mut client.out);
    let had: Vec<Bytes> = (0..3).map(|_| client.delivery().0.tag.as_bytes().clone()).collect();
    drop(client);
    server.wait_until_idle();
    assert_eq!(counts(&server), (1, 3), "they wait for their link");

    // The peer knows what becomes of the first, has the second, and has lost the third.
    let mut unsettled = Map::new();
    unsettled.push(Value::Binary(had[0].clone()), state(&ACCEPTED));
    unsettled.push(Value::Binary(had[1].clone()), Value::Null);
    let (mut client, session) = Client::open(&server);
    let (link, answer) = client.receiver_that_stays(session, NEVER, Some(unsettled));
    assert_eq!(tags(&answer.unsettled.unwrap()), had, "the broker had them all");
    client.protocol.grant(link, 10, false, &mut client.out);
    let mut got = Vec::new();
    for _ in 0..4 {
        let (delivery, body) = client.delivery();
        let at = had.iter().position(|tag| tag == delivery.tag.as_bytes());
        got.push((body, delivery.resume, at));
        client.protocol.settle(
            session,
            Role::Receiver,
            delivery.id,
            Some(ACCEPTED),
            &mut client.out,
        );
    }
    let expected = [
        (String::new(), true, Some(0)),
        ("resumed".to_owned(), true, Some(1)),
        ("forgotten".to_owned(), false, None),
        ("new".to_owned(), false, None),
    ];
    assert_eq!(got, expected);
    client.write();
    client.protocol.detach(link, true, None, &mut client.out);
    client.wait(|event| matches!(event, Event::Detached { .. }));
    assert_eq!(counts(&server), (0, 0));
}

#[test]
fn what_nobody_comes_back_for_goes_back_when_its_time_is_over() {
    let server = filled(&["a"]);
    for (policy, timeout_s, waits) in [
        (TerminusExpiryPolicy::SessionEnd, 0, false),
        (TerminusExpiryPolicy::ConnectionClose, 0, false),
        (TerminusExpiryPolicy::LinkDetach, 1, true),
        (TerminusExpiryPolicy::SessionEnd, 1, true),
    ] {
        let (mut client, session) = Client::open(&server);
        let (link, _) = client.receiver_that_stays(session, (policy, timeout_s), None);
        client.protocol.grant(link, 1, false, &mut client.out);
        assert_eq!(client.delivery().1, "a");
        drop(client);
        let until = Instant::now() + Duration::from_secs(5);
        let mut waited = false;
        while counts(&server) != (1, 0) {
            waited = true;
            assert!(Instant::now() < until, "{policy:?}, {timeout_s} s: {:?}", counts(&server));
            std::thread::yield_now();
        }
        assert!(waited || !waits, "{policy:?}, {timeout_s} s: it did not wait");
    }
}

#[test]
fn a_message_that_its_publisher_resumes_is_not_published_twice() {
    let server = with_queue("q");
    let (mut client, session) = Client::open(&server);
    let (to, answer) = client.sender_that_stays(session, "/queues/q", None);
    assert_eq!(answer.rcv_settle_mode, ReceiverSettleMode::Second);
    client.send(to, 7, "once");
    assert_eq!(client.outcome(), ACCEPTED);
    // It goes before it has settled.
    drop(client);
    server.wait_until_idle();
    let tag = Bytes::copy_from_slice(&7_u64.to_be_bytes());
    let mut unsettled = Map::new();
    unsettled.push(Value::Binary(tag.clone()), Value::Null);
    let (mut client, session) = Client::open(&server);
    let (to, answer) = client.sender_that_stays(session, "/queues/q", Some(unsettled));
    let known = answer.unsettled.unwrap();
    let expected: Map = [(Value::Binary(tag), state(&ACCEPTED))].into_iter().collect();
    assert_eq!(known, expected);
    client.wait_for_credit(to);
    for tag in [7, 8] {
        let mut head = BytesMut::new();
        encode_data(&Bytes::from_static(b"once"), &mut head);
        let message = Outgoing { tag, head: &head, resume: true, ..Outgoing::default() };
        let sent = client.protocol.send(to, &message, &mut client.out);
        assert!(matches!(sent, Sent::Whole(_)), "{sent:?}");
    }
    assert_eq!(client.outcome(), ACCEPTED, "of the one that it knows");
    assert_eq!(counts(&server), (1, 0), "neither again, nor what is unknown");
}

#[test]
fn deliveries_of_one_queue_are_not_resumed_on_a_link_to_another() {
    let server = filled(&["a"]);
    declare(&server, "r", Arguments::default());
    let (mut client, session) = Client::open(&server);
    let (link, _) = client.receiver_that_stays(session, NEVER, None);
    client.protocol.grant(link, 1, false, &mut client.out);
    let (delivery, _) = client.delivery();
    drop(client);
    server.wait_until_idle();
    let (mut client, session) = Client::open(&server);
    let unsettled = [(Value::Binary(delivery.tag.as_bytes().clone()), Value::Null)];
    let unsettled = Some(unsettled.into_iter().collect());
    let (link, answer) = client.receiver_of(session, "/queues/r", NEVER, unsettled);
    assert_eq!(answer.unsettled, None);
    assert_eq!((counts(&server), counts_of(&server, "r")), ((1, 0), (0, 0)));
    client.protocol.grant(link, 1, true, &mut client.out);
    let next = client.wait(|it| matches!(it, Event::Drained { .. } | Event::Delivery(_)));
    assert!(matches!(next, Event::Drained { unused: 1, .. }), "{next:?}");
}

#[test]
fn a_publisher_that_comes_back_hears_what_became_of_a_message_and_not_that_it_was_taken() {
    const NOWHERE: &str = "/exchanges/amq.direct/nowhere";
    let server = with_queue("q");
    let (mut client, session) = Client::open(&server);
    let (to, _) = client.sender_that_stays(session, NOWHERE, None);
    client.wait_for_credit(to);
    let mut head = BytesMut::new();
    encode_data(&Bytes::from_static(b"lost"), &mut head);
    let message = Outgoing { tag: 7, head: &head, ..Outgoing::default() };
    client.protocol.send(to, &message, &mut client.out);
    // Read together: it goes before it is told.
    client.protocol.detach(to, false, None, &mut client.out);
    client.wait(|event| matches!(event, Event::Detached { .. }));
    let tag = Value::Binary(Bytes::copy_from_slice(&7_u64.to_be_bytes()));
    let unsettled = [(tag.clone(), Value::Null)].into_iter().collect();
    let (_, answer) = client.sender_that_stays(session, NOWHERE, Some(unsettled));
    let released = DeliveryState::Released(Released {});
    assert_eq!(answer.unsettled, Some([(tag, state(&released))].into_iter().collect()));
}

/// A state as the value of a map.
fn state(state: &DeliveryState) -> Value {
    use amqp10::{Decode as _, Encode as _, Reader};
    let mut octets = BytesMut::new();
    state.encode(&mut octets);
    Value::decode(&mut Reader::new(&octets.freeze())).unwrap()
}
