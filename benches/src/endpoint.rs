//! AMQP 1.0: endpoints of a connection, on the way of a message in and out.

use std::{hint::black_box, time::Duration};

use amqp10::{
    ChannelId, Frame, FrameDecoder, Performative, TransferStencil,
    definition::{DeliveryNumber, Handle, Role, SequenceNo},
    endpoint::{Connection, DeliveryRange, Event, Intake, LinkId, Outgoing, Sent, Settings},
    messaging::Accepted,
    performative::{Attach, Begin, Disposition, Flow, Open},
};
use bytes::{Bytes, BytesMut};

/// Frames of one read, or one write.
const BATCH: u64 = 64;
const CHANNEL: ChannelId = ChannelId(0);

/// A server with a link of the client's, on which the client has this role.
struct Server {
    endpoint: Connection,
    out: BytesMut,
    events: Vec<Event>,
}

impl Server {
    fn attached(role: Role) -> (Server, LinkId) {
        let endpoint = Connection::new(Settings::new("server"), Duration::ZERO);
        let out = BytesMut::with_capacity(64 * 1024);
        let mut server = Server { endpoint, out, events: Vec::new() };
        server.hear(Open { container_id: "client".into(), ..Open::default() });
        server.hear(Begin { incoming_window: u32::MAX, ..Begin::default() });
        let initial_delivery_count = (role == Role::Sender).then_some(SequenceNo(0));
        let attach =
            Attach { name: "link".into(), role, initial_delivery_count, ..Attach::default() };
        server.hear(attach.clone());
        let Some(&Event::Attached { link, .. }) = server.events.last() else {
            unreachable!("it attached");
        };
        server.endpoint.accept(link, attach, Intake::default(), &mut server.out);
        (server, link)
    }

    fn hear(&mut self, performative: impl Into<Performative>) {
        let (performative, payload) = (performative.into(), Bytes::new());
        let frame = Frame::Amqp { channel: CHANNEL, performative, payload };
        self.endpoint.receive(frame, Duration::ZERO, &mut self.out, &mut self.events);
    }
}

pub(crate) fn receive(messages: u64) {
    let mut decoder = FrameDecoder::new();
    receive_by(messages, |Server { endpoint, out, events }, buffer| {
        while let Ok(Some(frame)) = decoder.decode(buffer) {
            endpoint.receive(frame, Duration::ZERO, out, events);
        }
    });
}

pub(crate) fn receive_whole(messages: u64) {
    receive_by(messages, |Server { endpoint, out, .. }, buffer| {
        while let Some(whole) = endpoint.receive_whole(buffer, Duration::ZERO, out) {
            black_box(buffer.split_to(whole.payload.end).freeze());
        }
    });
}

fn receive_by(messages: u64, mut take: impl FnMut(&mut Server, &mut BytesMut)) {
    let (mut server, link) = Server::attached(Role::Sender);
    let (mut wire, mut buffer) = (BytesMut::new(), BytesMut::new());
    let stencil = TransferStencil::new(CHANNEL, Handle(0), false);
    let mut id = 0_u32;
    for _ in 0..messages / BATCH {
        // As a read brings it: written anew for the numbers, which costs a part of the count.
        wire.clear();
        for _ in 0..BATCH {
            stencil.encode(DeliveryNumber(id), id.into(), false, 16, &mut wire);
            wire.extend_from_slice(&[b'x'; 16]);
            id = id.wrapping_add(1);
        }
        buffer.extend_from_slice(&wire);
        server.out.clear();
        server.endpoint.grant(link, BATCH as u32, false, &mut server.out);
        take(&mut server, &mut buffer);
        black_box(&server.events);
        server.events.clear();
        let last = DeliveryNumber(id.wrapping_sub(1));
        let range = DeliveryRange::new(DeliveryNumber(id.wrapping_sub(BATCH as u32)), last);
        let accepted = Some(Accepted {}.into());
        server.endpoint.settle(link.session(), Role::Receiver, range, accepted, &mut server.out);
        black_box(&server.out);
    }
}

pub(crate) fn send(messages: u64) {
    send_with(messages, false);
}

pub(crate) fn send_settled(messages: u64) {
    send_with(messages, true);
}

fn send_with(messages: u64, settled: bool) {
    let (mut server, link) = Server::attached(Role::Receiver);
    let body = [Bytes::from_static(&[b'x'; 16])];
    for batch in 0..messages / BATCH {
        let flow = Flow {
            handle: Some(Handle(0)),
            link_credit: Some(u32::MAX),
            incoming_window: u32::MAX,
            ..Flow::default()
        };
        server.hear(flow);
        server.out.clear();
        let mut first = None;
        for tag in 0..BATCH {
            let tag = batch * BATCH + tag;
            let message = Outgoing { tag, settled, body: black_box(&body), ..Outgoing::default() };
            let sent = server.endpoint.send(link, &message, &mut server.out);
            let Sent::Whole(id) = sent else { unreachable!("{sent:?}") };
            first.get_or_insert(id);
        }
        black_box(&server.out);
        if let Some(first) = first.filter(|_| !settled) {
            server.hear(Disposition {
                role: Role::Receiver,
                first,
                last: Some(first.plus(BATCH as u32 - 1)),
                settled: true,
                state: Some(Accepted {}.into()),
                ..Disposition::default()
            });
        }
        server.events.clear();
    }
}
