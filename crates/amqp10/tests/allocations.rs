//! The hot path by numbers: reading a transfer and its message, a disposition or a flow allocates
//! nothing and copies nothing.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use allocation_counter::measure;
use amqp10::{
    ChannelId, DeliveryTag, Encode as _, Frame, FrameDecoder, Message, Performative,
    TransferStencil,
    definition::{DeliveryNumber, Handle, Role},
    encode_frame, encode_transfer_head,
    endpoint::{Connection, DeliveryRange, Event, Intake, LinkId, Outgoing, Sent, Settings},
    messaging::{Accepted, Header, Properties},
    performative::{Attach, Disposition, Flow, Transfer},
    section::{Pieces, SectionKind, encode_data, encode_map_section},
    types::{MessageId, Symbol},
};
use bytes::{Bytes, BytesMut};

const CHANNEL: ChannelId = ChannelId(1);
const ROUNDS: usize = 50;

/// A transfer, a flow and a disposition, so many times.
fn stream() -> BytesMut {
    let mut message = BytesMut::new();
    Header { durable: Some(true), ..Header::default() }.encode(&mut message);
    let properties = Properties {
        message_id: Some(MessageId::String("6f1a7a52-36d2-4f0c-8d1e-0b8f4f3f8e11".into())),
        to: Some("/exchanges/amq.topic/org.example.git.receive".into()),
        content_type: Some(Symbol::from_static("application/json")),
        ..Properties::default()
    };
    properties.encode(&mut message);
    encode_map_section(SectionKind::ApplicationProperties, &mut message, |map| {
        map.entry("sender", "git");
        map.entry("severity", &20_u32);
    });
    encode_data(&Bytes::from(vec![b'x'; 1000]), &mut message);
    let transfer = Transfer {
        delivery_id: Some(DeliveryNumber(1000)),
        delivery_tag: DeliveryTag::try_from(Bytes::from_static(b"tag")).ok(),
        ..Transfer::default()
    };
    let flow = Flow { handle: Some(Handle(0)), link_credit: Some(10), ..Flow::default() };
    let disposition = Disposition { state: Some(Accepted {}.into()), ..Disposition::default() };
    let mut out = BytesMut::new();
    for _ in 0..ROUNDS {
        encode_transfer_head(CHANNEL, &transfer, message.len(), &mut out);
        out.extend_from_slice(&message);
        encode_frame(CHANNEL, &flow, &mut out);
        encode_frame(CHANNEL, &disposition, &mut out);
    }
    out
}

#[test]
fn transfers_flows_and_dispositions_are_read_without_an_allocation_or_a_copy() {
    let mut buffer = stream();
    let range = buffer.as_ptr_range();
    let mut decoder = FrameDecoder::new();
    let mut next = || match decoder.decode(&mut buffer).unwrap() {
        Some(Frame::Amqp { performative, payload, .. }) => (performative, payload),
        other => panic!("{other:?}"),
    };
    // The first split of a buffer allocates its reference count, once for the buffer.
    let first = next();
    let _ = (next(), next());
    let read = || {
        for _ in 1..ROUNDS {
            let (performative, payload) = next();
            let Performative::Transfer(transfer) = performative else { panic!("{performative:?}") };
            assert!(range.contains(&transfer.delivery_tag.unwrap().as_bytes().as_ptr()));
            let message = Message::parse(Pieces::from_buf([payload])).unwrap();
            assert_eq!(message.header().unwrap().durable, Some(true));
            let properties = message.properties().unwrap().unwrap();
            assert!(range.contains(&properties.to.unwrap().as_bytes().as_ptr()));
            let sender = message.application_properties().unwrap().get("sender").unwrap().unwrap();
            assert_eq!(sender.as_text(), Some("git"));
            let body = message.data().next().unwrap();
            assert!(range.contains(&body.first().unwrap().as_ptr()));
            assert!(matches!(next().0, Performative::Flow(_)));
            assert!(matches!(next().0, Performative::Disposition(_)));
        }
    };
    assert_eq!(measure(read).count_total, 0);
    drop(first);
    assert!(buffer.is_empty());
}

#[test]
fn a_frame_head_by_stencil_is_written_without_an_allocation() {
    let stencil = TransferStencil::new(CHANNEL, Handle(0), false);
    let mut out = BytesMut::with_capacity(4096);
    let write = || {
        for number in 0..50 {
            stencil.encode(DeliveryNumber(number), u64::from(number), false, 0, &mut out);
        }
    };
    assert_eq!(measure(write).count_total, 0);
}

/// A client that sends and a server that receives, in one session, with credit for all.
struct Talk {
    client: Connection,
    server: Connection,
    link: LinkId,
    its: LinkId,
    events: Vec<Event>,
}

const NOW: std::time::Duration = std::time::Duration::ZERO;

/// Hands what was written over, frame by frame; gives what there was to be told.
fn carry(from: &mut BytesMut, to: &mut Connection, out: &mut BytesMut, events: &mut Vec<Event>) {
    let mut decoder = FrameDecoder::new();
    while let Some(frame) = decoder.decode(from).unwrap() {
        to.receive(frame, NOW, out, events);
    }
}

fn talk() -> Talk {
    let mut client = Connection::new(Settings::new("client"), NOW);
    let mut server = Connection::new(Settings::new("server"), NOW);
    let (mut up, mut down, mut events) = (BytesMut::new(), BytesMut::new(), Vec::new());
    client.open(&mut up);
    let session = client.begin(&mut up).unwrap();
    let attach = Attach { name: "link".into(), ..Attach::default() };
    let link = client.attach(session, attach.clone(), Intake::default(), &mut up).unwrap();
    carry(&mut up, &mut server, &mut down, &mut events);
    let Some(Event::Attached { link: its, .. }) = events.last() else { panic!("{events:?}") };
    let its = *its;
    server.accept(its, attach, Intake::default(), &mut down);
    server.grant(its, 1_000_000, false, &mut down);
    carry(&mut down, &mut client, &mut up, &mut Vec::new());
    events.clear();
    Talk { client, server, link, its, events }
}

#[test]
fn messages_go_from_end_to_end_and_are_settled_without_an_allocation_for_each() {
    let Talk { mut client, mut server, link, its, mut events } = talk();
    let (mut up, mut down) = (BytesMut::with_capacity(1 << 20), BytesMut::with_capacity(1 << 20));
    let body = [Bytes::from(vec![b'x'; 100])];
    let mut round = |rounds: u64| {
        for tag in 0..rounds {
            let message = Outgoing { tag, head: b"head", body: &body, ..Outgoing::default() };
            assert!(matches!(client.send(link, &message, &mut up), Sent::Whole(_)));
        }
        carry(&mut up, &mut server, &mut down, &mut events);
        let (Event::Delivery(first), Event::Delivery(last)) =
            (&events[0], &events[events.len() - 1])
        else {
            panic!("no deliveries");
        };
        let all = DeliveryRange::new(first.id, last.id);
        assert_eq!(all.len(), rounds);
        events.clear();
        let accepted = Some(Accepted {}.into());
        server.settle(its.session(), Role::Receiver, all, accepted, &mut down);
        carry(&mut down, &mut client, &mut up, &mut events);
        assert!(matches!(events[..], [.., Event::Disposition(_)]));
        events.clear();
    };
    let mut round = |rounds: u64| measure(|| round(rounds)).count_total;
    round(100);
    // The ledgers and the list of events are as large as they will be; what is left is for the
    // buffers, once each.
    let (few, many) = (round(10), round(100));
    assert!(few <= 4 && many <= 4, "{few} for 10 messages, {many} for 100");
}
