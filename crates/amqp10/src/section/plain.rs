//! Where the body begins of a message as most are, found by sizes alone: for whoever knows already
//! what stands before it.

use bytes::Bytes;

use crate::generated::{descriptor, format_code as code};

/// Where the body of a message begins: of one whose body is one data section, or one value of text
/// or octets, with nothing behind it. None: it is another kind of message, or none at all. Of the
/// sections before the body only the sizes are looked at.
#[inline]
pub fn plain_body(message: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let section = message.get(at..)?;
        let &[code::DESCRIBED, code::SMALLULONG, kind] = section.first_chunk()? else {
            return None;
        };
        let content = section.get(3..)?;
        match (u64::from(kind), *content.first()?) {
            (descriptor::DATA | descriptor::AMQP_VALUE, code::VBIN8 | code::VBIN32)
            | (descriptor::AMQP_VALUE, code::STR8_UTF8 | code::STR32_UTF8) => {
                return (size(content)? == content.len()).then_some(at);
            }
            (HEADER..=descriptor::APPLICATION_PROPERTIES, _) => at += 3 + size(content)?,
            _ => return None,
        }
    }
}

/// Where the body begins of a message of which perhaps not all is there. `None` when that cannot be
/// told: sections before it are larger than 64 KiB, or written in an unusual way.
pub fn body_offset(message: &[Bytes]) -> Option<usize> {
    let mut begin = Vec::new();
    for piece in message {
        let room = HEAD_MAX - begin.len();
        begin.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }
    let mut at = 0;
    loop {
        let section = begin.get(at..)?;
        let &[code::DESCRIBED, code::SMALLULONG, kind] = section.first_chunk()? else {
            return None;
        };
        match u64::from(kind) {
            descriptor::DATA | descriptor::AMQP_SEQUENCE | descriptor::AMQP_VALUE => {
                return Some(at);
            }
            HEADER..=descriptor::APPLICATION_PROPERTIES => {
                at = at.checked_add(3 + size(section.get(3..)?)?)?;
            }
            _ => return None,
        }
    }
}

/// How much is looked at for the beginning of the body.
const HEAD_MAX: usize = 64 << 10;

/// How many octets a value of variable length takes, its code and its length included.
#[inline]
fn size(value: &[u8]) -> Option<usize> {
    let (length, head) = match *value {
        [code::LIST0, ..] => (0, 1),
        [code, length, ..] if matches!(code >> 4, 0xa | 0xc) => (usize::from(length), 2),
        [code, a, b, c, d, ..] if matches!(code >> 4, 0xb | 0xd) => {
            (u32::from_be_bytes([a, b, c, d]) as usize, 5)
        }
        _ => return None,
    };
    length.checked_add(head)
}

/// The first of the sections.
const HEADER: u64 = <crate::messaging::Header as crate::Composite>::CODE;

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};

    use super::*;
    use crate::{
        Encode as _, Message, SectionKind,
        messaging::{Header, Properties},
        section::{Pieces, encode_data, encode_map_section, encode_sequence, encode_value},
    };

    fn head() -> BytesMut {
        let mut out = BytesMut::new();
        Header { durable: Some(true), ..Header::default() }.encode(&mut out);
        encode_map_section(SectionKind::MessageAnnotations, &mut out, |map| map.entry("a", &1_u8));
        Properties { subject: Some("s".repeat(300).into()), ..Properties::default() }
            .encode(&mut out);
        encode_map_section(SectionKind::ApplicationProperties, &mut out, |map| {
            map.entry("b", "text");
        });
        out
    }

    #[test]
    fn the_body_is_where_the_message_says() {
        for head in [BytesMut::new(), head()] {
            for size in [0, 5, 300] {
                let octets = Bytes::from(vec![b'x'; size]);
                for is_value in [false, true] {
                    let mut message = head.clone();
                    match is_value {
                        true => encode_value(&*"x".repeat(size), &mut message),
                        false => encode_data(&octets, &mut message),
                    }
                    assert_eq!(plain_body(&message), Some(head.len()));
                    let parsed = Message::parse(Pieces::from_iter([message.clone().freeze()]));
                    let body: Vec<u8> = parsed.unwrap().body().flatten().collect();
                    assert_eq!(body, &message[head.len()..]);
                    assert_eq!(plain_body(&message[..message.len() - 1]), None, "cut short");
                    encode_data(&octets, &mut message);
                    assert_eq!(plain_body(&message), None, "more sections");
                }
            }
        }
    }

    #[test]
    fn another_message_is_not_plain() {
        let mut sequence = head();
        encode_sequence(&[], &mut sequence);
        let mut number = head();
        encode_value(&7_u32, &mut number);
        let footer = b"\0\x53\x78\xc1\x01\0";
        for message in [&head()[..], &sequence, &number, footer, b"", b"\0\x53", b"\0\x53\x75\xb0"]
        {
            assert_eq!(plain_body(message), None, "{message:x?}");
        }
    }
}
