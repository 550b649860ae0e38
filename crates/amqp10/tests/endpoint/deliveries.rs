//! Messages from one end to the other: settle modes, several frames, aborts, streams, sizes,
//! numbers that wrap around.

use amqp10::{
    DeliveryTag, ErrorCondition,
    definition::{
        DeliveryNumber, Handle, MessageFormat, ReceiverSettleMode, Role, SenderSettleMode,
        SequenceNo, TransferNumber,
    },
    endpoint::{
        DeliveryRange, Disposition, Event, Intake, Limits, Numbering, Outgoing, Sent, Settings,
        Streaming,
    },
    messaging::{Accepted, DeliveryState, Released},
    performative::{Attach, Transfer},
};
use bytes::{Bytes, BytesMut};

use crate::pair::{Pair, answer_to, moded, named};

fn accepted() -> Option<DeliveryState> {
    Some(Accepted {}.into())
}

fn dispositions(told: Vec<Event>) -> Vec<Disposition> {
    told.into_iter()
        .filter_map(|event| match event {
            Event::Disposition(it) => Some(it),
            _ => None,
        })
        .collect()
}

#[test]
fn each_settle_mode_settles_where_it_should() {
    use ReceiverSettleMode::{First, Second};
    use SenderSettleMode::{Mixed, Settled, Unsettled};
    for (snd, rcv, is_settled) in [
        (Unsettled, First, false),
        (Unsettled, Second, false),
        (Settled, First, true),
        (Settled, Second, true),
        (Mixed, First, false),
        (Mixed, Second, false),
    ] {
        let mut pair = Pair::new();
        let session = pair.begin();
        let (ours, its) = pair.attach(session, moded(Role::Sender, snd, rcv));
        let server = &mut pair.server;
        server.endpoint.grant(its, 10, false, &mut server.out);
        pair.talk();
        for tag in 0..3 {
            assert!(matches!(pair.client.send(ours, tag, &Bytes::new()), Sent::Whole(_)));
        }
        pair.talk();
        pair.client.told();
        let deliveries = pair.server.deliveries();
        assert!(deliveries.iter().all(|it| it.settled == is_settled && it.rcv_settle_mode == rcv));
        let server = &mut pair.server;
        let all = DeliveryRange::new(deliveries[0].id, deliveries[2].id);
        let mut settle = || {
            server.endpoint.settle(its.session(), Role::Receiver, all, accepted(), &mut server.out)
        };
        assert_eq!(settle(), if is_settled { 0 } else { 3 });
        pair.talk();
        let told = dispositions(pair.client.told());
        if is_settled {
            assert_eq!(told, []);
            continue;
        }
        let [told] = &told[..] else { panic!("{told:?}") };
        assert_eq!(
            (told.role, told.settled, told.ranges.as_slice()),
            (Role::Receiver, rcv == First, &[all][..])
        );
        assert_eq!(told.state, accepted());
        let client = &mut pair.client;
        let settled = client.endpoint.settle(session, Role::Sender, all, None, &mut client.out);
        assert_eq!(settled, if rcv == First { 0 } else { 3 }, "the sender settles only once");
        pair.talk();
        let told = dispositions(pair.server.told());
        assert_eq!(told.len(), usize::from(rcv == Second));
        assert!(told.iter().all(|it| it.settled && it.role == Role::Sender));
        let server = &mut pair.server;
        let again =
            server.endpoint.settle(its.session(), Role::Receiver, all, accepted(), &mut server.out);
        assert_eq!((again, server.out.len()), (0, 0), "what is settled is settled");
    }
}

#[test]
fn ranges_leave_out_what_is_settled_already() {
    let mut pair = Pair::new();
    let (ours, its) = pair.sending(20);
    for tag in 0..10 {
        pair.client.send(ours, tag, &Bytes::new());
    }
    pair.talk();
    let ids: Vec<DeliveryNumber> = pair.server.deliveries().iter().map(|it| it.id).collect();
    let server = &mut pair.server;
    let session = its.session();
    server.endpoint.settle(
        session,
        Role::Receiver,
        ids[4],
        Some(Released {}.into()),
        &mut server.out,
    );
    let all = DeliveryRange::new(ids[0], ids[9]);
    assert_eq!(
        server.endpoint.settle(session, Role::Receiver, all, accepted(), &mut server.out),
        9
    );
    pair.talk();
    let told = dispositions(pair.client.told());
    assert_eq!(told.len(), 2, "one frame for all the rest");
    assert_eq!(told[0].ranges.as_slice(), [DeliveryRange::from(ids[4])]);
    let rest = [DeliveryRange::new(ids[0], ids[3]), DeliveryRange::new(ids[5], ids[9])];
    assert_eq!(told[1].ranges.as_slice(), rest);
}

#[test]
fn a_large_message_goes_in_many_frames_and_through_a_small_window() {
    for window in [1, 2, 3, 400] {
        let mut client = Settings::new("client");
        client.max_frame_size = 512;
        let mut server = Settings::new("server");
        (server.max_frame_size, server.incoming_window) = (512, window);
        let mut pair = Pair::with(client, server);
        let (ours, _) = pair.sending(10);
        let body = Bytes::from((0..10_000).map(|it| it as u8).collect::<Vec<u8>>());
        let sent = pair.client.send(ours, 7, &body);
        assert_eq!(matches!(sent, Sent::Partly(_)), window < 20, "{sent:?}");
        let mut rounds = 0;
        loop {
            pair.talk();
            let client = &mut pair.client;
            let is_window = client.told().iter().any(|it| matches!(it, Event::Window { .. }));
            if !is_window {
                break;
            }
            client.endpoint.continue_sending(ours.session(), &mut client.out);
            rounds += 1;
        }
        let deliveries = pair.server.deliveries();
        let [delivery] = &deliveries[..] else { panic!("{window}: {deliveries:?}") };
        let whole: Vec<u8> = delivery.payload.iter().flatten().copied().collect();
        assert_eq!((whole[0], &whole[1..]), (b'h', &body[..]));
        assert_eq!(&delivery.tag.as_bytes()[..], 7_u64.to_be_bytes());
        assert!(window == 400 || rounds >= 20 / window, "{rounds} rounds by {window}");
        assert!(matches!(pair.client.send(ours, 8, &Bytes::new()), Sent::Whole(_)));
    }
}

#[test]
fn another_message_waits_until_the_one_before_is_out() {
    let mut server = Settings::new("server");
    (server.max_frame_size, server.incoming_window) = (512, 1);
    let mut pair = Pair::with(Settings::new("client"), server);
    let (ours, _) = pair.sending(10);
    let body = Bytes::from(vec![1; 600]);
    assert!(matches!(pair.client.send(ours, 1, &body), Sent::Partly(_)));
    assert_eq!(pair.client.send(ours, 2, &body), Sent::NoWindow);
    pair.talk();
    assert!(pair.client.endpoint.abort(ours, &mut pair.client.out));
    pair.talk();
    let told = pair.server.told();
    assert!(matches!(told[..], [Event::Aborted { .. }]), "{told:?}");
    assert!(matches!(pair.client.send(ours, 2, &Bytes::new()), Sent::Whole(_)));
    pair.talk();
    assert_eq!(pair.server.deliveries().len(), 1);
}

#[test]
fn a_link_that_streams_hands_parts_on() {
    let mut server = Settings::new("server");
    server.max_frame_size = 512;
    let mut pair = Pair::with(Settings::new("client"), server);
    let session = pair.begin();
    let client = &mut pair.client;
    let attach = named("link", Role::Sender);
    let ours = client.endpoint.attach(session, attach, Intake::default(), &mut client.out).unwrap();
    pair.talk();
    let [Event::Attached { link, attach, .. }] = &pair.server.told()[..] else { panic!() };
    let intake = Intake { streaming: Streaming::Always, ..Intake::default() };
    let server = &mut pair.server;
    server.endpoint.accept(*link, answer_to(attach), intake, &mut server.out);
    server.endpoint.grant(*link, 1, false, &mut server.out);
    pair.talk();
    pair.client.send(ours, 1, &Bytes::from(vec![9; 2000]));
    pair.talk();
    let told = pair.server.told();
    let Event::Delivery(first) = &told[0] else { panic!("{told:?}") };
    assert!(first.more);
    let mut size: usize = first.payload.iter().map(Bytes::len).sum();
    for (index, event) in told.iter().enumerate().skip(1) {
        let Event::Part { payload, more, id, .. } = event else { panic!("{event:?}") };
        assert_eq!((*id, *more), (first.id, index + 1 < told.len()));
        size += payload.len();
    }
    assert_eq!(size, 2001);
}

/// Header, properties of one octet each at the least, and a data section of so many octets.
fn with_head(body: usize) -> Bytes {
    let mut octets = vec![0x00, 0x53, 0x70, 0x45, 0x00, 0x53, 0x73, 0x45, 0x00, 0x53, 0x75, 0xb0];
    octets.extend_from_slice(&(body as u32).to_be_bytes());
    octets.extend((0..body).map(|at| at as u8));
    octets.into()
}

#[test]
fn only_a_large_message_comes_part_by_part_and_from_its_body_on() {
    let mut server = Settings::new("server");
    server.max_frame_size = 512;
    let mut pair = Pair::with(Settings::new("client"), server);
    let session = pair.begin();
    let client = &mut pair.client;
    let attach = named("link", Role::Sender);
    let ours = client.endpoint.attach(session, attach, Intake::default(), &mut client.out).unwrap();
    pair.talk();
    let [Event::Attached { link, attach, .. }] = &pair.server.told()[..] else { panic!() };
    let intake = Intake { streaming: Streaming::Above(1000), ..Intake::default() };
    let server = &mut pair.server;
    server.endpoint.accept(*link, answer_to(attach), intake, &mut server.out);
    server.endpoint.grant(*link, 9, false, &mut server.out);
    pair.talk();
    for (body, parts) in [(900, false), (5000, true), (40, false)] {
        let message = [with_head(body)];
        let outgoing = Outgoing { tag: 1, body: &message, ..Outgoing::default() };
        let client = &mut pair.client;
        client.endpoint.send(ours, &outgoing, &mut client.out);
        pair.talk();
        let told = pair.server.told();
        let Event::Delivery(first) = &told[0] else { panic!("{told:?}") };
        assert_eq!((first.more, told.len() > 1), (parts, parts));
        let mut read: Vec<u8> = first.payload.concat();
        for (index, event) in told.iter().enumerate().skip(1) {
            let Event::Part { payload, more, .. } = event else { panic!("{event:?}") };
            assert_eq!(*more, index + 1 < told.len());
            read.extend_from_slice(payload);
        }
        assert_eq!(read, message[0]);
    }
    // Where its body begins cannot be told: it is handed on as a whole, and still has a bound.
    pair.client.send(ours, 2, &Bytes::from(vec![9; 3000]));
    pair.talk();
    let told = pair.server.told();
    assert!(matches!(&told[..], [Event::Delivery(whole)] if !whole.more), "{told:?}");
}

#[test]
fn what_is_handed_over_bit_by_bit_goes_out_in_whole_frames_of_one_delivery() {
    let mut server = Settings::new("server");
    server.max_frame_size = 512;
    let mut pair = Pair::with(Settings::new("client"), server);
    let (ours, its) = pair.sending(5);
    let message = with_head(7000);
    let (head, rest) = (message.slice(..12), message.len() as u64 - 12);
    let outgoing = Outgoing { tag: 7, head: &head, rest, ..Outgoing::default() };
    let client = &mut pair.client;
    let sent = client.endpoint.send(ours, &outgoing, &mut client.out);
    assert!(matches!(sent, Sent::Partly(_)), "{sent:?}");
    assert!(client.out.is_empty(), "no frame is full yet");
    assert!(client.endpoint.is_hungry(ours));
    // Another one has to wait for it.
    assert_eq!(client.send(ours, 8, &Bytes::new()), Sent::NoWindow);
    for piece in message.slice(12..).chunks(333) {
        let client = &mut pair.client;
        assert!(client.endpoint.is_hungry(ours));
        assert!(client.endpoint.feed(ours, Bytes::copy_from_slice(piece), &mut client.out));
        pair.talk();
    }
    let client = &mut pair.client;
    assert!(!client.endpoint.is_hungry(ours));
    assert!(!client.endpoint.feed(ours, Bytes::from_static(b"more"), &mut client.out));
    let deliveries = pair.server.deliveries();
    let [delivery] = &deliveries[..] else { panic!("{deliveries:?}") };
    assert_eq!((delivery.link, delivery.payload.concat()), (its, message.to_vec()));
    assert!(matches!(pair.client.send(ours, 8, &Bytes::new()), Sent::Whole(_)));
}

#[test]
fn a_message_beyond_the_limit_of_either_side_is_not_sent_or_not_taken() {
    let mut pair = Pair::new();
    let session = pair.begin();
    let limited = Attach { max_message_size: Some(100), ..named("link", Role::Sender) };
    let (ours, its) = pair.attach(session, limited);
    let server = &mut pair.server;
    server.endpoint.grant(its, 5, false, &mut server.out);
    pair.talk();
    pair.client.told();
    assert_eq!(pair.client.send(ours, 1, &Bytes::from(vec![0; 100])), Sent::TooLarge);
    assert!(matches!(pair.client.send(ours, 1, &Bytes::from(vec![0; 99])), Sent::Whole(_)));
    let long = &[0; 101];
    let transfer = Transfer {
        delivery_id: Some(DeliveryNumber(5)),
        delivery_tag: Some(DeliveryTag::default()),
        ..Transfer::default()
    };
    pair.server.hear_with(0, transfer, long);
    let told = pair.server.told();
    let [Event::Detached { error: Some(why), closed: true, .. }] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(why.condition, ErrorCondition::LinkMessageSizeExceeded);
}

#[test]
fn incomplete_deliveries_are_bounded_and_given_back() {
    let mut settings = Settings::new("server");
    settings.limits = Limits { incomplete_bytes_max: 1000, ..Limits::default() };
    let mut pair = Pair::with(Settings::new("client"), settings);
    pair.sending(50);
    let part = |id: u32, more| Transfer {
        delivery_id: Some(DeliveryNumber(id)),
        delivery_tag: Some(DeliveryTag::default()),
        more,
        ..Transfer::default()
    };
    for id in 0..20 {
        pair.server.hear_with(0, part(id, true), &[0; 300]);
        pair.server.hear_with(0, part(id, false), &[0; 300]);
    }
    assert_eq!(pair.server.deliveries().len(), 20);
    for _ in 0..5 {
        pair.server.hear_with(0, part(30, true), &[0; 300]);
    }
    let told = pair.server.told();
    let [Event::Detached { error: Some(why), .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(why.condition, ErrorCondition::ResourceLimitExceeded);
}

#[test]
fn unsettled_deliveries_are_bounded_in_both_directions() {
    let mut client = Settings::new("client");
    client.limits.unsettled_max = 2;
    let mut pair = Pair::with(client, Settings::new("server"));
    let (ours, its) = pair.sending(10);
    let sent: Vec<Sent> = (0..3).map(|tag| pair.client.send(ours, tag, &Bytes::new())).collect();
    assert!(
        matches!(sent[..], [Sent::Whole(_), Sent::Whole(id), Sent::TooManyUnsettled] if id.0 == 1)
    );
    pair.talk();
    let server = &mut pair.server;
    let first = DeliveryNumber(0);
    server.endpoint.settle(its.session(), Role::Receiver, first, accepted(), &mut server.out);
    pair.talk();
    assert!(matches!(pair.client.send(ours, 2, &Bytes::new()), Sent::Whole(_)));
}

#[test]
fn all_numbers_wrap_around() {
    let numbering = Numbering {
        transfer: TransferNumber(u32::MAX - 2),
        delivery: DeliveryNumber(u32::MAX - 3),
        delivery_count: SequenceNo(u32::MAX - 1),
    };
    let settings = |name| {
        let mut settings = Settings::new(name);
        (settings.numbering, settings.incoming_window, settings.max_frame_size) =
            (numbering, 3, 512);
        settings
    };
    let mut pair = Pair::with(settings("client"), settings("server"));
    let (ours, its) = pair.sending(2);
    let body = Bytes::from(vec![5; 600]);
    for tag in 0..20 {
        while let Sent::NoWindow | Sent::NoCredit = pair.client.send(ours, tag, &body) {
            pair.talk();
            assert_ne!(pair.client.told(), [], "it is told when to go on");
        }
        pair.talk();
        let deliveries = pair.server.deliveries();
        let [delivery] = &deliveries[..] else { panic!("{tag}: {deliveries:?}") };
        assert_eq!(delivery.id, numbering.delivery.plus(tag as u32));
        let server = &mut pair.server;
        let session = its.session();
        server.endpoint.settle(session, Role::Receiver, delivery.id, accepted(), &mut server.out);
        server.endpoint.grant(its, 2, false, &mut server.out);
        pair.talk();
        let settled = dispositions(pair.client.told());
        assert_eq!(settled[0].ranges.as_slice(), [DeliveryRange::from(delivery.id)]);
    }
}

#[test]
fn states_formats_and_resumed_deliveries_go_field_by_field() {
    let mut server = Settings::new("server");
    server.max_frame_size = 512;
    let mut pair = Pair::with(Settings::new("client"), server);
    let (ours, _) = pair.sending_for(5, Intake { resumable: true, ..Intake::default() });
    let state = DeliveryState::from(Accepted {});
    let body = [Bytes::from(vec![3; 1000])];
    let message = Outgoing {
        tag: 9,
        message_format: MessageFormat(7),
        state: Some(&state),
        resume: true,
        body: &body,
        ..Outgoing::default()
    };
    let client = &mut pair.client;
    assert!(matches!(client.endpoint.send(ours, &message, &mut client.out), Sent::Whole(_)));
    pair.talk();
    let deliveries = pair.server.deliveries();
    let [delivery] = &deliveries[..] else { panic!("{deliveries:?}") };
    assert_eq!((delivery.message_format, delivery.resume), (MessageFormat(7), true));
    assert_eq!(delivery.state.as_deref(), Some(&state));
    assert_eq!(delivery.payload.iter().map(Bytes::len).sum::<usize>(), 1000);
}

#[test]
fn a_body_goes_out_as_the_slices_it_is() {
    #[derive(Default)]
    struct Slices(BytesMut, Vec<Bytes>);
    impl amqp10::endpoint::Outbox for Slices {
        fn tail(&mut self) -> &mut BytesMut {
            &mut self.0
        }
        fn put(&mut self, slice: &Bytes) {
            self.1.push(slice.clone());
        }
    }
    let mut pair = Pair::new();
    let (ours, _) = pair.sending(5);
    let body = [Bytes::from_static(b"one"), Bytes::from_static(b"two")];
    let message = Outgoing { body: &body, ..Outgoing::default() };
    let mut out = Slices::default();
    pair.client.endpoint.send(ours, &message, &mut out);
    assert_eq!(out.1, body);
    assert_eq!(out.1[0].as_ptr(), body[0].as_ptr());
    assert_eq!(out.0.len(), amqp10::TRANSFER_STENCIL_SIZE);
    assert_eq!(ours.handle(), Handle(0));
}
