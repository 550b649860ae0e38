//! Whole messages octet by octet, bodies by their address.

use super::*;

#[test]
fn a_message_is_written_as_the_specification_has_it() {
    let published = BasicProperties {
        content_type: Some(name("text/plain")),
        headers: headers([("x-a", FieldValue::U8(7)), ("retries", 3.into())]),
        delivery_mode: Some(2),
        message_id: Some(name("m")),
        ..Default::default()
    };
    let (header, sections) = to_10(&published, &[octets("hello")]);
    assert_eq!(header, Header { durable: Some(true), ..Default::default() });
    let expected: &[&[u8]] = &[
        b"\0\x53\x72\xc1\x29\x06",
        b"\xa3\x0ax-exchange\xa1\x01x",
        b"\xa3\x0dx-routing-key\xa1\x01k",
        b"\xa3\x03x-a\x50\x07",
        b"\0\x53\x73\xc0\x15\x07\xa1\x01m\x40\x40\x40\x40\x40\xa3\x0atext/plain",
        b"\0\x53\x74\xc1\x0c\x02\xa1\x07retries\x54\x03",
        b"\0\x53\x75\xb0\0\0\0\x05hello",
    ];
    assert_eq!(Bytes::from(sections), expected.concat());
}

#[test]
fn bodies_are_not_copied() {
    let body = [octets("hello, "), octets("world")];
    let converted = to_amqp10(&PropertyList::EMPTY, &body, ROUTED, &[]);
    let at = |parts: &[Bytes]| parts.iter().map(|part| part.as_ptr()).collect::<Vec<_>>();
    assert_eq!(at(&converted.sections[1..]), at(&body));

    let message = Message::parse(converted.sections).unwrap();
    assert_eq!(at(&to_amqp091(&message).unwrap().body), at(&body));

    let kind = BasicProperties { kind: Some(name("amqp-1.0")), ..Default::default() };
    let body = [octets("\0Sw\x41")];
    let converted = to_amqp10(&PropertyList::from(&kind), &body, ROUTED, &[]);
    assert_eq!(at(&converted.sections[1..]), at(&body));
    let message = Message::parse(converted.sections).unwrap();
    assert_eq!(at(&to_amqp091(&message).unwrap().body), at(&body));
}
