//! Credit and windows: one at a time, drained, asked for, used up, paused.

use amqp10::{
    ErrorCondition, Performative,
    definition::{Handle, Role, SequenceNo, TransferNumber},
    endpoint::{Event, LinkFlow, Sent, Settings},
    performative::Flow,
    types::Map,
};
use bytes::Bytes;

use crate::pair::{Pair, named};

#[test]
fn credit_one_at_a_time() {
    let mut pair = Pair::new();
    let (ours, its) = pair.sending(1);
    for tag in 0..5 {
        assert!(matches!(pair.client.send(ours, tag, &Bytes::new()), Sent::Whole(_)));
        assert_eq!(pair.client.send(ours, tag, &Bytes::new()), Sent::NoCredit);
        pair.talk();
        assert_eq!(pair.server.deliveries().len(), 1);
        assert_eq!(pair.server.endpoint.credit(its), 0);
        pair.server.endpoint.grant(its, 1, false, &mut pair.server.out);
        pair.talk();
        let [Event::Flow(LinkFlow { credit: 1, drain: false, .. })] = pair.client.told()[..] else {
            panic!();
        };
    }
}

#[test]
fn what_is_on_its_way_counts_against_new_credit() {
    let mut pair = Pair::new();
    let (ours, its) = pair.sending(5);
    for tag in 0..3 {
        pair.client.send(ours, tag, &Bytes::new());
    }
    // The server grants before it has seen them.
    pair.server.endpoint.grant(its, 5, false, &mut pair.server.out);
    pair.talk();
    assert_eq!(pair.client.endpoint.credit(ours), 2);
    assert_eq!(pair.server.endpoint.credit(its), 2);
}

#[test]
fn a_drained_link_lets_its_credit_go() {
    let mut pair = Pair::new();
    let (ours, its) = pair.sending(0);
    for (credit, sends) in [(5, 2), (3, 0), (0, 0), (2, 2)] {
        pair.server.endpoint.grant(its, credit, true, &mut pair.server.out);
        pair.talk();
        let [Event::Flow(flow)] = &pair.client.told()[..] else { panic!() };
        assert_eq!((flow.credit, flow.drain), (credit, true));
        for tag in 0..sends {
            pair.client.send(ours, tag, &Bytes::new());
        }
        assert!(pair.client.endpoint.drained(ours, &mut pair.client.out));
        assert!(!pair.client.endpoint.drained(ours, &mut pair.client.out), "once is enough");
        pair.talk();
        let told = pair.server.told();
        let Some(Event::Drained { unused, .. }) = told.last() else { panic!("{told:?}") };
        assert_eq!((*unused, told.len() as u64), (credit - sends as u32, sends + 1));
        assert_eq!(pair.server.endpoint.credit(its), 0);
        assert_eq!(pair.client.endpoint.credit(ours), 0);
    }
    // The counts agree.
    pair.server.endpoint.grant(its, 1, false, &mut pair.server.out);
    pair.talk();
    assert!(matches!(pair.client.send(ours, 0, &Bytes::new()), Sent::Whole(_)));
    assert_eq!(pair.client.send(ours, 0, &Bytes::new()), Sent::NoCredit);
}

#[test]
fn a_link_is_drained_after_what_it_sends_partly() {
    let mut server = Settings::new("server");
    (server.max_frame_size, server.incoming_window) = (512, 1);
    let mut pair = Pair::with(Settings::new("client"), server);
    let (ours, its) = pair.sending(0);
    pair.server.endpoint.grant(its, 5, true, &mut pair.server.out);
    pair.talk();
    pair.client.told();
    assert!(matches!(pair.client.send(ours, 1, &Bytes::from(vec![0; 700])), Sent::Partly(_)));
    assert!(pair.client.endpoint.drained(ours, &mut pair.client.out));
    pair.talk();
    assert_eq!(pair.server.told(), []);
    pair.client.endpoint.continue_sending(ours.session(), &mut pair.client.out);
    pair.talk();
    let told = pair.server.told();
    assert!(matches!(told[..], [Event::Delivery(_), Event::Drained { unused: 4, .. }]), "{told:?}");
}

#[test]
fn a_state_asked_for_is_told() {
    let mut pair = Pair::new();
    let (ours, its) = pair.sending(4);
    pair.client.endpoint.ask(ours, &mut pair.client.out);
    pair.talk();
    let told = pair.client.told();
    assert!(matches!(&told[..], [Event::Flow(LinkFlow { credit: 4, .. })]), "{told:?}");
    pair.server.endpoint.ask(its, &mut pair.server.out);
    pair.talk();
    let told = pair.server.told();
    assert!(
        told.iter().all(|it| matches!(it, Event::Flow(LinkFlow { credit: 4, .. }))),
        "{told:?}"
    );
    let mut properties = Map::new();
    properties.push("rabbitmq:active", true);
    assert!(pair.client.endpoint.tell(ours, properties, &mut pair.client.out));
    pair.talk();
    let [Event::Flow(flow)] = &pair.server.told()[..] else { panic!() };
    assert!(flow.properties.as_ref().unwrap().get("rabbitmq:active").is_some());
    // A session's.
    pair.server.hear(0, Flow { echo: true, incoming_window: 5, ..Flow::default() });
    let said = pair.server.said();
    let [Performative::Flow(flow)] = &said[..] else { panic!("{said:?}") };
    assert_eq!((flow.handle, flow.next_incoming_id), (None, Some(TransferNumber(0))));
}

#[test]
fn the_window_is_topped_up_at_half() {
    let mut server = Settings::new("server");
    server.incoming_window = 10;
    let mut pair = Pair::with(Settings::new("client"), server);
    let (ours, _) = pair.sending(100);
    let mut flows = 0;
    for tag in 0..50 {
        assert!(matches!(pair.client.send(ours, tag, &Bytes::new()), Sent::Whole(_)));
        let before = pair.server.out.len();
        let mut octets = std::mem::take(&mut pair.client.out);
        let frame = amqp10::FrameDecoder::new().decode(&mut octets).unwrap().unwrap();
        let server = &mut pair.server;
        server.endpoint.receive(frame, crate::pair::NOW, &mut server.out, &mut server.events);
        flows += usize::from(server.out.len() > before);
        pair.talk();
    }
    assert_eq!(flows, 10);
}

#[test]
fn a_paused_window_is_closed_and_opens_again() {
    let mut server = Settings::new("server");
    server.incoming_window = 4;
    let mut pair = Pair::with(Settings::new("client"), server);
    let (ours, _) = pair.sending(100);
    // Two are on their way when it is closed.
    pair.client.send(ours, 0, &Bytes::new());
    pair.client.send(ours, 1, &Bytes::new());
    pair.server.endpoint.pause(&mut pair.server.out);
    pair.talk();
    assert_eq!(pair.server.deliveries().len(), 2);
    assert_eq!(pair.client.send(ours, 2, &Bytes::new()), Sent::NoWindow);
    let late = pair.begin();
    let (second, its) = pair.attach(late, named("another", Role::Sender));
    pair.server.endpoint.grant(its, 1, false, &mut pair.server.out);
    pair.talk();
    assert_eq!(pair.client.send(second, 2, &Bytes::new()), Sent::NoWindow);
    pair.client.told();
    pair.server.endpoint.resume(&mut pair.server.out);
    pair.talk();
    let told = pair.client.told();
    assert!(matches!(told[..], [Event::Window { .. }, Event::Window { .. }]), "{told:?}");
    assert!(matches!(pair.client.send(ours, 2, &Bytes::new()), Sent::Whole(_)));
    assert!(matches!(pair.client.send(second, 2, &Bytes::new()), Sent::Whole(_)));
}

#[test]
fn a_senders_count_from_nowhere_takes_no_more_than_there_is() {
    let mut pair = Pair::new();
    let (_, its) = pair.sending(3);
    let flow = Flow {
        handle: Some(Handle(0)),
        delivery_count: Some(SequenceNo(1000)),
        incoming_window: 1,
        ..Flow::default()
    };
    pair.server.hear(0, flow);
    assert_eq!(pair.server.endpoint.credit(its), 0);
    let told = pair.server.told();
    assert!(matches!(told[..], [Event::Flow(LinkFlow { credit: 0, .. })]), "{told:?}");
}

#[test]
fn a_window_that_is_overrun_ends_the_session() {
    let mut server = Settings::new("server");
    server.incoming_window = 2;
    let mut pair = Pair::with(Settings::new("client"), server);
    pair.sending(100);
    pair.server.endpoint.pause(&mut pair.server.out);
    for id in 0..3 {
        let transfer = amqp10::performative::Transfer {
            delivery_id: Some(amqp10::definition::DeliveryNumber(id)),
            delivery_tag: Some(amqp10::DeliveryTag::default()),
            ..Default::default()
        };
        pair.server.hear(0, transfer);
    }
    let told = pair.server.told();
    let [Event::Delivery(_), Event::Delivery(_), Event::Ended { error: Some(why), .. }] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(why.condition, ErrorCondition::SessionWindowViolation);
}
