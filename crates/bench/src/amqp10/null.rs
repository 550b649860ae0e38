//! The null broker's side of AMQP 1.0.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use ::amqp10::{
    Composite as _, DeliveryTag, FrameBody, PROTOCOL_HEADER_SIZE, Performative, ProtocolHeader,
    SaslFrame,
    definition::{DeliveryNumber, Handle, MessageFormat, Role, SenderSettleMode, SequenceNo},
    encode_frame, encode_transfer_head,
    messaging::Accepted,
    performative::{Attach, Begin, Close, Disposition, Flow, Open, Transfer},
    sasl::{SaslCode, SaslMechanisms, SaslOutcome},
    section::encode_data,
    types::Symbol,
};
use bytes::{Bytes, BytesMut};

use super::{
    connection::{CHANNEL, WINDOW},
    frames::{FRAME_MAX, Frame, descriptor},
    scan::arriving,
};
use crate::{
    Error,
    null::{NullPeer, TURN_BYTES},
    stamp::{STAMP_BYTES, Stamp},
};

/// Serves one connection until its end.
pub(crate) fn serve(peer: NullPeer, body_bytes: usize, stop: &AtomicBool) -> io::Result<()> {
    let mut served = Served {
        peer,
        confirms: false,
        published: 0,
        confirmed: 0,
        frames: 0,
        publishes_by: None,
        granted: 0,
        consumes_by: None,
        delivered: 0,
        credit: 0,
    };
    served.header(stop)?;
    let mut source = None;
    while !stop.load(Relaxed) {
        served.act(stop)?;
        served.confirm();
        served.peer.flush()?;
        match served.consumes_by {
            Some(handle) if served.credit > 0 => {
                let source = source.get_or_insert_with(|| Source::new(handle, body_bytes));
                let count = source.send(&mut served.peer, served.credit)?;
                served.delivered = served.delivered.wrapping_add(count);
                served.credit -= count;
                served.peer.inbox.fill(&mut served.peer.wire)?;
            }
            _ => served.peer.read(stop)?,
        }
    }
    Ok(())
}

struct Served {
    peer: NullPeer,
    confirms: bool,
    published: u32,
    confirmed: u32,
    /// Transfer frames that came.
    frames: u32,
    /// The handle of the link that publishes, and how many messages it may have sent in all.
    publishes_by: Option<Handle>,
    granted: u32,
    consumes_by: Option<Handle>,
    delivered: u32,
    credit: u32,
}

impl Served {
    /// Answers a layer's header with the same, and a login with yes.
    fn header(&mut self, stop: &AtomicBool) -> io::Result<()> {
        while self.peer.inbox.unread().len() < PROTOCOL_HEADER_SIZE {
            self.peer.read(stop)?;
        }
        let octets = self.peer.inbox.unread().first_chunk().copied().unwrap_or_default();
        self.peer.inbox.advance(PROTOCOL_HEADER_SIZE);
        self.peer.out.extend_from_slice(&octets);
        if ProtocolHeader::of(octets) == Some(ProtocolHeader::Sasl) {
            let plain = [Symbol::from_static("PLAIN")];
            let mechanisms = SaslMechanisms { sasl_server_mechanisms: plain.into_iter().collect() };
            self.say(&mechanisms);
        }
        self.peer.flush()
    }

    /// Settles what came, and lets more come.
    fn confirm(&mut self) {
        let Some(handle) = self.publishes_by else { return };
        if self.confirms && self.published != self.confirmed {
            let disposition = Disposition {
                role: Role::Receiver,
                first: DeliveryNumber(self.confirmed),
                last: Some(DeliveryNumber(self.published.wrapping_sub(1))),
                settled: true,
                state: Some(Accepted {}.into()),
                ..Disposition::default()
            };
            self.say(&disposition);
            self.confirmed = self.published;
        }
        let left = self.granted.wrapping_sub(self.published);
        if left <= CREDIT / 2 {
            self.granted = self.published.wrapping_add(CREDIT);
            let flow = Flow {
                next_incoming_id: Some(::amqp10::definition::TransferNumber(self.frames)),
                incoming_window: WINDOW,
                outgoing_window: WINDOW,
                handle: Some(handle),
                delivery_count: Some(SequenceNo(self.published)),
                link_credit: Some(CREDIT),
                ..Flow::default()
            };
            self.say(&flow);
        }
    }

    fn say(&mut self, body: &impl FrameBody) {
        encode_frame(CHANNEL, body, &mut self.peer.out);
    }

    /// Answers whatever was read; of messages only that they came.
    fn act(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let broken = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        let mut at = 0;
        loop {
            let unread = self.peer.inbox.unread().get(at..).unwrap_or_default();
            let Some(frame) = Frame::first(unread).map_err(broken)? else { break };
            at += frame.len();
            if let Some((TRANSFER, fields)) = descriptor(frame.body) {
                self.frames = self.frames.wrapping_add(1);
                let more = arriving(fields).is_some_and(|it| it.more);
                self.published = self.published.wrapping_add(u32::from(!more));
                continue;
            }
            match frame.decode().map_err(broken)? {
                ::amqp10::Frame::Sasl(SaslFrame::SaslInit(_)) => {
                    self.peer.inbox.advance(at);
                    let outcome = SaslOutcome { code: SaslCode::Ok, additional_data: None };
                    self.say(&outcome);
                    self.peer.flush()?;
                    return self.header(stop);
                }
                ::amqp10::Frame::Amqp { performative, .. } => self.answer(performative),
                _ => {}
            }
        }
        self.peer.inbox.advance(at);
        Ok(())
    }

    fn answer(&mut self, performative: Performative) {
        match performative {
            Performative::Open(_) => {
                let open = Open {
                    container_id: "null".into(),
                    max_frame_size: FRAME_MAX,
                    ..Open::default()
                };
                self.say(&open);
            }
            Performative::Begin(_) => {
                let begin = Begin {
                    remote_channel: Some(CHANNEL.0),
                    incoming_window: WINDOW,
                    outgoing_window: WINDOW,
                    ..Begin::default()
                };
                self.say(&begin);
            }
            Performative::Attach(attach) => self.attached(*attach),
            Performative::Flow(flow) => {
                let seen = flow.delivery_count.unwrap_or_default().0;
                let on_their_way = self.delivered.wrapping_sub(seen);
                self.credit = flow.link_credit.unwrap_or(0).saturating_sub(on_their_way);
            }
            Performative::Close(_) => self.say(&Close::default()),
            _ => {}
        }
    }

    fn attached(&mut self, attach: Attach) {
        let (role, count) = match attach.role {
            Role::Sender => {
                self.publishes_by = Some(attach.handle);
                self.confirms = attach.snd_settle_mode != SenderSettleMode::Settled;
                (Role::Receiver, None)
            }
            Role::Receiver => {
                self.consumes_by = Some(attach.handle);
                (Role::Sender, Some(SequenceNo(0)))
            }
        };
        self.say(&Attach { role, initial_delivery_count: count, ..attach });
    }
}

/// The messages that consumers get: numbered once, patched for each turn.
struct Source {
    octets: Vec<u8>,
    /// Where each has its stamp, and where it ends.
    places: Vec<(usize, usize)>,
    next: u64,
}

impl Source {
    fn new(handle: Handle, body_bytes: usize) -> Source {
        let mut out = BytesMut::new();
        let mut places = Vec::new();
        let mut message = BytesMut::new();
        encode_data(&Bytes::from(vec![b'x'; body_bytes.max(STAMP_BYTES)]), &mut message);
        let head = message.len() - body_bytes.max(STAMP_BYTES);
        while places.is_empty() || out.len() < TURN_BYTES {
            let tag = Bytes::copy_from_slice(&(places.len() as u32).to_be_bytes());
            let first = Transfer {
                handle,
                delivery_id: Some(DeliveryNumber(places.len() as u32)),
                delivery_tag: DeliveryTag::try_from(tag).ok(),
                message_format: Some(MessageFormat(0)),
                settled: Some(true),
                ..Transfer::default()
            };
            let mut stamp_at = None;
            let mut rest = &message[..];
            while let (piece @ [_, ..], after) = rest.split_at(rest.len().min(PIECE_BYTES)) {
                let mut transfer = match stamp_at {
                    None => first.clone(),
                    Some(_) => Transfer { handle, ..Transfer::default() },
                };
                transfer.more = !after.is_empty();
                encode_transfer_head(CHANNEL, &transfer, piece.len(), &mut out);
                stamp_at.get_or_insert(out.len() + head);
                out.extend_from_slice(piece);
                rest = after;
            }
            places.push((stamp_at.unwrap_or_default(), out.len()));
        }
        Source { octets: out.to_vec(), places, next: 0 }
    }

    /// Sends so many at most; how many.
    fn send(&mut self, peer: &mut NullPeer, credit: u32) -> io::Result<u32> {
        let (mut count, mut end) = (0, 0);
        for (at, ends) in self.places.iter().take(credit as usize) {
            // Due at no time: how long it took says nothing here.
            let stamp = Stamp { producer: 0, sequence: self.next, due: u64::MAX };
            if let Some(place) = self.octets.get_mut(*at..at + STAMP_BYTES) {
                place.copy_from_slice(&stamp.encode());
            }
            self.next += 1;
            (count, end) = (count + 1, *ends);
        }
        peer.write(self.octets.get(..end).unwrap_or_default())?;
        Ok(count)
    }
}

const TRANSFER: u8 = Transfer::CODE as u8;

/// What a publisher may send ahead: enough that it hardly waits.
const CREDIT: u32 = 100_000;

const PIECE_BYTES: usize = 131_072 - 64;
