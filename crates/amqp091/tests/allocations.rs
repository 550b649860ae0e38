//! The hot path by numbers: reading `basic.publish`, its header and its body allocates nothing and
//! copies nothing.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use allocation_counter::measure;
use amqp091::{
    Assembler, BasicProperties, ChannelId, Content, FieldTable, Frame, FrameDecoder, Method,
    PropertyList, ShortStr, encode_body, encode_header, encode_method, method::basic::Publish,
};
use bytes::BytesMut;

fn stream(messages: usize) -> BytesMut {
    let channel = ChannelId(1);
    let publish = Publish {
        exchange: ShortStr::from_static("amq.topic"),
        routing_key: ShortStr::from_static("org.example.git.receive"),
        ..Default::default()
    };
    let mut headers = FieldTable::new();
    headers.insert(ShortStr::from_static("sender"), "git");
    headers.insert(ShortStr::from_static("severity"), 20);
    let properties = BasicProperties {
        content_type: Some(ShortStr::from_static("application/json")),
        headers: Some(headers),
        delivery_mode: Some(2),
        message_id: Some(ShortStr::from_static("6f1a7a52-36d2-4f0c-8d1e-0b8f4f3f8e11")),
        ..Default::default()
    };
    let list = PropertyList::from(&properties);
    let mut out = BytesMut::new();
    for _ in 0..messages {
        encode_method(channel, &publish, &mut out);
        encode_header(channel, 1000, list.as_bytes(), &mut out);
        encode_body(channel, &[b'x'; 1000], &mut out);
    }
    out
}

fn next(decoder: &mut FrameDecoder, assembler: &mut Assembler, buffer: &mut BytesMut) -> Content {
    loop {
        let content = match decoder.decode(buffer).unwrap().expect("the stream holds the message") {
            Frame::Method { payload, .. } => {
                assembler.begin(Method::decode(&payload).unwrap()).unwrap();
                None
            }
            Frame::Header { payload, .. } => assembler.header(&payload).unwrap(),
            Frame::Body { payload, .. } => assembler.body(payload).unwrap(),
            Frame::Heartbeat => None,
        };
        if let Some(content) = content {
            return content;
        }
    }
}

#[test]
fn a_published_message_is_read_without_an_allocation_or_a_copy() {
    const MESSAGES: usize = 50;
    let mut buffer = stream(MESSAGES);
    let range = buffer.as_ptr_range();
    let (mut decoder, mut assembler) = (FrameDecoder::new(), Assembler::new(1 << 20));
    // The first split of a buffer allocates its reference count, once for the buffer.
    let first = next(&mut decoder, &mut assembler, &mut buffer);
    let read = || {
        for _ in 1..MESSAGES {
            let content = next(&mut decoder, &mut assembler, &mut buffer);
            assert!(content.header.properties.is_persistent());
            assert_eq!(content.body.len(), 1);
            assert!(content.body.iter().all(|slice| range.contains(&slice.as_ptr())));
        }
    };
    assert_eq!(measure(read).count_total, 0);
    assert!(range.contains(&first.header.properties.as_bytes().as_ptr()));
    assert!(buffer.is_empty());
}
