//! The two links: attached in any order, and what goes wrong with them.

use super::*;

fn both(client: &mut Client, session: SessionId, first: Role, second: Role) -> [LinkId; 2] {
    [first, second].map(|role| {
        let link = attach(client, session, role, "pair", true);
        client.attached();
        link
    })
}

#[test]
fn either_link_may_come_and_go_first() {
    let server = TestServer::start();
    let (mut client, session) = Client::open(&server);
    for first_gone in [0, 1] {
        let [answers, requests] = both(&mut client, session, Role::Receiver, Role::Sender);
        let mut pair = Pair { client, session, requests, answers, asked: 0 };
        assert_eq!(pair.ask("GET", "/queues/q", Value::Null).0, 404);
        client = pair.client;
        let links = [answers, requests];
        for link in [links[first_gone], links[1 - first_gone]] {
            client.protocol.detach(link, true, None, &mut client.out);
            client.wait(|event| matches!(event, Event::Detached { .. }));
        }
    }
}

#[test]
fn a_session_has_several_pairs_and_half_of_one_can_be_attached_again() {
    let server = TestServer::start();
    let mut pair = Pair::open(&server);
    let requests = attach(&mut pair.client, pair.session, Role::Sender, "other", true);
    pair.client.attached();
    let answers = attach(&mut pair.client, pair.session, Role::Receiver, "other", true);
    pair.client.attached();
    pair.declare("q");
    let first = [pair.requests, pair.answers];
    (pair.requests, pair.answers) = (requests, answers);
    assert_eq!(pair.ask("DELETE", "/queues/q", Value::Null).0, 200);
    [pair.requests, pair.answers] = first;
    pair.client.protocol.detach(pair.answers, true, None, &mut pair.client.out);
    pair.client.wait(|event| matches!(event, Event::Detached { .. }));
    pair.answers = attach(&mut pair.client, pair.session, Role::Receiver, "pair", true);
    pair.client.attached();
    pair.declare("q");
}

#[test]
fn a_link_that_is_not_one_of_a_pair_is_refused() {
    let server = TestServer::start();
    let (mut client, session) = Client::open(&server);
    for role in [Role::Sender, Role::Receiver] {
        attach(&mut client, session, role, "alone", false);
        let text = "amqp:invalid-field: Link property 'paired' is not set to boolean value 'true'";
        assert_eq!(client.refusal(), text);
    }
    attach_at(&mut client, session, Role::Sender, "pair", true, "here");
    client.attached();
    attach_at(&mut client, session, Role::Receiver, "pair", true, "there");
    let told = client.refusal();
    assert!(told.starts_with("amqp:precondition-failed: the two links of the"), "{told}");
}

#[test]
fn a_request_on_half_a_pair_ends_the_session() {
    let server = TestServer::start();
    let mut pair = Pair::open(&server);
    pair.client.protocol.detach(pair.answers, true, None, &mut pair.client.out);
    pair.client.wait(|event| matches!(event, Event::Detached { .. }));
    pair.send("GET", "/queues/q", Value::Null);
    let text = "amqp:precondition-failed: received transfer on half open management link pair";
    assert_eq!(pair.session_end(), text);
}

#[test]
fn a_request_without_credit_for_its_answer_ends_the_session() {
    let server = TestServer::start();
    let mut pair = Pair::open(&server);
    // Granted and drained: the credit comes back.
    pair.client.protocol.grant(pair.answers, 2, false, &mut pair.client.out);
    pair.client.protocol.grant(pair.answers, 3, true, &mut pair.client.out);
    let event = pair.client.wait(|event| matches!(event, Event::Drained { .. }));
    assert_eq!(event, Event::Drained { link: pair.answers, unused: 3 });
    pair.send("PUT", "/queues/q", map([]));
    let told = pair.session_end();
    assert!(told.starts_with("amqp:precondition-failed: insufficient credit (0) for"), "{told}");
    assert!(!server.broker.vhost("/").unwrap().has_queue("q"));
}

#[test]
fn eight_requests_may_be_on_their_way_at_once() {
    let server = TestServer::start();
    let mut pair = Pair::open(&server);
    assert_eq!(pair.client.protocol.credit(pair.requests), 8);
    for (method, body, status) in [("PUT", map([]), 201), ("DELETE", Value::Null, 200)] {
        pair.client.protocol.grant(pair.answers, 8, false, &mut pair.client.out);
        for n in 0..8 {
            pair.send(method, &format!("/queues/q-{n}"), body.clone());
        }
        let first = pair.asked - 7;
        for id in first..first + 8 {
            let (answered, found, _) = pair.any_answer();
            assert_eq!((answered, found), (Some(MessageId::Ulong(id)), status));
        }
    }
}

#[test]
fn answers_wait_for_the_sessions_window_and_let_no_more_requests_in() {
    let server = TestServer::start();
    let mut pair = Pair::open(&server);
    pair.client.protocol.pause(&mut pair.client.out);
    pair.client.protocol.grant(pair.answers, 100, false, &mut pair.client.out);
    for n in 0..8 {
        pair.send("PUT", &format!("/queues/q-{n}"), map([]));
    }
    let vhost = server.broker.vhost("/").unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while vhost.queues().len() < 8 {
        assert!(Instant::now() < until, "the requests are not done");
        std::thread::yield_now();
    }
    assert_eq!(pair.client.protocol.credit(pair.requests), 0);
    assert!(!pair.client.events.iter().any(|event| matches!(event, Event::Delivery(_))));
    pair.client.protocol.resume(&mut pair.client.out);
    for id in 1..=8 {
        assert_eq!(pair.any_answer().0, Some(MessageId::Ulong(id)));
    }
    assert_eq!(pair.ask("GET", "/queues/q-0", Value::Null).0, 200);
}

#[test]
fn an_answer_that_is_too_large_for_its_link_detaches_it() {
    let server = TestServer::start();
    let mut pair = Pair::open(&server);
    pair.client.protocol.detach(pair.answers, true, None, &mut pair.client.out);
    pair.client.wait(|event| matches!(event, Event::Detached { .. }));
    let paired = [(Symbol::from_static("paired"), true)].into_iter().collect();
    let address = |of: &str| Some(of.into());
    let small = Attach {
        name: "pair".into(),
        role: Role::Receiver,
        source: Some(Source { address: address("/management"), ..Source::default() }),
        target: Some(LinkTarget::Target(Target {
            address: address("/management"),
            ..Target::default()
        })),
        max_message_size: Some(100),
        properties: Some(paired),
        ..Attach::default()
    };
    let (session, out) = (pair.session, &mut pair.client.out);
    pair.answers = pair.client.protocol.attach(session, small, Intake::default(), out).unwrap();
    pair.client.attached();
    pair.client.protocol.grant(pair.answers, 1, false, &mut pair.client.out);
    pair.send("PUT", "/queues/q", map([]));
    let told = pair.client.refusal();
    assert!(told.starts_with("amqp:link:message-size-exceeded: the answer is larger"), "{told}");
}

#[test]
fn octets_that_are_no_message_end_the_link_and_nothing_else() {
    let server = TestServer::start();
    let mut pair = Pair::open(&server);
    let mut deep = BytesMut::new();
    Properties {
        subject: Some("PUT".into()),
        to: Some("/queues/q".into()),
        reply_to: Some("$me".into()),
        ..Properties::default()
    }
    .encode(&mut deep);
    let whole = deep.clone();
    // A value that lies in more lists than anybody may have, and one that is cut off.
    deep.extend_from_slice(b"\0\x53\x77");
    for _ in 0..200 {
        deep.extend_from_slice(b"\xd0\0\0\0\x05\0\0\0\x01");
    }
    let mut cut = whole.clone();
    cut.extend_from_slice(b"\0\x53\x77\xd1\0\0\xff\xff\0\0\0\x02");
    let mut counted = whole.clone();
    counted.extend_from_slice(b"\0\x53\x77\xd1\0\0\0\x04\xff\xff\xff\xfe");
    let no_list = b"\0\x53\x73\xa1\x01x".to_vec();
    for octets in [b"\xff".to_vec(), no_list, deep.to_vec(), cut.to_vec(), counted.to_vec()] {
        pair.client.protocol.grant(pair.answers, 1, false, &mut pair.client.out);
        pair.asked += 1;
        pair.send_message(&octets);
        let event =
            pair.client.wait(|event| matches!(event, Event::Delivery(_) | Event::Detached { .. }));
        if let Event::Detached { error, .. } = event {
            assert_eq!(error.unwrap().condition.as_str(), "amqp:decode-error");
            let (session, client) = (pair.session, &mut pair.client);
            pair.requests = attach(client, session, Role::Sender, "pair", true);
            pair.client.attached();
        }
    }
    pair.declare("q");
    // Larger than a request may be.
    let mut large = whole;
    encode_value(&Value::from("x".repeat(200_000).as_str()), &mut large);
    pair.client.wait_for_credit(pair.requests);
    let outgoing = Outgoing { tag: 1, settled: true, head: &large, ..Outgoing::default() };
    let sent = pair.client.protocol.send(pair.requests, &outgoing, &mut pair.client.out);
    assert_eq!(sent, Sent::TooLarge);
}
