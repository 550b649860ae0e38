//! Octets worked out by hand from AMQP 0-9-1 §4.2 and the protocol's definition, not by this crate.

use amqp091::{
    BasicProperties, ChannelId, EncodeMethod, FieldTable, FieldValue, Method, PropertyList,
    ShortStr, encode_header, encode_method,
    method::{basic, channel, confirm, connection, exchange, queue},
};
use bytes::{Bytes, BytesMut};

fn text(text: &'static str) -> ShortStr {
    ShortStr::from_static(text)
}

/// The method is written as these octets (a frame on channel 1 around them), and they are read as
/// the method.
fn check(method: impl EncodeMethod + Into<Method>, payload: &[u8]) {
    let mut frame = BytesMut::new();
    encode_method(ChannelId(1), &method, &mut frame);
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let expected = [b"\x01\0\x01", &size[..], payload, b"\xce"].concat();
    let method = method.into();
    assert_eq!(frame, expected, "{method:?}");
    assert_eq!(Method::decode(&Bytes::copy_from_slice(payload)), Ok(method));
}

#[test]
fn connection_tune_ok() {
    check(
        connection::TuneOk { channel_max: 2047, frame_max: 131_072, heartbeat: 60 },
        b"\0\x0a\0\x1f\x07\xff\0\x02\0\0\0\x3c",
    );
}

#[test]
fn connection_start_ok_with_a_table_in_a_table() {
    let capabilities = FieldTable::from_iter([(text("basic.nack"), FieldValue::Bool(true))]);
    check(
        connection::StartOk {
            client_properties: FieldTable::from_iter([(text("capabilities"), capabilities.into())]),
            mechanism: text("PLAIN"),
            response: amqp091::Secret::new(Bytes::from_static(b"\0guest\0guest")),
            locale: text("en_US"),
        },
        // client-properties: 31 octets; capabilities: 13 octets
        b"\0\x0a\0\x0b\0\0\0\x1f\x0ccapabilitiesF\0\0\0\x0d\x0abasic.nackt\x01\
          \x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US",
    );
}

#[test]
fn connection_close() {
    check(
        connection::Close { reply_code: 320, reply_text: text("bye"), class_id: 60, method_id: 40 },
        b"\0\x0a\0\x32\x01\x40\x03bye\0\x3c\0\x28",
    );
}

#[test]
fn channel_open_ok_holds_a_long_string() {
    check(channel::OpenOk::default(), b"\0\x14\0\x0b\0\0\0\0");
}

#[test]
fn exchange_unbind_ok_is_number_51() {
    check(exchange::UnbindOk {}, b"\0\x28\0\x33");
}

#[test]
fn exchange_declare_packs_five_bits() {
    check(
        exchange::Declare {
            ticket: 0,
            exchange: text("logs"),
            kind: text("fanout"),
            passive: false,
            durable: true,
            auto_delete: false,
            internal: true,
            nowait: true,
            arguments: FieldTable::new(),
        },
        b"\0\x28\0\x0a\0\0\x04logs\x06fanout\x1a\0\0\0\0",
    );
}

#[test]
fn queue_declare_with_arguments() {
    check(
        queue::Declare {
            queue: text("jobs"),
            durable: true,
            auto_delete: true,
            arguments: FieldTable::from_iter([(text("x-max-length"), FieldValue::I32(5))]),
            ..Default::default()
        },
        b"\0\x32\0\x0a\0\0\x04jobs\x0a\0\0\0\x12\x0cx-max-lengthI\0\0\0\x05",
    );
}

#[test]
fn basic_publish() {
    check(
        basic::Publish {
            ticket: 0,
            exchange: text("amq.topic"),
            routing_key: text("a.b"),
            mandatory: true,
            immediate: false,
        },
        b"\0\x3c\0\x28\0\0\x09amq.topic\x03a.b\x01",
    );
}

#[test]
fn basic_deliver_has_a_bit_between_its_fields() {
    check(
        basic::Deliver {
            consumer_tag: text("c"),
            delivery_tag: 258,
            redelivered: true,
            exchange: text(""),
            routing_key: text("q"),
        },
        b"\0\x3c\0\x3c\x01c\0\0\0\0\0\0\x01\x02\x01\0\x01q",
    );
}

#[test]
fn basic_consume_packs_four_bits() {
    check(
        basic::Consume { queue: text("q"), no_ack: true, nowait: true, ..Default::default() },
        b"\0\x3c\0\x14\0\0\x01q\0\x0a\0\0\0\0",
    );
}

#[test]
fn basic_nack_requeues_unless_told_otherwise() {
    check(
        basic::Nack { delivery_tag: 1, multiple: false, ..Default::default() },
        b"\0\x3c\0\x78\0\0\0\0\0\0\0\x01\x02",
    );
}

#[test]
fn confirm_select() {
    check(confirm::Select { nowait: true }, b"\0\x55\0\x0a\x01");
}

#[test]
fn unused_bits_of_an_octet_are_ignored() {
    let payload = Bytes::from_static(b"\0\x55\0\x0a\xff");
    assert_eq!(Method::decode(&payload), Ok(confirm::Select { nowait: true }.into()));
}

#[test]
fn a_content_header_with_properties() {
    let properties = BasicProperties {
        content_type: Some(text("text/plain")),
        headers: Some(FieldTable::from_iter([(text("n"), FieldValue::I64(-1))])),
        delivery_mode: Some(2),
        timestamp: Some(1_600_000_000),
        app_id: Some(text("app")),
        ..Default::default()
    };
    let mut frame = BytesMut::new();
    encode_header(ChannelId(1), 5, PropertyList::from(&properties).as_bytes(), &mut frame);
    // flags: content-type 8000, headers 2000, delivery-mode 1000, timestamp 0040, app-id 0008
    assert_eq!(
        &frame[..],
        b"\x02\0\x01\0\0\0\x35\0\x3c\0\0\0\0\0\0\0\0\0\x05\xb0\x48\x0atext/plain\
          \0\0\0\x0b\x01nl\xff\xff\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x5f\x5e\x10\0\x03app\xce"
    );
}
