//! What a peer does wrong, and where it ends.

use amqp10::{
    ChannelId, DeliveryTag, ErrorCondition, FrameDecoder, Performative,
    definition::{
        DeliveryNumber, Handle, MessageFormat, ReceiverSettleMode, Role, SenderSettleMode,
        SequenceNo,
    },
    endpoint::{Event, Intake, Phase, Settings},
    messaging::{Accepted, Source},
    performative::{Attach, Begin, Close, Disposition, End, Flow, Open, Transfer},
    sasl::SaslOutcome,
};
use bytes::BytesMut;

use crate::pair::{NOW, Peer, named};

/// A server with a session on channel 0, and on handle 0 a link on which it receives by credit 10.
fn receiver(snd: SenderSettleMode, rcv: ReceiverSettleMode) -> Peer {
    let mut peer = session();
    let attach = Attach {
        initial_delivery_count: Some(SequenceNo(0)),
        snd_settle_mode: snd,
        rcv_settle_mode: rcv,
        ..named("link", Role::Sender)
    };
    peer.hear(0, attach.clone());
    let [Event::Attached { link, .. }] = peer.told()[..] else { panic!() };
    peer.endpoint.accept(link, attach, Intake::default(), &mut peer.out);
    peer.endpoint.grant(link, 10, false, &mut peer.out);
    peer.said();
    peer
}

fn session() -> Peer {
    let mut settings = Settings::new("server");
    (settings.channel_max, settings.handle_max) = (5, 3);
    let mut peer = Peer::new(settings);
    peer.hear(0, Open { container_id: "client".into(), ..Open::default() });
    peer.hear(0, Begin { incoming_window: 100, ..Begin::default() });
    peer.said();
    peer.told();
    peer
}

fn mixed() -> Peer {
    receiver(SenderSettleMode::Mixed, ReceiverSettleMode::First)
}

fn first(id: u32) -> Transfer {
    Transfer {
        delivery_id: Some(DeliveryNumber(id)),
        delivery_tag: Some(DeliveryTag::default()),
        ..Transfer::default()
    }
}

#[track_caller]
fn detached(mut peer: Peer, condition: ErrorCondition) {
    let told = peer.told();
    let Some(Event::Detached { error: Some(why), closed: true, .. }) = told.last() else {
        panic!("{told:?}");
    };
    assert_eq!(why.condition, condition);
    let said = peer.said();
    let Some(Performative::Detach(detach)) = said.last() else { panic!("{said:?}") };
    assert_eq!(detach.error.as_ref().unwrap(), why);
    // What is on its way is passed over, and its number used.
    peer.hear(0, first(100));
    assert_eq!((peer.said(), peer.told()), (vec![], vec![]));
}

#[track_caller]
fn ended(mut peer: Peer, condition: ErrorCondition) {
    let told = peer.told();
    let Some(Event::Ended { error: Some(why), .. }) = told.last() else { panic!("{told:?}") };
    assert_eq!(why.condition, condition);
    let said = peer.said();
    let Some(Performative::End(end)) = said.last() else { panic!("{said:?}") };
    assert_eq!(end.error.as_ref().unwrap(), why);
    peer.hear(0, first(100));
    peer.hear(0, named("other", Role::Receiver));
    assert_eq!((peer.said(), peer.told()), (vec![], vec![]));
    peer.hear(0, End::default());
    assert_eq!((peer.said(), peer.told()), (vec![], vec![]), "it is told once");
    peer.hear(0, Begin::default());
    assert!(matches!(peer.said()[..], [Performative::Begin(_)]), "the channel is free again");
}

#[track_caller]
fn closed(mut peer: Peer, condition: ErrorCondition) {
    let told = peer.told();
    let Some(Event::Closed { error: Some(why), .. }) = told.last() else { panic!("{told:?}") };
    assert_eq!(why.condition, condition);
    let said = peer.said();
    let Some(Performative::Close(close)) = said.last() else { panic!("{said:?}") };
    assert_eq!(close.error.as_ref().unwrap(), why);
    assert_eq!(peer.endpoint.phase(), Phase::Closed);
    peer.hear(0, Close::default());
    peer.hear(0, Begin::default());
    assert_eq!((peer.said(), peer.told()), (vec![], vec![]));
}

#[test]
fn transfers_that_are_none_detach_the_link() {
    use ErrorCondition::{InvalidField, LinkTransferLimitExceeded};
    let bad = [
        Transfer { delivery_id: None, ..first(0) },
        Transfer { delivery_tag: None, ..first(0) },
        Transfer { rcv_settle_mode: Some(ReceiverSettleMode::Second), ..first(0) },
    ];
    for transfer in bad {
        let mut peer = mixed();
        peer.hear(0, transfer);
        detached(peer, InvalidField);
    }
    let continued = [
        Transfer { delivery_id: Some(DeliveryNumber(1)), ..Transfer::default() },
        Transfer { message_format: Some(MessageFormat(1)), ..Transfer::default() },
        Transfer {
            delivery_tag: DeliveryTag::try_from(bytes::Bytes::from_static(b"x")).ok(),
            ..Transfer::default()
        },
    ];
    for transfer in continued {
        let mut peer = mixed();
        peer.hear(0, Transfer { more: true, ..first(0) });
        peer.hear(0, transfer);
        detached(peer, InvalidField);
    }
    for (mode, settled) in [(SenderSettleMode::Settled, false), (SenderSettleMode::Unsettled, true)]
    {
        let mut peer = receiver(mode, ReceiverSettleMode::First);
        peer.hear(0, Transfer { settled: Some(settled), ..first(0) });
        detached(peer, InvalidField);
    }
    let mut peer = mixed();
    for id in 0..11 {
        peer.hear(0, first(id));
    }
    detached(peer, LinkTransferLimitExceeded);
}

#[test]
fn a_settled_continuation_settles_all_of_it() {
    let mut peer = receiver(SenderSettleMode::Settled, ReceiverSettleMode::First);
    peer.hear(0, Transfer { more: true, ..first(0) });
    peer.hear(0, Transfer { settled: Some(true), ..Transfer::default() });
    let [delivery] = &peer.deliveries()[..] else { panic!() };
    assert!(delivery.settled && !delivery.more);
}

#[test]
fn no_transfer_of_an_unsettled_link_is_settled_but_to_abort() {
    let unsettled = || receiver(SenderSettleMode::Unsettled, ReceiverSettleMode::First);
    let settled = |transfer: Transfer| Transfer { settled: Some(true), ..transfer };
    let mut peer = unsettled();
    peer.hear(0, Transfer { more: true, ..first(0) });
    peer.hear(0, settled(Transfer::default()));
    detached(peer, ErrorCondition::InvalidField);
    let mut peer = unsettled();
    peer.hear(0, settled(Transfer { aborted: true, ..first(0) }));
    peer.hear(0, Transfer { more: true, ..first(1) });
    peer.hear(0, settled(Transfer { aborted: true, ..Transfer::default() }));
    assert!(matches!(peer.told()[..], [Event::Aborted { .. }, Event::Aborted { .. }]));
    assert_eq!(peer.said(), []);
}

#[test]
fn a_resumed_delivery_is_passed_over_by_a_receiver_that_keeps_no_tags() {
    let resumed = |id| Transfer { resume: true, ..first(id) };
    let mut peer = mixed();
    peer.hear_with(0, resumed(0), b"whole");
    peer.hear_with(0, Transfer { more: true, ..resumed(1) }, b"in ");
    peer.hear_with(0, Transfer { more: true, ..Transfer::default() }, b"three ");
    peer.hear_with(0, Transfer::default(), b"parts");
    peer.hear_with(0, Transfer { more: true, ..resumed(2) }, b"given ");
    peer.hear_with(0, Transfer { aborted: true, ..Transfer::default() }, b"up");
    assert_eq!((peer.told(), peer.said()), (vec![], vec![]));
    peer.hear(0, first(3));
    let [delivery] = &peer.deliveries()[..] else { panic!("a new one is a delivery") };
    assert_eq!((delivery.id, peer.endpoint.credit(delivery.link)), (DeliveryNumber(3), 6));
}

#[test]
fn delivery_ids_go_up() {
    for second in [0, 5, u32::MAX] {
        let mut peer = mixed();
        peer.hear(0, first(5));
        peer.hear(0, first(second));
        ended(peer, ErrorCondition::InvalidField);
    }
    let mut peer = mixed();
    peer.hear(0, first(5));
    peer.hear(0, first(7));
    assert_eq!(peer.deliveries().len(), 2, "some leave numbers out");
}

#[test]
fn an_aborted_first_frame_uses_a_credit() {
    let mut peer = mixed();
    peer.hear_with(0, Transfer { aborted: true, ..first(0) }, b"ignored");
    let told = peer.told();
    let [Event::Aborted { link, .. }] = told[..] else { panic!("{told:?}") };
    assert_eq!(peer.endpoint.credit(link), 9);
}

#[test]
fn handles_that_are_wrong_end_the_session_or_the_connection() {
    let mut peer = mixed();
    peer.hear(0, named("other", Role::Receiver));
    ended(peer, ErrorCondition::SessionHandleInUse);
    let mut peer = mixed();
    peer.hear(0, Attach { handle: Handle(4), ..named("other", Role::Receiver) });
    closed(peer, ErrorCondition::ConnectionFramingError);
    let mut peer = mixed();
    peer.hear(0, Transfer { handle: Handle(1), ..first(0) });
    ended(peer, ErrorCondition::SessionUnattachedHandle);
    let mut peer = mixed();
    peer.hear(0, Flow { handle: Some(Handle(9)), ..Flow::default() });
    ended(peer, ErrorCondition::SessionUnattachedHandle);
}

#[test]
fn a_sender_says_where_it_begins() {
    let mut peer = session();
    peer.hear(0, named("link", Role::Sender));
    let told = peer.told();
    let [Event::Detached { error: Some(why), .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(why.condition, ErrorCondition::InvalidField);
    let said = peer.said();
    let [Performative::Attach(attach), Performative::Detach(_)] = &said[..] else {
        panic!("{said:?}");
    };
    assert_eq!((&attach.source, &attach.target, attach.role), (&None, &None, Role::Receiver));
}

#[test]
fn channels_that_are_wrong_close_the_connection() {
    let mut peer = session();
    peer.hear(6, Begin::default());
    closed(peer, ErrorCondition::ConnectionFramingError);
    let mut peer = session();
    peer.hear(6, Flow::default());
    closed(peer, ErrorCondition::ConnectionFramingError);
    let mut peer = session();
    peer.hear(1, Flow::default());
    closed(peer, ErrorCondition::NotAllowed);
    let mut peer = session();
    peer.hear(1, Begin { remote_channel: Some(0), ..Begin::default() });
    closed(peer, ErrorCondition::InvalidField);
    let mut peer = Peer::new(Settings::new("server"));
    peer.hear(0, Open { channel_max: 0, ..Open::default() });
    peer.hear(0, Begin::default());
    peer.hear(1, Begin::default());
    closed(peer, ErrorCondition::ResourceLimitExceeded);
}

#[test]
fn frames_too_small_to_talk_by_are_refused() {
    let mut peer = Peer::new(Settings::new("server"));
    peer.hear(0, Open { max_frame_size: 511, ..Open::default() });
    closed(peer, ErrorCondition::FrameSizeTooSmall);
}

#[test]
fn a_login_after_the_login_closes_the_connection() {
    let mut peer = session();
    let code = amqp10::sasl::SaslCode::Ok;
    let frame = amqp10::Frame::Sasl(SaslOutcome { code, additional_data: None }.into());
    peer.endpoint.receive(frame, NOW, &mut peer.out, &mut peer.events);
    closed(peer, ErrorCondition::ConnectionFramingError);
}

#[test]
fn what_is_no_frame_closes_the_connection_once() {
    let mut peer = session();
    let mut octets = BytesMut::from(&b"\0\0\0\x07\x02\0\0\0"[..]);
    let error = FrameDecoder::new().decode(&mut octets).unwrap_err();
    peer.endpoint.fail(&error, &mut peer.out, &mut peer.events);
    peer.endpoint.fail(&error, &mut peer.out, &mut peer.events);
    assert_eq!(peer.events.len(), 1);
    closed(peer, ErrorCondition::ConnectionFramingError);
}

#[test]
fn dispositions_of_what_is_not_there_change_nothing() {
    let mut peer = mixed();
    for id in 0..3 {
        peer.hear(0, first(id));
    }
    peer.told();
    for (role, from, to, events) in [
        (Role::Receiver, 0, u32::MAX / 2, 0),
        (Role::Sender, 3, 1000, 0),
        (Role::Sender, 1, 1, 1),
        (Role::Sender, 1, 1, 0),
        (Role::Sender, 0, 1000, 1),
        (Role::Sender, 0, 1000, 0),
    ] {
        peer.hear(
            0,
            Disposition {
                role,
                first: DeliveryNumber(from),
                last: Some(DeliveryNumber(to)),
                settled: true,
                state: Some(Accepted {}.into()),
                ..Disposition::default()
            },
        );
        assert_eq!((peer.told().len(), peer.said().len()), (events, 0), "{from} to {to}");
    }
    peer.hear(
        0,
        Disposition {
            first: DeliveryNumber(1),
            last: Some(DeliveryNumber(0)),
            ..Disposition::default()
        },
    );
    ended(peer, ErrorCondition::InvalidField);
}

#[test]
fn errors_are_cut_to_the_peers_frames() {
    let mut peer = Peer::new(Settings::new("server"));
    peer.hear(0, Open { max_frame_size: 512, ..Open::default() });
    peer.hear(0, Begin::default());
    let long = "x".repeat(450);
    let attach =
        Attach { name: long.into(), source: Some(Source::default()), ..named("", Role::Sender) };
    peer.hear(0, attach);
    let (mut sizes, mut rest) = (Vec::new(), peer.out.clone());
    while let Some((size, _)) = rest.split_first_chunk::<4>() {
        let size = u32::from_be_bytes(*size) as usize;
        sizes.push(size);
        let _ = rest.split_to(size);
    }
    assert!(sizes.iter().all(|&size| size <= 512), "{sizes:?}");
    assert_eq!(ChannelId(0), ChannelId::default());
}
