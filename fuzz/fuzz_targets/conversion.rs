//! A message from AMQP 0-9-1 to AMQP 1.0 or the other way; the first octet says from where, the
//! second where to cut. What crosses can be read on the other side, and crosses back; once it has,
//! nothing changes any more.
#![no_main]

use amqp10::{Encode as _, Message, limits::ZERO_WIDTH_ELEMENTS_MAX, section::Pieces};
use amqp091::PropertyList;
use bytes::{Bytes, BytesMut};
use conversion::{Amqp10Message, Routed, to_amqp10, to_amqp091};

const ROUTED: Routed<'_> = Routed { exchange: "x", routing_key: "k" };

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Some((&[from, cut], input)) = octets.split_first_chunk() else { return };
    let cut = usize::from(cut).min(input.len());
    // Read, sorted, and written.
    let bound = 3 * (octets.len() + ZERO_WIDTH_ELEMENTS_MAX);
    if from % 2 == 0 {
        let (list, body) = input.split_at(input.len() - cut);
        let Ok(list) = PropertyList::parse(Bytes::copy_from_slice(list)) else { return };
        let body = [Bytes::copy_from_slice(body)];
        settles(&bounded::bounded(bound, || to_amqp10(&list, &body, ROUTED, &[])));
    } else {
        let (first, second) = input.split_at(cut);
        let pieces = [first, second].map(Bytes::copy_from_slice);
        let Ok(message) = Message::parse(Pieces::from_iter(pieces)) else { return };
        let Ok(converted) = bounded::bounded(bound, || to_amqp091(&message)) else { return };
        let list = PropertyList::from(&converted.properties);
        assert_eq!(list.decode(), Ok(converted.properties));
        settles(&to_amqp10(&list, &converted.body, ROUTED, &[]));
    }
});

/// What crosses can be read, and crosses back; once it has, nothing changes any more.
fn settles(there: &Amqp10Message) {
    let once = again(there);
    let twice = again(&once);
    assert_eq!(once.header, twice.header);
    assert_eq!(once.sections.concat(), twice.sections.concat());
}

/// To 0-9-1 and back.
fn again(there: &Amqp10Message) -> Amqp10Message {
    let mut header = BytesMut::new();
    there.header.encode(&mut header);
    let pieces = std::iter::once(header.freeze()).chain(there.sections.iter().cloned());
    let message = Message::parse(pieces.collect()).expect("what is written can be read");
    let back = to_amqp091(&message).expect("what is written can be read");
    let list = PropertyList::from(&back.properties);
    assert_eq!(list.decode().as_ref(), Ok(&back.properties));
    to_amqp10(&list, &back.body, ROUTED, &[])
}
