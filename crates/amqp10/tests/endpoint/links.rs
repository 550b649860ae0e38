//! Links: attached, refused, stolen, detached by either side; a thousand of them.

use amqp10::{
    ErrorCondition, Performative,
    definition::{AmqpError, Handle, Role, SequenceNo},
    endpoint::{Event, Intake, LinkId, Sent, Side},
    performative::{Attach, Begin, Detach, Flow, Open},
};
use bytes::Bytes;

use crate::pair::{Pair, Peer, answer_to, named};
use amqp10::endpoint::Settings;

fn error(condition: ErrorCondition) -> AmqpError {
    AmqpError { condition, description: None, info: None }
}

#[test]
fn a_refused_link_has_no_terminus_and_is_closed_with_the_error() {
    for role in [Role::Sender, Role::Receiver] {
        let mut pair = Pair::new();
        let session = pair.begin();
        let attach = named("nowhere", role);
        let client = &mut pair.client;
        let ours =
            client.endpoint.attach(session, attach, Intake::default(), &mut client.out).unwrap();
        pair.talk();
        let [Event::Attached { link, .. }] = pair.server.told()[..] else { panic!() };
        let error = error(ErrorCondition::NotFound);
        pair.server.endpoint.detach(link, true, Some(error.clone()), &mut pair.server.out);
        pair.talk();
        let told = pair.client.told();
        let [
            Event::Attached { attach, by: Side::Local, .. },
            Event::Detached { link: its, by, closed: true, error: why, .. },
        ] = &told[..]
        else {
            panic!("{told:?}");
        };
        assert_eq!((&attach.source, &attach.target, *its, *by), (&None, &None, ours, Side::Peer));
        assert_eq!(why.as_deref(), Some(&error));
        let told = pair.server.told();
        assert!(
            matches!(told[..], [Event::Detached { by: Side::Local, closed: true, .. }]),
            "{told:?}"
        );
        // Handle and name are free again.
        pair.attach(session, named("nowhere", role));
    }
}

#[test]
fn a_link_attached_again_steals_itself() {
    let mut pair = Pair::new();
    let (first, second) = (pair.begin(), pair.begin());
    let (old, old_its) = pair.attach(first, named("one", Role::Sender));
    // Of the same container, as far as the server can see: the client would not do it by mistake.
    let attach =
        Attach { initial_delivery_count: Some(SequenceNo(0)), ..named("one", Role::Sender) };
    pair.server.hear(second.channel().0, attach);
    pair.talk();
    let told = pair.server.told();
    let [
        Event::Detached { link, by: Side::Local, closed: false, error: Some(why), .. },
        Event::Attached { link: new, .. },
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((*link, &why.condition), (old_its, &ErrorCondition::LinkStolen));
    assert!(*new != old_its);
    let told = pair.client.told();
    let [Event::Detached { link, by: Side::Peer, closed: false, error: Some(why), .. }] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((*link, &why.condition), (old, &ErrorCondition::LinkStolen));
}

#[test]
fn a_detach_is_answered_alike_and_the_handle_is_free() {
    for closed in [true, false] {
        let mut pair = Pair::new();
        let session = pair.begin();
        let (ours, its) = pair.attach(session, named("link", Role::Receiver));
        pair.client.endpoint.detach(ours, closed, None, &mut pair.client.out);
        pair.talk();
        for (peer, link, side) in
            [(&mut pair.client, ours, Side::Local), (&mut pair.server, its, Side::Peer)]
        {
            let told = peer.told();
            let [Event::Detached { link: gone, by, closed: said, error: None, suspended }] =
                &told[..]
            else {
                panic!("{told:?}");
            };
            assert_eq!((*gone, *by, *said, suspended.is_some()), (link, side, closed, !closed));
        }
        let (again, _) = pair.attach(session, named("link", Role::Receiver));
        assert_eq!(again.handle(), ours.handle());
        assert_ne!(again, ours, "a name is used once");
        assert!(!pair.client.endpoint.grant(ours, 1, false, &mut pair.client.out));
        assert!(pair.client.endpoint.grant(again, 1, false, &mut pair.client.out));
    }
}

#[test]
fn both_may_detach_at_once() {
    let mut pair = Pair::new();
    let session = pair.begin();
    let (ours, its) = pair.attach(session, named("link", Role::Sender));
    pair.client.endpoint.detach(ours, true, None, &mut pair.client.out);
    pair.server.endpoint.detach(its, true, None, &mut pair.server.out);
    pair.talk();
    for peer in [&mut pair.client, &mut pair.server] {
        let told = peer.told();
        assert!(matches!(told[..], [Event::Detached { by: Side::Local, .. }]), "{told:?}");
    }
    pair.attach(session, named("link", Role::Sender));
}

#[test]
fn a_thousand_links_on_one_session() {
    let mut pair = Pair::new();
    let session = pair.begin();
    let names: Vec<&'static str> =
        (0..1000).map(|number| &*Box::leak(format!("link {number}").into_boxed_str())).collect();
    let links: Vec<(LinkId, LinkId)> =
        names.iter().map(|name| pair.attach(session, named(name, Role::Sender))).collect();
    for (_, its) in &links {
        assert!(pair.server.endpoint.grant(*its, 1, false, &mut pair.server.out));
    }
    pair.talk();
    let body = Bytes::from_static(b"body");
    let mut sent = 0;
    for (ours, _) in &links {
        if pair.client.send(*ours, 1, &body) == Sent::NoWindow {
            pair.talk();
            assert!(matches!(pair.client.send(*ours, 1, &body), Sent::Whole(_)));
        }
        sent += 1;
    }
    pair.talk();
    let deliveries = pair.server.deliveries();
    assert_eq!((deliveries.len(), sent), (1000, 1000));
    assert!(deliveries.iter().zip(&links).all(|(delivery, link)| delivery.link == link.1));
}

#[test]
fn everything_may_be_said_before_anything_is_answered() {
    let mut pair = Pair {
        client: Peer::new(Settings::new("client")),
        server: Peer::new(Settings::new("server")),
    };
    let client = &mut pair.client;
    client.endpoint.open(&mut client.out);
    let session = client.endpoint.begin(&mut client.out).unwrap();
    let attach = named("link", Role::Receiver);
    let ours = client.endpoint.attach(session, attach, Intake::default(), &mut client.out).unwrap();
    assert!(client.endpoint.grant(ours, 7, false, &mut client.out));
    pair.talk();
    let told = pair.server.told();
    let [
        Event::Opened(_),
        Event::Begun { .. },
        Event::Attached { link, attach, .. },
        Event::Flow(flow),
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((flow.link, flow.credit), (*link, 7));
    let server = &mut pair.server;
    assert!(server.endpoint.accept(*link, answer_to(attach), Intake::default(), &mut server.out));
    assert!(matches!(server.send(*link, 0, &Bytes::from_static(b"x")), Sent::Whole(_)));
    pair.talk();
    let told = pair.client.told();
    assert!(
        matches!(
            told[..],
            [Event::Opened(_), Event::Begun { .. }, Event::Attached { .. }, Event::Delivery(_)]
        ),
        "{told:?}"
    );
}

#[test]
fn a_link_may_be_given_up_before_it_is_answered() {
    let mut pair = Pair::new();
    let session = pair.begin();
    let client = &mut pair.client;
    let attach = named("link", Role::Sender);
    let ours = client.endpoint.attach(session, attach, Intake::default(), &mut client.out).unwrap();
    client.endpoint.detach(ours, true, None, &mut client.out);
    pair.talk();
    let told = pair.server.told();
    let [Event::Attached { link, attach, .. }, Event::Detached { by: Side::Peer, .. }] = &told[..]
    else {
        panic!("{told:?}");
    };
    let server = &mut pair.server;
    let answer = answer_to(attach);
    assert!(!server.endpoint.accept(*link, answer, Intake::default(), &mut server.out));
    let told = pair.client.told();
    assert!(matches!(told[..], [Event::Detached { by: Side::Local, .. }]), "{told:?}");
    pair.attach(session, named("link", Role::Sender));
}

#[test]
fn a_state_asked_for_before_the_answer_is_told_after_it() {
    let mut server = Peer::new(Settings::new("server"));
    server.hear(0, Open { container_id: "c".into(), ..Open::default() });
    server.hear(0, Begin { incoming_window: 9, ..Begin::default() });
    server.hear(0, named("link", Role::Receiver));
    let flow = Flow {
        handle: Some(Handle(0)),
        link_credit: Some(3),
        incoming_window: 9,
        echo: true,
        ..Flow::default()
    };
    server.hear(0, flow);
    server.said();
    let [.., Event::Attached { link, .. }, Event::Flow(_)] = server.told()[..] else { panic!() };
    let answer = named("link", Role::Sender);
    assert!(server.endpoint.accept(link, answer, Intake::default(), &mut server.out));
    let said = server.said();
    let [Performative::Attach(_), Performative::Flow(flow)] = &said[..] else {
        panic!("{said:?}");
    };
    assert_eq!((flow.link_credit, flow.handle), (Some(3), Some(Handle(0))));
    server.hear(0, Detach { handle: Handle(0), closed: true, ..Detach::default() });
    assert!(matches!(server.said()[..], [Performative::Detach(Detach { closed: true, .. })]));
}

#[test]
fn links_beyond_the_limit_are_refused() {
    let mut settings = Settings::new("server");
    settings.limits.links_max = 1;
    let mut pair = Pair::with(Settings::new("client"), settings);
    let session = pair.begin();
    pair.attach(session, named("one", Role::Sender));
    let client = &mut pair.client;
    let attach = named("two", Role::Sender);
    client.endpoint.attach(session, attach, Intake::default(), &mut client.out).unwrap();
    pair.talk();
    let told = pair.client.told();
    let [Event::Attached { .. }, Event::Detached { error: Some(why), .. }] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(why.condition, ErrorCondition::ResourceLimitExceeded);
}
