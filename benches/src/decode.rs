//! What a publisher sent, read.

use std::hint::black_box;

use amqp091::{
    Assembler, BasicProperties, ChannelId, Frame, FrameDecoder, Method, PropertyList, ShortStr,
    encode_body, encode_header, encode_method, method::basic::Publish,
};
use bytes::{Bytes, BytesMut};

/// Messages of one read.
const BATCH: u64 = 64;

fn batch() -> Bytes {
    let channel = ChannelId(1);
    let publish =
        Publish { routing_key: ShortStr::from_static("b123456789.0"), ..Publish::default() };
    let properties = PropertyList::from(&BasicProperties::default());
    let mut wire = BytesMut::new();
    for _ in 0..BATCH {
        encode_method(channel, &publish, &mut wire);
        encode_header(channel, 16, properties.as_bytes(), &mut wire);
        encode_body(channel, &[b'x'; 16], &mut wire);
    }
    wire.freeze()
}

pub(crate) fn whole(messages: u64) {
    let (wire, decoder) = (batch(), FrameDecoder::new());
    let mut rest = &wire[..];
    for _ in 0..messages {
        if rest.is_empty() {
            rest = &wire[..];
        }
        let found = decoder.whole_publish(black_box(rest)).expect("it is a whole one");
        rest = &rest[black_box(found).end..];
    }
}

pub(crate) fn frames(messages: u64) {
    let wire = batch();
    let mut decoder = FrameDecoder::new();
    let mut assembler = Assembler::new(16 * 1024 * 1024);
    let mut buffer = BytesMut::new();
    let mut left = messages;
    while left > 0 {
        if buffer.is_empty() {
            // As a read brings it.
            buffer.extend_from_slice(&wire);
        }
        let frame = decoder.decode(&mut buffer).expect("it is well formed");
        let content = match frame.expect("no frame is cut") {
            Frame::Method { payload, .. } => {
                let method = Method::decode(&payload).expect("it is well formed");
                assembler.begin(method).expect("it is a publish");
                None
            }
            Frame::Header { payload, .. } => assembler.header(&payload).expect("it is due"),
            Frame::Body { payload, .. } => assembler.body(payload).expect("it is due"),
            Frame::Heartbeat => None,
        };
        left -= u64::from(black_box(content).is_some());
    }
}
