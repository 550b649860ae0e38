//! The null broker's side of AMQP 0-9-1.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use ::amqp091::{
    ChannelId, EncodeMethod, FRAME_METHOD, Method, PROTOCOL_HEADER_SIZE, ShortStr, encode_body,
    encode_header, encode_method,
    method::{basic, channel, confirm, connection, exchange, queue},
};
use bytes::{Bytes, BytesMut};

use super::{CHANNEL, frames::Frame};
use crate::{
    Error,
    null::{NullPeer, TURN_BYTES},
    stamp::{STAMP_BYTES, Stamp},
};

/// Serves one connection until its end.
pub(crate) fn serve(peer: NullPeer, body_bytes: usize, stop: &AtomicBool) -> io::Result<()> {
    let mut served = Served { peer, confirms: false, published: 0, confirmed: 0, consumes: false };
    while served.peer.inbox.unread().len() < PROTOCOL_HEADER_SIZE {
        served.peer.read(stop)?;
    }
    served.peer.inbox.advance(PROTOCOL_HEADER_SIZE);
    let start = connection::Start {
        version_minor: 9,
        mechanisms: Bytes::from_static(b"PLAIN"),
        locales: Bytes::from_static(b"en_US"),
        ..connection::Start::default()
    };
    served.say(ChannelId::CONNECTION, &start);
    let mut source = Source::new(body_bytes);
    while !stop.load(Relaxed) {
        served.act()?;
        served.confirm();
        served.peer.flush()?;
        match served.consumes {
            true => source.send(&mut served.peer)?,
            false => served.peer.read(stop)?,
        }
    }
    Ok(())
}

struct Served {
    peer: NullPeer,
    confirms: bool,
    published: u64,
    confirmed: u64,
    consumes: bool,
}

impl Served {
    fn confirm(&mut self) {
        if self.confirms && self.published > self.confirmed {
            self.confirmed = self.published;
            self.say(CHANNEL, &basic::Ack { delivery_tag: self.confirmed, multiple: true });
        }
    }

    fn say(&mut self, channel: ChannelId, method: &impl EncodeMethod) {
        encode_method(channel, method, &mut self.peer.out);
    }

    /// Answers whatever was read; of messages only the first frame is looked at.
    fn act(&mut self) -> io::Result<()> {
        let broken = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        let mut at = 0;
        loop {
            let unread = self.peer.inbox.unread().get(at..).unwrap_or_default();
            let Some(frame) = Frame::first(unread).map_err(broken)? else { break };
            at += frame.len();
            if frame.kind != FRAME_METHOD {
                continue;
            }
            if frame.payload.starts_with(&PUBLISH) {
                self.published += 1;
                continue;
            }
            let method = frame.method().map_err(broken)?;
            self.answer(&method);
        }
        self.peer.inbox.advance(at);
        Ok(())
    }

    fn answer(&mut self, method: &Method) {
        match method {
            Method::ConnectionStartOk(_) => {
                let tune = connection::Tune { frame_max: 131_072, ..connection::Tune::default() };
                self.say(ChannelId::CONNECTION, &tune);
            }
            Method::ConnectionOpen(_) => {
                self.say(ChannelId::CONNECTION, &connection::OpenOk::default());
            }
            Method::ConnectionClose(_) => {
                self.say(ChannelId::CONNECTION, &connection::CloseOk::default());
            }
            Method::ChannelOpen(_) => self.say(CHANNEL, &channel::OpenOk::default()),
            Method::QueueDeclare(_) => self.say(CHANNEL, &queue::DeclareOk::default()),
            Method::QueueBind(_) => self.say(CHANNEL, &queue::BindOk::default()),
            Method::QueueDelete(_) => self.say(CHANNEL, &queue::DeleteOk::default()),
            Method::ExchangeDeclare(_) => self.say(CHANNEL, &exchange::DeclareOk::default()),
            Method::ExchangeDelete(_) => self.say(CHANNEL, &exchange::DeleteOk::default()),
            Method::BasicQos(_) => self.say(CHANNEL, &basic::QosOk::default()),
            Method::ConfirmSelect(_) => {
                self.confirms = true;
                self.say(CHANNEL, &confirm::SelectOk::default());
            }
            Method::BasicConsume(_) => self.consumes = true,
            _ => {}
        }
    }
}

/// The messages that consumers get: numbered once, patched for each turn.
struct Source {
    octets: Vec<u8>,
    stamps: Vec<usize>,
    next: u64,
}

impl Source {
    fn new(body_bytes: usize) -> Source {
        let mut out = BytesMut::new();
        let mut stamps = Vec::new();
        let body = vec![b'x'; body_bytes.max(STAMP_BYTES)];
        while stamps.is_empty() || out.len() < TURN_BYTES {
            let deliver = basic::Deliver {
                consumer_tag: ShortStr::from_static("0"),
                delivery_tag: stamps.len() as u64 + 1,
                routing_key: ShortStr::from_static("b0123456789.0"),
                ..basic::Deliver::default()
            };
            encode_method(CHANNEL, &deliver, &mut out);
            encode_header(CHANNEL, body.len() as u64, &[0, 0], &mut out);
            stamps.push(out.len() + super::frames::PREFIX);
            for piece in body.chunks(PIECE_BYTES) {
                encode_body(CHANNEL, piece, &mut out);
            }
        }
        Source { octets: out.to_vec(), stamps, next: 0 }
    }

    fn send(&mut self, peer: &mut NullPeer) -> io::Result<()> {
        for at in &self.stamps {
            // Due at no time: how long it took says nothing here.
            let stamp = Stamp { producer: 0, sequence: self.next, due: u64::MAX };
            if let Some(place) = self.octets.get_mut(*at..at + STAMP_BYTES) {
                place.copy_from_slice(&stamp.encode());
            }
            self.next += 1;
        }
        peer.write(&self.octets)
    }
}

const PUBLISH: [u8; 4] = [0, 60, 0, 40];

const PIECE_BYTES: usize = 131_072 - 8;
