//! Octets that claim to be much more than they are: each is refused, and what was allocated by then
//! follows the octets that were sent, not the claim.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use amqp10::{
    Decode as _, FrameDecoder, Message, Performative, Reader, SaslFrame,
    limits::{VALUE_DEPTH_MAX, ZERO_WIDTH_ELEMENTS_MAX},
    section::Pieces,
    types::{Value, skip},
};
use bytes::{Bytes, BytesMut};

/// Runs it, and holds what it allocates against the octets it was given. A value in memory is up to
/// 40 times as large as on the wire, and a list grows by doubling.
fn bounded<T>(octets: usize, run: impl FnOnce() -> T) -> T {
    let mut done = None;
    let allocated = allocation_counter::measure(|| done = Some(run())).bytes_total;
    let bound = ((octets + ZERO_WIDTH_ELEMENTS_MAX) * 40 * 4 + 4096) as u64;
    assert!(allocated <= bound, "{allocated} octets allocated for {octets}, at most {bound}");
    done.unwrap()
}

/// A compound in the long encoding that claims so much.
fn claims(code: u8, size: u32, count: u32, rest: &[u8]) -> Vec<u8> {
    [&[code], &size.to_be_bytes()[..], &count.to_be_bytes(), rest].concat()
}

/// A compound of this content that claims so many elements.
fn filled(code: u8, count: u32, content: &[u8]) -> Vec<u8> {
    claims(code, u32::try_from(content.len() + 4).unwrap(), count, content)
}

fn bombs() -> Vec<Vec<u8>> {
    let mut bombs = Vec::new();
    let counts = [1 << 10, 1 << 16, 1 << 24, 1 << 31, u32::MAX - 1, u32::MAX];
    for count in counts {
        // Lists, maps and arrays of so many elements, in few octets.
        for code in [0xd0, 0xd1, 0xf0] {
            bombs.push(claims(code, count, count, b"\x43\x43"));
            bombs.push(filled(code, count, &[0x43; 10]));
        }
        // Arrays of elements without octets, and of arrays of them.
        for element in [0x40, 0x41, 0x42, 0x43, 0x44, 0x45] {
            bombs.push(filled(0xf0, count.max(2000), &[element]));
            let inner = claims(0xf0, 5, count.max(2000), &[element]);
            bombs.push(filled(0xf0, 2, &[&[0xf0], &inner[1..], &inner[1..]].concat()));
        }
        // Strings, symbols and binaries of so many octets.
        for code in [0xb0, 0xb1, 0xb3] {
            bombs.push([&[code], &count.to_be_bytes()[..], b"abc"].concat());
        }
        // Every width of an array's elements.
        for element in [0x50, 0x60, 0x70, 0x80, 0x94, 0xa0, 0xb0, 0xc0, 0xd0, 0xe0, 0xf0] {
            bombs.push(filled(0xf0, count, &[&[element], &[0; 40][..]].concat()));
        }
    }
    // Many small arrays of elements without octets: together they are bounded as well.
    let array = [&[0xe0, 2, 255][..], &[0x40]].concat();
    bombs.push(filled(0xd0, 100, &array.repeat(100)));
    // Deeper than anything is.
    for depth in [VALUE_DEPTH_MAX + 1, 1000, 100_000] {
        bombs.push([&vec![0; depth][..], &vec![0x40; depth + 1]].concat());
        bombs.push(filled(0xf0, 0, &[&b"\0\x40".repeat(depth)[..], &[0x40]].concat()));
    }
    for code in [0xd0, 0xf0] {
        let mut nested = vec![0x45];
        for _ in 0..1000 {
            nested = match code {
                0xd0 => filled(code, 1, &nested),
                _ => filled(code, 1, &[&[0xf0], &nested[1..]].concat()),
            };
        }
        bombs.push(nested);
    }
    bombs
}

#[test]
fn a_bomb_is_refused_at_the_cost_of_its_octets() {
    let mut cases = 0;
    for bomb in bombs() {
        let octets = Bytes::from(bomb);
        let length = octets.len();
        let value = bounded(length, || Value::decode(&mut Reader::new(&octets)));
        assert!(value.is_err(), "{:x?} is a value", &octets[..length.min(40)]);
        // Walking over it keeps nothing.
        bounded(0, || skip(&mut Reader::new(&octets))).unwrap_err();
        cases += 1;
    }
    assert!(cases > 200, "{cases}");
}

#[test]
fn a_bomb_in_any_place_of_a_frame_or_a_message_is_refused_at_the_cost_of_its_octets() {
    let mut cases = 0;
    for bomb in bombs() {
        // In place of a performative, its first field, its list; in place of a section's value.
        for descriptor in (0x10..=0x18).chain(0x40..=0x44).chain(0x70..=0x78) {
            let whole = [&[0, 0x53, descriptor], &bomb[..]].concat();
            let field = [&[0, 0x53, descriptor], &filled(0xd0, 1, &bomb)[..]].concat();
            let reason = [&[0, 0x53, descriptor, 0xd0, 0, 0, 0, 4, 0, 0, 0, 1], &bomb[..]].concat();
            for octets in [whole, field, reason] {
                let octets = Bytes::from(octets);
                let length = octets.len();
                let read = || {
                    let performative = Performative::decode(&mut Reader::new(&octets));
                    assert!(performative.is_err(), "{octets:x?}");
                    assert!(SaslFrame::decode(&mut Reader::new(&octets)).is_err());
                    let pieces = Pieces::from_iter([octets.clone()]);
                    let Ok(message) = Message::parse(pieces) else { return };
                    // A section is looked into only when somebody asks.
                    let _ = (message.header(), message.properties(), message.value());
                    for map in [message.message_annotations(), message.application_properties()] {
                        let _ = map.map(|it| (it.get("key"), it.to_map()));
                    }
                };
                bounded(6 * length, read);
                cases += 1;
            }
        }
    }
    assert!(cases > 10_000, "{cases}");
}

#[test]
fn a_frame_that_claims_to_be_large_makes_no_room() {
    for size in [8193, 1 << 20, u32::MAX] {
        let mut buffer = BytesMut::from(&size.to_be_bytes()[..]);
        buffer.extend_from_slice(&[2, 0, 0, 0]);
        let mut decoder = FrameDecoder::new();
        assert!(decoder.missing(&buffer) <= 8192);
        bounded(8, || decoder.decode(&mut buffer)).unwrap_err();
    }
}
