//! What a consumer is sent, written.

use std::hint::black_box;

use amqp091::{
    BasicProperties, ChannelId, PropertyList, ShortStr, encode_body, encode_header, encode_method,
    method::basic::Deliver,
};
use bytes::BytesMut;

pub(crate) fn deliver(messages: u64) {
    let channel = ChannelId(1);
    let properties = PropertyList::from(&BasicProperties::default());
    let mut out = BytesMut::with_capacity(64 * 1024);
    for number in 0..messages {
        if number % 64 == 0 {
            out.clear();
        }
        let deliver = Deliver {
            consumer_tag: ShortStr::from_static("0"),
            delivery_tag: number,
            redelivered: false,
            exchange: ShortStr::default(),
            routing_key: ShortStr::from_static("b123456789.0"),
        };
        encode_method(channel, black_box(&deliver), &mut out);
        encode_header(channel, 16, properties.as_bytes(), &mut out);
        encode_body(channel, black_box(&[b'x'; 16]), &mut out);
        black_box(&out);
    }
}
