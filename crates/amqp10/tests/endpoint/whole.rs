//! Deliveries taken where they lie: which are, and that they are what they would have been.

use amqp10::{
    ChannelId, DeliveryTag,
    definition::{
        DeliveryNumber, Handle, MessageFormat, ReceiverSettleMode, Role, SenderSettleMode,
    },
    encode_transfer_head,
    endpoint::{DeliveryRange, Event, LinkId},
    messaging::{Accepted, Received},
    performative::Transfer,
};
use bytes::{Bytes, BytesMut};

use crate::pair::{NOW, Pair, moded, named};

fn plain(id: u32) -> Transfer {
    Transfer {
        handle: Handle(0),
        delivery_id: Some(DeliveryNumber(id)),
        delivery_tag: DeliveryTag::try_from(Bytes::from_static(b"tag")).ok(),
        message_format: Some(MessageFormat(0)),
        settled: Some(false),
        ..Transfer::default()
    }
}

fn frame(transfer: &Transfer, payload: &[u8]) -> BytesMut {
    let mut octets = BytesMut::new();
    encode_transfer_head(ChannelId(0), transfer, payload.len(), &mut octets);
    octets.extend_from_slice(payload);
    octets
}

/// A server with a link on which the client may send.
fn server(credit: u32) -> (Pair, LinkId) {
    let mut pair = Pair::new();
    let (_, its) = pair.sending(credit);
    pair.server.told();
    (pair, its)
}

#[test]
fn a_delivery_is_taken_and_settled_as_any_other() {
    let (mut pair, link) = server(10);
    let server = &mut pair.server;
    for id in [0, 1, 300, 70_000] {
        let mut buffer = frame(&plain(id), b"payload");
        buffer.extend_from_slice(b"what follows");
        let taken = server.endpoint.receive_whole(&buffer, NOW, &mut server.out).unwrap();
        assert_eq!((taken.link, taken.id, taken.settled), (link, DeliveryNumber(id), false));
        assert_eq!(&buffer[taken.payload.clone()], b"payload");
        let taken_out = buffer.split_to(taken.payload.end).freeze();
        assert_eq!(&buffer[..], b"what follows");
        let delivery = taken.into_delivery(&taken_out);
        assert_eq!(&delivery.tag.as_bytes()[..], b"tag");
        assert_eq!(delivery.payload.concat(), b"payload");
    }
    assert_eq!(server.endpoint.credit(link), 6);
    let all = DeliveryRange::new(DeliveryNumber(0), DeliveryNumber(70_000));
    let accepted = Some(Accepted {}.into());
    let session = link.session();
    assert_eq!(server.endpoint.settle(session, Role::Receiver, all, accepted, &mut server.out), 4);
}

#[test]
fn what_is_out_of_the_ordinary_takes_the_long_way() {
    let (mut pair, link) = server(2);
    let server = &mut pair.server;
    let mut take =
        |octets: &[u8]| server.endpoint.receive_whole(octets, NOW, &mut server.out).is_some();
    let state = || Some(Received::default().into());
    for unusual in [
        Transfer { more: true, ..plain(0) },
        Transfer { aborted: true, ..plain(0) },
        Transfer { resume: true, ..plain(0) },
        Transfer { state: state(), ..plain(0) },
        Transfer { delivery_id: None, ..plain(0) },
        Transfer { delivery_tag: None, ..plain(0) },
        Transfer { message_format: Some(MessageFormat(1)), ..plain(0) },
        Transfer { rcv_settle_mode: Some(ReceiverSettleMode::First), ..plain(0) },
        Transfer { handle: Handle(1), ..plain(0) },
    ] {
        assert!(!take(&frame(&unusual, b"m")), "{unusual:?}");
    }
    let whole = frame(&plain(0), b"message");
    assert!((0..whole.len()).all(|end| !take(&whole[..end])), "cut short");
    assert!(take(&frame(&Transfer { batchable: true, ..plain(5) }, b"m")));
    assert!(!take(&frame(&plain(5), b"m")), "a number that was");
    assert!(take(&frame(&Transfer { settled: Some(true), ..plain(6) }, b"")));
    assert!(!take(&frame(&plain(7), b"m")), "no credit");
    assert_eq!(server.endpoint.credit(link), 0);
    assert!(server.told().is_empty() && server.said().is_empty(), "nothing happened");
    let closed = server;
    closed.endpoint.close(None, &mut closed.out);
    assert!(closed.endpoint.receive_whole(&frame(&plain(8), b"m"), NOW, &mut closed.out).is_none());
}

#[test]
fn what_was_agreed_of_settling_holds() {
    use SenderSettleMode::{Settled, Unsettled};
    for (mode, settled, is_taken) in [
        (Settled, true, true),
        (Settled, false, false),
        (Unsettled, true, false),
        (Unsettled, false, true),
    ] {
        let mut pair = Pair::new();
        let session = pair.begin();
        let link = moded(Role::Sender, mode, ReceiverSettleMode::First);
        let (_, its) = pair.attach(session, link);
        let server = &mut pair.server;
        server.endpoint.grant(its, 1, false, &mut server.out);
        let octets = frame(&Transfer { settled: Some(settled), ..plain(0) }, b"m");
        let taken = server.endpoint.receive_whole(&octets, NOW, &mut server.out);
        assert_eq!(taken.is_some(), is_taken, "{mode:?} {settled}");
    }
}

#[test]
fn in_the_middle_of_another_delivery_nothing_is_taken() {
    let mut pair = Pair::new();
    let session = pair.begin();
    let (_, its) = pair.attach(session, named("link", Role::Sender));
    let server = &mut pair.server;
    server.endpoint.grant(its, 9, false, &mut server.out);
    server.hear_with(0, Transfer { more: true, ..plain(0) }, b"one");
    let octets = frame(&plain(1), b"two");
    assert!(server.endpoint.receive_whole(&octets, NOW, &mut server.out).is_none());
    server.hear_with(0, Transfer { delivery_id: None, delivery_tag: None, ..plain(0) }, b"end");
    assert!(
        matches!(&server.told()[..], [Event::Delivery(it)] if it.payload.concat() == b"oneend")
    );
    assert!(server.endpoint.receive_whole(&octets, NOW, &mut server.out).is_some());
}
